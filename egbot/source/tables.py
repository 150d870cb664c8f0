"""Owns the unrolling of a test: its parametrize rows, literal loops and locals, put into its lines.

It knows nothing of which function a test is about, and it runs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TypeVar, cast

from egbot.source.scopes import Scope
from egbot.source.symbols import Function

MAX_ROWS = 64  # of one test, after multiplying its tables
_MAX_NODES = 400
_MAX_VALUE_DEPTH = 30
_RAISES = frozenset({"raises", "assertRaises", "assertRaisesRegex"})
_READING = frozenset(
    {*vars(str), *vars(bytes), *vars(tuple), *vars(frozenset), "get", "items", "keys", "values"}
)  # methods of the built-in types that leave their object as it was

Node = TypeVar("Node", bound=ast.AST)
Values = Mapping[str, ast.expr]


@dataclass(frozen=True, slots=True)
class Step:
    """One expression or simple statement of a function with what its names are known to hold.

    ``conditional`` steps stand under an ``if`` or ``try``; ``raises`` is the exception that the
    surrounding ``with pytest.raises(...)`` expects.
    """

    node: ast.stmt | ast.expr
    values: Values
    conditional: bool = False
    raises: ast.expr | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One parametrize decorator: its argument names and rows (None where they are not literal)."""

    names: tuple[str, ...]
    rows: tuple[tuple[ast.expr, ...], ...] | None


@dataclass(slots=True)
class _Walk:
    changed: frozenset[str]
    num_steps: int = 0
    values: dict[str, ast.expr] = field(default_factory=dict)


def steps(scope: Scope, *, max_steps: int = 4000) -> Iterator[Step]:
    """Unroll the scope's function, once for each row of its tables."""
    function = scope.function
    if function is None:
        return
    walk = _Walk(frozenset(_changed_names(function)))
    for row in row_values(scope):
        walk.values = {}
        for name, value in row.items():
            _set(walk, ast.Name(name, ast.Store()), value)
        for step in _walk_body(function.body, walk, scope, Step(ast.Pass(), {})):
            walk.num_steps += 1
            if walk.num_steps > max_steps:
                return
            yield step


def tables(scope: Scope) -> tuple[Table, ...]:
    """The parametrize tables that apply to the scope's function, the closest first."""
    decorators: list[ast.expr] = []
    if scope.function is not None:
        decorators += reversed(scope.function.decorator_list)
    if scope.owner is not None:
        decorators += reversed(scope.owner.decorator_list)
    mark = scope.code.bindings(scope.path).get("pytestmark")
    if isinstance(mark, ast.expr):
        decorators += mark.elts if isinstance(mark, ast.List | ast.Tuple) else [mark]
    found = (_table(decorator, scope) for decorator in decorators)
    return tuple(table for table in found if table is not None)


def row_values(scope: Scope) -> list[dict[str, ast.expr]]:
    """What the parametrized arguments hold, row by row; one empty row where nothing is known."""
    known = [table for table in tables(scope) if table.rows]
    found: list[dict[str, ast.expr]] = []
    for rows in product(*(table.rows or () for table in reversed(known))):
        values: dict[str, ast.expr] = {}
        for table, row in zip(reversed(known), rows, strict=True):
            values.update(zip(table.names, row, strict=True))
        found.append(values)
        if len(found) >= MAX_ROWS:
            break
    return found or [{}]


def substitute(node: Node, values: Values) -> Node:
    """A copy of ``node`` with the names of ``values`` replaced; the values are shared."""
    if not values:
        return node
    fields: dict[str, object] = {}
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            fields[name] = substitute(value, values)
        elif isinstance(value, list):
            fields[name] = [substitute(v, values) if isinstance(v, ast.AST) else v for v in value]
        else:
            fields[name] = value
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in values:
        return cast("Node", values[node.id])
    return ast.copy_location(type(node)(**fields), node)


def unparse(node: ast.AST) -> str:
    """The source text of ``node`` on as few lines as Python allows; "" where that fails."""
    try:
        return ast.unparse(node)
    except (RecursionError, ValueError, AttributeError):
        return ""


def literal(node: ast.AST | None) -> bool:
    """Whether ``node`` is a literal: constants, signs and displays of literals."""
    if node is None:
        return False
    for part in ast.walk(node):
        if isinstance(part, ast.Constant | ast.expr_context | ast.unaryop):
            continue
        if isinstance(part, ast.List | ast.Tuple | ast.Set | ast.Dict):
            continue
        if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub | ast.UAdd):
            continue
        return False
    return True


def _table(decorator: ast.expr, scope: Scope) -> Table | None:
    if not isinstance(decorator, ast.Call) or last_name(decorator.func) != "parametrize":
        return None
    given = dict(zip(("argnames", "argvalues"), decorator.args, strict=False))
    given.update({keyword.arg: keyword.value for keyword in decorator.keywords if keyword.arg})
    names = _argument_names(given.get("argnames"))
    if not names:
        return None
    if "indirect" in given:
        return Table(names, None)
    listed = _elements(given.get("argvalues"), scope)
    if listed is None:
        return Table(names, None)
    rows = [row for item in listed if (row := _row(item, len(names))) is not None]
    return Table(names, tuple(rows[:MAX_ROWS]))


def _argument_names(node: ast.expr | None) -> tuple[str, ...]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        names = tuple(name.strip() for name in node.value.split(",") if name.strip())
    elif isinstance(node, ast.List | ast.Tuple):
        names = tuple(str(item.value) for item in node.elts if isinstance(item, ast.Constant))
    else:
        return ()
    return names if all(name.isidentifier() for name in names) else ()


