"""The verdict: everything must agree, in fresh sandboxes, and nothing else may have changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from egbot.records import Execution, Job, Limits, TestOutcome, Tree, Verdict
from egbot.testing import ReplaySandbox
from egbot.verify import Claim, verify
from tests.shelf import STUB, tree_of

TREE = tree_of(STUB)
GOOD = STUB["calc.py"].replace("raise NotImplementedError", "return x * 2").encode()
TEST, GUARD = "test_calc.py::test_double", "test_calc.py::test_sep"
CLAIM = Claim(TREE, "calc.py", "double", GOOD, (TEST,), (GUARD,))


def verdict_of(claim: Claim = CLAIM, sandbox: ReplaySandbox | None = None) -> Verdict:
    return verify(sandbox or ReplaySandbox(), claim, repeats=3, limits=Limits())[0]


def test_a_good_function_is_accepted_and_its_run_is_evidence() -> None:
    verdict, evidence = verify(ReplaySandbox(), CLAIM, repeats=3, limits=Limits())
    assert verdict == Verdict(
        accepted=True,
        target_passed=(TEST,),
        guard_passed=(GUARD,),
        proof=(TEST,),
        cautions=("one_example",),
    )
    assert [outcome.status for outcome in evidence] == ["passed"]


def test_targets_and_guards_run_in_fresh_sandboxes_that_hold_the_patched_tree() -> None:
    sandbox = ReplaySandbox()
    verdict_of(sandbox=sandbox)
    first, second = sandbox.executors
    assert first.tree["calc.py"].data == second.tree["calc.py"].data == GOOD
    assert first.tests == second.tests == ("test_calc.py",)
    assert first.closed
    assert second.closed


@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_the_target_tests_run_as_often_as_asked_and_once_without_the_function(repeats: int) -> None:
    sandbox = ReplaySandbox()
    verify(sandbox, CLAIM, repeats=repeats, limits=Limits())
    *jobs, without = sandbox.executors[0].jobs
    assert [job.tests for job in jobs] == [(TEST,)] * repeats
    assert [job.trace for job in jobs] == [True] + [False] * (repeats - 1)
    assert without.program is not None
    assert without.program.source == STUB["calc.py"]


def test_tests_that_pass_without_the_function_prove_nothing() -> None:
    tree = tree_of({**STUB, "test_calc.py": "def test_double():\n    assert True\n"})
    verdict = verdict_of(replace(CLAIM, tree=tree, guards=()))
    assert (verdict.accepted, verdict.target_passed, verdict.proof) == (False, (TEST,), ())


@pytest.mark.parametrize(
    ("body", "cautions"),
    [
        ("return x * 2", ("one_example",)),
        ("return 4", ("one_example", "ignores_arguments")),
    ],
)
def test_what_the_tests_leave_open_is_said(body: str, cautions: tuple[str, ...]) -> None:
    after = STUB["calc.py"].replace("raise NotImplementedError", body).encode()
    tests = "import calc\n\ndef test_double():\n    assert calc.double(2) == 4\n"
    tree = tree_of({**STUB, "test_calc.py": tests})
    verdict = verdict_of(replace(CLAIM, tree=tree, after=after, guards=()))
    assert (verdict.accepted, verdict.cautions) == (True, cautions)


WILD = """
class Wild:
    def __eq__(self, other):
        return True

class Lazy(int):
    def __eq__(self, other):
        return not isinstance(other, str)
    __hash__ = int.__hash__

class Point:
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return self.x == getattr(other, "x", None)
"""


@pytest.mark.parametrize(
    ("body", "is_wild"),
    [
        ("return wild.Wild()", True),
        ("return [x, {'a': wild.Wild()}]", True),
        ("yield wild.Wild()", True),
        ("return wild.Lazy()", True),
        ("return wild.Point(4)", False),
        ("return float('nan')", False),
    ],
)
def test_what_is_equal_to_anything_is_no_result(body: str, is_wild: bool) -> None:
    """The class is the repository's own, so that nothing in the function tells it."""
    source = f"import wild\n{STUB['calc.py']}"
    tests = "import calc\n\ndef test_double():\n    found = calc.double(2)\n"
    tests += "    assert found is not None and (not hasattr(found, 'send') or [*found])\n"
    tree = tree_of({**STUB, "calc.py": source, "wild.py": WILD, "test_calc.py": tests})
    after = source.replace("raise NotImplementedError", body).encode()
    claim = replace(CLAIM, tree=tree, after=after, guards=())
    verdict, (outcome,) = verify(ReplaySandbox(), claim, repeats=2, limits=Limits())
    assert verdict.accepted is not is_wild
    assert (outcome.fault is not None and outcome.fault.type_name == "EqualToAnything") is is_wild


