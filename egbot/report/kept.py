"""Owns how much is kept of one target: its JSON has a limit, whatever its tests and candidates did.

Where it is too long, all lists are cut by one measure, which is halved until it fits. What a report
shows goes last: the code, the first test that fails and the first that passes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from egbot.records import (
    Attempt,
    CandidateRun,
    LineStep,
    Outcome,
    Run,
    TestOutcome,
    Trace,
)
from egbot.report.story import first_failure, nearest_candidate
from egbot.report.text import clip

_T = TypeVar("_T")

OUTCOME_BYTES = 1_800_000
"""The limit for one target in run.json: below 2 MB, with room for the run's own fields."""
RUN_BYTES = 10_000_000
"""Of many targets the n-th has no more than an n-th of this."""

_MEASURES = (64, 32, 16, 8, 4, 2, 1, 0)
_LEAST_PART_BYTES = 90  # of an event, or of a test
_SHORT_CHARS = 200
_FAR = 1e308  # stands in JSON for what is no finite number


def bounded(outcome: Outcome, max_bytes: int = OUTCOME_BYTES) -> Outcome:
    """``outcome`` with as much of its story as ``max_bytes`` of JSON hold; the patch stays whole."""
    found = outcome
    for measure in _MEASURES:
        if _num_parts(found) * _LEAST_PART_BYTES <= max_bytes >= len(json_text(found)):
            return found
        found = _cut(outcome, measure)
    return found