def _row(item: ast.expr, width: int) -> tuple[ast.expr, ...] | None:
    if isinstance(item, ast.Call) and last_name(item.func) == "param":
        if any(keyword.arg == "marks" for keyword in item.keywords):
            return None
        return tuple(item.args) if len(item.args) == width else None
    if width == 1:
        return (item,)
    if isinstance(item, ast.Tuple | ast.List) and len(item.elts) == width:
        return tuple(item.elts)
    return None


def _elements(node: ast.expr | None, scope: Scope) -> list[ast.expr] | None:
    """The elements of a literal list, written in place or bound to a name of the module."""
    for _ in range(3):
        if isinstance(node, ast.Name):
            bound = scope.code.bindings(scope.path).get(node.id)
            node = scope.values.get(node.id) or (bound if isinstance(bound, ast.expr) else None)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "items" and not node.args and isinstance(node.func.value, ast.Dict):
            return _items(node.func.value)
        return None
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        return None
    return None if any(isinstance(item, ast.Starred) for item in node.elts) else node.elts


def _items(node: ast.Dict) -> list[ast.expr] | None:
    pairs = [
        ast.Tuple([key, value], ast.Load())
        for key, value in zip(node.keys, node.values, strict=True)
        if key is not None
    ]
    return list(pairs) if len(pairs) == len(node.keys) else None


def _walk_body(body: list[ast.stmt], walk: _Walk, scope: Scope, under: Step) -> Iterator[Step]:
    for node in body:
        yield from _walk_statement(node, walk, scope, under)


def _walk_statement(node: ast.stmt, walk: _Walk, scope: Scope, under: Step) -> Iterator[Step]:
    conditional, raises = under.conditional, under.raises
    if isinstance(node, ast.For):
        yield from _walk_loop(node, walk, scope, under)
    elif isinstance(node, ast.With | ast.AsyncWith):
        for item in node.items:
            yield Step(item.context_expr, dict(walk.values), conditional, raises)
            raises = _expected_exception(item.context_expr) or raises
            _forget(walk, item.optional_vars)
        yield from _walk_body(node.body, walk, scope, Step(node, {}, conditional, raises))
    elif isinstance(node, ast.If | ast.While | ast.Try | ast.TryStar | ast.AsyncFor):
        if isinstance(node, ast.If | ast.While):
            yield Step(node.test, dict(walk.values), conditional, raises)
        inner = Step(node, {}, conditional=True, raises=raises)
        for part in ("body", "orelse", "finalbody"):
            yield from _walk_body(getattr(node, part, []), walk, scope, inner)
    elif isinstance(node, Function):
        inner = Step(node, {}, conditional=True, raises=raises)
        yield from _walk_body(node.body, walk, scope, inner)
    else:
        yield Step(node, dict(walk.values), conditional, raises)
        _remember(walk, node)


def _walk_loop(node: ast.For, walk: _Walk, scope: Scope, under: Step) -> Iterator[Step]:
    yield Step(node.iter, dict(walk.values), under.conditional, under.raises)
    names = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
    listed = _elements(walk.values.get(getattr(node.iter, "id", ""), node.iter), scope)
    rows = [_row(item, len(names)) for item in listed or []]
    if not rows or len(rows) > MAX_ROWS or not all(isinstance(name, ast.Name) for name in names):
        _forget(walk, node.target)
        inner = Step(node, {}, conditional=True, raises=under.raises)
        yield from _walk_body(node.body, walk, scope, inner)
        return
    for row in rows:
        if row is not None:
            for name, value in zip(names, row, strict=True):
                _set(walk, name, value)
            yield from _walk_body(node.body, walk, scope, under)


def _remember(walk: _Walk, node: ast.stmt) -> None:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            _set(walk, target, node.value)
    elif isinstance(node, ast.AnnAssign):
        _set(walk, node.target, node.value)
    elif isinstance(node, ast.AugAssign):
        _forget(walk, node.target)


def _set(walk: _Walk, target: ast.expr, value: ast.expr | None) -> None:
    if not isinstance(target, ast.Name) or value is None:
        _forget(walk, target)
        return
    known = substitute(value, walk.values)
    safe = target.id not in walk.changed or isinstance(known, ast.Constant)
    if safe and is_small(known):
        walk.values[target.id] = known
    else:
        _forget(walk, target)


def _forget(walk: _Walk, target: ast.expr | None) -> None:
    for part in ast.walk(target) if target is not None else ():
        if isinstance(part, ast.Name):
            walk.values.pop(part.id, None)


def is_small(node: ast.AST) -> bool:
    """Whether ``node`` may be put in the place of a name without making huge expressions."""
    level: list[ast.AST] = [node]
    num_nodes = 0
    for _ in range(_MAX_VALUE_DEPTH):
        num_nodes += len(level)
        level = [child for part in level for child in ast.iter_child_nodes(part)]
        if not level:
            return num_nodes <= _MAX_NODES
    return False


def _changed_names(function: Function) -> Iterator[str]:
    """Names whose object the function may change, so that their first value says little later."""
    for node in ast.walk(function):
        held: ast.expr | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            held = None if node.func.attr in _READING else node.func.value
        elif isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            held = node.value
        if isinstance(held, ast.Name):
            yield held.id


def _expected_exception(node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.Call) and last_name(node.func) in _RAISES and node.args:
        return node.args[0]
    return None


def last_name(node: ast.expr) -> str:
    """``c`` of the dotted expression ``a.b.c``, or ""."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
