"""Owns what the code uses of a class that does not exist yet: its methods, properties, operators.

It knows nothing of stub text, and it runs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from egbot.source.examples import Example, Key, may_use
from egbot.source.modules import is_test_path
from egbot.source.scopes import Scope, scopes
from egbot.source.signatures import Parameter, Signature, gather, infer_signature
from egbot.source.symbols import Code, Symbol

_OPERATORS: dict[type[ast.operator] | type[ast.cmpop], str] = {
    ast.Add: "__add__",
    ast.Sub: "__sub__",
    ast.Mult: "__mul__",
    ast.Div: "__truediv__",
    ast.Eq: "__eq__",
    ast.Lt: "__lt__",
    ast.Gt: "__gt__",
}
_BUILTIN_CALLS = {
    "len": ("__len__", "int"),
    "str": ("__str__", "str"),
    "repr": ("__repr__", "str"),
    "iter": ("__iter__", ""),
    "list": ("__iter__", ""),
    "bool": ("__bool__", "bool"),
    "hash": ("__hash__", "int"),
    "abs": ("__abs__", ""),
}


@dataclass(frozen=True, slots=True)
class Member:
    """One method or property of a missing class and the examples that the tests give of it."""

    signature: Signature
    examples: tuple[Example, ...]


def members(code: Code, key: Key) -> tuple[Member, ...]:
    """The members of the missing class ``key`` that the code uses, in the order of first use."""
    names: dict[str, None] = {}
    operators: dict[str, Signature] = {}
    for path in sorted(code.tree):
        # a fixture may hide the class from the test that uses it, so tests are always read
        if not (path.endswith(".py") and is_test_path(path)) and not may_use(code, path, key):
            continue
        for scope, body in scopes(code, path):
            for node in (part for root in body for part in ast.walk(root)):
                if isinstance(node, ast.Attribute) and _is_member(scope, node, key):
                    names.setdefault(node.attr)
                for owner, signature in operator_uses(scope, node):
                    if (owner.path, owner.qualname) == key:
                        operators.setdefault(signature.name, signature)
    found = []
    for name in names:
        inner = (key[0], f"{key[1]}.{name}")
        evidence = gather(code, inner)
        found.append(Member(infer_signature(inner, evidence), evidence.examples))
    return (*found, *(Member(signature, ()) for signature in operators.values()))


def _is_member(scope: Scope, node: ast.Attribute, key: Key) -> bool:
    if not isinstance(node.ctx, ast.Load) or node.attr.startswith("__"):
        return False
    owner = scope.resolve(node.value)
    return owner is not None and owner.kind != "module" and (owner.path, owner.qualname) == key


def operator_uses(scope: Scope, node: ast.AST) -> Iterator[tuple[Symbol, Signature]]:
    """The special methods that an operator, a built-in call or a statement asks an object for."""
    for operand, signature in _operands(node):
        owner = scope.resolve(operand)
        if owner is not None and owner.kind == "instance":
            yield owner, signature


def _operands(node: ast.AST) -> Iterator[tuple[ast.expr, Signature]]:
    if isinstance(node, ast.BinOp):
        yield from ((node.left, made) for made in _binary(type(node.op)))
    elif isinstance(node, ast.Compare):
        if isinstance(node.ops[0], ast.In | ast.NotIn):
            yield node.comparators[0], _special("__contains__", "item", returns="bool")
        yield from ((node.left, made) for made in _binary(type(node.ops[0])))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        if node.func.id in _BUILTIN_CALLS:
            name, returns = _BUILTIN_CALLS[node.func.id]
            yield node.args[0], _special(name, returns=returns)
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        yield node.value, _special("__setitem__", "key", "value", returns="None")
    elif isinstance(node, ast.Subscript):
        yield node.value, _special("__getitem__", "key")
    elif isinstance(node, ast.For | ast.comprehension):
        yield node.iter, _special("__iter__")
    elif isinstance(node, ast.withitem):
        yield node.context_expr, _special("__enter__")
        yield node.context_expr, _special("__exit__", "kind", "error", "trace")


def _binary(operator: type[ast.operator] | type[ast.cmpop]) -> Iterator[Signature]:
    name = _OPERATORS.get(operator)
    if name is not None:
        is_comparison = issubclass(operator, ast.cmpop)
        yield _special(name, "other", returns="bool" if is_comparison else "")


def _special(name: str, *parameters: str, returns: str = "") -> Signature:
    return Signature(name, tuple(Parameter(p, "plain") for p in parameters), "method", returns)
