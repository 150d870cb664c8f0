"""Any way of reaching a function that is a stub, or that code which exists lacks: a probe sees it.

Each row is the body of a test, and what must be among the sights; each test ends well against
recorders.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.probes import Asked, closing, module_of

CORE = """
import abc, functools, typing, enum, dataclasses
class Shape:
    def __init__(self, w): self.w = w
    def area(self): raise NotImplementedError("subclasses do this")
    def describe(self): return f"{self.name()}!"
    @property
    def size(self): return self._size
    @property
    def ro(self):
        raise NotImplementedError
    @property
    def rw(self): return 1
    @rw.setter
    def rw(self, v):
        raise NotImplementedError
    @rw.deleter
    def rw(self):
        raise NotImplementedError
    @staticmethod
    def st(x):
        raise NotImplementedError
    @classmethod
    def cl(cls, x):
        raise NotImplementedError
    def swallow(self):
        try:
            return self.gone_one(3)
        except Exception:
            return None
    class Inner:
        def deep(self, x):
            raise NotImplementedError
class Rect(Shape):
    pass
class Circle(Shape):
    def area(self): return 3
class Base: pass
class A(Base): pass
class B(Base): pass
class Loud(Base):
    def info(self): return super().info() + "!"
def swallow_global():
    try:
        return nobody(4)
    except Exception:
        return None
def deco(f):
    @functools.wraps(f)
    def w(*a, **k): return f(*a, **k)
    return w
@deco
def decorated(x):
    raise NotImplementedError
if True:
    def cond(x):
        raise NotImplementedError
else:
    def cond(x):
        raise NotImplementedError
@functools.singledispatch
def disp(x): return "any"
@disp.register
def _(x: int):
    raise NotImplementedError
@disp.register
def _(x: str):
    raise NotImplementedError
@typing.overload
def over(x: int) -> int: ...
@typing.overload
def over(x: str) -> str: ...
def over(x):
    raise NotImplementedError
class AbstractThing(abc.ABC):
    @abc.abstractmethod
    def go(self): ...
    @abc.abstractmethod
    def half(self):
        raise NotImplementedError
class Thing(AbstractThing):
    def go(self): return 1
TABLE = {}
def reg(n):
    def d(f):
        TABLE[n] = f
        return f
    return d
@reg("add")
def _add(a, b):
    raise NotImplementedError
TABLE["late"] = lambda x: later(x)
async def co(x):
    raise NotImplementedError
class Meta(type):
    def __call__(cls, *a):
        raise NotImplementedError
class WithMeta(metaclass=Meta): pass
@dataclasses.dataclass
class P:
    x: int
    def norm(self):
        raise NotImplementedError
class Color(enum.Enum):
    RED = 1
    def mix(self, o):
        raise NotImplementedError
def silent(x):
    pass
def hook(x):
    '''Only a docstring.'''
def uses_silent(x):
    hook(x)
    return x
def outer(x):
    def nested(y):
        raise NotImplementedError
    return nested(x)
def make_shape(): return Rect(2)
def __private(x): pass
class Priv:
    def run(self): return self.__hidden(4)
def deleted_len(): return len(Rect(1))
class Vec:
    def __init__(self, x): self.x = x
class Slot:
    __slots__ = ("a",)
def passes_on(f): return f(3)
def use_missing_callback(): return passes_on(no_such_callback)
class Ctx:
    pass
