"""Owns what the code asks of a call's result: it is iterated, called, indexed, has attributes.

It knows nothing of who is called, and it follows a result through one variable at most.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import NamedTuple

_ITERATORS = frozenset(
    {"list", "tuple", "set", "sorted", "sum", "iter", "enumerate", "any", "all", "dict", "zip"}
)


class ResultUse(NamedTuple):
    """One thing that is done with a result; ``name`` is the attribute's, the method's or "".

    ``isinstance`` has the class's expression as ``name``, ``next`` stands for an iterator.
    """

    kind: str
    name: str = ""


def result_uses(outer: ast.expr, parents: Mapping[ast.AST, ast.AST]) -> tuple[ResultUse, ...]:
    """What is done with the value of ``outer``, in the order of the text, each once."""
    around = parents.get(outer)
    while isinstance(around, ast.Await):
        outer, around = around, parents.get(around)
    found = dict.fromkeys(_asked(outer, parents))
    if isinstance(around, ast.Assign) and len(around.targets) == 1:
        target = around.targets[0]
        if isinstance(target, ast.Name):
            for reference in _later(target, parents):
                found.update(dict.fromkeys(_asked(reference, parents)))
    return tuple(found)


def _later(target: ast.Name, parents: Mapping[ast.AST, ast.AST]) -> list[ast.Name]:
    """The reads of a variable below its assignment and above its next one."""
    names = [node for node in parents if isinstance(node, ast.Name) and node.id == target.id]
    below = [node for node in names if node.lineno > target.lineno]
    stores = [node.lineno for node in below if not isinstance(node.ctx, ast.Load)]
    end = min(stores, default=1 << 30)
    reads = [node for node in below if isinstance(node.ctx, ast.Load) and node.lineno <= end]
    return sorted(reads, key=lambda node: (node.lineno, node.col_offset))


def _asked(node: ast.expr, parents: Mapping[ast.AST, ast.AST]) -> list[ResultUse]:
    around = parents.get(node)
    if isinstance(around, ast.Attribute):
        call = parents.get(around)
        is_called = isinstance(call, ast.Call) and call.func is around
        return [ResultUse("method" if is_called else "attribute", around.attr)]
    if isinstance(around, ast.Subscript) and around.value is node:
        return [ResultUse("indexed")]
    if isinstance(around, ast.Call):
        return _in_call(node, around)
    if isinstance(around, ast.Starred | ast.YieldFrom):
        return [ResultUse("iterated")]
    if isinstance(around, ast.For | ast.comprehension) and around.iter is node:
        return [ResultUse("iterated")]
    if isinstance(around, ast.Assign) and isinstance(around.targets[0], ast.Tuple | ast.List):
        return [ResultUse("unpacked", str(len(around.targets[0].elts)))]
    if isinstance(around, ast.Compare):
        return _compared(node, around)
    return []


def _in_call(node: ast.expr, call: ast.Call) -> list[ResultUse]:
    if call.func is node:
        return [ResultUse("called")]
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name == "isinstance" and len(call.args) == 2 and call.args[0] is node:
        return [ResultUse("isinstance", ast.unparse(call.args[1]))]
    if name in _ITERATORS and node in call.args:
        return [ResultUse("iterated")]
    return [ResultUse(name)] if name in {"next", "len"} and node in call.args else []


def _compared(node: ast.expr, compare: ast.Compare) -> list[ResultUse]:
    if any(isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for operator in compare.ops):
        return [ResultUse("ordered")]
    if node in compare.comparators and isinstance(compare.ops[0], ast.In | ast.NotIn):
        return [ResultUse("searched")]
    return []
