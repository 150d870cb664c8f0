"""Owns a missing function's signature: the narrowest to which every call that was seen binds.

The special methods that a use asks for have theirs from a table.
"""

from __future__ import annotations

import builtins
import keyword
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from egbot.records import Seen

Binding = Literal["function", "method", "classmethod", "staticmethod", "property"]
_MAX_PLAIN = 8  # calls that differ in more arguments than that are calls of *args
_MAX_KEYWORDS = 12
_POOR_NAMES = frozenset({"self", "cls", "expected", "result", "_", "actual", "want", "exp"})
_PLAIN_TYPES = frozenset({"str", "int", "float", "bool", "bytes", "complex"})
_CONTAINERS = frozenset({"list", "dict", "tuple", "set", "frozenset"})
_KIND_NAMES = {
    "str": "text",
    "int": "number",
    "float": "number",
    "bool": "flag",
    "bytes": "data",
    "list": "items",
    "tuple": "items",
    "set": "items",
    "dict": "mapping",
    "function": "function",
    "type": "kind",
    "pathlib.PosixPath": "path",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; ``default`` and ``annotation`` are source text, "" for none."""

    name: str
    kind: Literal["plain", "keyword_only", "star", "double_star"]
    default: str = ""
    annotation: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's signature without ``self``."""

    name: str
    parameters: tuple[Parameter, ...] = ()
    binding: Binding = "function"
    returns: str = ""
    is_async: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call without its receiver. ``hints`` are the arguments' own names in it, "" for none.

    ``.x`` is more than a hint: the object that the call made shows the argument as ``x``.
    """

    args: tuple[Seen, ...]
    kwargs: tuple[tuple[str, Seen], ...] = ()
    hints: tuple[str, ...] = ()


def parameters_of(calls: Sequence[Call]) -> tuple[Parameter, ...]:
    """The parameters that every one of ``calls`` binds to; none for no calls."""
    width = max((len(call.args) for call in calls), default=0)
    least = min((len(call.args) for call in calls), default=0)
    keywords = _keywords(calls)
    if width - least > _MAX_PLAIN:
        width = least
    by_place = _keywords_by_place(calls, width)
    names: list[str] = []
    for place in range(width):
        taken = {*names, *keywords}
        names.append(by_place.get(place) or _unused(_wanted_name(calls, place), taken))
    made: list[Parameter] = []
    for place, name in enumerate(names):
        is_optional = any(one.default for one in made)  # as all that stand behind an optional one
        made.append(_parameter(calls, place, name, is_optional=is_optional))
    if any(len(call.args) > width for call in calls):
        made.append(Parameter(_unused("args", {*names, *keywords}), "star"))
    rest = [name for name in keywords if name not in names]
    made += [_parameter(calls, None, name) for name in rest[:_MAX_KEYWORDS]]
    odd = {name for call in calls for name, _ in call.kwargs} - {*keywords}  # ``**{"class": 1}``
    if odd or rest[_MAX_KEYWORDS:]:
        made.append(Parameter(_unused("kwargs", {item.name for item in made}), "double_star"))
    return tuple(made)


def common_type(values: Iterable[Seen]) -> str:
    """The annotation that fits all of ``values``; "" where they differ or say nothing.

    Only built-in types count: the name of another one would have to be imported.
    """
    names = {"None" if value.type_name == "NoneType" else value.type_name for value in values}
    is_optional = "None" in names
    names.discard("None")
    if names == {"int", "float"}:
        names = {"float"}
    if len(names) != 1 or not names <= _PLAIN_TYPES | _CONTAINERS:
        return ""
    return f"{names.pop()} | None" if is_optional else names.pop()


def _parameter(
    calls: Sequence[Call], place: int | None, name: str, *, is_optional: bool = False
) -> Parameter:
    """The parameter for a place, or for a keyword alone; optional where a call does without."""
    is_optional = is_optional or not all(_values([call], place, name) for call in calls)
    annotation = common_type(_values(calls, place, name))
    if is_optional and annotation and not annotation.endswith("None"):
        annotation = f"{annotation} | None"
    kind: Literal["plain", "keyword_only"] = "keyword_only" if place is None else "plain"
    return Parameter(name, kind, "None" if is_optional else "", annotation)


def _values(calls: Sequence[Call], place: int | None, name: str) -> list[Seen]:
    found = []
    for call in calls:
        if place is not None and place < len(call.args):
            found.append(call.args[place])
        found += [value for given, value in call.kwargs if given == name]
    return found


def _keywords(calls: Sequence[Call]) -> list[str]:
    names = dict.fromkeys(name for call in calls for name, _ in call.kwargs)
    return [name for name in names if name.isidentifier() and not keyword.iskeyword(name)]


def _keywords_by_place(calls: Sequence[Call], width: int) -> dict[int, str]:
    """Keywords that stand for a positional parameter: never together with it, of the same type."""
    found: dict[int, str] = {}
    for place in range(width):
        for name in _keywords(calls):
            widths = [len(call.args) for call in calls if _values([call], None, name)]
            if name in found.values() or max(widths) > place:
                continue
            if _is_same_type(calls, place, name):
                found[place] = name
                break
    return found


def _is_same_type(calls: Sequence[Call], place: int, name: str) -> bool:
    of_place = [call.args[place] for call in calls if place < len(call.args)]
    kinds = [
        {value.type_name for value in values} for values in (of_place, _values(calls, None, name))
    ]
    return bool(kinds[0] & kinds[1]) or not all(one - {"NoneType"} for one in kinds)


def _wanted_name(calls: Sequence[Call], place: int) -> str:
    """What most calls call an argument; else a word for its type."""
    hints = [hint for call in calls for hint in call.hints[place : place + 1]]
    types = [call.args[place].type_name for call in calls if place < len(call.args)]
    sure = [hint[1:] for hint in hints if hint[:1] == "."]
    good = [hint for hint in hints if _is_good(hint)]
    words = [_KIND_NAMES.get(one, "value") for one in types if one != "NoneType"]
    return Counter(sure or good or words or ["value"]).most_common(1)[0][0]


def _is_good(name: str) -> bool:
    is_name = name.isidentifier() and name.isascii() and not keyword.iskeyword(name)
    return is_name and name not in _POOR_NAMES and not hasattr(builtins, name)


def _unused(name: str, taken: set[str]) -> str:
    choices = [name, f"other_{name}", *(f"{name}_{number}" for number in range(3, len(taken) + 4))]
    return next(choice for choice in choices if choice not in taken)


# --- special methods ---------------------------------------------------------------------------

_ASKED = {
    "iterate": "__iter__",
    "iterate next": "__next__",
    "iterate async": "__aiter__",
    "enter": "__enter__ __exit__",
    "enter async": "__aenter__ __aexit__",
    "await": "__await__",
    "item": "__getitem__",
    "call": "__call__",
    "operator set": "__get__ __set__",
    "operator ne": "__eq__",
    **{f"operator i{name}": f"__{name}__" for name in ("add", "sub", "or", "and", "xor", "mul")},
    **{f"relation {name}": f"__{name}__" for name in ("eq", "lt", "le", "gt", "ge", "len")},
    **{f"relation {name}": f"__{name}__" for name in ("str", "repr", "contains")},
    "relation ne": "__eq__",
    "relation true": "__bool__",
    "relation false": "__bool__",
    "relation lacks": "__contains__",
}
"""By what happens to an object (a sight's kind and detail) or is expected of it."""

_TAKEN = {
    "__setitem__": "key value",
    "__getitem__": "key",
    "__delitem__": "key",
    "__exit__": "kind error trace",
    "__aexit__": "kind error trace",
    "__contains__": "item",
    "__get__": "instance owner",
    "__set__": "instance value",
}
_UNARY_NAMES = """
    __iter__ __next__ __aiter__ __enter__ __aenter__ __await__ __len__ __str__ __repr__ __bool__
    __neg__ __pos__ __abs__ __invert__ __round__ __trunc__ __floor__ __ceil__ __int__ __float__
    __complex__ __index__ __bytes__ __fspath__
"""
_UNARY = frozenset(_UNARY_NAMES.split())
_OPERATORS = frozenset(
    {*dir(int), *dir(float), *dir(dict), "__fspath__", "__bytes__", "__complex__"}
)


def special_parameters(name: str) -> tuple[Parameter, ...]:
    """What a special method takes beside ``self``."""
    taken = _TAKEN.get(name, "" if name in _UNARY else "other")
    return tuple(Parameter(item, "plain") for item in taken.split())


def names_for(kind: str, detail: str) -> tuple[str, ...]:
    """The special methods that one thing which happens to an object asks for."""
    known = _ASKED.get(f"{kind} {detail}") or _ASKED.get(kind, "")
    operator = f"__{detail}__" if kind == "operator" and detail != "bool" else ""
    return tuple(known.split()) or ((operator,) if operator in _OPERATORS else ())
