"""Owns whether a text that a function looks up is handed in, or made from pieces by the function."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from egbot.source.allowed import FRAMES
from egbot.source.guardscope import parameters

_MAKERS = frozenset(
    ["chr", "bytes", "bytearray", "eval", "exec", "bin", "hex", "oct", "ascii", "repr"]
)
_FILLS = frozenset(["append", "add", "insert", "extend", "update", "setdefault", "appendleft"])
_Bound = tuple[str, ast.expr | None]


def made_names(function: ast.AST) -> frozenset[str]:
    """The names of a function whose values it may have put together itself."""
    bound = list(_bindings(function))
    made: set[str] = set()
    while True:
        new = {
            name
            for name, value in bound
            if name not in made and (value is None or not is_handed_in(value, made))
        }
        if not new:
            return frozenset(made)
        made |= new


def is_handed_in(node: ast.expr, made: Iterable[str]) -> bool:  # noqa: C901 (a case a node)
    """Whether no text of ``node`` is put together here, but for what begins harmlessly."""
    match node:
        case ast.Name(id=name):
            return name not in made
        case ast.Constant(value=str(text)):
            return is_harmless(text)
        case ast.Constant():
            return True
        case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
            return is_handed_in(inner, made)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=words):
            return name not in _MAKERS and not words and _all(args, made)
        case ast.Call(func=ast.Attribute(value=inner), args=args):
            texts = [one for one in args if not _is_letter(one)]
            return is_handed_in(inner, made) and _all(texts, made)
        case ast.JoinedStr(values=[ast.Constant(value=str(head)), *_]):
            return is_harmless(head)
        case ast.JoinedStr(values=values):
            return _all(values, made)
        case ast.FormattedValue(value=inner):
            return is_handed_in(inner, made)
        case ast.BinOp(left=ast.Constant(value=str(head)), op=ast.Add() | ast.Mod()):
            return is_harmless(head.partition("%")[0])
        case ast.BinOp(left=left, right=right):
            return _all([left, right], made)
        case ast.BoolOp(values=values):
            return _all(values, made)
        case ast.IfExp(body=body, orelse=other):
            return _all([body, other], made)
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            return _all(items, made)
        case ast.Dict(keys=keys, values=values):
            return _all([one for one in (*keys, *values) if one is not None], made)
        case ast.ListComp(elt=item) | ast.SetComp(elt=item) | ast.GeneratorExp(elt=item):
            return is_handed_in(item, made)
        case ast.NamedExpr(value=inner) | ast.Await(value=inner):
            return is_handed_in(inner, made)
        case _:
            return False


def is_harmless(text: str) -> bool:
    """Whether nothing that begins with ``text`` leads into the interpreter."""
    starts = text[:2] != "__" and not any(one.startswith(text) for one in FRAMES)
    return bool(text) and starts and text != "_"


def _all(nodes: Iterable[ast.expr], made: Iterable[str]) -> bool:
    return all(is_handed_in(one, made) for one in nodes)


def _is_letter(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 2


def _bindings(function: ast.AST) -> Iterator[_Bound]:  # noqa: C901 (a case a node)
    """Each name that a function, or one inside it, binds, with where its value comes from."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _taken(target, value)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                yield name, ast.BinOp(ast.Name(name), op, value)
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.NamedExpr(target=target, value=value)
            ):
                yield from _taken(target, value)
            case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                yield from _taken(target, value)
            case ast.comprehension(target=target, iter=value):
                yield from _taken(target, value)
            case ast.withitem(optional_vars=ast.expr() as target):
                yield from _taken(target, None)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr), args=args):
                yield from ((name, one) for one in args if attr in _FILLS)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, None
            case ast.Lambda(args=args):
                yield from ((name, None) for name in parameters(args))
            case (
                ast.FunctionDef(name=inner, args=args) | ast.AsyncFunctionDef(name=inner, args=args)
            ):
                given = [] if node is function else _given_to(inner, function)
                yield from ((name, one) for name in parameters(args) for one in given)
            case _:
                pass


def _given_to(inner: str, function: ast.AST) -> list[ast.expr | None]:
    """What a function inside another is called with; None where it is not only called."""
    nodes = list(ast.walk(function))
    uses = [one for one in nodes if isinstance(one, ast.Name) and one.id == inner]
    calls = [one for one in nodes if isinstance(one, ast.Call) and one.func in uses]
    given = [one for call in calls for one in (*call.args, *(word.value for word in call.keywords))]
    return [*given] if len(uses) == len(calls) else [None]


def _taken(target: ast.expr, value: ast.expr | None) -> Iterator[_Bound]:
    key = target.slice if isinstance(target, ast.Subscript) else None
    for node in ast.walk(target.value if isinstance(target, ast.Subscript) else target):
        if isinstance(node, ast.Name):
            yield node.id, value
            yield from [(node.id, key)] if key is not None else []
