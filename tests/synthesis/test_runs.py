"""Candidates are run once per test and remembered for the whole task."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from egbot.errors import SandboxError
from egbot.records import Limits
from tests.machine import wait_for
from tests.synthesis.workshop import make_bench

DOUBLE = "def double(x):\n    return x * 2\n"
HALF = "def double(x):\n    return 4\n"


def test_each_program_is_run_once_on_each_test() -> None:
    bench = make_bench()
    first = bench.runs.run("one", DOUBLE)
    second = bench.runs.run("another text", DOUBLE)
    bench.runs.run("", HALF)
    pairs = [
        (job.program.source, test, job.trace)
        for job in bench.executor.jobs
        if job.program
        for test in job.tests
    ]
    assert len(pairs) == len(set(pairs)) == 5  # one that failed is asked again, untraced
    assert sum(traced for _, _, traced in pairs) == 4
    assert (bench.runs.num_executions, bench.runs.num_cache_hits) == (4, 2)
    assert first.executions == second.executions
    assert (first.text, second.text) == ("one", "another text")


def test_a_program_that_was_foreseen_has_run_when_its_result_is_needed() -> None:
    """It counts as run once, and not as recalled."""
    with closing(make_bench().runs) as runs:
        runs.foresee(lambda: DOUBLE)
        runs.foresee(lambda: DOUBLE)
        runs.foresee(lambda: None)
        assert wait_for(lambda: runs.num_executions)
        assert runs.num_executions == 2
        assert runs.run("", DOUBLE).num_passed == 2
        assert (runs.num_executions, runs.num_cache_hits) == (2, 0)
        runs.run("", DOUBLE)
        assert runs.num_cache_hits == 2


def test_a_fault_ahead_of_time_shows_where_the_result_is_needed() -> None:
    bench = make_bench()
    with closing(bench.runs) as runs:
        bench.executor.close()
        runs.foresee(lambda: DOUBLE)
        with pytest.raises(SandboxError, match="closed"):
            runs.run("", DOUBLE)


def test_what_nobody_asked_for_is_not_begun_at_the_end() -> None:
    bench = make_bench()
    with closing(bench.runs) as runs:
        began, go_on = threading.Event(), threading.Event()

        def slow() -> str:
            began.set()
            go_on.wait()
            return DOUBLE

        runs.foresee(slow)
        runs.foresee(lambda: HALF)
        assert began.wait()
        threading.Timer(0.05, go_on.set).start()
    assert runs.num_executions == 2, "only what was under way"


def test_a_run_carries_the_outcome_of_every_test_in_order() -> None:
    run = make_bench().runs.run("", HALF)
    assert [outcome.status for outcome in run.executions] == ["passed", "failed"]
    assert [outcome.node_id for outcome in run.executions] == [
        "test_calc.py::test_two",
        "test_calc.py::test_zero",
    ]
    assert run.num_passed == 1


def test_jobs_are_traced_and_hold_the_whole_file() -> None:
    bench = make_bench("import os\n\n\ndef double(x):\n    ...\n\n\nLAST = os.sep\n")
    bench.runs.run("", DOUBLE)
    (job,) = bench.executor.jobs
    assert (job.trace, job.limits) == (True, Limits())
    assert job.program is not None
    assert job.program.qualname == "double"
    assert job.program.source == f"import os\n\n\n{DOUBLE}\n\nLAST = os.sep\n"


@pytest.mark.parametrize(
    ("program", "is_solution"),
    [
        (DOUBLE, True),
        (HALF, False),
        ("def double(x):\n    import gc\n    gc.get_objects()\n    return x * 2\n", False),
    ],
)
def test_a_solution_passes_everything_and_has_no_veto(program: str, is_solution: bool) -> None:
    bench = make_bench(
        tests="from calc import double\n\ndef test_it():\n    assert double(3) == 6\n"
    )
    assert bench.runs.solves(bench.runs.run("", program)) is is_solution


def test_without_tests_nothing_is_a_solution() -> None:
    bench = make_bench(tests="x = 1\n")
    run = bench.runs.run("", DOUBLE)
    assert run.executions == ()
    assert not bench.runs.solves(run)
    assert bench.executor.jobs == []


@pytest.mark.parametrize("program", ["def other(x):\n    return 1\n", "x = 1\n", "def double(:\n"])
def test_what_is_no_definition_of_the_target_is_refused_without_a_run(program: str) -> None:
    bench = make_bench()
    run = bench.runs.run("", program)
    assert {outcome.status for outcome in run.executions} == {"not_run"}
    assert run.detail
    assert bench.executor.jobs == []


def test_a_program_that_the_file_s_encoding_lacks_is_refused() -> None:
    bench = make_bench(b"# coding: latin-1\ndef double(x):\n    ...\n")
    code = "def double(x):\n    return '\u20ac'\n"
    assert not bench.runs.fits(code)
    run = bench.runs.run("", code)
    assert run.executions[0].status == "not_run"
    assert "U+20AC" in run.detail
    assert not bench.runs.solves(run)
