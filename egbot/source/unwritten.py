"""Owns the answer to one question: is this function still to be written?"""

from __future__ import annotations

import ast

from egbot.source.scopes import parameter_names
from egbot.source.symbols import Function
from egbot.source.tables import last_name

_ABSTRACT = frozenset(
    {"abstractmethod", "abstractproperty", "abstractclassmethod", "abstractstaticmethod"}
)
_EMPTY_BY_PURPOSE = frozenset({"overload", "hookspec", "group", "callback"})
"""Decorators that take a function without a body: typing's, pluggy's, click's and typer's."""

_NEVER = frozenset({"NoReturn", "Never"})
_UNWRITTEN = frozenset({"NotImplementedError", "NotImplemented"})


def is_stub(node: ast.AST, owner: ast.AST | None = None) -> bool:
    """Whether a function's body does nothing, or nothing but say that it is not written.

    ``owner`` is the class of a method: a protocol's members, abstract ones and overloads are
    declarations, and what never returns by its annotation is written as it stands.
    """
    if not isinstance(node, Function) or is_abstract(node, owner):
        return False
    if _decorators(node) & _EMPTY_BY_PURPOSE or _name(node.returns) in _NEVER:
        return False
    if _refuses(node.body):
        return True
    is_plain_init = node.name == "__init__" and len(parameter_names(node)) == 1
    return not is_plain_init and all(_does_nothing(item) for item in node.body)


def is_silent(node: ast.AST) -> bool:
    """Whether a stub returns instead of raising."""
    return isinstance(node, Function) and not _refuses(node.body)


def is_abstract(node: ast.AST, owner: ast.AST | None = None) -> bool:
    """Whether others are to write the function: subclasses of ``owner``, or what fits a protocol."""
    bases = owner.bases if isinstance(owner, ast.ClassDef) else []
    is_protocol = any(_name(base) == "Protocol" for base in bases)
    return is_protocol or bool(_decorators(node) & _ABSTRACT)


def says_nothing(node: ast.stmt) -> bool:
    """Whether a statement is ``pass``, ``...`` or a string that nobody reads."""
    is_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass) or is_constant


def _refuses(body: list[ast.stmt]) -> bool:
    """Whether a body comes straight to a statement that says that it is not written."""
    for node in body:
        if _raises_unwritten(node):
            return True
        if not says_nothing(node) and not _prepares_message(node):
            return False
    return False


def _does_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Return):
        is_dots = isinstance(node.value, ast.Constant) and node.value.value is ...
        return is_dots or _name(node.value) == "NotImplemented"
    return says_nothing(node)


def _prepares_message(node: ast.stmt) -> bool:
    """``message = "..."``, or ``del argument`` for those who check for unused ones."""
    is_text = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.JoinedStr)
    return is_text or isinstance(node, ast.Delete)


def _raises_unwritten(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assert):
        return isinstance(node.test, ast.Constant) and not node.test.value
    return isinstance(node, ast.Raise) and _name(node.exc) in _UNWRITTEN


def _decorators(node: ast.AST) -> frozenset[str]:
    return frozenset(_name(item) for item in getattr(node, "decorator_list", ()))


def _name(node: ast.expr | None) -> str:
    """The last name of what stands there, without its call or its brackets."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return last_name(node) if node is not None else ""
