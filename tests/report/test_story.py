"""The choices behind every report: which code, which runs, which words."""

from __future__ import annotations

from dataclasses import replace

from egbot.records import Outcome, Patch, TestOutcome, Trace, TraceEvent
from egbot.report import story
from tests.report.samples import (
    CODE,
    FIRST_LINE,
    TESTS,
    hostile,
    no_target,
    solved,
    unsolved,
    wrong_sum,
)


def test_the_patch_is_shown_with_its_runs() -> None:
    """A delivered function is shown as delivered, with the evidence for exactly it."""
    seen = story.shown(solved())
    assert (seen.code, seen.first_line, seen.is_final) == (CODE, FIRST_LINE, True)
    assert [test.node_id for test in seen.tests] == list(TESTS)
    assert story.score(solved()) == (3, 3)


def test_the_nearest_try_is_the_one_that_passed_most() -> None:
    """Without a patch the candidate that passed the most tests stands in its place."""
    seen = story.shown(unsolved())
    assert "total = 0" in seen.code
    assert (seen.tests, seen.is_final) == (wrong_sum(), False)
    assert story.score(unsolved()) == (2, 3)
    failed = story.first_failure(seen.tests)
    assert failed is not None
    assert story.fault_words(failed) == "[1, 3] == [101, 103] is false"


def test_no_target_has_a_story_too() -> None:
    """An outcome without target, attempts or runs is told without a crash."""
    seen = story.shown(no_target())
    assert (seen.code, seen.tests) == ("", ())
    assert story.score(no_target()) == (0, 1)
    assert story.name(no_target()) == "(no target)"


def test_methods_are_shown_where_the_trace_found_them() -> None:
    """Outer indentation goes, and the traced call says where the definition starts."""
    outcome = solved()
    assert outcome.target is not None
    event = TraceEvent("call", "Ledger.total", 41, 0)
    method = replace(
        outcome,
        target=replace(outcome.target, qualname="Ledger.total"),
        patch=Patch("a.py", "", "", "\n    def total(self):\n        return 1\n"),
        evidence=(TestOutcome("t", "passed", trace=Trace((event,))),),
    )
    assert story.shown(method).code == "def total(self):\n    return 1\n"
    assert story.shown(method).first_line == 41
    assert story.shown(replace(method, evidence=())).first_line == FIRST_LINE + 1


def test_first_parting_token_is_found() -> None:
    """The reports name the first token that plain decoding would not have taken."""
    first, second, *_ = solved().attempts[1].lines
    found = story.divergence(first)
    assert found is not None
    assert (found[0], found[1].text, found[1].plain_choice) == (2, " start", " 0")
    assert story.divergence(second) is None
    assert story.why_line(first) == "guidance changed the line"


def test_limits_of_the_proof_are_said() -> None:
    """What was not checked is said: no verdict, no guards, cut traces, tests left alone."""
    told = " ".join(story.not_checked(hostile(300)))
    assert "7 trace events did not fit" in told
    assert "the check had failed before" not in told  # a guard test failed: they were run
    assert "was not made" in " ".join(story.not_checked(unsolved()))
    assert "1 test that egbot left alone" in " ".join(story.not_checked(solved()))


def test_refusals_are_counted() -> None:
    """A refused patch says what the final check held against it."""
    assert story.verdict_words(hostile(300)) == (
        "the final check refused it: 1 regression, 2 vetoes, 1 flaky test"
    )
    outcome: Outcome = solved()
    assert "41 tests that passed before still pass" in story.verdict_words(outcome)
