"""Names, modules and stubs in every layout, at import and in plugins: a probe sees them there too.

Each row is a repository: its files, what must be among the sights, and which names it owns.
"""

from __future__ import annotations

import pytest

from tests.sandbox.probes import Asked

Row = tuple[dict[str, str], tuple[str, ...], tuple[str, ...], tuple[str, ...]]

CASES: dict[str, Row] = {
    "star": (
        {
            "pkg/m.py": "def a(): return 1\n",
            "tests/test_a.py": "from pkg.m import *\ndef test_a():\n    assert a() == 1\n    assert gone(2) == 3\n",
        },
        ("name pkg.m:gone", "call pkg.m:gone"),
        ("pkg",),
        (),
    ),
    "starall": (
        {
            "pkg/m.py": "__all__ = ['a', 'gone']\ndef a(): return 1\n",
            "tests/test_a.py": "from pkg.m import *\ndef test_a():\n    assert a() == 1\n    assert gone(2) == 3\n",
        },
        ("name pkg.m:gone star", "call pkg.m:gone"),
        ("pkg",),
        (),
    ),
    "starmissing": (
        {
            "tests/test_a.py": "from pkg.m import *\nX = gone(1)\ndef test_a():\n    assert other(2) == 3\n",
        },
        ("name pkg.m:gone", "call pkg.m:other"),
        ("pkg",),
        (),
    ),
    "importtime": (
        {
            "pkg/m.py": "from pkg.h import table\nT = table(3)\ndef get(): return T[0]\n",
            "pkg/h.py": "def table(n):\n    raise NotImplementedError\n",
            "tests/test_a.py": "from pkg import m\ndef test_a(): assert m.get() == 1\n",
        },
        ("call pkg.h:table",),
        ("pkg",),
        ("pkg/h.py::table",),
    ),
    "importname": (
        {
            "pkg/m.py": "T = [helper(i) for i in range(2)]\ndef get(): return T[0]\n",
            "tests/test_a.py": "from pkg import m\ndef test_a(): assert m.get() == 1\n",
        },
        ("name pkg.m:helper", "call pkg.m:helper"),
        ("pkg",),
        (),
    ),
    "importmember": (
        {
            "pkg/m.py": "class A:\n    pass\nX = A().go(1)\nclass B:\n    Y = A.make(2)\n",
            "tests/test_a.py": "from pkg import m\ndef test_a(): assert m.X == 1\n",
        },
        ("member pkg.m:A.go instance called", "member pkg.m:A.make class called"),
        ("pkg",),
        (),
    ),
    "decorimport": (
        {
            "pkg/m.py": "from pkg.d import reg\n@reg('x')\ndef f(x): return x\n",
            "pkg/d.py": "def reg(n):\n    raise NotImplementedError\n",
            "tests/test_a.py": "from pkg import m\ndef test_a(): assert m.f(1) == 1\n",
        },
        ("call pkg.d:reg",),
        ("pkg",),
        ("pkg/d.py::reg",),
    ),
    "conftest": (
        {
            "conftest.py": "import pytest\nfrom pkg.m import Gone\n@pytest.fixture\ndef thing(): return Gone(1)\n",
            "tests/test_a.py": "def test_a(thing): assert thing.x == 1\n",
        },
        ("call pkg.m:Gone",),
        ("pkg",),
        (),
    ),
    "conftestname": (
        {
            "pkg/m.py": "x = 1\n",
            "conftest.py": "import pytest, pkg.m\nZ = pkg.m.gone(1)\n@pytest.fixture\ndef thing(): return Z\n",
            "tests/test_a.py": "def test_a(thing): assert thing == 1\n",
        },
        ("call pkg.m:gone",),
        ("pkg",),
        (),
    ),
    "table": (
        {
            "pkg/m.py": "class A:\n    pass\n",
            "tests/test_a.py": "import pytest\nfrom pkg.m import A\n@pytest.mark.parametrize('a', [A.build(1), A().go()])\ndef test_a(a): assert a.x == 1\n",
        },
        ("member pkg.m:A.build class called", "member pkg.m:A.go instance called"),
        ("pkg",),
        (),
    ),
    "testclass": (
        {
            "tests/test_a.py": "from pkg.m import Base\nclass TestX(Base):\n    def test_a(self): assert self.calc(1) == 1\n",
        },
        (),
        ("pkg",),
        (),
    ),
    "mixin": (
        {
            "pkg/m.py": "class A: pass\n",
            "tests/test_a.py": "from pkg.m import A\nclass Mine(A):\n    def go(self): return self.base_thing(2)\ndef test_a(): assert Mine().go() == 1\n",
        },
        ("member pkg.m:A.base_thing instance called",),
        ("pkg",),
        (),
    ),
    "spec": (
        {
            "plugins/x.py": "def f(a):\n    raise NotImplementedError\ndef g(): return hh(1)\n",
            "tests/test_a.py": "import importlib.util, os\ndef load():\n    p=os.path.join(os.path.dirname(os.path.dirname(__file__)),'plugins','x.py')\n    s=importlib.util.spec_from_file_location('odd_name', p)\n    m=importlib.util.module_from_spec(s)\n    s.loader.exec_module(m)\n    return m\ndef test_a(): assert load().f(1) == 1\n",
        },
        ("call odd_name:f",),
        ("pkg",),
        ("plugins/x.py::f",),
    ),
    "namespace": (
        {
            "ns/sub/a.py": "x=1\n",
            "tests/test_a.py": "from ns.sub import gone\nimport ns.sub.b as b\nimport ns.sub.a\ndef test_a():\n    assert gone(1) == 1\n    assert b.f(1) == 2\n",
        },
        ("call ns.sub:gone", "call ns.sub.b:f"),
        ("ns",),
        (),
    ),
    "toplevel": (
        {
            "tests/test_a.py": "import calc\nfrom other_tool import go\ndef test_a():\n    assert calc.f(1) == 1\n    assert go(2) == 3\n",
        },
        ("call calc:f", "call other_tool:go"),
        ("pkg",),
        (),
    ),
    "stdlibname": (
        {
            "statistics/__init__.py": "def mean2(x):\n    raise NotImplementedError\n",
            "types.py": "x=1\n",
            "tests/test_a.py": "import statistics\ndef test_a(): assert statistics.mean2([1]) == 1\n",
        },
        ("call statistics:mean2",),
        ("statistics", "types"),
        ("statistics/__init__.py::mean2",),
    ),
    "metapath": (
        {
            "pkg/__init__.py": "import sys\nclass F:\n    def find_spec(self, *a): return None\nsys.meta_path.insert(0, F())\n",
            "tests/test_a.py": "from pkg.m import f\ndef test_a(): assert f(1) == 1\n",
        },
        ("call pkg.m:f",),
        ("pkg",),
        (),
    ),
    "metaclear": (
        {
            "pkg/__init__.py": "import sys\nimport importlib.machinery as m\nsys.meta_path[:] = [m.BuiltinImporter, m.FrozenImporter, m.PathFinder]\n",
            "pkg/k.py": "def g(x):\n    raise NotImplementedError\n",
            "tests/test_a.py": "from pkg.k import g, lost\ndef test_a():\n    assert g(1) == 1\n    assert lost(1) == 2\n",
        },
        ("call pkg.k:g", "call pkg.k:lost"),
        ("pkg",),
        ("pkg/k.py::g",),
    ),
    "circular": (
        {
            "pkg/a.py": "from pkg.b import fb\ndef fa(): return fb()\n",
            "pkg/b.py": "from pkg import a\nfrom pkg.a import missing_helper\ndef fb(): return missing_helper(1)\n",
            "tests/test_a.py": "from pkg.a import fa\ndef test_a(): assert fa() == 1\n",
        },
        ("call pkg.a:missing_helper",),
        ("pkg",),
        (),
    ),
    "tworoots": (
        {
            "src/pkg/__init__.py": "def f(x): return 1\n",
            "pkg/__init__.py": "def g(x): return 1\n",
            "tests/test_a.py": "import pkg\ndef test_a():\n    assert pkg.lost(1) == 1\n",
        },
        ("call pkg:lost",),
        ("pkg",),
        (),
    ),
    "doctest": (
        {
            "pkg/m.py": 'def f(x):\n    """F.\n\n    >>> f(2)\n    4\n    >>> f(-1)\n    Traceback (most recent call last):\n        ...\n    ValueError: no\n    """\n    raise NotImplementedError\n',
            "tests/test_a.py": "import doctest, pkg.m\ndef test_a():\n    assert doctest.testmod(pkg.m).failed == 0\n",
        },
        ("call pkg.m:f",),
        ("pkg",),
        ("pkg/m.py::f",),
    ),
    "hyp": (
        {
            "tests/test_a.py": "from hypothesis import given, strategies as st, settings\nfrom pkg.m import f\n@given(st.integers(), st.booleans())\n@settings(max_examples=20)\ndef test_a(x, s): assert f(x, s) == x\n",
        },
        ("call pkg.m:f",),
        ("pkg",),
        (),
    ),
    "sameaspkg": (
        {
            "slug/__init__.py": "from slug.slug import slug\n",
            "tests/test_a.py": "from slug import slug\ndef test_a(): assert slug('x') == 'x'\n",
        },
        ("call slug.slug:slug",),
        ("slug",),
        (),
    ),
    "importfunc": (
        {
            "tests/test_a.py": "from pp import pp\nimport pp as q\ndef test_a():\n    assert pp(1) == 1\n    assert q.pp(1) == 1\n",
        },
        ("call pp:pp",),
        ("pp",),
        (),
    ),
    "relimport": (
        {
            "pkg/m.py": "from .util import clamp\nfrom . import helpers\ndef f(x): return clamp(x) + helpers.g(x)\n",
            "tests/test_a.py": "from pkg.m import f\ndef test_a(): assert f(1) == 1\n",
        },
        ("call pkg.util:clamp", "call pkg:helpers.g"),
        ("pkg",),
        (),
    ),
    "reload": (
        {
            "pkg/m.py": "def f(x):\n    raise NotImplementedError\n",
            "tests/test_a.py": "import importlib, pkg.m\ndef test_a():\n    importlib.reload(pkg.m)\n    assert pkg.m.f(1) == 1\n    assert pkg.m.g(1) == 1\n",
        },
        ("call pkg.m:f", "call pkg.m:g"),
        ("pkg",),
        ("pkg/m.py::f",),
    ),
    "clickrun": (
        {
            "pkg/cli.py": "import click\n@click.command()\n@click.argument('n', type=int)\ndef main(n):\n    click.echo(compute(n))\n",
            "tests/test_a.py": "from click.testing import CliRunner\nfrom pkg.cli import main\ndef test_a():\n    r = CliRunner().invoke(main, ['3'])\n    assert r.output == '9\\n'\n",
        },
        ("call pkg.cli:compute",),
        ("pkg",),
        (),
    ),
    "setupmodule": (
        {
            "tests/test_a.py": "from pkg.m import conn\ndef setup_module(m):\n    m.C = conn('x')\nclass TestA:\n    def setup_method(self): self.y = C.cursor()\n    def test_a(self): assert self.y.run(1) == 1\n",
        },
        ("call pkg.m:conn().cursor",),
        ("pkg",),
        (),
    ),
    "threads": (
        {
            "pkg/m.py": "def f(x): return gg(x)\n",
            "tests/test_a.py": "import threading\nfrom pkg.m import f\ndef test_a():\n    out=[]\n    t=[threading.Thread(target=lambda i=i: out.append(f(i))) for i in range(3)]\n    [x.start() for x in t]; [x.join() for x in t]\n    assert len(out) == 3\n",
        },
        ("call pkg.m:gg",),
        ("pkg",),
        (),
    ),
    "dupclasses": (
        {
            "pkg/m.py": "def mk(n):\n    class K:\n        pass\n    return K()\n",
            "tests/test_a.py": "from pkg.m import mk\ndef test_a(): assert mk(1).go(2) == 1\n",
        },
        ("member pkg.m:mk.<locals>.K.go instance called",),
        ("pkg",),
        (),
    ),
    "plugin": (
        {
            "pkg/plug.py": "import pytest\n@pytest.fixture\ndef fx():\n    return build(2)\n",
            "conftest.py": "pytest_plugins = ['pkg.plug']\n",
            "tests/test_a.py": "def test_a(fx): assert fx.x == 1\n",
        },
        ("call pkg.plug:build",),
        ("pkg",),
        (),
    ),
    "builtinspatch": (
        {
            "pkg/m.py": "def ask(): return input('x')\ndef p(x): print(x)\n",
            "tests/test_a.py": "import pkg.m\ndef test_a(monkeypatch):\n    monkeypatch.setattr('builtins.input', lambda q: 'y')\n    assert pkg.m.ask() == 'y'\n    from unittest import mock\n    with mock.patch('builtins.print') as p:\n        pkg.m.p(3)\n    p.assert_called_with(3)\n    with mock.patch('builtins.open', mock.mock_open(read_data='q')):\n        assert open('x').read() == 'q'\n",
        },
        (),
        ("pkg",),
        (),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_seen_and_the_tests_end(name: str) -> None:
    files, wanted, own, stubs = CASES[name]
    asked = Asked({"pkg/__init__.py": "", **files}, stubs, own)
    with asked.executor:
        assert not asked.collection.errors
        told: list[str] = []
        for test in asked.collection.node_ids:
            name = test.rpartition("::")[2]
            told += asked.told(name)
            assert asked.search(name).status == "passed"
    words = [line.partition(" (")[0] for line in told]
    assert set(wanted) <= set(words), "\n".join(told)


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import numpy_like\nexcept ImportError:\n    numpy_like = None\n",
        "import pytest\nnumpy_like = None\npytest.importorskip('flask_like', reason='x')\n",
        "import contextlib\nnumpy_like = None\nwith contextlib.suppress(ImportError):\n    import z\n",
    ],
)
def test_a_module_whose_absence_is_allowed_for_is_not_made(text: str) -> None:
    asked = Asked({"tests/test_it.py": text + "def test_a():\n    assert numpy_like is None\n"})
    with asked.executor:
        assert not asked.told()


