"""Every sentence of a report is true of its record: singular and plural, nought, one and many."""

from __future__ import annotations

from dataclasses import replace

import pytest

from egbot.publish import words
from egbot.publish.said import Said
from egbot.records import (
    Attempt,
    CandidateRun,
    Finish,
    Guidance,
    LeftTest,
    LineStep,
    Outcome,
    Stats,
    TestOutcome,
    TokenChoice,
    Verdict,
)
from egbot.report import story
from egbot.report.html import render_html
from egbot.report.markdown import render_markdown
from egbot.report.text import count, passing
from tests.report.samples import no_target, sample_run, solved, target, unsolved

IDS = tuple(f"test_f.py::test_{n}" for n in range(40))


def candidate(passed: int, total: int, *, status: str = "failed", detail: str = "") -> CandidateRun:
    tests = tuple(
        TestOutcome(one, "passed" if n < passed else status)  # type: ignore[arg-type]
        for n, one in enumerate(IDS[:total])
    )
    return CandidateRun("    return 1\n", "def f():\n    return 1\n", tests, passed, detail)


def taken(*passed: int, total: int = 3) -> LineStep:
    return LineStep("    return 1\n", tuple(candidate(n, total) for n in passed), "", (), 1.0)


def decoded(signal: str, plain: str = "x") -> LineStep:
    return LineStep("    x\n", (), signal, (TokenChoice("x", -0.1, -0.1, plain),), 1.0)


def accepted(num_tests: int, num_guards: int) -> Outcome:
    own = IDS[:num_tests]
    verdict = Verdict(accepted=True, target_passed=own, guard_passed=IDS[:num_guards])
    return replace(
        solved(), target=replace(target(), tests=own), failing=own, verdict=verdict, evidence=()
    )


def refused(**found: tuple[str, ...]) -> Outcome:
    own = IDS[:3]
    passed = () if "vetoes" in found else own
    verdict = replace(Verdict(accepted=False, target_passed=passed, guard_passed=()), **found)  # type: ignore[arg-type]
    attempt = Attempt(Guidance(), "candidate", (taken(3),), "def f():\n    return 1\n", 3, 1.0)
    return Outcome(
        "rejected", replace(target(), tests=own), own, verdict=verdict, attempts=(attempt,)
    )


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 tests"), (1, "1 test"), (2, "2 tests"), (1_204, "1,204 tests")]
)
def test_things_are_counted(number: int, told: str) -> None:
    assert count(number, "test") == told


@pytest.mark.parametrize(
    ("passed", "total", "told"),
    [
        (0, 1, "0 of 1 test pass"),
        (1, 1, "1 of 1 test passes"),
        (1, 3, "1 of 3 tests passes"),
        (3, 3, "3 of 3 tests pass"),
    ],
)
def test_what_passes_is_told(passed: int, total: int, told: str) -> None:
    assert passing(passed, total) == told


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (taken(3), "taken from a candidate that passed every test"),
        (taken(0, 1, 3), "taken from a candidate that passed every test"),
        (taken(1, total=1), "taken from a candidate that passed the test"),
        (taken(1, 2), "taken from the nearest candidate, which passed 2 of 3 tests"),
        (taken(1), "taken from the nearest candidate, which passed 1 of 3 tests"),
        (taken(0), "taken from a candidate; none passed a test"),
        (taken(), "taken from a candidate"),
        (replace(taken(1), num_dropped=4), "taken from a candidate"),
        (decoded(""), "plain greedy decoding, no signal given"),
        (decoded("signal"), "guided and plain decoding agree on every token"),
        (decoded("signal", "y"), "guidance changed the line"),
    ],
)
def test_why_a_line_was_taken(step: LineStep, told: str) -> None:
    assert story.why_line(step) == told


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (accepted(1, 0), "a fresh sandbox accepted it"),
        (
            accepted(1, 1),
            "a fresh sandbox accepted it, and 1 test that passed before still passes",
        ),
        (
            accepted(3, 40),
            "a fresh sandbox accepted it, and 40 tests that passed before still pass",
        ),
        (refused(), "the final check refused it: its tests pass without it as well"),
        (refused(regressions=IDS[:1]), "the final check refused it: 1 regression"),
        (refused(flaky=IDS[:2]), "the final check refused it: 2 flaky tests"),
        (refused(vetoes=("a", "b")), "the final check refused it: 2 vetoes"),
        (no_target(), "no function to write was found"),
    ],
)
def test_the_final_check_in_a_clause(outcome: Outcome, told: str) -> None:
    assert story.verdict_words(outcome) == told


@pytest.mark.parametrize(
    ("num_tests", "num_guards", "repeats", "told"),
    [
        (1, 0, 1, "It makes this failing test pass; a fresh sandbox ran it once."),
        (1, 1, 3, "It makes this failing test pass; a fresh sandbox ran it 3 times, and the test "),
        (2, 1, 1, "It makes these 2 failing tests pass; a fresh sandbox ran each once, and the "),
        (
            3,
            40,
            3,
            "these 3 failing tests pass; a fresh sandbox ran each 3 times, and the 40 tests",
        ),
    ],
)
def test_what_was_written(num_tests: int, num_guards: int, repeats: int, told: str) -> None:
    run = replace(sample_run(solved()), settings={"verify_repeats": repeats})
    assert told in words.written(accepted(num_tests, num_guards), run)


