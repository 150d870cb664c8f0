"""Owns the second look at what fails under the tracer, which costs time and memory of its own."""

from __future__ import annotations

from dataclasses import replace

from egbot.ports import Executor
from egbot.records import FAILED, Execution, Job

EQUAL_TO_ANYTHING = "EqualToAnything"
"""What the sandbox calls the fault of a function whose results are equal to anything."""


def run_watched(executor: Executor, job: Job) -> Execution:
    """Run ``job`` traced; a test that fails then counts only where it fails untraced as well.

    One test is asked again first: where it fails once more, the program is wrong whatever the
    others do, and one that runs out of time at the first test is not waited for twice. A test that
    passes the second time keeps the trace of the first. A function that gives what is equal to
    anything is told by the tracer alone.
    """
    execution = executor.run(job)
    failed = [one for one in execution.outcomes if one.status in FAILED]
    is_endless = failed and failed[0].status == "timeout" and len(job.tests) > 1
    is_lie = any(one.fault and one.fault.type_name == EQUAL_TO_ANYTHING for one in failed)
    if not failed or is_lie or (is_endless and execution.outcomes[0] is failed[0]):
        return execution
    first = failed[0].node_id
    again = executor.run(replace(job, tests=(first,), trace=False)).outcomes
    if again[0].status != "passed":
        return execution
    done = {one.node_id for one in execution.outcomes if one.status in ("passed", "skipped")}
    rest = tuple(test for test in job.tests if test not in {*done, first})
    if rest:
        again += executor.run(replace(job, tests=rest, trace=False)).outcomes
    found = {one.node_id: one for one in again if one.status == "passed"}
    outcomes = tuple(
        replace(found[one.node_id], trace=one.trace) if one.node_id in found else one
        for one in execution.outcomes
    )
    is_over = all(one.node_id in {*done, *found} for one in outcomes)
    return replace(execution, outcomes=outcomes, status="ok" if is_over else execution.status)
