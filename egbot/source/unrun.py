"""Owns which statements of a function no test ran, and the function without them.

Code is one dedented definition; lines count from its first one. Statements that compile to nothing
of their own (``pass``, ``global``, a bare string) never count as not run.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from egbot.source.text import quietly

Region = frozenset[int]
"""Nodes that only make sense together, as positions in ``ast.walk`` of the definition."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SILENT = (ast.Pass, ast.Break, ast.Continue, ast.Global, ast.Nonlocal)
_Part = tuple[ast.AST | None, list[ast.stmt]]


def spread(code: str) -> str:
    """``code`` with one statement a line, so that a line that ran tells of one statement."""
    return ast.unparse(_definition(code)) + "\n"


def unrun_lines(code: str, ran: Collection[int]) -> tuple[int, ...]:
    """The first line of each statement that is not among the lines that ``ran``."""
    statements = (node for node in ast.walk(_definition(code)) if isinstance(node, ast.stmt))
    return tuple(sorted({one.lineno for one in statements if _is_unrun(one, ran)}))


def unrun_regions(code: str, ran: Collection[int]) -> tuple[Region, ...]:
    """What of ``code``, as ``spread`` wrote it, can be left out: statements, handlers, cases."""
    definition = _definition(code)
    place = {id(node): number for number, node in enumerate(ast.walk(definition))}
    return tuple(
        frozenset(place[id(node)] for node in nodes) for nodes in _regions(definition.body, ran)
    )


def without(code: str, cut: Region) -> str | None:
    """``code`` without the nodes in ``cut``; what is not touched keeps its text.

    None where nothing would be left, the function's kind would change, or its text cannot be kept.
    """
    definition = _definition(code)
    nodes = list(ast.walk(definition))
    gone = {id(nodes[number]) for number in cut}
    lines = code.split("\n")
    end = _first_line(definition.body[0]) - 1
    pieces = lines[:end]
    for statement in definition.body:
        if _first_line(statement) <= end:
            return None  # two statements on one line, or one behind the header
        start, end = end, statement.end_lineno or end
        if not any(id(node) in gone for node in ast.walk(statement)):
            pieces += lines[start:end]
            continue
        for kept in _rebuilt([statement], gone):
            pieces += ["    " + line for line in ast.unparse(kept).split("\n")]
    definition.body = _rebuilt(definition.body, gone)
    text = "\n".join(pieces) + "\n"
    is_whole = any(not isinstance(one, _SILENT) and not _is_idle(one) for one in definition.body)
    return text if is_whole and _same(text, definition, code) else None


def _same(text: str, wanted: _Function, code: str) -> bool:
    """Whether ``text`` is ``wanted``, and still a generator where ``code`` was one."""
    try:
        made = _definition(text)
    except (SyntaxError, ValueError):
        return False
    return ast.dump(made) == ast.dump(wanted) and _yields(made) == _yields(_definition(code))


def _definition(code: str) -> _Function:
    with quietly():
        node = ast.parse(code).body[0]
    if not isinstance(node, _Function):
        raise TypeError(f"a {type(node).__name__} is no function")
    return node


# --- what did not run --------------------------------------------------------------------------


def _regions(block: list[ast.stmt], ran: Collection[int]) -> Iterator[list[ast.AST]]:
    missing: list[ast.AST] = []
    for statement in block:
        if _is_unrun(statement, ran):
            missing.append(statement)
            continue
        if missing and not _is_quiet(statement):
            yield missing
            missing = []
        for owner, inner in _parts(statement):
            if any(_is_unrun(one, ran) for one in inner) and all(
                _is_quiet(one) or _is_unrun(one, ran) for one in inner
            ):
                yield [*inner] if owner is None else [owner]
            else:
                yield from _regions(inner, ran)
    if missing:
        yield missing


def _parts(statement: ast.stmt) -> list[_Part]:
    """The blocks below ``statement``, each with the node that goes when all of it goes."""
    if isinstance(statement, _Function):
        return [(statement, statement.body)]
    if isinstance(statement, ast.Match):
        return [(case, case.body) for case in statement.cases]
    handlers: list[ast.ExceptHandler] = getattr(statement, "handlers", [])
    names = ("body", "orelse", "finalbody")
    return [
        *((one, one.body) for one in handlers),
        *((None, getattr(statement, name, [])) for name in names),
    ]


def _is_unrun(statement: ast.stmt, ran: Collection[int]) -> bool:
    if _is_quiet(statement):
        return False
    lines = range(_first_line(statement), (statement.end_lineno or statement.lineno) + 1)
    return not any(line in ran for line in lines)


def _is_quiet(statement: ast.stmt) -> bool:
    return isinstance(statement, _SILENT) or _is_idle(statement)


def _is_idle(statement: ast.stmt) -> bool:
    """A bare constant, or an annotation alone: no line of its own runs."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _first_line(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])


def _yields(definition: _Function) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(definition))


# --- the function without it -------------------------------------------------------------------


def _rebuilt(block: list[ast.stmt], gone: Collection[int]) -> list[ast.stmt]:
    kept: list[ast.stmt] = []
    for statement in block:
        if id(statement) not in gone:
            kept += _without_parts(statement, gone)
    return kept


def _without_parts(statement: ast.stmt, gone: Collection[int]) -> list[ast.stmt]:
    """What is left of ``statement``: itself, or in its place the one branch that ran."""
    if isinstance(statement, ast.Match):
        statement.cases = [case for case in statement.cases if id(case) not in gone]
        for case in statement.cases:
            case.body = _rebuilt(case.body, gone) or [ast.Pass()]
        return [statement] if statement.cases else []
    if isinstance(statement, ast.If | ast.For | ast.AsyncFor | ast.While):
        statement.body = _rebuilt(statement.body, gone)
        statement.orelse = _rebuilt(statement.orelse, gone)
        return [statement] if statement.body else statement.orelse
    if isinstance(statement, ast.Try | ast.TryStar):
        return _tried(statement, gone)
    if isinstance(statement, ast.With | ast.AsyncWith | ast.ClassDef | _Function):
        statement.body = _rebuilt(statement.body, gone) or [ast.Pass()]
    return [statement]


def _tried(statement: ast.Try | ast.TryStar, gone: Collection[int]) -> list[ast.stmt]:
    statement.body = _rebuilt(statement.body, gone) or [ast.Pass()]
    statement.handlers = [one for one in statement.handlers if id(one) not in gone]
    for handler in statement.handlers:
        handler.body = _rebuilt(handler.body, gone) or [ast.Pass()]
    statement.orelse = _rebuilt(statement.orelse, gone)
    statement.finalbody = _rebuilt(statement.finalbody, gone)
    if not statement.handlers:
        statement.body, statement.orelse = statement.body + statement.orelse, []
    return [statement] if statement.handlers or statement.finalbody else statement.body
