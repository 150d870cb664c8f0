"""Owns the question which lines of the tests run while they are collected.

It knows nothing of what these lines use.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from egbot.source.modules import is_test_path
from egbot.source.scopes import Scope, cached, function_scope, functions_in, scopes
from egbot.source.symbols import Code, Function


def runs_at_import(scope: Scope, node: ast.expr) -> bool:
    """Whether ``node`` of a test file's ``scope`` is evaluated while the tests are collected.

    That is the module's own code, decorators, defaults and annotations, pytest's hooks, and
    the functions of the tests that any of these call.
    """
    if not is_test_path(scope.path):
        return False
    if scope.function is None or scope.function.name.startswith("pytest_"):
        return True
    if any(node is part for head in _heads(scope.function) for part in ast.walk(head)):
        return True
    called: frozenset[Function] = cached(
        scope.code, ("called at import", ""), lambda: _called_at_import(scope.code)
    )
    return scope.function in called


def _called_at_import(code: Code) -> frozenset[Function]:
    found: set[Function] = set()
    waiting: list[tuple[Scope, ast.AST]] = []
    for path in sorted(code.tree):
        for scope, body in scopes(code, path) if is_test_path(path) else ():
            hook = scope.function is None or scope.function.name.startswith("pytest_")
            heads = body if scope.function is None or hook else _heads(scope.function)
            waiting.extend((scope, head) for head in heads)
    while waiting:
        scope, root = waiting.pop()
        for inner in _called_functions(scope, root):
            if inner.function is not None and inner.function not in found:
                found.add(inner.function)
                waiting.append((inner, inner.function))
    return frozenset(found)


def _called_functions(scope: Scope, root: ast.AST) -> Iterator[Scope]:
    """The functions of the tests that ``root`` calls; a class stands for all of its methods."""
    for node in ast.walk(root):
        symbol = scope.resolve(node.func) if isinstance(node, ast.Call) else None
        if symbol is None or not is_test_path(symbol.path):
            continue
        definition = scope.code.definition(symbol.path, symbol.qualname)
        if isinstance(definition, Function):
            yield function_scope(scope.code, symbol.path, definition)
        elif isinstance(definition, ast.ClassDef):
            for inner, owner in functions_in(definition.body, definition):
                yield function_scope(scope.code, symbol.path, inner, owner)


def _heads(function: Function) -> list[ast.expr]:
    """What a definition evaluates at once: decorators, defaults and annotations."""
    arguments = function.args
    named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    notes = [argument.annotation for argument in named]
    heads = [*function.decorator_list, *arguments.defaults, *arguments.kw_defaults, *notes]
    return [head for head in (*heads, function.returns) if head is not None]