def test_a_process_that_a_test_starts_is_named_as_what_is_not_seen() -> None:
    text = """
        import subprocess, sys
        def test_a():
            assert subprocess.run([sys.executable, "-m", "pkg.gone"]).returncode == 0
    """
    asked = Asked({"pkg/__init__.py": "", "tests/test_it.py": text})
    with asked.executor:
        evidence = asked.run("test_a").evidence
    assert evidence is not None
    assert any("starts a process" in one for one in evidence.notes)


def test_a_module_of_a_declared_distribution_is_not_made() -> None:
    files = {"tests/test_it.py": "import flask_like\ndef test_a():\n    pass\n"}
    asked = Asked(files, declared=("flask_like",))
    with asked.executor:
        (error,) = asked.collection.errors
        assert error.fault.type_name == "ModuleNotFoundError"


def test_a_guarded_import_of_ours_is_the_last_thing_that_is_suggested() -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/m.py": """
            try:
                from pkg.speed import f
            except ImportError:
                f = None
        """,
        "tests/test_it.py": "from pkg.m import f\ndef test_a():\n    assert f(1) == 1\n",
    }
    asked = Asked(files)
    with asked.executor:
        evidence = asked.run("test_a").evidence
        assert evidence is not None
        lesson = evidence.suggestions[-1]
        assert (lesson.kind, lesson.key) == ("module", "pkg.speed")
    again = Asked(files, lessons=(lesson,))
    with again.executor:
        assert "call pkg.speed:f (1) -> eq 1" in again.told("test_a")
