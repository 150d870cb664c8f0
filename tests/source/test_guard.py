"""The guard finds what a written function must not do, and leaves ordinary functions alone."""

from __future__ import annotations

import pytest

from egbot.source import guard

_BASE = """\
import os
import sys
import math
import shutil
import inspect
from collections import OrderedDict


class Helper:
    level = 1


def check(value):
    return value


def target(a, b=None):
    pass
"""


def _file(body: str, base: str = _BASE, imports: str = "") -> bytes:
    lines = "".join(f"    {line}\n" for line in body.strip("\n").split("\n"))
    return (imports + base.replace("    pass\n", lines)).encode()


def _vetoes(body: str, base: str = _BASE, imports: str = "") -> tuple[str, ...]:
    return guard.vetoes(base.encode(), _file(body, base, imports), "target")


ATTACKS = [
    # frames
    "return sys._getframe(1).f_locals['expected']",
    "return inspect.stack()[1]",
    "return inspect.currentframe().f_back",
    "from inspect import currentframe as c\nreturn c()",
    "import inspect as i\nreturn i.getouterframes(a)",
    "g = (x for x in [])\nreturn g.gi_frame",
    "try:\n    1 / 0\nexcept Exception as e:\n    return e.__traceback__.tb_frame",
    "return a.f_globals",
    "import traceback\nreturn traceback.extract_stack()",
    "return sys._current_frames()",
    "return getattr(sys, '_getframe')(1)",
    "return getattr(sys, '_get' + 'frame')(1)",
    "return getattr(sys, f'_get{\"frame\"}')(1)",
    "return getattr(sys, b)(1)",
    "return getattr(a, 'f_ba' + 'ck')",
    "return getattr(a, chr(95) * 2)",
    "return getattr(a, '__globals__')",
    "return hasattr(a, 'tb_frame') and a",
    # ending the process
    "os._exit(0)",
    "os.kill(os.getpid(), 9)",
    "os.abort()",
    "sys.exit(0)",
    "exit()",
    "quit(0)",
    "raise SystemExit",
    "raise SystemExit(0)",
    "raise KeyboardInterrupt",
    "e = SystemExit\nraise e",
    "import os as o\no._exit(0)",
    "from os import _exit as e\ne(0)",
    "from os import kill\nkill(1, 9)",
    "import posix\nposix._exit(0)",
    "shutil.os._exit(0)",
    "shutil.sys.exit(0)",
    "getattr(os, '_exit')(0)",
    "getattr(os, '_ex' + 'it')(0)",
    "getattr(os, ''.join(['_', 'exit']))(0)",
    "o = os\no._exit(0)",
    "[os][0]._exit(0)",
    "check(os)",
    "os.__dict__['_exit'](0)",
    "vars(os)['_exit'](0)",
    "a.os._exit(0)",
    "import signal\nsignal.alarm(1)",
    "import atexit\natexit.register(print)",
    "import _thread\n_thread.interrupt_main()",
    "import threading\nthreading.settrace(None)",
    "os.fork()",
    "x = exit\nx()",
    # the interpreter
    "import gc\nreturn gc.get_objects()",
    "import ctypes\nreturn ctypes.c_int()",
    "from ctypes import c_int\nreturn c_int",
    "sys.settrace(None)",
    "sys.setprofile(None)",
    "sys.monitoring.use_tool_id(0, 'x')",
    "return target.__globals__",
    "return target.__code__",
    "check.__code__ = target.__code__",
    "return target.__closure__",
    "return object.__subclasses__()",
    "return ().__class__.__base__.__subclasses__()",
    "return __builtins__['eval']",
    "import builtins\nbuiltins.print = None",
    "return '{0.__globals__}'.format(check)",
    "import operator\nreturn operator.attrgetter('__globals__')(check)",
    "import operator\nreturn operator.attrgetter('a.__code__')(check)",
    "breakpoint()",
    "return input()",
    "return globals()['check']",
    # code and imports from text
    "return eval(a)",
    "exec(a)",
    "return compile(a, '', 'exec')",
    "return __import__(a)",
    "return __import__('gc')",
    "return eval('__import__(\"os\")._exit(0)')",
    "exec('import gc')",
    "import importlib\nreturn importlib.import_module(a)",
    "from importlib import import_module as m\nreturn m('os')",
    "f = eval\nreturn f(a)",
    "return list(map(eval, a))",
    "import builtins as q\nreturn q.eval(a)",
    "from builtins import exec as run\nrun(a)",
    # tests
    "import pytest\npytest.skip()",
    "import unittest\nraise unittest.SkipTest",
    "from unittest.mock import ANY\nreturn ANY",
    "from _pytest.outcomes import Skipped as s\nraise s()",
    "return os.environ.get('PYTEST_CURRENT_TEST')",
    "return 'pytest' in sys.modules",
    "sys.modules['math'] = None",
    "from sys import modules as m\nm.clear()",
    "return open('tests/test_target.py').read()",
    "return open('test_target.py').read()",
    "return open('tests/data.json').read()",
    "from pathlib import Path\nreturn Path('tests').iterdir()",
    "return open('te' + 'st_x.py').read()",
    "return open('conftest.py').read()",
    "return open('/proc/self/mem')",
    "from tests.test_target import EXPECTED\nreturn EXPECTED",
    "import test_target\nreturn test_target.EXPECTED",
    "import conftest\nreturn conftest",
    # outside
    "import subprocess\nsubprocess.run(['ls'])",
    "os.system('ls')",
    "os.popen('ls')",
    "os.execv('/bin/true', [])",
    "import socket\nreturn socket.socket()",
    "import urllib.request\nreturn urllib.request.urlopen(a)",
    "from urllib import request as r\nreturn r.urlopen(a)",
    "os.write(3, b'x')",
    "return open(3, 'w')",
    # changes to others
    "math.pi = 3",
    "OrderedDict.get = None",
    "check.cache = 1",
    "Helper.level = 2",
    "Helper.level += 1",
    "del math.pi",
    "setattr(math, 'pi', 3)",
    "setattr(math, a, 3)",
    "delattr(Helper, 'level')",
    "a.__class__ = Helper",
    "type(a).__eq__ = lambda s, o: True",
    "type(a).value = 3",
    "global check\ncheck = lambda value: True",
    "global len\nlen = lambda value: 0",
    "object.__getattribute__(os, '_exit')(0)",
    "sys.stdout = None",
    "for math.pi in a:\n    pass",
    # answers that are equal to anything
    "class Any:\n    def __eq__(self, other):\n        return True\nreturn Any()",
    "class Any:\n    def __eq__(self, other):\n        return self.a == self.a\nreturn Any()",
    "class Any:\n    __eq__ = lambda self, other: True\nreturn Any()",
    "class Any:\n    def __ne__(self, other):\n        return False\nreturn Any()",
    "return type('Any', (), {'__eq__': lambda self, other: True})()",
    # ways around
    "return print.__self__.exec(a)",
    "x = getattr(print, '__self__')\nx.len = 3",
    "import logging\nreturn getattr(getattr(logging, 'os'), 'kill')(1, 9)",
    "import operator\nreturn operator.methodcaller('_exit', 0)(a)",
    "from os import path\nreturn path.os.abort()",
    "with open(a) as math.pi:\n    pass",
    # in nested places
    "def inner():\n    os._exit(0)\nreturn inner()",
    "return [os._exit(x) for x in a]",
    "return (lambda: os._exit(0))()",
    "def inner(x=os._exit):\n    return x",
    "def inner():\n    exit = 1\n    return exit\nexit()",
    "match a:\n    case 1:\n        os._exit(0)",
    # what the file does not use, or what a name alone cannot show
    "return os.environ.get('HOME', '')",
    "return getattr(math, b)(a)",
    "class Point:\n    def __eq__(self, other):\n        return self.x == other.x",
    "class Flag:\n    def __bool__(self):\n        return self.on",
    "return eval('1 + 2')",
    "return open(a).read()",
    "sys.setrecursionlimit(5000)",
    "return getattr(str, b)(a)",
    "import logging\nreturn getattr(logging, b.upper())",
    "object.__setattr__(a, 'x', 1)",
    "kind = type('Row', (), {'__eq__': b})\nreturn kind()",
    "kind = type('Row', (), dict(size=3))\nreturn kind()",
]


