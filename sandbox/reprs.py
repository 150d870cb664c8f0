"""Bounded, guarded reprs: a short printable text for any value. It knows nothing of traces.

A value's own ``__repr__`` may raise, recurse, return no text, or be huge: each gives a text that
says so. Containers are cut in the middle, and addresses are left out, so that equal runs give
equal texts.
"""

from __future__ import annotations

import re
import time
from array import array
from collections import deque
from itertools import islice
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

ATOMS: frozenset[type] = frozenset(
    (int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range)
)
"""Types whose values never change and whose repr runs no user code."""

MAX_DEPTH = 4
SMALL_LENGTH = 24
SLOW_TYPE_S = 0.1
"""A type whose own ``__repr__`` has taken longer than this in all is no longer asked."""

_SMALL_INT = 10**15
_LARGE_INT = 1 << 256
_LIGHT_LENGTH = 200
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_SPACES = re.compile(r"\s*\n\s*")
_CUT = "..."
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}


def printable(text: str, keep: str = "") -> str:
    """Escape what cannot be shown or encoded: control characters and lone surrogates."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in keep else one.encode("unicode_escape").decode("ascii")
        for one in text
    )


def shorten(text: str, max_chars: int) -> str:
    """Cut the middle out of ``text`` so that at most ``max_chars`` characters are left."""
    if len(text) <= max_chars:
        return text
    room = max(0, max_chars - len(_CUT))
    tail = room // 3
    return text[: room - tail] + _CUT[:max_chars] + (text[-tail:] if tail else "")


def message_of(error: BaseException, max_chars: int) -> str:
    """Return what an exception says, line breaks kept; never raises."""
    try:
        text = str(error)
        if type(text) is not str:
            text = str.__str__(text)
    except BaseException as inner:
        return f"<its __str__ raised {type(inner).__name__}>"
    return shorten(printable(text[: max_chars * 4], keep="\n\t"), max_chars)


class Reprs:
    """Makes reprs of at most ``max_chars`` characters.

    A ``__repr__`` written in ``shunned`` (a file name and a range of lines: the code under test)
    is never called.
    """

    def __init__(self, max_chars: int, shunned: tuple[str, range] | None = None) -> None:
        self.max_chars = max_chars
        self._shunned = shunned
        self._spent_s: dict[type, float] = {}

    def __call__(self, value: Any) -> str:
        """Return the repr of ``value``; never raises."""
        kind = type(value)
        if kind is int and -_SMALL_INT < value < _SMALL_INT:
            text = repr(value)
            return text if len(text) <= self.max_chars else shorten(text, self.max_chars)
        try:
            if kind in ATOMS:
                text = self._atom(value, kind, self.max_chars)
            elif _is_small(value, kind):
                text = repr(value)
            else:
                text = self._render(value, self.max_chars, 0, set())
        except BaseException as error:
            text = f"<{_name(kind)}: no repr, {_name(type(error))}>"
        if not text.isprintable():
            text = printable(text)
        return text if len(text) <= self.max_chars else shorten(text, self.max_chars)

    def _atom(self, value: Any, kind: type, max_chars: int) -> str:
        if kind is int:
            bits = value.bit_length()
            return repr(value) if bits < 3 * max_chars else f"<int of {bits} bits>"
        if (kind is str or kind is bytes) and len(value) > max_chars:
            room = max_chars - len(_CUT)
            return (
                repr(value[: room - room // 3]) + _CUT + repr(value[-(room // 3) or len(value) :])
            )
        return repr(value)

    def _render(self, value: Any, room: int, depth: int, above: set[int]) -> str:
        kind = type(value)
        if kind in ATOMS:
            return self._atom(value, kind, max(room, 8))
        base = _container_base(kind)
        if base is None:
            return self._object(value, kind, room, depth, above)
        if id(value) in above or depth >= MAX_DEPTH:
            return _CUT
        above = above | {id(value)}
        if base is dict:
            text = self._mapping(value, room, depth, above)
        else:
            text = self._sequence(value, base, room, depth, above)
        return text if kind is base else f"{_name(kind)}({text})"

    def _sequence(self, value: Any, base: type, room: int, depth: int, above: set[int]) -> str:
        opening, closing = _BRACKETS[base]
        length = base.__len__(value)  # type: ignore[attr-defined]
        if not length and base in (set, frozenset):
            return base.__name__ + "()"
        head, tail = _ends(value, base, length, room)
        left = [self._render(item, room // 2, depth + 1, above) for item in head]
        right = [self._render(item, room // 2, depth + 1, above) for item in tail]
        if base in (set, frozenset) and length == len(left):
            left.sort()
        text = _fit(left, right, length, room - len(opening) - len(closing))
        if base is tuple and length == 1:
            text += ","
        return opening + text + closing

    def _mapping(self, value: Any, room: int, depth: int, above: set[int]) -> str:
        length = dict.__len__(value)
        shown = max(2, room // 4)
        pairs = [
            f"{self._render(key, room // 2, depth + 1, above)}: {self._render(item, room // 2, depth + 1, above)}"
            for key, item in islice(dict.items(value), shown)
        ]
        return "{" + _fit(pairs, [], length, room - 2) + "}"

    def _object(self, value: Any, kind: type, room: int, depth: int, above: set[int]) -> str:
        if kind is FunctionType or kind is BuiltinFunctionType:
            return f"<function {value.__name__}>"
        if kind is ModuleType:
            return f"<module {value.__name__}>"
        if issubclass(kind, type):  # unlike isinstance, it asks no code of the value's
            return f"<class {_name(value)}>"
        if kind is bytearray:
            return f"bytearray({self._atom(bytes(value[: 4 * room]), bytes, room)})"
        if kind is array and len(value) > SMALL_LENGTH:
            return f"<array of {len(value)}>"
        own = getattr(kind, "__repr__", None)
        if own is object.__repr__ or self._is_shunned(own):
            return self._fields(value, kind, room, depth, above)
        return self._own_repr(value, kind)

    def _fields(self, value: Any, kind: type, room: int, depth: int, above: set[int]) -> str:
        """Show an object that has no repr of its own by its attributes."""
        try:
            fields = object.__getattribute__(value, "__dict__")
        except BaseException:
            fields = None
        if type(fields) is not dict or not fields or depth >= MAX_DEPTH or id(value) in above:
            return f"<{_name(kind)}>"
        above = above | {id(value)}
        parts = [
            f"{name}={self._render(item, room // 2, depth + 1, above)}"
            for name, item in islice(list(fields.items()), max(2, room // 4))
        ]
        return f"<{_name(kind)} {_fit(parts, [], len(fields), room - len(_name(kind)) - 3)}>"

    def _own_repr(self, value: Any, kind: type) -> str:
        spent_s = self._spent_s.get(kind, 0.0)
        if spent_s > SLOW_TYPE_S:
            return f"<{_name(kind)}>"
        start = time.perf_counter()
        try:
            text = repr(value)
            if type(text) is not str:
                text = str.__str__(text)
        except BaseException as error:
            text = f"<{_name(kind)}: its __repr__ raised {_name(type(error))}>"
        self._spent_s[kind] = spent_s + time.perf_counter() - start
        if len(text) > 8 * self.max_chars:
            text = shorten(text, 8 * self.max_chars)
        if " at 0x" in text:
            text = _ADDRESS.sub("", text)
        return _SPACES.sub(" ", text) if "\n" in text else text

    def _is_shunned(self, own: Any) -> bool:
        if self._shunned is None:
            return False
        code = getattr(own, "__code__", None)
        path, lines = self._shunned
        if not isinstance(code, CodeType):
            return False
        return code.co_filename == path and code.co_firstlineno in lines


def _is_small(value: Any, kind: type) -> bool:
    """Is it a short builtin container of atoms, which the builtin repr shows cheaply?"""
    if kind is list or kind is tuple:
        return len(value) <= SMALL_LENGTH and _are_light(value)
    if kind is dict:
        return len(value) <= SMALL_LENGTH and _are_light(value) and _are_light(value.values())
    return False


def _are_light(items: Any) -> bool:
    """Has the repr of each item few characters? Asked at every line, so that it may not be slow."""
    kinds = set(map(type, items))
    if len(kinds) == 1:
        if int in kinds:
            return bool(min(items) > -_LARGE_INT and max(items) < _LARGE_INT)
        if str in kinds:
            return max(map(len, items)) <= _LIGHT_LENGTH
    return all(map(_is_light, items))


def _is_light(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) <= _LIGHT_LENGTH
    if kind is int:
        return bool(-_LARGE_INT < value < _LARGE_INT)
    return kind in ATOMS


def _name(kind: type) -> str:
    try:
        return str(type.__getattribute__(kind, "__name__"))
    except BaseException:
        return "?"


def _container_base(kind: type) -> type | None:
    """Return the builtin container whose repr ``kind`` uses, if any."""
    own = getattr(kind, "__repr__", None)
    for base in (list, dict, tuple, set, frozenset, deque):
        if kind is base or (own is base.__repr__ and issubclass(kind, base)):
            return base
    return None


def _ends(value: Any, base: type, length: int, room: int) -> tuple[list[Any], list[Any]]:
    """Return the first and the last items of ``value``: all, or as many as could be shown."""
    shown = max(2, room // 3)
    if length <= shown:
        return list(base.__iter__(value)), []  # type: ignore[attr-defined]
    head = list(islice(base.__iter__(value), shown * 2 // 3))  # type: ignore[attr-defined]
    if base in (set, frozenset):
        return head, []
    if base is deque:
        return head, [deque.__getitem__(value, index) for index in range(-(shown // 3), 0)]
    getitem = list.__getitem__ if base is list else tuple.__getitem__
    return head, list(getitem(value, slice(length - shown // 3, None)))


def _fit(left: list[str], right: list[str], length: int, room: int) -> str:
    """Join items with commas; where they do not fit, say in the middle how many are left out."""
    parts = left + right
    if len(parts) == length and sum(map(len, parts)) + 2 * max(0, length - 1) <= room:
        return ", ".join(parts)
    if not right:
        left, right = parts, parts[1:] if len(parts) == length else []
    room -= len(", ... 1000000 more ..., ")
    head: list[str] = []
    tail: list[str] = []
    used = 0
    for text in left[: max(1, length - 1)]:
        if head and used + len(text) + 2 > room * 2 // 3:
            break
        head.append(text)
        used += len(text) + 2
    for text in reversed(right):
        if used + len(text) + 2 > room or len(head) + len(tail) >= length - 1:
            break
        tail.insert(0, text)
        used += len(text) + 2
    hidden = length - len(head) - len(tail)
    middle = [f"... {hidden} more ..."] if hidden else []
    return ", ".join(head + middle + tail)
