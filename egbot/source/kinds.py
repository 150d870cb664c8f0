"""Owns the kinds of literal expressions and the annotation that several of them agree on.

It knows nothing of functions or tests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

_CONSTANTS = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    bytes: "bytes",
    complex: "complex",
    type(None): "none",
}
_DISPLAYS: tuple[tuple[tuple[type[ast.expr], ...], str], ...] = (
    ((ast.List, ast.ListComp), "list"),
    ((ast.Dict, ast.DictComp), "dict"),
    ((ast.Set, ast.SetComp), "set"),
    ((ast.Tuple,), "tuple"),
    ((ast.JoinedStr,), "str"),
    ((ast.Lambda,), "callable"),
)


def kind_name(node: ast.expr) -> str:
    """The kind of a literal ("int", "str", "list", "none", "callable", ...), or "" for others."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        node = node.operand
    if isinstance(node, ast.Constant):
        return _CONSTANTS.get(type(node.value), "")
    return next((kind for types, kind in _DISPLAYS if isinstance(node, types)), "")


def common_annotation(nodes: Iterable[ast.expr]) -> str:
    """The annotation that fits every literal of ``nodes``; "" where they differ or say nothing."""
    listed = list(nodes)
    kinds = {kind_name(node) for node in listed}
    optional = "none" in kinds
    kinds.discard("none")
    if kinds == {"int", "float"}:
        kinds = {"float"}
    if len(kinds) != 1 or kinds & {"", "callable"}:
        return ""
    (kind,) = kinds
    annotation = kind + _elements(kind, [node for node in listed if kind_name(node) != "none"])
    return f"{annotation} | None" if optional else annotation


def _elements(kind: str, nodes: list[ast.expr]) -> str:
    """``[int]`` for lists and sets of one kind, ``[str, int]`` for such dicts, else ""."""
    if kind in {"list", "set"}:
        displays = [node for node in nodes if isinstance(node, ast.List | ast.Set)]
        inner = common_annotation(item for node in displays for item in node.elts)
        return f"[{inner}]" if inner and len(displays) == len(nodes) else ""
    if kind == "dict":
        tables = [node for node in nodes if isinstance(node, ast.Dict)]
        names = [name for table in tables for name in table.keys if name is not None]
        key = common_annotation(names)
        value = common_annotation(item for table in tables for item in table.values)
        return f"[{key}, {value}]" if key and value and len(tables) == len(nodes) else ""
    return ""
