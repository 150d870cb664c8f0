"""Bounded, guarded reprs: a short printable text for any value. It knows nothing of traces.

A value's own ``__repr__`` may raise, recurse, return no text, or be huge: each gives a text that
says so. Containers are cut in the middle, and addresses are left out, so that equal runs give
equal texts.
"""

from __future__ import annotations

import contextlib
import re
import time
from array import array
from collections import deque
from collections.abc import Iterator
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
    dict: ("{", "}"),
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
        try:
            if kind in ATOMS:
                text = self._atom(value, kind, self.max_chars)
            elif _is_small(value, kind):
                text = repr(value)
            else:
                text = self._render(value, self.max_chars, frozenset())
        except BaseException as error:
            text = f"<{_name(kind)}: no repr, {_name(type(error))}>"
        return shorten(printable(text), self.max_chars)

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

    def _render(self, value: Any, room: int, above: frozenset[int]) -> str:
        """Return a text of some ``room`` characters; ``above`` are the ids of what it lies in."""
        kind = type(value)
        if kind in ATOMS:
            return self._atom(value, kind, max(room, 8))
        base = _container_base(kind)
        if base is None:
            return self._object(value, kind, room, above)
        if id(value) in above or len(above) >= MAX_DEPTH:
            return _CUT
        text = self._container(value, base, room, above | {id(value)})
        return text if kind is base else f"{_name(kind)}({text})"

    def _container(self, value: Any, base: Any, room: int, above: frozenset[int]) -> str:
        opening, closing = _BRACKETS[base]
        length = base.__len__(value)
        is_set = base in (set, frozenset)
        if is_set and not length:
            return f"{base.__name__}()"

        def show(item: object) -> str:
            return self._render(item, room // 2, above)

        texts: Iterator[str] = map(show, base.__iter__(value))
        if base is dict:
            texts = (f"{show(key)}: {show(item)}" for key, item in dict.items(value))
        elif is_set and length <= room:
            texts = iter(sorted(texts))
        last = map(show, _last(value, base, room))
        text = _join(texts, last, length, room - len(opening) - len(closing))
        return opening + text + ("," if base is tuple and length == 1 else "") + closing

    def _object(self, value: Any, kind: type, room: int, above: frozenset[int]) -> str:
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
            return self._fields(value, kind, room, above)
        return self._own_repr(value, kind)

    def _fields(self, value: Any, kind: type, room: int, above: frozenset[int]) -> str:
        """Show an object that has no repr of its own by its attributes."""
        fields: Any = None
        with contextlib.suppress(BaseException):
            fields = object.__getattribute__(value, "__dict__")
        is_deep = len(above) >= MAX_DEPTH or id(value) in above
        if type(fields) is not dict or not fields or is_deep:
            return f"<{_name(kind)}>"
        above |= {id(value)}
        pairs = list(fields.items())
        texts = (f"{name}={self._render(item, room // 2, above)}" for name, item in pairs)
        whole = _join(texts, iter(()), len(pairs), room - len(_name(kind)) - 3)
        return f"<{_name(kind)} {whole}>"

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
        code = getattr(own, "__code__", None)
        if self._shunned is None or not isinstance(code, CodeType):
            return False
        path, lines = self._shunned
        return code.co_filename == path and code.co_firstlineno in lines


def _is_small(value: Any, kind: type) -> bool:
    """Is it a short builtin container of short atoms, which the builtin repr shows cheaply?"""
    if kind not in (list, tuple, dict) or len(value) > SMALL_LENGTH:
        return False
    return all(map(_is_light, value)) and (kind is not dict or all(map(_is_light, value.values())))


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


def _last(value: Any, base: Any, count: int) -> Iterator[Any]:
    """Yield the last items of a sequence, the very last first."""
    if base is deque:
        return islice(deque.__reversed__(value), count)
    return reversed(base.__getitem__(value, slice(-count, None)) if base in (list, tuple) else ())


def _join(texts: Iterator[str], last: Iterator[str], length: int, room: int) -> str:
    """Join with commas; what does not fit into ``room`` is counted in the middle.

    There are ``length`` texts; ``last`` are some of them again, from the end on.
    """
    head: list[str] = []
    used = 0
    for text in texts:
        head.append(text)
        used += len(text) + 2
        if used - 2 > room:
            break
    else:
        return ", ".join(head)
    room -= len(", ... 1000000 more ..., ")
    while len(head) > 1 and used > room * 2 // 3:
        used -= len(head.pop()) + 2
    tail: list[str] = []
    for text in last:
        used += len(text) + 2
        if used > room or len(head) + len(tail) >= length - 1:
            break
        tail.insert(0, text)
    hidden = length - len(head) - len(tail)
    middle = [f"... {hidden} more ..."] if hidden else []
    return ", ".join(head + middle + tail)