@pytest.mark.parametrize(
    ("guidance", "told", "finish", "step", "written"),
    [
        (Guidance(gamma=0.0, candidates=0), "greedy", "wrong", decoded(""), "1 line decoded"),
        (Guidance(gamma=0.0, method="paper"), "greedy", "wrong", decoded(""), "1 line decoded"),
        (Guidance(gamma=0.0, candidates=1), "1 sample", "candidate", taken(3), ""),
        (Guidance(gamma=0.0, candidates=8), "8 samples", "candidate", taken(0, 3), ""),
        (Guidance(), "gamma 1, 3 candidates a line", "wrong", decoded("s"), "1 line decoded"),
    ],
)
def test_an_agent_and_what_it_did(
    guidance: Guidance, told: str, finish: Finish, step: LineStep, written: str
) -> None:
    """A greedy agent has no candidates and no temperature; a sample is not decoded line by line."""
    attempt = Attempt(guidance, finish, (step,), "def f():\n    return 1\n", 0, 1.0)
    assert story.agent_words(guidance) == told
    assert ("temperature" in story.guidance_words(attempt)) == (told != "greedy")
    assert story.written_words(attempt) == written
    outcome = replace(solved(), attempts=(attempt,))
    for text in (render_markdown(outcome), render_html(outcome)):
        assert "0 candidates" not in text
        assert "0 lines" not in text
        assert "0 tokens" not in text


@pytest.mark.parametrize(
    ("outcome", "told", "never"),
    [
        (no_target(), ["was not made for this target"], ["no other test"]),
        (accepted(1, 0), ["no other test was known to pass before"], ["was not made"]),
        (accepted(1, 1), [], ["no other test", "was not made"]),
        (refused(vetoes=("v",)), ["the check had failed before"], ["no other test"]),
        (refused(regressions=IDS[:1]), [], ["no other test", "had failed before"]),
        (
            replace(refused(), left=(LeftTest("t", "why"),) * 2),
            ["2 tests that egbot left alone."],
            [],
        ),
    ],
)
def test_what_was_not_checked(outcome: Outcome, told: list[str], never: list[str]) -> None:
    text = " ".join(story.not_checked(outcome))
    assert all(each in text for each in told)
    assert not any(each in text for each in never)


def test_a_veto_takes_no_test_away() -> None:
    """A function that the guard refuses was not run again: what passed before is what is known."""
    outcome = refused(vetoes=("v",))
    assert story.score(outcome) == (3, 3)
    assert story.nearest_words(outcome) == "The nearest try passes 3 of 3 tests."
    assert "fails:" not in render_markdown(outcome)


def test_tests_of_which_nothing_is_known_neither_pass_nor_fail() -> None:
    """A greedy attempt's own end is counted, but its runs are in no record."""
    attempt = Attempt(
        Guidance(gamma=0.0, candidates=0), "wrong", (decoded(""),), "def f(): 1", 2, 1
    )
    outcome = Outcome("no_patch", target(), target().tests, attempts=(attempt,))
    text = render_markdown(outcome)
    assert "The nearest try passes 2 of 3 tests." in text
    assert "- fails" not in text
    assert text.count("- not known: ") == 3


@pytest.mark.parametrize("outcome", [no_target(), Outcome("nothing_to_do", None, ())])
def test_what_did_not_happen_is_not_told(outcome: Outcome) -> None:
    """No time, token, attempt or run of nought, and no try where there was none."""
    outcome = replace(outcome, stats=Stats())
    run = sample_run(outcome)
    run = replace(run, stats=replace(run.stats, load_s=0.0))
    for text in (render_markdown(outcome, run=run), render_html(outcome, run=run)):
        for never in ("0 ms", "nearest try passes", "loading the model", "0 attempts"):
            assert never not in text
    assert story.cost(outcome, run) == ()


def test_the_time_of_loading_is_the_run_s() -> None:
    run = sample_run(solved())
    run = replace(run, stats=replace(run.stats, load_s=2.0))
    assert ("loading the model, once a run", "2.0 s") in story.cost(solved(), run)
    assert not [name for name, _ in story.cost(solved()) if "loading" in name]


def test_a_program_that_could_not_be_run_says_why() -> None:
    one = candidate(0, 2, status="not_run", detail="the program does not compile")
    assert story.run_words(one) == "passed 0 of 2; the program does not compile"


def test_the_code_shown_is_the_one_that_was_checked() -> None:
    """Of two answers that were refused, the last one's runs are known, so it is shown."""
    first, last = (
        Attempt(Guidance(), "candidate", (), f"def f():\n    return {n}\n", 3, 1.0) for n in (1, 2)
    )
    evidence = candidate(2, 3).executions
    outcome = replace(refused(), attempts=(first, last), evidence=evidence)
    assert story.shown(outcome).code == last.code
    assert story.shown(outcome).tests == evidence


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ((unsolved(),), "egbot could not write `running_total`"),
        ((unsolved(), unsolved()), "egbot wrote none of 2 functions"),
        ((solved(), unsolved()), "egbot wrote `running_total` in `shop/ledger.py`"),
        ((solved(), solved(), unsolved()), "egbot wrote 2 functions"),
        ((no_target(),), "egbot found no function to write"),
    ],
)
def test_the_title_says_how_many(outcomes: tuple[Outcome, ...], told: str) -> None:
    assert words.title(sample_run(*outcomes), Said("comment")) == told