"""

STUBS = [
    "Shape.area",
    "Shape.ro",
    "Shape.rw@1",
    "Shape.rw@2",
    "Shape.st",
    "Shape.cl",
    "Shape.Inner.deep",
    "decorated",
    "cond",
    "cond@1",
    "_",
    "_@1",
    "over@2",
    "AbstractThing.half",
    "_add",
    "co",
    "Meta.__call__",
    "P.norm",
    "Color.mix",
    "silent!",
    "hook!",
    "outer.<locals>.nested",
]

CASES = {
    "area": ("assert core.Rect(2).area() == 4", "call pkg.core:Rect.area instance"),
    "ro": ("assert core.Rect(2).ro == 4", "call pkg.core:Shape.ro instance"),
    "rwset": ("s = core.Shape(1)\ns.rw = 5", "call pkg.core:Shape.rw@1 instance"),
    "rwdel": ("s = core.Shape(1)\ndel s.rw", "call pkg.core:Shape.rw@2 instance"),
    "nosetter": (
        "s = core.Shape(1)\ns._size=1\ns.size = 5\nassert s.size == 1",
        "member pkg.core:Shape.size setter",
    ),
    "st": ("assert core.Shape.st(1) == 2", "call pkg.core:Shape.st"),
    "cl": ("assert core.Shape.cl(1) == 2", "call pkg.core:Shape.cl class"),
    "swallow": ("assert core.Shape(1).swallow() == 3", "call pkg.core:Shape.gone_one instance"),
    "swallowg": ("assert core.swallow_global() == 3", "call pkg.core:nobody"),
    "inner": ("assert core.Shape.Inner().deep(2) == 3", "call pkg.core:Shape.Inner.deep instance"),
    "name_in_base": ("assert core.Rect(1).describe() == 'r!'", "call pkg.core:Shape.name instance"),
    "common": (
        "for one in [core.A(), core.B()]:\n    assert one.sound() == 1",
        "call pkg.core:Base.sound instance",
    ),
    "super": ("assert core.Loud().info() == 'x!'", "call pkg.core:Base.info instance"),
    "deco": ("assert core.decorated(1) == 2", "call pkg.core:decorated"),
    "cond": ("assert core.cond(1) == 2", "call pkg.core:cond"),
    "disp": ("assert core.disp('a') == 2", "call pkg.core:_@1"),
    "over": ("assert core.over(1) == 2", "call pkg.core:over@2"),
    "half": ("assert core.Thing().half() == 2", "call pkg.core:Thing.half instance"),
    "abstract2": (
        "class T2(core.AbstractThing):\n    def go(self): return 1\n    def half(self): return 2\nassert T2().half() == 2",
        "",
    ),
    "table": ("assert core.TABLE['add'](1, 2) == 3", "call pkg.core:_add"),
    "tablelate": ("assert core.TABLE['late'](1) == 3", "call pkg.core:later"),
    "loop": ("for f in (core.decorated, core.cond):\n    assert f(1) == 1", "call pkg.core:cond"),
    "co": ("import asyncio\nassert asyncio.run(core.co(1)) == 2", "stub pkg.core:co"),
    "meta": ("assert core.WithMeta(1) == 2", "call pkg.core:Meta.__call__ class"),
    "dc": ("assert core.P(1).norm() == 2", "call pkg.core:P.norm instance"),
    "enum": ("assert core.Color.RED.mix(core.Color.RED) == 2", "call pkg.core:Color.mix instance"),
    "enummember": ("assert core.Color.BLUE.value == 2", "member pkg.core:Color.BLUE class read"),
    "silent": ("assert core.silent(1) == 2", "call pkg.core:silent"),
    "hook": ("assert core.uses_silent(1) == 1", "stub pkg.core:hook silent"),
    "nested": ("assert core.outer(1) == 1", "call pkg.core:outer.<locals>.nested"),
    "factory": ("assert core.make_shape().area() == 4", "call pkg.core:Rect.area instance"),
    "private": ("assert core.Priv().run() == 4", "call pkg.core:Priv.__hidden instance"),
    "len": ("assert core.deleted_len() == 4", "call pkg.core:Rect.__len__ instance"),
    "add": ("assert core.Vec(1) + core.Vec(2) == 3", "call pkg.core:Vec.__add__ instance"),
    "eq": ("assert core.Vec(1) == core.Vec(1)", "call pkg.core:Vec.__eq__ instance"),
    "lt": ("assert core.Vec(1) < core.Vec(2)", "call pkg.core:Vec.__lt__ instance"),
    "iter": ("assert list(core.Vec(1)) == [1, 2]", "call pkg.core:Vec.__iter__ instance"),
    "with": ("with core.Ctx() as c:\n    assert c == 1", "call pkg.core:Ctx.__enter__ instance"),
    "call": ("assert core.Vec(1)(3) == 4", "call pkg.core:Vec.__call__ instance"),
    "getitem": ("assert core.Vec(1)[3] == 4", "call pkg.core:Vec.__getitem__ instance"),
    "contains": ("assert 3 in core.Vec(1)", "call pkg.core:Vec.__contains__ instance"),
    "strm": ("assert str(core.Vec(1)) == '<1>'", "call pkg.core:Vec.__str__ instance"),
    "noargs": ("assert core.Ctx(3).x == 3", "call pkg.core:Ctx.__init__ instance"),
    "callback": ("assert core.use_missing_callback() == 3", "call pkg.core:no_such_callback"),
    "passed": ("assert core.passes_on(core.absent) == 3", "call pkg.core:absent"),
    "fixture": ("assert shape.grow(2) == 3", "call pkg.core:Shape.grow instance"),
    "helper": ("assert help_me(core) == 3", "call pkg.core:in_helper"),
    "importlib": (
        "import importlib\nm = importlib.import_module('pkg.dyn')\nassert m.f(1) == 2",
        "call pkg.dyn:f",
    ),
    "monkey": (
        "monkeypatch.setattr('pkg.core.patched', lambda: 3)\nassert core.patched() == 3",
        "name pkg.core:patched",
    ),
    "monkey2": (
        "monkeypatch.setattr(core, 'patched2', lambda: 3)\nassert core.patched2() == 3",
        "name pkg.core:patched2",
    ),
    "mockpatch": (
        "from unittest import mock\nwith mock.patch('pkg.core.patched3') as p:\n    p.return_value = 3\n    assert core.patched3() == 3",
        "name pkg.core:patched3",
    ),
    "hasattr": ("assert not hasattr(core, 'nevernever')", ""),
    "getattrd": ("assert getattr(core, 'nevernever', 3) == 3", ""),
    "absent": ("with pytest.raises(AttributeError):\n    core.nevernever", ""),
    "tryimport": (
        "try:\n    import pkg.speedups as s\nexcept ImportError:\n    s = None\nassert s is None",
        "",
    ),
    "submissing": ("import pkg.sub.deep\nassert pkg.sub.deep.f() == 1", "call pkg.sub.deep:f"),
    "lazy": (
        "from pkg import lazymod\nassert lazymod.lost(1) == 2\nassert lazymod.there == 1",
        "call pkg.lazymod:lost",
    ),
}

HEAD = """
import pytest
import pkg
from pkg import core
from pkg.core import Shape

