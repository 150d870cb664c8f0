"""A run keeps to its time: every stage has its part, and what there was no time for is said."""

from __future__ import annotations

from dataclasses import replace

from egbot.pipeline import solve
from egbot.records import Execution, Job, Run, TestOutcome, Tree
from egbot.state import Request
from egbot.synthesis.budget import Budget
from egbot.testing import ReplaySandbox, Script
from tests.shelf import DOUBLE, STUB, Bench, decoder_of, reasons, settings_of, tree_of

MANY = 30
MANY_STUBS = {
    "test_it.py": "import calc\n\n"
    + "".join(f"def test_{n}():\n    assert calc.f{n}() == 4\n\n" for n in range(MANY)),
    "calc.py": "".join(f"def f{n}():\n    raise NotImplementedError\n\n\n" for n in range(MANY)),
}


class Clock:
    """Tells seconds; ``job_s`` pass with each job."""

    def __init__(self, job_s: float) -> None:
        self.now_s = 0.0
        self.job_s = job_s
        self.late_jobs = 0

    def __call__(self) -> float:
        return self.now_s

    def answer(self, tree: Tree, job: Job) -> Execution | None:
        self.late_jobs += self.now_s >= job.limits.deadline_s
        self.now_s += self.job_s
        return None


def timed(clock: Clock, files: dict[str, str], max_s: float) -> tuple[Bench, Run]:
    bench = Bench(ReplaySandbox(clock.answer), decoder_of({"f0": Script("\n    return 4\n")}))
    return bench, bench.solve(files, budget=Budget(max_s, 10**6, clock))


def test_the_first_of_many_targets_have_time_enough_and_the_others_none() -> None:
    """Equal shares of next to nothing would try none; what nobody tried is saved once."""
    bench, run = timed(Clock(3.0), MANY_STUBS, 60.0)
    found = reasons(run)
    assert (found[0], len(found)) == (("f0", "patched"), MANY)
    tried = [one for one in run.outcomes if one.attempts]
    assert 1 < len(tried) < MANY
    jobs = [job for executor in bench.sandbox.executors for job in executor.jobs]
    first = next(job for job in jobs if job.program is not None)
    assert first.limits.deadline_s - 3.0 > 5.0, "the first target's time, half of it for the proof"
    assert {one.reason for one in run.outcomes[len(tried) :]} == {"over_budget"}
    assert len(bench.saved) == len(tried) + 2


def test_time_for_the_proof_is_kept_back() -> None:
    """Whoever writes until the end has written for nothing."""
    clock = Clock(8.0)
    _, run = timed(clock, STUB | {"calc.py": STUB["calc.py"].replace("double", "f0")}, 100.0)
    assert clock.late_jobs == 0
    assert run.stats.wall_s <= 100


def test_a_proof_that_the_clock_cuts_is_none_and_no_rejection() -> None:
    def answer(tree: Tree, job: Job) -> Execution | None:
        if b"return x * 2" in tree["calc.py"].data:
            clock.now_s += 100
            return Execution("timeout", tuple(TestOutcome(one, "not_run") for one in job.tests))
        return None

    clock = Clock(0.0)
    bench = Bench(ReplaySandbox(answer), decoder_of({"double": DOUBLE}))
    run = bench.solve(STUB, budget=Budget(100, 10**6, clock))
    assert reasons(run) == [("double", "over_budget")]
    assert "the time ended before that was proved" in run.outcomes[0].detail


def test_a_test_that_was_not_run_again_still_counts_as_failing() -> None:
    """After a success there may be no time to run all that fails again."""
    clock = Clock(0.0)

    def answer(tree: Tree, job: Job) -> Execution | None:
        if b"return 4" not in tree["calc.py"].data or len(job.tests) == 1:
            return None
        clock.now_s = max(clock.now_s, min(job.limits.deadline_s, 99.0))
        return Execution("timeout", tuple(TestOutcome(test, "not_run") for test in job.tests))

    bench = Bench(ReplaySandbox(answer), decoder_of({"f0": Script("\n    return 4\n")}))
    run = bench.solve(MANY_STUBS, budget=Budget(100, 10**6, clock))
    assert (len(run.outcomes), run.outcomes[0].reason) == (MANY, "patched")
    assert "no_target" not in {one.reason for one in run.outcomes}


def test_the_paths_are_checked_before_the_model_is_loaded() -> None:
    bench = Bench()
    seen: list[tuple[str, ...]] = []

    def check(paths: tuple[str, ...]) -> None:
        assert bench.num_loads == 0
        seen.append(paths)

    solve(Request(tree_of(STUB)), settings_of(), replace(bench.tools(), check=check))
    assert (seen, bench.num_loads) == ([("calc.py",)], 1)
