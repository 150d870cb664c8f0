"""What a candidate changes, read from its text and the base's. It runs nothing and swaps nothing.

A candidate is the whole text of one file in which one function is new. ``examine`` finds the
function, and says what else about the file differs: that decides whether the function can be
swapped in place or the file must be imported afresh.
"""

from __future__ import annotations

import ast
from types import CodeType
from typing import NamedTuple

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_PLAIN_DECORATORS = frozenset(("staticmethod", "classmethod"))


class InvalidProgramError(Exception):
    """The candidate does not compile, or does not hold the function it should."""


class Change(NamedTuple):
    """What a candidate changes. ``why_afresh`` is "" when the function can be swapped in place.

    ``lines`` are the function's lines in the candidate, decorators included; ``base_line`` is its
    first line in the base. ``imports`` are top-level imports that only the candidate has.
    """

    code: CodeType
    node: FunctionNode
    lines: range
    base_line: int
    imports: tuple[ast.stmt, ...]
    same_arguments: bool
    same_docstring: bool
    why_afresh: str


def examine(
    path: str, qualname: str, source: str, base: str | None, ordinal: int | None = None
) -> Change:
    """Compare a candidate's text with its file's; ``path`` becomes its code's file name.

    ``ordinal`` tells which definition of the name is meant where none differs; None: the last.
    Raises InvalidProgramError when the candidate does not compile or lacks the function.
    """
    tree, code = _compile(path, source)
    nodes = find_functions(tree, qualname)
    if not nodes:
        raise InvalidProgramError(f"the program defines no function {qualname!r}")
    whole = Change(code, nodes[-1], _span(nodes[-1]), 0, (), False, False, "")
    if base is None:
        return whole._replace(why_afresh="the file is new")
    try:
        base_tree = ast.parse(base)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return whole._replace(why_afresh="the file did not compile before")
    base_nodes = find_functions(base_tree, qualname)
    if len(base_nodes) != len(nodes):
        return whole._replace(why_afresh="the function is defined another number of times")
    unchanged = len(nodes) - 1 if ordinal is None else min(ordinal, len(nodes) - 1)
    index = _changed(nodes, base_nodes, source, base, unchanged)
    if index is None:
        return whole._replace(why_afresh="several definitions of the function changed")
    return _compare(whole, (tree, source, nodes[index]), (base_tree, base, base_nodes[index]))


def _compile(path: str, source: str) -> tuple[ast.Module, CodeType]:
    try:
        tree = ast.parse(source, path)
        return tree, compile(tree, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        message = f"line {error.lineno}: {type(error).__name__}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"{type(error).__name__}: {error}"
    raise InvalidProgramError(f"the program does not compile: {message}")


def find_functions(tree: ast.Module, qualname: str) -> list[FunctionNode]:
    """Return every definition of ``qualname`` in source order, also below ``if`` and ``try``."""
    found: list[ast.AST] = [tree]
    for name in qualname.replace(".<locals>", "").split("."):
        found = [node for scope in found for node in _definitions(scope) if node.name == name]
    return [node for node in found if isinstance(node, FunctionNode)]


def _definitions(scope: ast.AST) -> list[FunctionNode | ast.ClassDef]:
    """Return the functions and classes of one scope, not those of scopes inside it."""
    found: list[FunctionNode | ast.ClassDef] = []
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, _SCOPES):
            found.append(node)
        elif not isinstance(node, ast.expr):
            found.extend(_definitions(node))
    return found


def _span(node: FunctionNode) -> range:
    first = min([node.lineno] + [decorator.lineno for decorator in node.decorator_list])
    return range(first, (node.end_lineno or node.lineno) + 1)


def _changed(
    nodes: list[FunctionNode],
    base_nodes: list[FunctionNode],
    source: str,
    base: str,
    unchanged: int,
) -> int | None:
    """Return which of a name's definitions differs: ``unchanged`` when none, None when several."""
    if len(nodes) == 1:
        return 0
    lines, base_lines = source.splitlines(), base.splitlines()
    different = [
        index
        for index, (node, base_node) in enumerate(zip(nodes, base_nodes, strict=True))
        if _text(lines, _span(node)) != _text(base_lines, _span(base_node))
    ]
    if len(different) > 1:
        return None
    return different[0] if different else unchanged


