"""Renders what candidates did when they ran into the signal text that conditions the model.

It says what a model can use in few words and leaves the rest out; it does not choose candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from egbot.records import CandidateRun, Comparison, TestOutcome, TraceEvent

_MAX_STEPS = 8
_MAX_TESTS = 3
_INTRODUCTION = "These attempts were run against the tests. Learn from what happened:"

_Detail = Literal["whole", "steps", "results", "result", "none"]
_SHORTER: dict[_Detail, _Detail] = {"steps": "results", "results": "result", "result": "none"}


@dataclass(frozen=True, slots=True)
class Wording:
    """How much to tell.

    ``trace``: "full" tells a run step by step, "final" only what its variables were at the end;
    "whole" tells every step of every test, as the paper does. ``max_tokens`` (0: no limit) bounds
    the signal as ``count`` measures it; a signal of one attempt without its run may exceed it.
    """

    trace: Literal["full", "final", "whole"] = "full"
    max_tokens: int = 0
    count: Callable[[str], int] = len


_DEFAULT = Wording()


def render_signal(candidates: Sequence[CandidateRun], wording: Wording = _DEFAULT) -> str:
    """The signal for ``candidates`` in the order given, or "" when there is none.

    What exceeds the limit goes in this order: the steps of a run, its further failing tests, the
    attempt itself; first those of the attempt that passed the fewest tests (of equals, the last).
    """
    if not candidates:
        return ""
    details: list[_Detail] = ["whole" if wording.trace == "whole" else "steps"] * len(candidates)
    text = _render(candidates, details, wording)
    while wording.max_tokens and wording.count(text) > wording.max_tokens:
        victim = _least_telling(candidates, details)
        if victim is None:
            break
        details[victim] = _SHORTER[details[victim]]
        text = _render(candidates, details, wording)
    return text


def better_than_others(candidates: Sequence[CandidateRun]) -> tuple[CandidateRun, ...]:
    """The candidates that passed the most tests, where others passed fewer; else none.

    A small model mostly repeats what it is shown: so it is shown only what is worth repeating.
    """
    passed = [candidate.num_passed for candidate in candidates]
    if len(set(passed)) < 2:
        return ()
    return tuple(one for one in candidates if one.num_passed == max(passed))


def _least_telling(candidates: Sequence[CandidateRun], details: Sequence[_Detail]) -> int | None:
    """Which attempt to tell in fewer words: one that still has the most; None when all is short.

    One attempt with one result always stays.
    """
    for detail in ("steps", "results", "result"):
        found = [place for place, one in enumerate(details) if one == detail]
        if detail == "result" and len(found) < 2:
            return None
        if found:
            return min(found, key=lambda place: (candidates[place].num_passed, -place))
    return None


def _render(
    candidates: Sequence[CandidateRun], details: Sequence[_Detail], wording: Wording
) -> str:
    parts = [_INTRODUCTION]
    told: dict[tuple[str, ...], int] = {}
    for candidate, detail in zip(candidates, details, strict=True):
        if detail == "none":
            continue
        number = len(parts)
        results = tuple(_results(candidate, detail, wording))
        same = told.setdefault(results, number)
        parts += [
            "\n".join(
                (
                    f"Attempt {number}:",
                    "```python",
                    candidate.program.rstrip("\n"),
                    "```",
                    *(results if same == number else (f"The same result as attempt {same}.",)),
                )
            )
        ]
    return "\n" + "\n".join(parts) + "\n"


def _results(candidate: CandidateRun, detail: _Detail, wording: Wording) -> list[str]:
    outcomes = candidate.executions
    if detail != "whole":
        outcomes = tuple(_most_telling(outcomes)[: 1 if detail == "result" else _MAX_TESTS])
    lines: list[str] = []
    for rank, outcome in enumerate(outcomes):
        has_trace = detail == "whole" or (detail == "steps" and rank == 0)
        lines.extend(_render_outcome(outcome, candidate, wording if has_trace else None))
    if 0 < candidate.num_passed < len(candidate.executions) and detail != "whole":
        lines.append(f"{candidate.num_passed} of {len(candidate.executions)} tests pass.")
    return lines


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
    return failing or list(outcomes[:1])


def _render_outcome(
    outcome: TestOutcome, candidate: CandidateRun, trace: Wording | None
) -> list[str]:
    """One test's result; with ``trace``, what happened on the way as well."""
    events = _last_call(outcome.trace.events) if outcome.trace else ()
    call = _invocation(events)
    lines = []
    if trace is not None and events:
        steps = (
            [_final_state(events)] if trace.trace == "final" else _steps(events, candidate.program)
        )
        if trace.trace == "full":
            steps = _folded(steps)
        lines.append(f"{call}:")
        lines.extend(f"  {step}" for step in steps if step)
        call = "Result"
    lines.append(f"{call}: {_verdict(outcome, events, is_cut=not candidate.complete)}")
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
    """The run line by line.

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
    return steps


def _final_state(events: Sequence[TraceEvent]) -> str:
    """The last value of each variable of the outermost call."""
    last = {
        name: value
        for event in events
        if event.kind == "line" and event.depth == 0
        for name, value in event.changes
    }
    values = ", ".join(f"{name} = {value}" for name, value in last.items())
    return f"at the end: {values}" if values else ""


def _folded(steps: list[str]) -> list[str]:
    """The middle of a long run left out."""
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


def _verdict(outcome: TestOutcome, events: Sequence[TraceEvent], *, is_cut: bool) -> str:
    if outcome.status == "passed":
        return "the test passed"
    if outcome.status == "timeout":
        return "ran too long"
    ends = [event.value for event in events if event.kind == "return" and event.depth == 0]
    returned = ends[-1] if ends else None
    if outcome.comparison is not None:
        return _compared(outcome.comparison, returned, is_cut=is_cut and returned == "None")
    if outcome.fault is not None:
        first = outcome.fault.message.strip().split("\n")[0][:120]
        return f"{outcome.fault.type_name}: {first}"
    return outcome.status


def _compared(comparison: Comparison, returned: str | None, *, is_cut: bool) -> str:
    """Why an assertion does not hold; a side is named as the result only where it is the result."""
    left, operator, right = comparison.left, comparison.operator, comparison.right
    if operator in {"==", "is"} and returned is not None and returned in (left, right):
        expected = right if returned == left else left
        if is_cut:
            return f"not finished yet, {expected} is expected"
        return f"returned {returned}, but {expected} was expected"
    seen = f": {left} {operator} {right}" if left is not None and right is not None else ""
    result = f" (returned {returned})" if returned is not None else ""
    return f"`{comparison.source.strip()}` is not true{seen}{result}"
