"""What fails because it is watched is no failure of the function."""

from __future__ import annotations

import pytest

from egbot.records import Execution, Job, Status, TestOutcome, Trace, Tree
from egbot.testing import ReplaySandbox
from egbot.watched import run_watched
from tests.shelf import STUB, tree_of

TESTS = ("test_calc.py::a", "test_calc.py::b", "test_calc.py::c")
TRACE = Trace((), lines=(2,))


def run(traced: str, untraced: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """The statuses in the end, and the tests of each job. Words stand for p(assed) and so on."""
    words: dict[str, Status] = {
        "p": "passed",
        "f": "failed",
        "t": "timeout",
        "-": "not_run",
        "s": "skipped",
    }

    def answer(_tree: Tree, job: Job) -> Execution:
        status = dict(zip(TESTS, traced if job.trace else untraced, strict=True))
        trace = TRACE if job.trace else None
        return Execution(
            "ok", tuple(TestOutcome(one, words[status[one]], trace=trace) for one in job.tests)
        )

    sandbox = ReplaySandbox(answer)
    with sandbox.open(tree_of(STUB), (), limits=Job(()).limits) as executor:
        found = run_watched(executor, Job(TESTS))
    assert all(one.trace is TRACE for one in found.outcomes)  # what was seen is kept
    jobs = [job.tests for job in sandbox.executors[0].jobs]
    return [one.status[0] for one in found.outcomes], jobs


@pytest.mark.parametrize(
    ("traced", "untraced", "in_the_end", "num_asked_again"),
    [
        ("ppp", "fff", "ppp", []),
        ("psp", "fff", "psp", []),
        ("pfp", "ppp", "ppp", [1]),
        ("pfp", "pfp", "pfp", [1]),  # it fails untraced, too
        ("ffp", "fpp", "ffp", [1]),  # wrong whatever the others do
        ("fpf", "ppp", "ppp", [1, 1]),
        ("fpf", "ppf", "ppf", [1, 1]),
        ("pt-", "ppp", "ppp", [1, 1]),  # what a time-out kept from running runs
        ("t--", "ppp", "tnn", []),  # an endless one is not waited for twice
    ],
)
def test_a_test_counts_as_failed_when_it_fails_untraced_as_well(
    traced: str, untraced: str, in_the_end: str, num_asked_again: list[int]
) -> None:
    statuses, jobs = run(traced, untraced)
    assert "".join(statuses) == in_the_end
    assert [len(tests) for tests in jobs[1:]] == num_asked_again
