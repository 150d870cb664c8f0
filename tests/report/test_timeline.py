"""Times are put together from durations, whatever numbers the record holds."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from egbot.records import LineStep, Outcome, Run, Stats
from egbot.report.timeline import known_s, timed_outcome, timed_run
from tests.report.samples import hostile, no_target, sample_run, solved, unsolved


def unknown_times(outcome: Outcome) -> Outcome:
    def line(step: LineStep) -> LineStep:
        return replace(step, candidates=tuple(replace(one, ended_s=0.0) for one in step.candidates))

    attempts = (
        replace(one, lines=tuple(line(step) for step in one.lines)) for one in outcome.attempts
    )
    return replace(outcome, attempts=tuple(attempts))


def test_what_follows_begins_where_the_last_one_ended() -> None:
    """Lines lie in their attempt, attempts in their target, targets end to end in the run."""
    run = replace(sample_run(solved(), unsolved(), no_target()), stats=Stats(wall_s=90.0))
    timed = timed_run(run)
    assert timed[0].period.start_s == pytest.approx(90.0 - 14.2 - 64.0)
    assert timed[1].period.start_s == timed[0].period.end_s
    assert timed[2].period.end_s == pytest.approx(90.0)
    for outcome in timed:
        end_s = outcome.period.start_s
        for attempt in outcome.attempts:
            assert attempt.period.start_s == pytest.approx(end_s)
            end_s = attempt.period.start_s
            for line in attempt.lines:
                assert line.period.start_s == pytest.approx(end_s)
                end_s = line.period.end_s
            end_s = attempt.period.end_s
            assert end_s <= outcome.period.end_s


def test_candidates_lie_inside_their_line() -> None:
    """However long its tests ran, a candidate neither leaves its line nor overlaps the next."""
    (line, *_) = timed_outcome(solved()).attempts[1].lines
    ends = [line.period.start_s]
    for each in line.candidates:
        assert each.period.start_s >= ends[-1]
        ends.append(each.period.end_s)
    assert len(ends) == 4
    assert ends[-1] <= line.period.end_s


def test_a_candidate_ends_when_its_run_was_known() -> None:
    (line, *_) = timed_outcome(solved()).attempts[1].lines
    ends = [each.period.end_s - line.period.start_s for each in line.candidates]
    assert ends == pytest.approx([1.02, 1.04, 1.31])


def test_candidates_without_a_time_are_spread_over_their_line() -> None:
    (line, *_) = timed_outcome(unknown_times(solved())).attempts[1].lines
    starts = [each.period.start_s for each in line.candidates]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert gaps == pytest.approx([line.period.length_s / 3] * 2)


def test_the_model_is_loaded_before_the_first_attempt_of_the_run() -> None:
    """The time of loading is taken from the first target that has an attempt, as far as it fits."""
    run = replace(sample_run(no_target(), solved(), solved()), stats=Stats(load_s=3.0))
    _, first, second = timed_run(run)
    assert first.attempts[0].period.start_s - first.period.start_s == pytest.approx(3.0)
    assert second.attempts[0].period.start_s == second.period.start_s
    squeezed = timed_outcome(replace(solved(), stats=Stats(wall_s=11.0)), load_s=100.0)
    assert squeezed.period.length_s == pytest.approx(11.0)


@pytest.mark.parametrize("value_s", [float("nan"), float("inf"), -1.0, 1e308])
def test_broken_numbers_count_as_nothing(value_s: float) -> None:
    """A record with a NaN, an infinity or a negative time has a finite timeline all the same."""
    assert known_s(value_s) == 0
    run: Run = replace(sample_run(hostile(3_000), solved()), stats=Stats(wall_s=value_s))
    assert all(0 <= each.period.end_s < 1e7 for each in timed_run(run))
