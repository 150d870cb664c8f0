"""Renders what candidates did when they ran into the signal text that conditions the model.

It says what a model can use in few words and leaves the rest out; it does not choose candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

from egbot.records import CandidateRun, Comparison, TestOutcome, TraceEvent

_MAX_STEPS = 8
_MAX_TESTS = 3
_INTRODUCTION = "These attempts were run against the tests. Learn from what happened:"


def render_signal(candidates: Sequence[CandidateRun]) -> str:
    """The signal for ``candidates`` in the order given, or "" when there is none."""
    if not candidates:
        return ""
    parts = [_INTRODUCTION]
    for number, candidate in enumerate(candidates, 1):
        parts.append(_render_candidate(number, candidate))
    return "\n" + "\n".join(parts) + "\n"


def _render_candidate(number: int, candidate: CandidateRun) -> str:
    lines = [f"Attempt {number}:", "```python", candidate.program.rstrip("\n"), "```"]
    for rank, outcome in enumerate(_most_telling(candidate.executions)):
        lines.extend(_render_outcome(outcome, candidate.program, with_trace=rank == 0))
    return "\n".join(lines)


def _most_telling(outcomes: Sequence[TestOutcome]) -> list[TestOutcome]:
    """Failing tests with different failures first; equal failures are told once."""
    seen: set[tuple[str, str]] = set()
    failing: list[TestOutcome] = []
    for outcome in outcomes:
        if outcome.status == "passed":
            continue
        key = (outcome.status, outcome.fault.message if outcome.fault else "")
        if key not in seen:
            seen.add(key)
            failing.append(outcome)
    return failing[:_MAX_TESTS] or list(outcomes[:1])


def _render_outcome(outcome: TestOutcome, program: str, *, with_trace: bool) -> list[str]:
    events = _last_call(outcome.trace.events) if outcome.trace else ()
    call = _invocation(events)
    lines = []
    if with_trace and events:
        lines.append(f"{call}:")
        lines.extend(f"  {step}" for step in _steps(events, program))
        call = "Result"
    lines.append(f"{call}: {_verdict(outcome, events)}")
    return lines


def _last_call(events: Sequence[TraceEvent]) -> Sequence[TraceEvent]:
    """The events of the last outermost call: where a test fails, it is the one that failed."""
    starts = [place for place, one in enumerate(events) if one.kind == "call" and one.depth == 0]
    return events[starts[-1] :] if starts else events


def _invocation(events: Sequence[TraceEvent]) -> str:
    """The outermost call with its arguments, as a person would write it."""
    for event in events:
        if event.kind == "call":
            arguments = ", ".join(f"{name}={value}" for name, value in event.changes)
            return f"{event.function.rpartition('.')[2]}({arguments})"
    return "The test"


def _steps(events: Sequence[TraceEvent], program: str) -> list[str]:
    """The run line by line, the middle of a long run left out.

    The outermost call's own line is where the function starts in its file, so trace lines can be
    shown as the statements' text.
    """
    first_line = next((event.line for event in events if event.kind == "call"), 1)
    statements = _statements(program)
    steps = []
    for event in events:
        if event.kind == "line":
            text = statements.get(event.line - first_line + 1, f"line {event.line}")
            changes = ", ".join(f"{name} = {value}" for name, value in event.changes)
            steps.append(f"{text}  # {changes}" if changes else text)
    steps = _without_middle_repeats(steps)
    if len(steps) > _MAX_STEPS:
        half = _MAX_STEPS // 2
        steps = [*steps[:half], "...", *steps[-half:]]
    return steps


def _without_middle_repeats(steps: list[str]) -> list[str]:
    """A run of equal steps (or one line over and over) shown by its first and its last."""
    kept: list[str] = []
    for place, step in enumerate(steps):
        same = step.partition("  # ")[0]
        before = place > 0 and steps[place - 1].partition("  # ")[0] == same
        after = place + 1 < len(steps) and steps[place + 1].partition("  # ")[0] == same
        if not (before and after):
            kept.append(step)
    return kept


def _statements(program: str) -> dict[int, str]:
    """Line number (from 1) to the text of the line, without its indentation."""
    return {number: line.strip() for number, line in enumerate(program.split("\n"), 1)}


def _verdict(outcome: TestOutcome, events: Sequence[TraceEvent]) -> str:
    if outcome.status == "passed":
        return "the test passed"
    if outcome.status == "timeout":
        return "ran too long"
    ends = [event.value for event in events if event.kind == "return" and event.depth == 0]
    returned = ends[-1] if ends else None
    if outcome.comparison is not None:
        return _compared(outcome.comparison, returned)
    if outcome.fault is not None:
        first = outcome.fault.message.strip().split("\n")[0][:120]
        return f"{outcome.fault.type_name}: {first}"
    return outcome.status


def _compared(comparison: Comparison, returned: str | None) -> str:
    """Why an assertion does not hold; a side is named as the result only where it is the result."""
    left, operator, right = comparison.left, comparison.operator, comparison.right
    if operator in {"==", "is"} and returned is not None and returned in (left, right):
        expected = right if returned == left else left
        return f"returned {returned}, but {expected} was expected"
    seen = f": {left} {operator} {right}" if left is not None and right is not None else ""
    result = f" (returned {returned})" if returned is not None else ""
    return f"`{comparison.source.strip()}` is not true{seen}{result}"
