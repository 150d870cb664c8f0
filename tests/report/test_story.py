"""The choices behind every report: which code, which runs, which words."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import get_args

import pytest
from rich.console import Console

from egbot.publish.words import written
from egbot.records import Caution, Outcome, Patch, TestOutcome, Trace, TraceEvent, Verdict
from egbot.report import story
from egbot.report.html import render_html
from egbot.report.markdown import render_markdown
from egbot.report.terminal import summary
from tests.report.samples import (
    CODE,
    FIRST_LINE,
    TESTS,
    hostile,
    no_target,
    sample_run,
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


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), ()),
        ((17,), ("Line 17 was run by no test.",)),
        ((17, 19), ("Lines 17 and 19 were run by no test.",)),
        ((1, 2, 3), ("Lines 1, 2 and 3 were run by no test.",)),
        (
            tuple(range(1, 1011)),
            ("Lines 1, 2, 3, 4, 5, 6, 7, 8 and 1,002 more were run by no test.",),
        ),
    ],
)
def test_lines_that_no_test_ran_are_named(lines: tuple[int, ...], said: tuple[str, ...]) -> None:
    accepted = Verdict(True, ("t",), (), unrun_lines=lines)
    assert story.cautions(replace(solved(), verdict=accepted)) == said
    refused = replace(accepted, accepted=False)
    assert story.cautions(replace(solved(), verdict=refused)) == ()


def test_every_caution_has_its_sentence_and_stands_in_every_report() -> None:
    assert set(story.CAUTIONS) == set(get_args(Caution))
    told = Verdict(True, ("t",), (), cautions=get_args(Caution))
    outcome = replace(solved(), verdict=told)
    printed = StringIO()
    summary(sample_run(outcome), Console(file=printed, width=200))
    texts = [render_markdown(outcome), render_html(outcome), printed.getvalue()]
    texts.append(written(outcome, sample_run(outcome)))
    for sentence in story.CAUTIONS.values():
        assert all(sentence in text for text in texts)
