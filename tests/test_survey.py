"""A suite of any size is run in portions: the budget holds and a person sees how far it is."""

from __future__ import annotations

import pytest

from egbot.execution.process import process_sandbox
from egbot.intake.failures import selected_tests
from egbot.nodeids import files_of, names_of, without_row
from egbot.records import Execution, Fault, Job, Limits, TestOutcome, Tree
from egbot.survey import is_wanted, survey
from egbot.synthesis.budget import Budget
from egbot.testing import ReplaySandbox
from tests.shelf import tree_of

RAW_IDS = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support"
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


@pytest.mark.parametrize(
    ("odd", "told"), [("x" * 9_000, "x" * (200 - 19)), ("\ud800" * 9, "\\ud800" * 9 + "]")]
)
def test_a_test_that_cannot_be_asked_for_by_its_id_is_said(odd: str, told: str) -> None:
    """It is left out by itself: the others run, and a person reads how to mend it."""
    text = f"import pytest\n\n@pytest.mark.parametrize('a', 'ab', ids=[{odd!r}, 'y'])\ndef test_f(a):\n    assert a\n"
    tree = tree_of({"pytest.ini": f"[pytest]\n{RAW_IDS} = true\n", "test_it.py": text})
    found = survey(process_sandbox(), tree, (), Limits())
    assert found.passing == {"test_it.py::test_f[y]"}
    (left,) = found.unclear
    assert left.node_id == f"test_it.py::test_f[{told}"
    assert "its id is too long" in left.why


@pytest.mark.parametrize(
    "place", ["[x]/test_a.py", "t/[x]/test_a.py", "t/test_[x].py", "t/a::b/test_a.py"]
)
def test_files_that_pytest_cannot_name_are_run_alone(place: str) -> None:
    """Its command line takes what stands in a bracket or after ``::`` for a part of a test's id."""
    others = dict.fromkeys(("test_b.py", "t/test_b.py", "t/[y]/test_b.py"), "raise SystemExit\n")
    files = {**others, place: "def test_it():\n    pass\n"}
    found = survey(process_sandbox(), tree_of(files), files_of([place]), Limits())
    assert found.passing == {f"{place}::test_it"}
    assert not found.failing


@pytest.mark.parametrize("row", ["[", "]", "a::b", "a/b.py::c", "a b", "µ", "\n", "[a]::[b]"])
def test_a_row_s_id_may_hold_anything(row: str) -> None:
    text = f"import pytest\n\n@pytest.mark.parametrize('a', 'ab', ids=[{row!r}, 'y'])\ndef test_f(a):\n    assert a\n"
    tree = tree_of({"pytest.ini": f"[pytest]\n{RAW_IDS} = true\n", "t/[x]/test_it.py": text})
    found = survey(process_sandbox(), tree, ("t/[x]/test_it.py",), Limits())
    function = "t/[x]/test_it.py::test_f"
    assert found.passing == {f"{function}[{row}]", f"{function}[y]"}
    assert {without_row(one) for one in found.passing} == {function}
    assert names_of(f"{function}[{row}]") == ["test_f"]
    assert selected_tests([f"{function}[{row}]"], tree) == (f"{function}[{row}]",)


@pytest.mark.parametrize(
    ("asked", "node_id", "wanted"),
    [
        ("t", "t/[x]/test_a.py::test_f[a]", True),
        ("t/[x]", "t/[x]/test_a.py::test_f[a]", True),
        ("t/[x]/test_a.py::test_f", "t/[x]/test_a.py::test_f[a]", True),
        ("t/[x]/test_a.py::test_f", "t/[x]/test_a.py::test_f[]::[]", True),
        ("t", "t[x]/test_a.py::test_f", False),
        ("t/test", "t/test[x].py::test_f", False),
        ("t/test_a.py::test_f[a]", "t/test_a.py::test_f[a][b]", False),
    ],
)
def test_what_was_asked_for_is_told_by_an_id_s_parts(
    asked: str, node_id: str, wanted: bool
) -> None:
    assert is_wanted(node_id, (asked,)) is wanted
