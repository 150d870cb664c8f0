"""The record of one target has a limit, whatever its tests and candidates did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from egbot.records import (
    Attempt,
    CandidateRun,
    Comparison,
    Fault,
    Frame,
    LeftTest,
    LineStep,
    Outcome,
    TestOutcome,
    TokenChoice,
    Trace,
    TraceEvent,
    Verdict,
)
from egbot.report import story
from egbot.report.files import read_run, run_json, write_outcome
from egbot.report.kept import OUTCOME_BYTES, RUN_BYTES, bounded, json_text, limit_bytes
from tests.report.samples import no_target, sample_run, solved, target, unsolved

MAX_BYTES = 2_000_000
MAX_PAGE_BYTES = 3_000_000


def trace(num_events: int, value: str) -> Trace:
    events = [TraceEvent("call", "f", 3, 0, (("n", value),))]
    events += [TraceEvent("line", "f", 4, n, (("n", value),)) for n in range(num_events)]
    return Trace((*events, TraceEvent("return", "f", 5, 0, (), value)))


def runs(ids: tuple[str, ...], num_events: int, value: str) -> tuple[TestOutcome, ...]:
    """Every third test passes; all say as much as the wire lets through."""
    fault = Fault("AssertionError", value * 20, (Frame("test_f.py", 4, "test_f"),) * 40)
    compared = Comparison(value * 10, value, "==", value)
    told = trace(num_events, value)
    return tuple(
        TestOutcome(one, "passed", output=value * 20, trace=told)
        if number % 3 == 0
        else TestOutcome(one, "failed", "call", 0.1, fault, compared, value * 20, told)
        for number, one in enumerate(ids)
    )


def outcome(
    num_tests: int, id_chars: int, num_events: int, value: str, *, shape: tuple[int, int, int]
) -> Outcome:
    """``shape``: attempts, lines of each, candidates of each line."""
    ids = tuple(f"test_f.py::test_f[{n}-{'x' * id_chars}]" for n in range(num_tests))
    executions = runs(ids, num_events, value)
    passed = sum(one.status == "passed" for one in executions)
    program = "def f(n):\n" + "    n = f(n - 1)\n" * 80

    def step() -> LineStep:  # as read from a file: no two records are the same object
        run = CandidateRun(program, program, executions, passed, value)
        return LineStep(text, tuple(replace(run) for _ in range(shape[2])), value * 100, tokens, 1)

    tokens = (TokenChoice("n", -0.1, -0.2, "m"),) * 90
    text, guidance = "    n = 1\n", solved().attempts[0].guidance
    attempts = tuple(
        Attempt(guidance, "wrong", tuple(step() for _ in range(shape[1])), program, passed, 1)
        for _ in range(shape[0])
    )
    own = replace(target(), tests=ids, docstring=value * 1_000)
    verdict = Verdict(accepted=False, target_passed=ids, guard_passed=ids * 5, regressions=ids)
    return Outcome(
        "rejected",
        own,
        ids,
        attempts=attempts,
        verdict=verdict,
        detail=", ".join(ids),
        left=tuple(LeftTest(one, value) for one in ids),
    )


ASCII, EMOJI = "x" * 120, "\N{SNAKE}" * 120


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ((122, 5, 2_000, ASCII), (3, 4, 3)),
        ((2_000, 100, 20, ASCII), (1, 1, 20)),
        ((2_000, 8_000, 2, "5"), (1, 1, 1)),
        ((5, 5, 2_000, EMOJI), (1, 1, 20)),
        ((5, 5, 30, ASCII), (60, 12, 3)),
        ((3, 5, 30, EMOJI), (10, 1, 128)),
        ((1, 5, 0, EMOJI * 30), (1, 40, 1)),
    ],
    ids=["recursion", "many", "long-ids", "values", "agents", "candidates", "lines"],
)
@pytest.mark.parametrize("has_evidence", [False, True])
def test_a_target_s_files_have_a_limit(
    tmp_path: Path,
    sizes: tuple[int, int, int, str],
    shape: tuple[int, int, int],
    has_evidence: bool,
) -> None:
    """run.json and trace.json stay below 2 MB, report.html below 3 MB, and the run can be read."""
    whole = outcome(*sizes, shape=shape)
    if has_evidence:
        whole = replace(whole, evidence=runs(whole.failing, *sizes[2:]))
    kept = bounded(whole)
    run = sample_run(kept)
    (tmp_path / "run.json").write_text(run_json(run))
    paths = write_outcome(tmp_path, 1, kept, run=run)
    assert (tmp_path / "run.json").stat().st_size < MAX_BYTES
    assert paths.trace.stat().st_size < MAX_BYTES
    assert paths.html.stat().st_size < MAX_PAGE_BYTES
    assert read_run(tmp_path / "run.json") == run


@pytest.mark.parametrize("has_evidence", [False, True])
def test_what_is_left_out_is_counted(has_evidence: bool) -> None:
    """No number in a report changes with what the record has no room for."""
    whole = outcome(400, 50, 300, ASCII, shape=(2, 2, 60))
    if has_evidence:
        whole = replace(whole, evidence=whole.attempts[0].lines[0].candidates[0].executions)
    kept = bounded(whole, 300_000)
    assert len(json_text(kept)) <= 300_000
    assert story.score(kept) == story.score(whole)
    assert story.verdict_words(kept) == story.verdict_words(whole)
    assert len(story.shown(kept).tests) + story.shown(kept).num_dropped == 400
    assert (
        kept.num_dropped("guard_passed") + len(kept.verdict.guard_passed if kept.verdict else ())
        == 2_000
    )
    for one, other in zip(kept.attempts, whole.attempts, strict=True):
        assert len(one.lines) + one.num_dropped == len(other.lines)
        for step in one.lines:
            assert len(step.candidates) + step.num_dropped == 60
            assert {each.num_tests for each in step.candidates} == {400}
            assert {story.run_words(each).split(";")[0] for each in step.candidates} == {
                "passed 134 of 400"
            }


def test_the_first_failing_and_the_first_passing_test_keep_their_traces() -> None:
    kept = story.shown(bounded(outcome(122, 5, 500, ASCII, shape=(2, 3, 10)))).tests
    num_events = [len(test.trace.events) if test.trace else 0 for test in kept]
    assert num_events[:2] == [502, 502]
    assert set(num_events[2:]) == {2}
    assert [test.trace.num_dropped for test in kept[2:3] if test.trace] == [500]


def test_a_small_record_is_kept_as_it_is() -> None:
    for small in (solved(), unsolved(), no_target()):
        assert bounded(small) is small


def test_many_targets_fit_into_what_is_published() -> None:
    """Publishing reads run.json up to 64 MiB, with up to 200 outcomes."""
    assert limit_bytes(1) == OUTCOME_BYTES
    assert sum(map(limit_bytes, range(1, 201))) < 5 * RUN_BYTES < 64 * 1024 * 1024
