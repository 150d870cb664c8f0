"""A suite of any size is run in portions: the budget holds and a person sees how far it is."""

from __future__ import annotations

import pytest

from egbot.execution.process import process_sandbox
from egbot.records import Execution, Fault, Job, Limits, TestOutcome, Tree
from egbot.survey import survey
from egbot.synthesis.budget import Budget
from egbot.testing import ReplaySandbox
from tests.shelf import tree_of

BIG = tree_of(
    {
        f"test_{name}.py": "".join(f"def test_{n}():\n    pass\n" for n in range(size))
        for name, size in (("a", 150), ("b", 120), ("c", 30), ("d", 260), ("e", 1))
    }
)


def all_pass(_tree: Tree, job: Job) -> Execution:
    return Execution("ok", tuple(TestOutcome(test, "passed") for test in job.tests))


def jobs_of(sandbox: ReplaySandbox) -> list[tuple[str, ...]]:
    return [job.tests for executor in sandbox.executors for job in executor.jobs]


def test_a_large_suite_is_run_in_portions_that_keep_modules_whole() -> None:
    sandbox = ReplaySandbox(all_pass)
    notes: list[str] = []
    found = survey(sandbox, BIG, (), Limits(), note=notes.append)
    jobs = jobs_of(sandbox)
    assert [len(job) for job in jobs] == [150, 150, 260, 1]
    assert [{test.partition("::")[0] for test in job} for job in jobs] == [
        {"test_a.py"},
        {"test_b.py", "test_c.py"},
        {"test_d.py"},
        {"test_e.py"},
    ]
    assert len(found.passing) == 561
    assert notes == [f"{n} of 561 have run" for n in (0, 150, 300, 560)]


@pytest.mark.parametrize(
    ("failing", "num_run", "why"),
    [
        ("test_a.py::test_0", 150, "its share of the time budget, 40 s, is used up"),
        ("test_c.py::test_0", 300, "its share of the time budget, 40 s, is used up"),
        ("none", 560, "the time budget of 100 s is used up"),
    ],
)
def test_a_survey_ends_with_its_share_once_something_fails_else_with_the_budget(
    failing: str, num_run: int, why: str
) -> None:
    """Each job takes 40 s here, and is told to end where the budget does that it runs on."""
    now_s = [0.0]

    def slow(tree: Tree, job: Job) -> Execution:
        now_s[0] += 40
        return Execution(
            "ok",
            tuple(
                TestOutcome(test, "failed", fault=Fault("E", "")) if test == failing
                else TestOutcome(test, "passed")
                for test in job.tests
            ),
        )  # fmt: skip

    budget = Budget(100, 1000, lambda: now_s[0])
    sandbox = ReplaySandbox(slow)
    found = survey(sandbox, BIG, (), Limits(), budgets=(budget.share(2.5), budget))
    assert sum(map(len, jobs_of(sandbox))) == num_run
    assert {one.why for one in found.unclear} == {f"was not run: {why}"}
    jobs = [job for executor in sandbox.executors for job in executor.jobs]
    assert [job.limits.deadline_s for job in jobs] == [40, 100, 100][: len(jobs)]


def test_tests_that_the_clock_cut_off_are_blamed_for_nothing() -> None:
    """A job that ends with its budget took nobody's results with it."""
    now_s = [0.0]

    def cut(tree: Tree, job: Job) -> Execution:
        now_s[0] = 100
        return Execution("timeout", tuple(TestOutcome(test, "not_run") for test in job.tests))

    budget = Budget(100, 1000, lambda: now_s[0])
    sandbox = ReplaySandbox(cut)
    tree = tree_of({"test_a.py": "def test_it():\n    pass\n"})
    found = survey(sandbox, tree, (), Limits(), budgets=(budget, budget))
    assert (found.failing, len(found.unclear), len(jobs_of(sandbox))) == ((), 1, 1)


def test_a_small_suite_is_one_job_without_notes() -> None:
    sandbox = ReplaySandbox(all_pass)
    notes: list[str] = []
    survey(
        sandbox,
        tree_of({"test_a.py": "def test_it():\n    pass\n"}),
        (),
        Limits(),
        note=notes.append,
    )
    assert (len(jobs_of(sandbox)), notes) == (1, [])


def test_a_test_whose_id_is_too_long_is_said() -> None:
    """It is left out by itself: the others run, and a person reads how to mend it."""
    sandbox = process_sandbox()
    text = "import pytest\n\n@pytest.mark.parametrize('a', 'ab', ids=['x' * 9_000, 'y'])\ndef test_f(a):\n    assert a\n"
    found = survey(sandbox, tree_of({"test_it.py": text}), (), Limits())
    assert found.passing == {"test_it.py::test_f[y]"}
    (left,) = found.unclear
    assert left.node_id.startswith("test_it.py::test_f[xxx")
    assert len(left.node_id) == 200
    assert "its id is too long" in left.why