def test_a_function_that_fails_is_not_accepted_and_costs_no_guard_run() -> None:
    sandbox = ReplaySandbox()
    bad = replace(CLAIM, after=GOOD.replace(b"* 2", b"* 3"))
    verdict = verdict_of(bad, sandbox)
    assert (verdict.accepted, verdict.target_passed) == (False, ())
    assert len(sandbox.executors) == 1


def test_without_target_tests_nothing_is_proved() -> None:
    assert not verdict_of(replace(CLAIM, tests=())).accepted


@pytest.mark.parametrize(
    "after",
    [
        GOOD.replace(b"SEP = os.sep", b"SEP = 1"),
        GOOD.replace(b"import os\n", b""),
        GOOD + b"\n\ndef more():\n    pass\n",
        GOOD.replace(b"def double", b"def triple"),
        GOOD.replace(b"return x * 2", b"import gc; return x * 2"),
        b"def double(:\n",
    ],
)
def test_any_other_change_or_a_vetoed_word_is_refused_without_a_run(after: bytes) -> None:
    sandbox = ReplaySandbox()
    verdict = verdict_of(replace(CLAIM, after=after), sandbox)
    assert not verdict.accepted
    assert verdict.vetoes
    assert sandbox.executors == []


def test_an_import_may_come_with_the_function() -> None:
    after = GOOD.replace(b"import os\n", b"import math\nimport os\n")
    assert verdict_of(replace(CLAIM, after=after)).accepted


def answers(*statuses: str, test: str = TEST) -> ReplaySandbox:
    """A sandbox in which ``test`` has these results, one job after another; the last one stays."""
    waiting = list(statuses)

    def answer(tree: Tree, job: Job) -> Execution | None:
        if job.tests != (test,):
            return None
        status = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return Execution("ok", (TestOutcome(test, status),))  # type: ignore[arg-type]

    return ReplaySandbox(answer)


@pytest.mark.parametrize(
    "statuses",
    [("passed", "failed", "passed"), ("passed", "passed", "error")],
)
def test_a_test_that_does_not_pass_every_time_is_flaky(statuses: tuple[str, ...]) -> None:
    verdict = verdict_of(sandbox=answers(*statuses))
    assert (verdict.accepted, verdict.flaky, verdict.target_passed) == (False, (TEST,), ())


def test_a_test_that_fails_under_the_tracer_alone_is_no_failure() -> None:
    verdict = verdict_of(sandbox=answers("failed", "passed", "passed", "passed", "failed"))
    assert (verdict.accepted, verdict.flaky, verdict.target_passed) == (True, (), (TEST,))


@pytest.mark.parametrize("status", ["skipped", "timeout", "crash", "error", "not_run"])
def test_only_passed_is_passed(status: str) -> None:
    assert not verdict_of(sandbox=answers(status)).accepted


def test_a_guard_that_fails_twice_is_a_regression() -> None:
    verdict = verdict_of(sandbox=answers("failed", test=GUARD))
    assert (verdict.accepted, verdict.regressions) == (False, (GUARD,))


def test_a_guard_that_fails_once_is_forgiven() -> None:
    """A test that was shaky before must not cost a good function."""
    verdict = verdict_of(sandbox=answers("failed", "passed", test=GUARD))
    assert (verdict.accepted, verdict.guard_passed) == (True, (GUARD,))


def test_outcomes_of_other_tests_prove_nothing() -> None:
    """The node ids must be those that were asked for."""
    other = TestOutcome("test_calc.py::test_other", "passed")
    sandbox = ReplaySandbox(lambda _tree, _job: Execution("ok", (other,)))
    assert not verdict_of(sandbox=sandbox).accepted
