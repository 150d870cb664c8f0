"""A suite of any size is run in portions: the budget holds and a person sees how far it is."""

from __future__ import annotations

from egbot.execution.process import ProcessSandbox
from egbot.records import Execution, Job, Limits, TestOutcome, Tree
from egbot.survey import survey
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


def test_the_budget_is_looked_at_between_portions() -> None:
    sandbox = ReplaySandbox(all_pass)
    found = survey(
        sandbox, BIG, (), Limits(), lambda: "no time is left" if len(jobs_of(sandbox)) == 2 else ""
    )
    assert len(found.passing) == 300
    assert {one.why for one in found.unclear} == {"was not run: no time is left"}
    assert len(found.unclear) == 261


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
    sandbox = ProcessSandbox()
    text = "import pytest\n\n@pytest.mark.parametrize('a', 'ab', ids=['x' * 9_000, 'y'])\ndef test_f(a):\n    assert a\n"
    found = survey(sandbox, tree_of({"test_it.py": text}), (), Limits())
    assert found.passing == {"test_it.py::test_f[y]"}
    (left,) = found.unclear
    assert left.node_id.startswith("test_it.py::test_f[xxx")
    assert len(left.node_id) == 200
    assert "its id is too long" in left.why
