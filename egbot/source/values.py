"""Owns the value that a missing constant or a result gets: what the tests tell, or an empty one.

It knows nothing of where the value is written.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from egbot.source.calls import Use
from egbot.source.kinds import kind_name
from egbot.source.results import ResultUse
from egbot.source.tables import is_small, last_name, literal, unparse

_EMPTY = {
    "str": '""',
    "int": "0",
    "float": "0.0",
    "bool": "False",
    "bytes": 'b""',
    "list": "[]",
    "dict": "{}",
    "tuple": "()",
    "set": "set()",
}
_ITERATING = frozenset({"iterated", "searched", "len", "next", "ordered"})
_METHODS = ((dict, "{}"), (str, '""'), (list, "[]"), (set, "set()"))
UNTOLD = "the tests do not tell its value"


def told_value(found: Iterable[Use]) -> str:
    """The literal that every comparison of a name agrees on, as source text; "" if there is none."""
    values = {
        unparse(value)
        for use in found
        if (value := _other_side(use)) is not None and literal(value) and is_small(value)
    }
    return values.pop() if len(values) == 1 else ""


def empty_value(
    found: Iterable[Use], parts: Iterable[str], given: Iterable[ast.expr | None]
) -> str:
    """An empty value of the kind that its uses suggest, as source text; "None" for no idea.

    ``parts`` are the attributes that it is asked for, ``given`` what tests put in its place.
    """
    kinds = {kind_name(value) for value in given if value is not None} - {"", "none", "callable"}
    if len(kinds) == 1:
        return _EMPTY.get(kinds.pop(), "None")
    names = set(parts)
    if names:
        return next((text for kind, text in _METHODS if names <= set(dir(kind))), "None")
    return next((text for use in found if (text := _suggested(use))), "None")


def empty_result(returns: str, results: Iterable[ResultUse]) -> str:
    """What a placeholder returns so that the code around its call runs, as source text."""
    known = _EMPTY.get(returns.split("[")[0].split(" ")[0], "")
    if known:
        return known
    asked = tuple(results)
    for item in asked:
        if item.kind == "called":
            return "lambda *args, **kwargs: None"
        if item.kind == "unpacked":
            return f"({'None, ' * int(item.name)})"
    names = {item.name for item in asked if item.kind in {"method", "attribute"}}
    if names:
        return next((text for kind, text in _METHODS if names <= set(dir(kind))), "None")
    return "[]" if any(item.kind in _ITERATING for item in asked) else "None"


def _other_side(use: Use) -> ast.expr | None:
    around = use.around
    if isinstance(around, ast.Compare) and isinstance(around.ops[0], ast.Eq | ast.Is):
        return around.comparators[0] if around.left is use.node else around.left
    if isinstance(around, ast.Call) and last_name(around.func) in {"assertEqual", "assertEquals"}:
        others = [item for item in around.args[:2] if item is not use.node]
        return others[0] if len(others) == 1 else None
    return None


def _suggested(use: Use) -> str:
    around = use.around
    other = _other_side(use)
    if other is not None:
        return _EMPTY.get(kind_name(other), "")
    if isinstance(around, ast.BinOp):
        side = around.right if around.left is use.node else around.left
        return _EMPTY.get(kind_name(side), "0")
    if isinstance(around, ast.Subscript) and around.value is use.node:
        return "{}" if kind_name(around.slice) != "int" else "[]"
    is_iterated = isinstance(around, ast.For | ast.comprehension) and around.iter is use.node
    if is_iterated or isinstance(around, ast.Starred):
        return "()"
    if isinstance(around, ast.Compare) and isinstance(around.ops[0], ast.In | ast.NotIn):
        return "()" if around.left is not use.node else ""
    if isinstance(around, ast.Compare | ast.UnaryOp):
        return "0"
    name = last_name(around.func) if isinstance(around, ast.Call) else ""
    return "()" if name in {"len", "list", "tuple", "set", "sorted", "sum", "enumerate"} else ""