@pytest.fixture
def shape():
    return Shape(2)

def help_me(module):
    return module.in_helper(2)
"""
LAZY = """
def __getattr__(name):
    if name == "there":
        return 1
    raise AttributeError(name)
"""


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    """Return a sandbox with a probe in which all the rows are tests."""
    bodies = {name: body for name, (body, _) in CASES.items()}
    files = {
        "pkg/__init__.py": "",
        "pkg/core.py": CORE,
        "pkg/lazymod.py": LAZY,
        "tests/test_it.py": module_of(bodies, HEAD, "monkeypatch, shape"),
    }
    yield from closing(Asked(files, tuple("pkg/core.py::" + one for one in STUBS)))


@pytest.mark.parametrize("name", CASES)
def test_the_function_is_seen_and_the_test_ends(name: str, asked: Asked) -> None:
    told = asked.told("test_" + name)
    words = [line.partition(" (")[0] for line in told]
    assert not CASES[name][1] or CASES[name][1] in words, "\n".join(told)
    assert asked.search("test_" + name).status == "passed"


def test_names_that_are_only_looked_for_stay_absent(asked: Asked) -> None:
    for name in ("hasattr", "getattrd", "absent", "tryimport"):
        outcome = asked.run("test_" + name)
        assert outcome.status == "passed"
        assert outcome.evidence is not None
        assert not outcome.evidence.sights


def test_functions_tell_that_they_are_entered_nested_ones_too(asked: Asked) -> None:
    evidence = asked.run("test_nested").evidence
    assert evidence is not None
    entered = [(one.path, one.qualname) for one in evidence.entered]
    assert ("pkg/core.py", "outer") in entered
    assert ("pkg/core.py", "outer.<locals>.nested") in entered
    line = CORE.splitlines().index("@deco") + 1
    evidence = asked.run("test_deco").evidence
    assert evidence is not None
    assert ("decorated", line) in [(one.qualname, one.line) for one in evidence.entered]
