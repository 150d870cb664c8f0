"""Owns the special methods of Python: which ones a use asks for, and what they take."""

from __future__ import annotations

from collections.abc import Mapping

from egbot.source.signatures import Parameter

SPECIAL: Mapping[str, tuple[str, ...]] = {
    "iterate next": ("__next__",),
    "iterate async": ("__aiter__",),
    "iterate": ("__iter__",),
    "enter async": ("__aenter__", "__aexit__"),
    "enter": ("__enter__", "__exit__"),
    "await": ("__await__",),
    "item": ("__getitem__",),
    "call": ("__call__",),
    "operator set": ("__get__", "__set__"),
    "operator ne": ("__eq__",),
    **{f"operator i{name}": (f"__{name}__",) for name in ("add", "sub", "or", "and", "xor", "mul")},
    "relation eq": ("__eq__",),
    "relation ne": ("__eq__",),
    "relation lt": ("__lt__",),
    "relation le": ("__le__",),
    "relation gt": ("__gt__",),
    "relation ge": ("__ge__",),
    "relation len": ("__len__",),
    "relation str": ("__str__",),
    "relation repr": ("__repr__",),
    "relation true": ("__bool__",),
    "relation false": ("__bool__",),
    "relation contains": ("__contains__",),
    "relation lacks": ("__contains__",),
}
"""By what happens to an object (a sight's kind and detail) or is expected of it."""

_TAKEN = {
    "__setitem__": ("key", "value"),
    "__getitem__": ("key",),
    "__delitem__": ("key",),
    "__exit__": ("kind", "error", "trace"),
    "__aexit__": ("kind", "error", "trace"),
    "__contains__": ("item",),
    "__get__": ("instance", "owner"),
    "__set__": ("instance", "value"),
}
_UNARY = frozenset(
    (
        "__iter__",
        "__next__",
        "__aiter__",
        "__enter__",
        "__aenter__",
        "__await__",
        "__len__",
        "__str__",
        "__repr__",
        "__bool__",
        "__neg__",
        "__pos__",
        "__abs__",
        "__invert__",
        "__round__",
        "__trunc__",
        "__floor__",
        "__ceil__",
        "__int__",
        "__float__",
        "__complex__",
        "__index__",
        "__bytes__",
        "__fspath__",
    )
)
_OPERATORS = frozenset(
    {*dir(int), *dir(float), *dir(dict), "__fspath__", "__bytes__", "__complex__"}
)


def special_parameters(name: str) -> tuple[Parameter, ...]:
    """What a special method takes beside ``self``."""
    binary = () if name in _UNARY else ("other",)
    return tuple(Parameter(item, "plain") for item in _TAKEN.get(name, binary))


def names_for(kind: str, detail: str) -> tuple[str, ...]:
    """The special methods that one thing which happens to an object asks for."""
    known = SPECIAL.get(f"{kind} {detail}") or SPECIAL.get(kind, ())
    operator = f"__{detail}__" if kind == "operator" and detail != "bool" else ""
    return known or ((operator,) if operator in _OPERATORS else ())
