"""A repr is always short printable text, whatever the value does."""

from __future__ import annotations

import collections
import enum
import sys
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.reprs import Reprs, message_of, printable, shorten

MAX_CHARS = 40


class Plain:
    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)


def made(name: str, own_repr: Callable[[object], object]) -> object:
    """Return an instance of a new class with this ``__repr__``."""
    return type(name, (), {"__repr__": own_repr})()


def stop(_self: object) -> str:
    raise SystemExit


RAISES = made("Raises", stop)
NUMBER = made("Number", lambda self: 3)
RECURSES = made("Recurses", repr)
HUGE = made("Huge", lambda self: "h" * 10_000_000)
LINES = made("Lines", lambda self: "array([1,\n       2])")
ADDRESS = made("Address", lambda self: "<thing at 0x7f0011223344 of it>")


class Colour(enum.Enum):
    RED = 1


class OwnList(list[int]):
    pass


def loop() -> list[object]:
    made: list[object] = [1]
    made.append(made)
    return made


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (None, "None"),
        ("it's", '"it\'s"'),
        ("a\n", "'a\\n'"),
        ("\ud800", "'\\ud800'"),
        (b"\x00", "b'\\x00'"),
        ([1, [2, "x"]], "[1, [2, 'x']]"),
        ((1,), "(1,)"),
        ((), "()"),
        (set(), "set()"),
        (frozenset({1}), "frozenset({1})"),
        ({"b", "a"}, "{'a', 'b'}"),
        ({"k": [1]}, "{'k': [1]}"),
        (loop(), "[1, ...]"),
        (OwnList([1]), "OwnList([1])"),
        (collections.deque([1, 2]), "deque([1, 2])"),
        (collections.OrderedDict(a=1), "OrderedDict([('a', 1)])"),
        (Plain(), "<Plain>"),
        (Plain(a=1, b=[2]), "<Plain a=1, b=[2]>"),
        (RAISES, "<Raises: its __repr__ raised SystemExit>"),
        (NUMBER, "<Number: its __repr__ raised TypeError>"),
        (LINES, "array([1, 2])"),
        (ADDRESS, "<thing of it>"),
        (Colour.RED, "<Colour.RED: 1>"),
        (len, "<function len>"),
        (sys, "<module sys>"),
        (Plain, "<class Plain>"),
        (bytearray(b"ab"), "bytearray(b'ab')"),
        (array("i", range(1000)), "<array of 1000>"),
        (1 << 4000, "<int of 4001 bits>"),
        (list(range(1000)), "[0, 1, 2, ... 996 more ..., 999]"),
        ("x" * 1000, "'" + "x" * 24 + "..." + "x" * 11 + "'"),
    ],
)
def test_texts(value: object, text: str) -> None:
    assert Reprs(MAX_CHARS)(value) == text


@pytest.mark.parametrize("value", [RECURSES, HUGE, [HUGE], {1: HUGE}, loop()])
@pytest.mark.parametrize("max_chars", [1, 10, 120])
def test_hostile_values_give_short_texts(value: object, max_chars: int) -> None:
    assert len(Reprs(max_chars)(value)) <= max_chars


def test_a_slow_repr_is_given_up() -> None:
    calls: list[object] = []

    def slow(self: object) -> str:
        calls.append(self)
        return str(sum(range(3_000_000)))

    value = made("Slow", slow)
    reprs = Reprs(MAX_CHARS)
    texts = [reprs(value) for _ in range(50)]
    assert texts[-1] == "<Slow>"
    assert len(calls) < 50


values = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner),
        st.tuples(inner, inner),
        st.dictionaries(st.text(), inner),
        st.lists(inner).map(collections.deque),
    ),
    max_leaves=30,
)


@given(value=values, max_chars=st.integers(1, 200))
def test_every_text_is_short_and_printable(value: object, max_chars: int) -> None:
    text = Reprs(max_chars)(value)
    assert len(text) <= max_chars
    assert text.isprintable()
    text.encode("utf-8")


@given(value=st.one_of(st.lists(st.integers(-99, 99), max_size=8), st.integers(), st.booleans()))
def test_a_value_that_fits_is_its_own_repr(value: object) -> None:
    assert Reprs(200)(value) == repr(value)


@given(st.text(st.characters(), max_size=50))
def test_printable_text_encodes(text: str) -> None:
    printable(text).encode("utf-8")


@given(st.text(max_size=60), st.integers(0, 70))
def test_shorten_keeps_its_promise(text: str, max_chars: int) -> None:
    short = shorten(text, max_chars)
    assert len(short) <= max_chars
    assert short == text or len(text) > max_chars


def test_a_message_that_cannot_be_made_says_so() -> None:
    mute = type("Mute", (Exception,), {"__str__": stop})()
    assert message_of(mute, 100) == "<its __str__ raised SystemExit>"
    assert message_of(ValueError("a\nb\x00"), 100) == "a\nb\\x00"