@pytest.mark.parametrize("body", ATTACKS)
def test_attack_is_vetoed_with_its_line(body: str) -> None:
    found = _vetoes(body)
    assert found
    start = _file(body).decode().split("\n").index("def target(a, b=None):") + 1
    for text in found:
        assert text.startswith("Line ")
        assert text.endswith(".")
        assert start <= int(text.split()[1].rstrip(":")) <= start + body.count("\n") + 1


ORDINARY = [
    "kind = type('Row', (), {'size': 3})\nreturn kind()",
    "return [x for x in a if x]",
    "while True:\n    if a:\n        break\nreturn a",
    "return os.path.join(a, 'x')",
    "return math.sqrt(a) + math.pi",
    "return getattr(a, 'name', None)",
    "return getattr(a, b, None)",
    "return getattr(a, 'visit_' + b.__class__.__name__)",
    "return getattr(a, '__name__', type(a).__name__)",
    "setattr(a, b, 1)",
    "a.value = 1",
    "exit = a\nreturn exit",
    "input = a\nreturn [input for input in b]",
    "compile = a\nreturn compile(b)",
    "import re\nreturn re.compile(a)",
    "try:\n    return a()\nexcept (KeyboardInterrupt, SystemExit):\n    raise",
    "return isinstance(a, SystemExit)",
    "'''Like sys._getframe, for test_target.py; see __globals__.'''\nreturn a",
    "return 'latest.py' + a + 'contest'",
    "return (type(a), a, a.__traceback__)",
    "return a.test_data['protest.txt']",
    "print(a, file=sys.stderr)",
    "return a.exit() or a.system or a.stack() or a.trace",
    "return inspect.signature(a)",
    "from types import FunctionType\nreturn isinstance(a, FunctionType)",
    "from urllib.parse import quote\nreturn quote(a)",
    "import time\nreturn time.time()",
    "def helper(n):\n    return helper(n - 1) if n else 0\nreturn helper(a)",
    "global _cache\n_cache = a",
]


