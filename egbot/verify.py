"""The verdict: a fresh sandbox, the target's tests several times, and all that passed before.

It knows nothing of how the function was written. What it does not cover: behaviour that no test
checks; a function that recognises the tests by their values (a table of the expected results
passes); tests that the repository itself ships broken. The guard of ``egbot.source.guard`` says
what it covers. The sandbox isolates the run, so a forged result can only come from code inside one
run; the node ids asked for, the status of each and the number of repeats must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from egbot.cautions import notice
from egbot.ports import Executor, Sandbox
from egbot.records import (
    FAILED,
    Execution,
    Job,
    Limits,
    Program,
    TestOutcome,
    Tree,
    TreeFile,
    Verdict,
)
from egbot.source.guard import vetoes
from egbot.source.layout import read_source
from egbot.source.splice import changed_outside, find
from egbot.watched import run_watched


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be proved: with ``after`` as the file ``path`` of ``tree``, ``tests`` pass.

    ``guards`` are the tests that passed without it and must go on passing.
    """

    tree: Tree
    path: str
    qualname: str
    after: bytes
    tests: tuple[str, ...]
    guards: tuple[str, ...]


def verify(
    sandbox: Sandbox, claim: Claim, *, repeats: int, limits: Limits
) -> tuple[Verdict, tuple[TestOutcome, ...]]:
    """Check ``claim`` in fresh sandboxes and return the verdict and the traced target tests.

    Accepted only if every target test passes ``repeats`` times, one of them at least fails without
    the function, no guard test fails, nothing but the function (and imports) changed and the guard
    has no veto. Raises SandboxError when no sandbox can be had.
    """
    file = claim.tree[claim.path]
    reasons = vetoes(file.data, claim.after, claim.qualname)
    reasons += changed_outside(file.data, claim.after, claim.qualname)
    if reasons:
        return Verdict(accepted=False, target_passed=(), guard_passed=(), vetoes=reasons), ()
    patched = {**claim.tree, claim.path: TreeFile(claim.after, file.mode)}
    modules = tuple(dict.fromkeys(test.partition("::")[0] for test in claim.tests))
    with sandbox.open(patched, modules, limits) as executor:
        evidence = _traced(executor, claim, limits)
        repeated = [_untraced(executor, claim.tests, limits) for _ in range(repeats - 1)]
        passed, flaky = _agree(claim.tests, [evidence, *repeated])
        is_right = len(passed) == len(claim.tests) > 0
        proof = _failing_without(executor, claim, limits) if is_right else ()
    guard_passed: tuple[str, ...] = ()
    regressions: tuple[str, ...] = ()
    if claim.guards and proof:
        guard_passed, regressions = _check_guards(sandbox, patched, claim.guards, limits)
    verdict = Verdict(
        accepted=bool(proof) and not regressions,
        target_passed=passed,
        guard_passed=guard_passed,
        regressions=regressions,
        flaky=flaky,
        proof=proof,
    )
    if verdict.accepted:
        definition = find(claim.after, claim.qualname)
        assert definition is not None  # noqa: S101  nothing outside of it changed
        noticed = notice(definition.code, definition.span.start_line, evidence.outcomes)
        verdict = replace(verdict, unrun_lines=noticed.unrun_lines, cautions=noticed.cautions)
    return verdict, evidence.outcomes


def _traced(executor: Executor, claim: Claim, limits: Limits) -> Execution:
    """One run of the target tests that also says what the function did."""
    program = Program(claim.path, claim.qualname, read_source(claim.after).text)
    return run_watched(executor, Job(claim.tests, program=program, trace=True, limits=limits))


def _failing_without(executor: Executor, claim: Claim, limits: Limits) -> tuple[str, ...]:
    """The target tests that fail with the file as it was: without one, nothing is proved."""
    before = read_source(claim.tree[claim.path].data).text
    program = Program(claim.path, claim.qualname, before)
    job = Job(claim.tests, program=program, trace=False, limits=limits, patient=False)
    return tuple(one.node_id for one in executor.run(job).outcomes if one.status in FAILED)


def _untraced(executor: Executor, tests: tuple[str, ...], limits: Limits) -> Execution:
    return executor.run(Job(tests, trace=False, limits=limits))


def _check_guards(
    sandbox: Sandbox, patched: Tree, guards: tuple[str, ...], limits: Limits
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The guard tests that pass and those that do not; a failure must show twice to count."""
    modules = tuple(dict.fromkeys(test.partition("::")[0] for test in guards))
    with sandbox.open(patched, modules, limits) as executor:
        first = _passing(_untraced(executor, guards, limits))
        doubtful = tuple(test for test in guards if test not in first)
        again = _passing(_untraced(executor, doubtful, limits)) if doubtful else frozenset()
    kept = first | again
    return (
        tuple(test for test in guards if test in kept),
        tuple(test for test in guards if test not in kept),
    )


def _passing(execution: Execution) -> frozenset[str]:
    return frozenset(one.node_id for one in execution.outcomes if one.status == "passed")


def _agree(
    tests: tuple[str, ...], runs: Sequence[Execution]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tests that passed in every run, and those that passed in some only."""
    passing = [_passing(run) for run in runs]
    always = tuple(test for test in tests if all(test in one for one in passing))
    flaky = tuple(
        test for test in tests if test not in always and any(test in one for one in passing)
    )
    return always, flaky
