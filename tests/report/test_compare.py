"""Two runs are compared in the order in which things happened, and the first difference is told."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from egbot.records import Attempt, LineStep, Outcome, Run
from egbot.report.compare import Parting, compare, comparison_document
from egbot.report.terminal import compared
from tests.report.golden import check
from tests.report.samples import hostile, no_target, sample_run, solved, token, unsolved


def printed(a: Run, b: Run) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None, _environ={})
    compared(compare(a, b), console)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def parting(b: Outcome) -> Parting | None:
    (difference,) = compare(sample_run(solved()), sample_run(b)).functions
    return difference.parting


def with_attempt(change: Callable[[Attempt], Attempt]) -> Outcome:
    first, second = solved().attempts
    return replace(solved(), attempts=(first, change(second)))


def with_line(index: int, change: Callable[[LineStep], LineStep]) -> Outcome:
    def changed(attempt: Attempt) -> Attempt:
        lines = list(attempt.lines)
        lines[index] = change(lines[index])
        return replace(attempt, lines=tuple(lines))

    return with_attempt(changed)


def other_candidate(step: LineStep) -> LineStep:
    first, second, *rest = step.candidates
    return replace(step, candidates=(first, replace(second, text="    return 0\n"), *rest))


def other_result(step: LineStep) -> LineStep:
    first, *rest = step.candidates
    bad = tuple(replace(test, status="timeout") for test in first.executions)
    return replace(step, candidates=(replace(first, executions=bad, num_passed=0), *rest))


def other_token(step: LineStep) -> LineStep:
    changed = token(" 0", -0.1, -0.2)
    return replace(step, tokens=(*step.tokens[:2], changed), text="    total = 0\n")


CASES = {
    "guidance": (
        with_attempt(lambda each: replace(each, guidance=replace(each.guidance, gamma=3.0))),
        ("guidance", 2, 0, 0),
    ),
    "candidate": (with_line(0, other_candidate), ("candidate", 2, 1, 2)),
    "fewer": (
        with_line(0, lambda step: replace(step, candidates=step.candidates[:2])),
        ("candidate", 2, 1, 3),
    ),
    "result": (with_line(0, other_result), ("result", 2, 1, 1)),
    "token": (with_line(0, other_token), ("token", 2, 1, 3)),
    "text": (with_line(2, lambda step: replace(step, text="    pass\n")), ("line", 2, 3, 0)),
    "short": (
        with_attempt(lambda each: replace(each, lines=each.lines[:4])),
        ("line", 2, 5, 0),
    ),
    "finish": (with_attempt(lambda each: replace(each, finish="wrong")), ("finish", 2, 0, 0)),
    "attempts": (replace(solved(), attempts=solved().attempts[:1]), ("attempts", 2, 0, 0)),
    "outcome": (replace(solved(), reason="rejected", patch=None), ("outcome", 0, 0, 0)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_difference_is_found(name: str) -> None:
    """Whatever differs first is named with its attempt, line, candidate or token."""
    outcome, expected = CASES[name]
    found = parting(outcome)
    assert found is not None
    assert (found.what, found.attempt, found.line, found.index) == expected
    assert found.a != found.b


def test_equal_runs_are_the_same_however_long_they_took() -> None:
    """Times, token counts and messages with addresses in memory part nothing."""
    slower = replace(solved(), stats=replace(solved().stats, wall_s=99.0))
    comparison = compare(sample_run(solved()), sample_run(slower))
    assert comparison.is_same
    assert "the same in both" in printed(sample_run(solved()), sample_run(slower))


def test_functions_of_one_run_only_are_told() -> None:
    target = solved().target
    assert target is not None
    other = replace(solved(), target=replace(target, qualname="balance"))
    comparison = compare(sample_run(solved()), sample_run(other, no_target()))
    names = [(each.function, each.a is None, each.b is None) for each in comparison.functions]
    assert names == [
        ("shop/ledger.py::running_total", False, True),
        ("shop/ledger.py::balance", True, False),
        ("(no_target)", True, False),
    ]
    assert not comparison.is_same


def test_settings_and_versions_that_differ_are_told() -> None:
    run = sample_run(solved())
    other = replace(run, settings={**run.settings, "guidance": {"gamma": 1}}, versions={})
    comparison = compare(run, other)
    assert comparison.settings == (("guidance.gamma", "not there", "1"),)
    assert [name for name, _, _ in comparison.versions] == ["python", "torch"]


def test_tests_that_only_one_run_passes_are_told() -> None:
    (difference,) = compare(sample_run(solved()), sample_run(unsolved())).functions
    assert difference.only_a == ("tests/test_ledger.py::test_running_total_starts_anywhere",)
    assert difference.only_b == ()


def test_hostile_runs_are_compared_as_text() -> None:
    """Nothing of outside text reaches the terminal or the JSON as a control character."""
    run, other = sample_run(hostile(3_000)), sample_run(replace(hostile(3_000), attempts=()))
    text = printed(run, other)
    assert not {"\x1b", "\u202e", "\x00", "\ud800"} & set(text)
    assert json.dumps(comparison_document(compare(run, other)), allow_nan=False).isascii()


def test_golden_comparison() -> None:
    """What a person and a program see of two runs that part at a token is reviewed."""
    a = sample_run(solved(), unsolved())
    target = unsolved().target
    assert target is not None
    missing = replace(unsolved(), target=replace(target, qualname="balance"))
    b = replace(sample_run(with_line(0, other_token), missing), settings={"model": "other"})
    a = replace(a, outcomes=a.outcomes[:1])
    check("compare.txt", printed(a, b))
    check("compare.json", json.dumps(comparison_document(compare(a, b)), indent=1) + "\n")
