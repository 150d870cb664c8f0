"""What a candidate changes, read from its text and the base's. It runs nothing and swaps nothing.

A candidate is the whole text of one file in which one function is new. ``examine`` finds the
function, and says what else about the file differs: that decides whether the function can be
swapped in place or the file must be imported afresh.
"""

from __future__ import annotations

import ast
import copy
from types import CodeType
from typing import NamedTuple

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_PLAIN_DECORATORS = frozenset(("staticmethod", "classmethod"))


class InvalidProgramError(Exception):
    """The candidate does not compile, or does not hold the function it should."""


class Change(NamedTuple):
    """What a candidate changes. ``why_afresh`` is "" when the function can be swapped in place.

    ``lines`` are the function's lines in the candidate, decorators included; ``base_line`` is its
    first line in the base. ``imports`` are top-level imports that only the candidate has.
    ``is_decorated``: a decorator may have read what kind of function it is.
    """

    code: CodeType
    lines: range
    base_line: int = 0
    imports: tuple[ast.stmt, ...] = ()
    is_decorated: bool = False
    why_afresh: str = ""


def examine(
    path: str, qualname: str, source: str, base: str | None, ordinal: int | None = None
) -> Change:
    """Compare a candidate's text with its file's; ``path`` becomes its code's file name.

    ``ordinal`` tells which definition of the name is meant, from 0; None: the last.
    Raises InvalidProgramError when the candidate does not compile or lacks the function.
    """
    tree, code = _compile(path, source)
    nodes = _functions(tree, qualname)
    if not nodes:
        raise InvalidProgramError(f"the program defines no function {qualname!r}")
    index = len(nodes) - 1 if ordinal is None else min(ordinal, len(nodes) - 1)
    change = Change(code, _span(nodes[index]))
    try:
        base_tree = ast.parse(base or "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return change._replace(why_afresh="the file did not compile before")
    base_nodes = _functions(base_tree, qualname)
    if len(base_nodes) != len(nodes):
        return change._replace(why_afresh="the function is defined another number of times")
    node, base_node = nodes[index], base_nodes[index]
    known = {ast.dump(one) for one in _imports(base_tree)}
    imports = tuple(one for one in _imports(tree) if ast.dump(one) not in known)
    why = _why_afresh(node, base_node, imports)
    if _rest(source, node, *imports) != _rest(base or "", base_node):
        why = "the file differs outside the function"
    are_plain = (
        isinstance(one, ast.Name) and one.id in _PLAIN_DECORATORS for one in node.decorator_list
    )
    line = _span(base_node).start
    return Change(code, change.lines, line, imports, not all(are_plain), why)


def _compile(path: str, source: str) -> tuple[ast.Module, CodeType]:
    try:
        tree = ast.parse(source, path)
        return tree, compile(tree, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        message = f"line {error.lineno}: {type(error).__name__}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"{type(error).__name__}: {error}"
    raise InvalidProgramError(f"the program does not compile: {message}")


def _functions(tree: ast.Module, qualname: str) -> list[_Function]:
    """Return every definition of ``qualname`` in source order, also below ``if`` and ``try``."""
    found: list[ast.AST] = [tree]
    for name in qualname.replace(".<locals>", "").split("."):
        found = [node for scope in found for node in _definitions(scope) if node.name == name]
    return [node for node in found if isinstance(node, _Function)]


def _definitions(scope: ast.AST) -> list[_Function | ast.ClassDef]:
    """Return the functions and classes of one scope, not those of scopes inside it."""
    found: list[_Function | ast.ClassDef] = []
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, _SCOPES):
            found.append(node)
        elif not isinstance(node, ast.expr):
            found.extend(_definitions(node))
    return found


def _span(node: ast.stmt) -> range:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(one.lineno for one in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)


def _imports(tree: ast.Module) -> list[ast.stmt]:
    return [one for one in tree.body if isinstance(one, (ast.Import, ast.ImportFrom))]


def _rest(source: str, *hidden: ast.stmt) -> list[str]:
    """Return the lines outside of ``hidden`` that say something."""
    lines = {line for node in hidden for line in _span(node)}
    return [
        text.rstrip()
        for number, text in enumerate(source.splitlines(), 1)
        if number not in lines and text.strip()
    ]


def _why_afresh(node: _Function, base_node: _Function, imports: tuple[ast.stmt, ...]) -> str:
    if _header(node) != _header(base_node):
        return "the function's decorators or signature differ"
    if any(getattr(one, "module", None) == "__future__" for one in imports):
        return "the __future__ imports differ"
    docstring = ast.get_docstring(node, False)
    # a candidate that has none keeps the base's, and with it the examples that test it
    if docstring is not None and docstring != ast.get_docstring(base_node, False):
        return "the docstring differs"
    return ""


def _header(node: _Function) -> str:
    bare = copy.copy(node)
    bare.body = []
    return ast.dump(bare)
