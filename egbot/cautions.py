"""Owns what a reader should know of a function that passes: what its tests leave open."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from egbot.records import TestOutcome, Trace
from egbot.source.unrun import unrun_lines

_MAX_LINES_NAMED = 8
_MAX_CALL_CHARS = 200
_READS_ALL = frozenset({"super", "locals", "vars"})
"""Builtins that read parameters without naming them."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Lines of the file that no test ran, and a sentence for each thing that is left open."""

    unrun_lines: tuple[int, ...]
    cautions: tuple[str, ...]


def notice(code: str, first_line: int, outcomes: Sequence[TestOutcome]) -> Notice:
    """What ``outcomes``, traced, leave open of the definition ``code``.

    ``code`` is dedented and begins at ``first_line`` of its file.
    """
    traces = [one.trace for one in outcomes if one.trace is not None]
    cautions = []
    missing: tuple[int, ...] = ()
    ran = {line for trace in traces for line in trace.lines or ()}
    is_watched = len(traces) == len(outcomes) and all(one.lines is not None for one in traces)
    if is_watched and not ran:
        cautions.append(
            "no test was seen running it: while modules are imported, or in another process, "
            "it is not watched"
        )
    elif is_watched:
        own = {line - first_line + 1 for line in ran}
        missing = tuple(line + first_line - 1 for line in unrun_lines(code, own))
    if missing:
        cautions.append(_run_by_no_test(missing))
    calls = _calls(traces)
    if len(calls) == 1 and not any(one.num_dropped for one in traces):
        cautions.append(f"the tests try one example only: {calls.pop()}")
    if not _reads_its_arguments(code):
        cautions.append("the result does not depend on the arguments")
    return Notice(missing, tuple(cautions))


def _run_by_no_test(lines: tuple[int, ...]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]} was run by no test"
    named = [str(line) for line in lines[:_MAX_LINES_NAMED]]
    if len(lines) > _MAX_LINES_NAMED:
        return f"lines {', '.join(named)} and {len(lines) - len(named)} more were run by no test"
    return f"lines {', '.join(named[:-1])} and {named[-1]} were run by no test"


def _calls(traces: Sequence[Trace]) -> set[str]:
    """The distinct calls from outside, as the traces show them."""
    calls = set()
    for event in (event for trace in traces for event in trace.events):
        if event.kind == "call" and event.depth == 0:
            given = ", ".join(f"{name}={value}" for name, value in event.changes)
            calls.add(f"{event.function}({given})"[:_MAX_CALL_CHARS])
    return calls


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
