"""A missing function's signature: every call that was seen binds to it, and its names are those of the calls."""

from __future__ import annotations

import ast
import inspect
import random
from collections.abc import Callable

import pytest

from egbot.records import Seen
from egbot.source.examples import argument_names
from egbot.source.signatures import Call, Signature, parameters_of
from egbot.source.stubs import function_code, header

VALUES = (1, "a", None, 1.5, [1], {"a": 1}, True, (1, 2), b"x")
NAMES = ("size", "name", "class", "a", "args", "kwargs", "value", "number", "text", "ключ")


def call_of(text: str) -> Call:
    """A call from its text; all arguments are literals or names, which stand for objects."""
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.Call)
    args = tuple(map(_seen, node.args))
    keywords = tuple((str(one.arg), _seen(one.value)) for one in node.keywords)
    return Call(args, keywords, argument_names(node, len(args)))


def _seen(node: ast.expr) -> Seen:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return Seen(ast.unparse(node), "object")
    return Seen(repr(value), type(value).__name__, repr(value))


def made(calls: list[Call], **more: str) -> Callable[..., object]:
    """The stub for these calls, as a function."""
    names: dict[str, Callable[..., object]] = {}
    signature = Signature("f", parameters_of(calls), is_async="is_async" in more)
    exec(function_code(signature, "It."), names)
    return names["f"]


@pytest.mark.parametrize("seed", range(8))
def test_every_call_that_was_seen_binds(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(50):
        calls = []
        for _ in range(draw.randint(1, 6)):
            args = [
                Seen("x", type(draw.choice(VALUES)).__name__)
                for _ in range(draw.choice((0, 1, 1, 2, 3, 12)))
            ]
            names = draw.sample(NAMES, draw.choice((0, 0, 1, 2, 5)))
            hints = tuple(draw.choice(("", "name", ".size", "self", "list", "a")) for _ in args)
            calls.append(Call(tuple(args), tuple((one, Seen("x", "int")) for one in names), hints))
        function = made(calls)
        for one in calls:
            inspect.signature(function).bind(*one.args, **dict(one.kwargs))


ROWS = {
    "f('a', 1)": "def f(text: str, number: int):",
    "f(1) f()": "def f(number: int | None = None):",
    "f(1) f(1.5)": "def f(number: float):",
    "f(path, size)": "def f(path, size):",
    "f(self, expected, list)": "def f(value, other_value, value_3):",
    "f(1, by=2) f(by=3, x=4)": "def f(x: int, *, by: int):",
    "f('a') f(name='b')": "def f(name: str):",
    "f('a', mode='r') f('b')": "def f(text: str, *, mode: str | None = None):",
    "f([1], key=None) f([2], key='a')": "def f(items: list, *, key: str | None):",
    "f() f(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)": "def f(*args):",
    "f(make_key(), item.price)": "def f(make_key, price):",
    "f(*rows)": "def f(value):",
    "f(int)": "def f(value):",
    "f(a=1, b=2, c=3, d=4, e=5, f=6, g=7, h=8, i=9, j=10, k=11, l=12, m=13)": (
        "def f(\n    *,\n"
        + "".join(f"    {one}: int,\n" for one in "abcdefghijkl")
        + "    **kwargs,\n):"
    ),
}


@pytest.mark.parametrize(("calls", "expected"), ROWS.items(), ids=ROWS)
def test_names_and_types_are_those_of_the_calls(calls: str, expected: str) -> None:
    seen = [call_of(f"f({one}") for one in calls.split("f(")[1:]]
    assert header(Signature("f", parameters_of(seen))) == expected


def test_what_an_object_shows_of_an_argument_is_its_name() -> None:
    """``.x`` among the hints is surer than any variable's name, and may be a built-in's."""
    calls = [
        Call((Seen("1", "int", "1"), Seen("2", "int", "2")), hints=(".type", "width")),
        Call((Seen("3", "int", "3"), Seen("4", "int", "4")), hints=("kind", "")),
    ]
    assert header(Signature("f", parameters_of(calls))) == "def f(type: int, width: int):"
