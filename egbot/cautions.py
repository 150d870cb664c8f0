"""Owns what a reader should know of a function that passes: what its tests leave open."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from egbot.records import Caution, TestOutcome, Trace
from egbot.source.unrun import unrun_lines

_READS_ALL = frozenset({"super", "locals", "vars"})
"""Builtins that read parameters without naming them."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Lines of the file that no test ran, and what else is left open."""

    unrun_lines: tuple[int, ...]
    cautions: tuple[Caution, ...]


def notice(code: str, first_line: int, outcomes: Sequence[TestOutcome]) -> Notice:
    """What ``outcomes``, traced, leave open of the definition ``code``.

    ``code`` is dedented and begins at ``first_line`` of its file.
    """
    traces = [one.trace for one in outcomes if one.trace is not None]
    is_watched = len(traces) == len(outcomes) and all(one.lines is not None for one in traces)
    ran = {line - first_line + 1 for trace in traces for line in trace.lines or ()}
    missing = unrun_lines(code, ran) if is_watched and ran else ()
    cautions: list[Caution] = ["unwatched"] if is_watched and not ran else []
    if len(_calls(traces)) == 1 and not any(one.num_dropped for one in traces):
        cautions.append("one_example")
    if not _reads_its_arguments(code):
        cautions.append("ignores_arguments")
    return Notice(tuple(line + first_line - 1 for line in missing), tuple(cautions))


def _calls(traces: Sequence[Trace]) -> set[tuple[tuple[str, str], ...]]:
    """The arguments of the distinct calls from outside, as the traces show them."""
    events = (event for trace in traces for event in trace.events)
    return {event.changes for event in events if event.kind == "call" and event.depth == 0}


def _reads_its_arguments(code: str) -> bool:
    """Whether a parameter is read at all; True for a function that has none."""
    function = ast.parse(code).body[0]
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return True
    names = {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
    read = {
        node.id
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return not names or not read.isdisjoint(names | _READS_ALL)
