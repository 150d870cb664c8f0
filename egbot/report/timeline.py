"""When everything of a run happened, put together from the durations that its record holds.

It does not know how times are drawn or written. The record has durations, not clock times: what
follows is put end to end. A candidate says when its run was known; where an older record does
not, the candidates of a line are spread evenly over it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from egbot.records import Attempt, CandidateRun, LineStep, Outcome, Run

_LONGEST_S = 1e7  # four months; a longer time is a broken number


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, in seconds since the run (or the target's work) began."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """How long it took."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class TimedCandidate:
    """A candidate; its period is as long as its tests ran and ends when that was known."""

    period: Period
    candidate: CandidateRun


@dataclass(frozen=True, slots=True)
class TimedLine:
    """A decoded line; ``number`` counts from 1 in its attempt."""

    period: Period
    number: int
    step: LineStep
    candidates: tuple[TimedCandidate, ...]


@dataclass(frozen=True, slots=True)
class TimedAttempt:
    """An agent's try; ``number`` counts from 1 for each target."""

    period: Period
    number: int
    attempt: Attempt
    lines: tuple[TimedLine, ...]


@dataclass(frozen=True, slots=True)
class TimedOutcome:
    """The work on one target; what follows its last attempt is the final check."""

    period: Period
    outcome: Outcome
    attempts: tuple[TimedAttempt, ...]


def timed_run(run: Run) -> tuple[TimedOutcome, ...]:
    """Every outcome of ``run`` in time; what no target explains was spent before the first one.

    The model is loaded for the first target that has an attempt, at its beginning.
    """
    lengths_s = [_length(outcome) for outcome in run.outcomes]
    start_s = max(known_s(run.stats.wall_s) - sum(lengths_s), 0.0)
    load_s = known_s(run.stats.load_s)
    found = []
    for outcome in run.outcomes:
        timed = timed_outcome(outcome, start_s, load_s if outcome.attempts else 0.0)
        load_s = 0.0 if outcome.attempts else load_s
        found.append(timed)
        start_s = timed.period.end_s
    return tuple(found)


def timed_outcome(outcome: Outcome, start_s: float = 0.0, load_s: float = 0.0) -> TimedOutcome:
    """One outcome that begins at ``start_s``; its first attempt begins ``load_s`` later."""
    room_s = max(_length(outcome) - sum(map(_attempt_s, outcome.attempts)), 0.0)
    attempts = tuple(_attempts(outcome, start_s + min(load_s, room_s)))
    last_s = attempts[-1].period.end_s if attempts else start_s
    return TimedOutcome(Period(start_s, max(start_s + _length(outcome), last_s)), outcome, attempts)


def known_s(value_s: float) -> float:
    """A duration as recorded, or 0 where the record holds what cannot be one."""
    return value_s if math.isfinite(value_s) and 0 <= value_s <= _LONGEST_S else 0.0


def _length(outcome: Outcome) -> float:
    return max(known_s(outcome.stats.wall_s), sum(map(_attempt_s, outcome.attempts)))


def _attempt_s(attempt: Attempt) -> float:
    return max(known_s(attempt.wall_s), sum(known_s(step.wall_s) for step in attempt.lines))


def _attempts(outcome: Outcome, start_s: float) -> Iterator[TimedAttempt]:
    for number, attempt in enumerate(outcome.attempts, 1):
        lines = tuple(_lines(attempt, start_s))
        last_s = lines[-1].period.end_s if lines else start_s
        period = Period(start_s, max(start_s + _attempt_s(attempt), last_s))
        yield TimedAttempt(period, number, attempt, lines)
        start_s = period.end_s


def _lines(attempt: Attempt, start_s: float) -> Iterator[TimedLine]:
    for number, step in enumerate(attempt.lines, 1):
        period = Period(start_s, start_s + known_s(step.wall_s))
        yield TimedLine(period, number, step, tuple(_candidates(step, period)))
        start_s = period.end_s


def _candidates(step: LineStep, line: Period) -> Iterator[TimedCandidate]:
    share_s = line.length_s / max(len(step.candidates), 1)
    for index, candidate in enumerate(step.candidates):
        ran_s = sum(known_s(test.duration_s) for test in candidate.executions)
        ended_s = known_s(candidate.ended_s)
        if 0 < ended_s <= line.length_s:
            end_s = line.start_s + ended_s
            period = Period(max(end_s - ran_s, line.start_s), end_s)
        else:
            start_s = line.start_s + (index + 0.5) * share_s
            period = Period(start_s, start_s + min(ran_s, share_s / 2))
        yield TimedCandidate(period, candidate)