def limit_bytes(number: int) -> int:
    """The limit for the ``number``-th target of a run, counted from 1."""
    return min(OUTCOME_BYTES, RUN_BYTES // number)


def json_text(record: object) -> str:
    """Records as JSON. ASCII only, so that lone surrogates survive.

    A number that is not finite is written as plus or minus 1e308, because JSON has no other.
    """
    return json.dumps(record, allow_nan=False, default=_plain)


def _plain(value: object) -> object:
    """A record as a dict, one level deep, which is what ``json.dumps`` asks for."""
    if isinstance(value, Run):
        settings = {**_plain_fields(value), "settings": finite(value.settings)}
        return {**settings, "versions": dict(value.versions)}
    if is_dataclass(value):
        return _plain_fields(value)
    return str(value)


def _plain_fields(value: object) -> dict[str, object]:
    found = {one.name: getattr(value, one.name) for one in fields(value)}  # type: ignore[arg-type]
    return {name: finite(one) if isinstance(one, float) else one for name, one in found.items()}


def finite(value: object) -> object:
    """``value`` with every number finite, and with plain dicts and lists in it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else math.copysign(_FAR, value)
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def _num_parts(outcome: Outcome) -> int:
    """About how many tests and events it holds: quicker to know than how long it is."""
    steps = [step for attempt in outcome.attempts for step in attempt.lines]
    groups = [outcome.evidence, *(one.executions for step in steps for one in step.candidates)]
    tests = [test for group in groups for test in group]
    return len(tests) + sum(len(test.trace.events) for test in tests if test.trace)


# --- one measure for all ------------------------------------------------------------------------


def _cut(outcome: Outcome, measure: int) -> Outcome:
    nearest = None if outcome.evidence else nearest_candidate(outcome)
    best = max(outcome.attempts, key=lambda attempt: attempt.num_passed, default=None)
    evidence, num_dropped = _shown_tests(outcome.evidence, measure)
    dropped = {**dict(outcome.dropped), "evidence": outcome.num_dropped("evidence") + num_dropped}

    def head(name: str, whole: tuple[_T, ...]) -> tuple[_T, ...]:
        dropped[name] = dropped.get(name, 0) + max(len(whole) - 16 * measure, 0)
        return whole[: 16 * measure]

    target, verdict = outcome.target, outcome.verdict
    if target is not None:
        docstring = clip(target.docstring, 256 * measure)
        target = replace(target, docstring=docstring, tests=head("tests", target.tests))
    if verdict is not None:
        verdict = replace(
            verdict,
            target_passed=head("target_passed", verdict.target_passed),
            guard_passed=head("guard_passed", verdict.guard_passed),
            regressions=head("regressions", verdict.regressions),
            vetoes=head("vetoes", verdict.vetoes),
            flaky=head("flaky", verdict.flaky),
            proof=head("proof", verdict.proof),
            unsteady=head("unsteady", verdict.unsteady),
        )
    return replace(
        outcome,
        target=target,
        failing=head("failing", outcome.failing),
        verdict=verdict,
        attempts=tuple(
            _attempt(
                one, measure * (8 if one is best or one is outcome.attempts[-1] else 1), nearest
            )
            for one in outcome.attempts
        ),
        detail=clip(outcome.detail, 4_000),
        left=head("left", outcome.left),
        evidence=evidence,
        dropped=tuple((name, number) for name, number in dropped.items() if number),
    )


def _attempt(attempt: Attempt, measure: int, nearest: CandidateRun | None) -> Attempt:
    kept = tuple(
        _line(step, measure, nearest)
        for number, step in enumerate(attempt.lines)
        if number < 2 * measure or _holds(step, nearest)
    )
    num_dropped = attempt.num_dropped + len(attempt.lines) - len(kept)
    return replace(attempt, lines=kept, num_dropped=num_dropped)


def _line(step: LineStep, measure: int, nearest: CandidateRun | None) -> LineStep:
    kept = tuple(
        _candidate(one, measure, is_shown=one is nearest)
        for number, one in enumerate(step.candidates)
        if number < 8 * measure or one is nearest
    )
    num_dropped = step.num_dropped + len(step.candidates) - len(kept)
    signal = clip(step.signal, 256 * measure)
    return replace(step, candidates=kept, signal=signal, num_dropped=num_dropped)


def _holds(step: LineStep, nearest: CandidateRun | None) -> bool:
    return any(one is nearest for one in step.candidates)


def _candidate(candidate: CandidateRun, measure: int, *, is_shown: bool) -> CandidateRun:
    whole = candidate.executions
    if is_shown:
        kept, num_dropped = _shown_tests(whole, measure)
    else:
        failed = first_failure(whole)
        kept = tuple(
            replace(_short(test), output="", trace=None)
            for number, test in enumerate(whole)
            if number < measure or test is failed
        )
        num_dropped = len(whole) - len(kept)
    return replace(candidate, executions=kept, num_dropped=candidate.num_dropped + num_dropped)


def _shown_tests(tests: Sequence[TestOutcome], measure: int) -> tuple[tuple[TestOutcome, ...], int]:
    """The tests that are kept, and how many are not; two of them with what their traces say."""
    passed = next((test for test in tests if test.status == "passed"), None)
    firsts = (passed, first_failure(tuple(tests)))
    kept = []
    for number, test in enumerate(tests):
        if any(test is one for one in firsts):
            kept.append(replace(test, trace=_ends(test.trace, 32 * measure)))
        elif number < 16 * measure:
            kept.append(replace(_short(test), trace=_ends(test.trace, 2)))
    return tuple(kept), len(tests) - len(kept)


def _short(test: TestOutcome) -> TestOutcome:
    fault, comparison = test.fault, test.comparison
    if fault is not None:
        message = clip(fault.message, _SHORT_CHARS)
        fault = replace(fault, message=message, frames=fault.frames[-1:], attributes=())
    if comparison is not None:
        comparison = replace(comparison, source=clip(comparison.source, _SHORT_CHARS))
    output = clip(test.output, _SHORT_CHARS)
    return replace(test, fault=fault, comparison=comparison, output=output)


def _ends(trace: Trace | None, max_events: int) -> Trace | None:
    """The first and the last events of a trace; how a test ends matters as much as its beginning."""
    if trace is None or len(trace.events) <= max_events:
        return trace
    half = max_events // 2
    events = trace.events[:half] + trace.events[len(trace.events) - half :]
    num_dropped = trace.num_dropped + len(trace.events) - len(events)
    return replace(trace, events=events, num_dropped=num_dropped)
