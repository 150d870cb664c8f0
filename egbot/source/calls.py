"""Owns where and how a repository's code uses a function: its call sites and other references.

It knows nothing of signatures, and it runs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from egbot.source.examples import Example, Key, known_as, may_use, refers
from egbot.source.results import ResultUse, result_uses
from egbot.source.scopes import Scope, scopes
from egbot.source.symbols import Code
from egbot.source.tables import last_name

Role = Literal["call", "decorator", "passed", "raised", "base", "value"]
_RUNNERS = frozenset({"run", "run_until_complete", "gather", "create_task", "wait_for"})
_APPLIERS = frozenset({"map", "filter", "sorted", "min", "max", "reduce", "partial", "run"})
MAX_USES = 400


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One reference to a function or class. ``call`` is there when the role is ``call``.

    ``receiver`` is what stands before the last dot. ``consumed`` says what is done with the
    call's result (or the name, for a decorator), ``results`` what the result is then asked for, at
    once or through the variable that holds it. ``around`` is the syntax that holds the reference
    or its call, ``scope`` the function that it stands in.
    """

    path: str
    line: int
    role: Role
    node: ast.expr
    call: ast.Call | None
    receiver: Literal["instance", "class", "module", "none"]
    awaited: bool
    consumed: Literal["", "with", "async with", "for", "async for", "decorator"]
    results: tuple[ResultUse, ...] = ()
    around: ast.AST | None = None
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """The arguments of one call. ``open_*``: it also passes ``*something`` or ``**something``.

    ``is_unrolled``: the same call is there again with the test's values in place of its names, so
    that its own expressions say nothing more about types.
    """

    positional: tuple[ast.expr, ...]
    keywords: tuple[tuple[str, ast.expr], ...]
    open_positional: bool
    open_keywords: bool
    is_unrolled: bool = False


def uses(code: Code, key: Key) -> tuple[Use, ...]:
    """Every reference to ``key`` in the tree, by path and line; at most ``MAX_USES``."""
    last = key[1].rpartition(".")[2]
    paths = [path for path in sorted(code.tree) if may_use(code, path, key)]
    # types come first: receivers of unknown type are believed only where no known one is found
    for loose in (False, True) if "." in key[1] else (False,):
        found: list[Use] = []
        for path in paths:
            for scope, body in scopes(code, path, known_as(Scope(code, path), last)):
                names = known_as(scope, last)
                for root in body:
                    found.extend(_uses_in(scope, root, key, names, loose=loose))
            if len(found) >= MAX_USES:
                break
        if found:
            return tuple(found[:MAX_USES])
    return ()


def shapes(found: tuple[Use, ...], given: tuple[Example, ...]) -> tuple[Shape, ...]:
    """The argument lists of all calls: as written, and with the tests' values put in."""
    unrolled = [(item.path, item.line, item.call) for item in given]
    lines = {(path, line) for path, line, call in unrolled if isinstance(call, ast.Call)}
    made = [shape(call) for _, _, call in unrolled if isinstance(call, ast.Call)]
    for use in found:
        if use.role == "decorator":
            made.append(Shape((use.node,), (), open_positional=False, open_keywords=False))
        elif use.call is not None:
            written = shape(use.call)
            is_open = written.open_positional or written.open_keywords
            is_unrolled = (use.path, use.line) in lines
            if not is_open or not is_unrolled:
                made.append(replace(written, is_unrolled=is_unrolled))
    return tuple(made)


def shape(call: ast.Call) -> Shape:
    """The argument list of ``call``; a starred literal is opened up."""
    positional: list[ast.expr] = []
    open_positional = open_keywords = False
    for argument in call.args:
        if not isinstance(argument, ast.Starred):
            if not open_positional:
                positional.append(argument)
        elif isinstance(argument.value, ast.Tuple | ast.List) and not open_positional:
            positional.extend(argument.value.elts)
        else:
            open_positional = True
    keywords: list[tuple[str, ast.expr]] = []
    for keyword in call.keywords:
        pairs = _keyword_pairs(keyword)
        open_keywords = open_keywords or pairs is None
        keywords.extend(pairs or ())
    return Shape(tuple(positional), tuple(keywords), open_positional, open_keywords)