def _text(lines: list[str], span: range) -> list[str]:
    return lines[span.start - 1 : span.stop - 1]


_Side = tuple[ast.Module, str, FunctionNode]


def _compare(whole: Change, new: _Side, old: _Side) -> Change:
    tree, source, node = new
    base_tree, base, base_node = old
    old_imports = {ast.dump(one) for one in _imports(base_tree)}
    imports = [one for one in _imports(tree) if ast.dump(one) not in old_imports]
    same_arguments = _signature(node) == _signature(base_node)
    docstring = ast.get_docstring(node, False)
    # a candidate that has none keeps the base's, and with it the examples that test it
    same_docstring = docstring is None or docstring == ast.get_docstring(base_node, False)
    change = whole._replace(
        node=node,
        lines=_span(node),
        base_line=_span(base_node).start,
        imports=tuple(imports),
        same_arguments=same_arguments,
        same_docstring=same_docstring,
    )
    rest = _rest(source, [_span(node)] + [_lines_of(one) for one in imports])
    if rest != _rest(base, [_span(base_node)]):
        return change._replace(why_afresh="the file differs outside the function")
    return change._replace(why_afresh=_why_afresh(change, base_node))


def _why_afresh(change: Change, base_node: FunctionNode) -> str:
    node = change.node
    decorators = [ast.dump(one) for one in node.decorator_list]
    if decorators != [ast.dump(one) for one in base_node.decorator_list]:
        return "the decorators differ"
    if any(getattr(one, "module", None) == "__future__" for one in change.imports):
        return "the __future__ imports differ"
    decorated = any(
        not (isinstance(one, ast.Name) and one.id in _PLAIN_DECORATORS)
        for one in node.decorator_list
    )
    if decorated and not (change.same_arguments and change.same_docstring):
        return "a decorator may have read the signature or the docstring"
    if decorated and _kind(node) != _kind(base_node):
        return "a decorator may have read the kind of the function"
    if not change.same_docstring and ">>>" in _docstrings(node, base_node):
        return "the docstring holds examples"
    return ""


def _imports(tree: ast.Module) -> list[ast.stmt]:
    return [one for one in tree.body if isinstance(one, (ast.Import, ast.ImportFrom))]


def _lines_of(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _signature(node: FunctionNode) -> str:
    return ast.dump(node.args) + (ast.dump(node.returns) if node.returns else "")


def _docstrings(*nodes: FunctionNode) -> str:
    return "\n".join(ast.get_docstring(node, False) or "" for node in nodes)


def _rest(source: str, spans: list[range]) -> list[str]:
    """Return the lines outside ``spans`` that say something."""
    hidden = {line for span in spans for line in span}
    return [
        text.rstrip()
        for number, text in enumerate(source.splitlines(), 1)
        if number not in hidden and text.strip()
    ]


def _kind(node: FunctionNode) -> tuple[bool, bool]:
    """Return whether the function is async and whether it is a generator."""
    waiting: list[ast.AST] = list(node.body)
    yields = False
    while waiting and not yields:
        one = waiting.pop()
        if isinstance(one, (ast.Yield, ast.YieldFrom)):
            yields = True
        elif not isinstance(one, (*_SCOPES, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(one))
    return isinstance(node, ast.AsyncFunctionDef), yields


def find_code(code: CodeType, qualname: str, first_line: int) -> CodeType | None:
    """Return the code object of ``qualname`` (no ``<locals>``) that begins at ``first_line``."""
    names = qualname.split(".")
    scopes = [code]
    for depth, name in enumerate(names):
        scopes = [
            inner
            for scope in scopes
            for inner in scope.co_consts
            if isinstance(inner, CodeType)
            and inner.co_name == name
            and (depth < len(names) - 1 or inner.co_firstlineno == first_line)
        ]
    return scopes[0] if len(scopes) == 1 else None
