"""Which functions are still to be written, whoever asks: the finder, the prompt, the recheck."""

from __future__ import annotations

import ast
import re

import pytest

from egbot.discovery.targets import named_target
from egbot.records import Span, Target, TreeFile
from egbot.source.context import class_preamble, surroundings
from egbot.source.outline import is_silent, is_stub

RAISES = (
    "raise NotImplementedError",
    "raise NotImplementedError()",
    'raise NotImplementedError("later")',
    "raise NotImplementedError from None",
    "raise builtins.NotImplementedError",
    "raise NotImplemented",
    'message = "later"\n    raise NotImplementedError(message)',
    'message = f"{x} later"\n    raise NotImplementedError(message)',
    "del x\n    raise NotImplementedError",
    "raise NotImplementedError\n    yield",
    '"""Say."""\n    raise NotImplementedError  # TODO',
    'assert False, "later"',
    "assert 0",
)
SILENT = (
    "...",
    "pass",
    "pass  # TODO: write it",
    '"""Say."""',
    '"""Say."""\n    ...',
    '"""Say."""\n    pass',
    '"""Say."""\n    "and say more"',
    "return NotImplemented",
    "return ...",
)
WRITTEN = (
    "self.rows.append(x)",
    "log(x)",
    "yield",
    "await x",
    "return None",
    "return",
    "return x",
    "x += 1",
    'raise ValueError("x")',
    "raise",
    "assert x",
    "if x:\n        return 1\n    raise NotImplementedError",
    "rows = load()\n    raise NotImplementedError",
    "for _ in x:\n        pass",
)


def function(text: str) -> ast.stmt:
    return ast.parse(text).body[0]


def method(head: str) -> tuple[ast.stmt, ast.ClassDef]:
    owner = function(head)
    assert isinstance(owner, ast.ClassDef)
    return owner.body[-1], owner


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        *((body, (True, False)) for body in RAISES),
        *((body, (True, True)) for body in SILENT),
        *((body, (False, None)) for body in WRITTEN),
    ],
)
def test_a_stub_is_a_body_that_does_nothing_or_only_says_so(
    kind: str, body: str, expected: tuple[bool, bool | None]
) -> None:
    node = function(f"{kind} f(self, x):\n    {body}\n")
    found = is_stub(node)
    assert (found, is_silent(node) if found else None) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class A:\n    @abstractmethod\n    def f(self): ...", False),
        ("class A:\n    @property\n    @abc.abstractmethod\n    def f(self): ...", False),
        ("class A:\n    @typing.overload\n    def f(self): ...", False),
        ("class A(Protocol):\n    def f(self): ...", False),
        ("class A(typing.Protocol[T]):\n    async def f(self): raise NotImplementedError", False),
        ("class A:\n    def f(self) -> NoReturn: raise NotImplementedError", False),
        ("class A:\n    @click.group()\n    def f(self): 'Tools.'", False),
        ("class A:\n    def __init__(self): pass", False),
        ("class A:\n    def __init__(self): raise NotImplementedError", True),
        ("class A:\n    def __init__(self, x): pass", True),
        ("class A(Base):\n    @property\n    def f(self): ...", True),
        ("class A(ABC):\n    @staticmethod\n    def f(): pass", True),
        ("class A:\n    class f: pass", False),
    ],
)
def test_declarations_are_no_stubs(text: str, expected: bool) -> None:
    assert is_stub(*method(text)) is expected


SHOP = """from abc import abstractmethod

class Cart:
    def __init__(self):
        self._rows = []

    def add(self, name, price):
        self._rows.append({"name": name, "cents": price})

    def clear(self):
        self._rows.clear()

    @abstractmethod
    def currency(self): ...

    def count(self):
        "How many."

    def total(self):
        raise NotImplementedError

def log(text):
    print(text)

def later(text):
    pass
"""


def test_the_prompt_shows_what_is_written_and_hides_what_is_not() -> None:
    target = named_target("shop.py::Cart.total", {"shop.py": TreeFile(SHOP.encode())})
    preamble = class_preamble(SHOP, target)
    shown = [line.strip() for line in preamble.splitlines() if "def " in line]
    assert shown == [
        "def __init__(self):",
        "def add(self, name, price):",
        "def clear(self):",
        "def currency(self):",
    ]
    assert surroundings(SHOP, target, "log later") == "def log(text):\n    print(text)"


PROPERTY = """class C:
    if LOUD:
        def say(self): return 1
    else:
        def say(self): return 2

    @property
    def v(self):
        return 5

    @v.setter
    def v(self, value):
        raise NotImplementedError

    @v.deleter
    def v(self):
        del self.x

    class D:
        def deep(self): ...
"""


@pytest.mark.parametrize(
    ("qualname", "ordinal", "shown"),
    [
        ("C.v", 0, ["say", "say"]),
        ("C.v", 1, ["say", "say", "v"]),
        ("C.v", 2, ["say", "say", "v"]),
        ("C.say", 0, ["v", "v"]),
        ("C.say", 1, ["v", "v"]),
        ("C.D.deep", 0, []),
        ("C.gone.deep", 0, []),
    ],
)
def test_of_definitions_of_one_name_those_above_are_shown(
    qualname: str, ordinal: int, shown: list[str]
) -> None:
    """The getter above the setter that is to be written; never the definition itself."""
    span = Span(0, 0, 1, 1)
    target = Target("c.py", qualname, "stub", "", "", span, "", (), ordinal=ordinal)
    preamble = class_preamble(PROPERTY, target)
    assert re.findall(r"def (\w+)", preamble.replace("def deep", "")) == shown
    assert "NotImplementedError" not in preamble