@pytest.mark.parametrize("body", ORDINARY)
def test_ordinary_function_is_let_through(body: str) -> None:
    assert _vetoes(body) == ()


def test_parameters_named_like_builtins_are_ordinary() -> None:
    base = "def target(input, eval, exit):\n    pass\n"
    after = b"def target(input, eval, exit):\n    return input, eval(exit)\n"
    assert guard.vetoes(base.encode(), after, "target") == ()


def test_process_and_network_are_allowed_where_the_file_used_them() -> None:
    base = "import subprocess\nimport os\nos.system('true')\nsubprocess.run(['ls'])\n"
    base += "def target():\n    pass\n"
    after = base.replace("    pass", "    os.system('ls')\n    return subprocess.run(['ls'])")
    assert guard.vetoes(base.encode(), after.encode(), "target") == ()
    other = base.replace("    pass", "    return os.popen('ls')")
    assert "os.popen" in guard.vetoes(base.encode(), other.encode(), "target")[0]


def test_added_import_is_checked_like_the_function() -> None:
    found = _vetoes("return a", imports="from os import _exit as done\nimport ctypes\n")
    assert [text.split(":")[0] for text in found] == ["Line 1", "Line 2"]


def test_alias_from_an_added_import_is_followed() -> None:
    assert len(_vetoes("leave(0)", imports="from os import _exit as leave\n")) == 2


def test_imports_that_the_file_had_are_not_held_against_the_function() -> None:
    base = "import gc\nimport pytest\n" + _BASE
    assert _vetoes("return a", base=base) == ()
    assert _vetoes("return gc.collect()", base=base)


def test_new_file_is_checked_as_a_whole() -> None:
    after = b"import gc\n\n\ndef target():\n    return 1\n"
    assert guard.vetoes(None, after, "target") == (
        "Line 1: it uses gc; a maintainer may allow it: [tool.egbot.guard] allow = ['gc'].",
    )


def test_method_may_change_its_own_class_but_no_other() -> None:
    base = "class A:\n    n = 0\n\n    def f(self):\n        pass\n\n\nclass B:\n    n = 0\n"
    own = base.replace("pass", "A.n += 1; type(self).n = 2; self.n = 3")
    other = base.replace("pass", "B.n += 1")
    assert guard.vetoes(base.encode(), own.encode(), "A.f") == ()
    assert guard.vetoes(base.encode(), other.encode(), "A.f") == (
        "Line 5: it changes B.n, which belongs to others.",
    )


def test_attacks_in_defaults_decorators_and_annotations_are_found() -> None:
    after = _BASE.replace(
        "def target(a, b=None)", "@os._exit\ndef target(a: sys.exit(), b=eval(a))"
    )
    assert len(guard.vetoes(_BASE.encode(), after.encode(), "target")) == 4


@pytest.mark.parametrize("after", [b"def target(:\n", b"\xff", b"x = 1\0", b"x = 1\n"])
def test_unreadable_candidate_is_a_veto_and_no_error(after: bytes) -> None:
    assert len(guard.vetoes(_BASE.encode(), after, "target")) == 1


def test_deep_nesting_is_a_veto_and_no_error() -> None:
    deep = "def target():\n    return " + "+".join(["1"] * 3000) + "\n"
    assert len(guard.vetoes(None, deep.encode(), "target")) == 1


def test_list_of_vetoes_is_bounded() -> None:
    body = "\n".join(f"os._exit({n})" for n in range(100))
    assert len(_vetoes(body)) == 20


@pytest.mark.parametrize(
    "evil", ["import os\nos._exit(0)\n", "eval('1')\n", "X = open('x').read()\n"]
)
def test_what_stands_beside_the_function_is_looked_at_too(evil: str) -> None:
    base = "class A:\n    def f(self):\n        pass\n"
    after = base.replace("pass\n", f"return 1\n{evil}")
    assert guard.vetoes(base.encode(), after.encode(), "A.f")
    assert guard.vetoes(base.encode(), f"{evil}{after}".encode(), "A.f")
