"""Owns which statements of a function no test ran, and the function without them.

Code is one dedented definition; lines count from its first one. Statements that compile to nothing
of their own (``pass``, ``global``, a bare string) never count as not run.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Collection, Iterator

from typing_extensions import override

from egbot.source.outline import Function, says_nothing
from egbot.source.text import SourceSyntaxError, parse_text

Region = frozenset[int]
"""Nodes that only make sense together, as positions in ``ast.walk`` of the definition."""


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
    place = {node: number for number, node in enumerate(ast.walk(definition))}
    return tuple(frozenset(map(place.__getitem__, one)) for one in _regions(definition.body, ran))


def without(code: str, cut: Region) -> str | None:
    """``code`` without the nodes in ``cut``; what is not touched keeps its text.

    None where nothing would be left, the function's kind would change, or its text cannot be kept.
    """
    definition = _definition(code)
    was_generator = _yields(definition)
    nodes = list(ast.walk(definition))
    cutter = _Cutter(frozenset(nodes[place] for place in cut))
    lines = code.split("\n")
    end = _first_line(definition.body[0]) - 1
    texts, rest = lines[:end], list[ast.stmt]()
    for statement in definition.body:
        if _first_line(statement) <= end:
            return None  # two statements on one line
        start, end = end, statement.end_lineno or end
        kept = ast.Module([statement], [])
        if cutter.gone.isdisjoint(ast.walk(statement)):
            texts += lines[start:end]
        else:
            cutter.generic_visit(kept)
            texts += [textwrap.indent(ast.unparse(one), "    ") for one in kept.body]
        rest += kept.body
    definition.body = rest
    text = "\n".join(texts) + "\n"
    try:
        is_same = list(map(ast.dump, parse_text(text).body)) == [ast.dump(definition)]
    except SourceSyntaxError:
        return None
    is_whole = is_same and not all(map(_is_quiet, rest)) and _yields(definition) == was_generator
    return text if is_whole else None


def _definition(code: str) -> Function:
    node = parse_text(code).body[0]
    if not isinstance(node, Function):
        raise TypeError(f"a {type(node).__name__} is no function")
    return node


def _yields(definition: Function) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(definition))


class _Cutter(ast.NodeTransformer):
    """Takes nodes away, and what cannot stand without them."""

    def __init__(self, gone: frozenset[ast.AST]) -> None:
        self.gone = gone

    @override
    def visit(self, node: ast.AST) -> ast.AST | list[ast.stmt] | None:
        """What is left of a node: itself, nothing, or in its place the one branch that ran."""
        if node in self.gone:
            return None
        self.generic_visit(node)
        if isinstance(node, ast.Match) and not node.cases:
            return None
        if isinstance(node, ast.If | ast.For | ast.AsyncFor | ast.While) and not node.body:
            return node.orelse
        if isinstance(node, ast.Try | ast.TryStar) and not node.handlers:
            node.body, node.orelse = node.body + node.orelse, []
            if not node.finalbody:
                return node.body
        body = getattr(node, "body", None)
        if body == []:
            body.append(ast.Pass())
        return node


# --- what did not run --------------------------------------------------------------------------


def _regions(block: list[ast.stmt], ran: Collection[int]) -> Iterator[list[ast.AST]]:
    missing: list[ast.AST] = [one for one in block if _is_unrun(one, ran)]
    if missing:
        yield missing
    for owner, inner in (part for one in block if one not in missing for part in _parts(one)):
        wanted = [one for one in inner if not _is_quiet(one)]
        if wanted and all(_is_unrun(one, ran) for one in wanted):
            yield [*inner] if owner is None else [owner]
        else:
            yield from _regions(inner, ran)


def _parts(statement: ast.stmt) -> list[tuple[ast.AST | None, list[ast.stmt]]]:
    """The blocks below ``statement``, each with the node that goes when all of it goes."""
    if isinstance(statement, Function):
        return [(statement, statement.body)]
    parts = [*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
    blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    return [*((one, one.body) for one in parts), *((None, block) for block in blocks)]


def _is_unrun(statement: ast.stmt, ran: Collection[int]) -> bool:
    lines = range(_first_line(statement), (statement.end_lineno or statement.lineno) + 1)
    return not _is_quiet(statement) and not any(line in ran for line in lines)


def _is_quiet(statement: ast.stmt) -> bool:
    """Whether no line of its own runs."""
    if isinstance(statement, ast.Break | ast.Continue | ast.Global | ast.Nonlocal):
        return True
    is_declared = isinstance(statement, ast.AnnAssign) and statement.value is None
    return is_declared or says_nothing(statement)


def _first_line(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])