def _keyword_pairs(keyword: ast.keyword) -> list[tuple[str, ast.expr]] | None:
    if keyword.arg is not None:
        return [(keyword.arg, keyword.value)]
    if not isinstance(keyword.value, ast.Dict):
        return None
    pairs: list[tuple[str, ast.expr]] = []
    for name, value in zip(keyword.value.keys, keyword.value.values, strict=True):
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            return None
        pairs.append((name.value, value))
    return pairs


def _uses_in(
    scope: Scope, root: ast.stmt, key: Key, names: frozenset[str], *, loose: bool
) -> Iterator[Use]:
    references: list[ast.expr] = []
    for node in ast.walk(root):
        if not isinstance(node, ast.Name | ast.Attribute) or last_name(node) not in names:
            continue
        if isinstance(node.ctx, ast.Load) and refers(scope, node, key, loose=loose):
            references.append(node)
    around = ast.walk(root) if references else ()
    parents = {child: node for node in around for child in ast.iter_child_nodes(node)}
    for node in sorted(references, key=lambda found: (found.lineno, found.col_offset)):
        if not isinstance(parents.get(node), ast.Attribute) or "." in key[1]:
            yield _use(scope, node, parents)


def _use(scope: Scope, node: ast.expr, parents: dict[ast.AST, ast.AST]) -> Use:
    parent = parents.get(node)
    call = parent if isinstance(parent, ast.Call) and parent.func is node else None
    outer = call or node
    around = parents.get(outer)
    return Use(
        path=scope.path,
        line=node.lineno,
        role="call" if call is not None else _role(node, parent, parents),
        node=node,
        call=call,
        receiver=_receiver(scope, node),
        awaited=isinstance(around, ast.Await) or _is_run(around),
        consumed=_consumed(outer, around, parents),
        results=result_uses(outer, parents) if call is not None else (),
        around=around,
        scope=scope,
    )


def _role(node: ast.expr, parent: ast.AST | None, parents: dict[ast.AST, ast.AST]) -> Role:
    if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "decorator" if node in parent.decorator_list else "base"
    if isinstance(parent, ast.Raise | ast.ExceptHandler):
        return "raised"
    if isinstance(parent, ast.Tuple):
        parent = parents.get(parent)
    if isinstance(parent, ast.keyword):
        return "passed" if parent.arg in {"key", "target", "default_factory"} else "value"
    if isinstance(parent, ast.Call):
        name = last_name(parent.func)
        if name in {"raises", "assertRaises", "assertRaisesRegex", "warns", "assertWarns"}:
            # assertRaises(Error, function, ...): the first is an exception, the second is called
            return "raised" if parent.args[0] is node else "passed"
        if name in {"isinstance", "issubclass"}:
            return "base"
        return "passed" if name in _APPLIERS and parent.args[0] is node else "value"
    if isinstance(parent, ast.AnnAssign):
        return "base" if parent.annotation is node else "value"
    return "base" if isinstance(parent, ast.arg) else "value"


def _receiver(scope: Scope, node: ast.expr) -> Literal["instance", "class", "module", "none"]:
    if not isinstance(node, ast.Attribute):
        return "none"
    owner = scope.resolve(node.value)
    if owner is None or owner.kind == "instance":
        return "instance"
    if owner.kind == "module" or (owner.kind == "missing_module" and not owner.qualname):
        return "module"
    return "class"


def _is_run(around: ast.AST | None) -> bool:
    return isinstance(around, ast.Call) and last_name(around.func) in _RUNNERS


def _consumed(
    outer: ast.expr, around: ast.AST | None, parents: dict[ast.AST, ast.AST]
) -> Literal["", "with", "async with", "for", "async for", "decorator"]:
    if isinstance(around, ast.withitem):
        return "async with" if isinstance(parents.get(around), ast.AsyncWith) else "with"
    if isinstance(around, ast.For | ast.AsyncFor) and around.iter is outer:
        return "async for" if isinstance(around, ast.AsyncFor) else "for"
    if isinstance(around, ast.comprehension) and around.iter is outer:
        return "async for" if around.is_async else "for"
    if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "decorator" if outer in around.decorator_list else ""
    return ""
