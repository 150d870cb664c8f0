"""Owns whether a value is equal to whatever it is compared with: no result of honest work is."""

from __future__ import annotations

from collections import deque
from typing import Any

FAULT = "EqualToAnything"
_EXACT = frozenset(
    (int, float, complex, str, bytes, bytearray, bool, type(None), range, type, type(...))
)
_CONTAINERS = (list, tuple, set, frozenset, deque)
_MAX_ITEMS = 50
_MAX_DEPTH = 4
_ENOUGH = 3
"""Strangers of so many kinds are equal to it, or the one that is equal to nothing but itself."""


class _Stranger:
    """Nobody has seen an object of this class."""


class _Text(str):
    __slots__ = ()


class _Number(int):
    pass


def equals_anything(value: Any, depth: int = 0) -> bool:
    """Whether ``value``, or what a container holds, is equal to strangers of several kinds.

    Comparing may run the code under test; what it raises there is no equality. Mocks that stand for
    anything (``unittest.mock.ANY``) are rightly named.
    """
    kind = type(value)
    if kind in _EXACT:
        return False
    if kind is dict or kind in _CONTAINERS:
        items = [*value.keys(), *value.values()] if kind is dict else [*value]
        return depth < _MAX_DEPTH and any(
            equals_anything(one, depth + 1) for one in items[:_MAX_ITEMS]
        )
    first, *others = (
        _Stranger(),
        _Text("a text of nobody's"),
        _Number(-7_914_203),
        -8.25e-93,
        b"\xfe\x01nobody",
        [_Stranger()],
        {_Stranger(): _Stranger()},
    )
    return _is_equal(value, first) or sum(_is_equal(value, one) for one in others) >= _ENOUGH


def _is_equal(value: Any, stranger: Any) -> bool:
    try:
        return (value == stranger) is True or (value != stranger) is False
    except Exception:
        return False
