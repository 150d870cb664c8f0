"""The verdict: a fresh sandbox, the target's tests several times, and all that passed before.

It knows nothing of how the function was written. What it does not cover: behaviour that no test
checks; a function that recognises the tests by their values (a table of the expected results
passes); tests that the repository itself ships broken. The guard of ``egbot.source.guard`` says
what it covers. The sandbox isolates the run, so a forged result can only come from code inside one
run; the node ids asked for, the status of each and the number of repeats must agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from egbot.cautions import notice
from egbot.nodeids import files_of, files_of_tests, without_row
from egbot.ports import Executor, Sandbox
from egbot.records import (
    FAILED,
    Collection,
    Execution,
    Job,
    Limits,
    Program,
    TestOutcome,
    Tree,
    TreeFile,
    Verdict,
)
from egbot.source.edit import changed_outside
from egbot.source.guard import vetoes
from egbot.source.outline import find
from egbot.source.text import read_source
from egbot.watched import run_watched

_LOOKS = 4  # a number that is drawn anew is seldom the same so often


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be proved: with ``after`` as the file ``path`` of ``tree``, ``tests`` pass.

    ``guards`` are the tests that passed without it and must go on passing. ``allow`` is what a
    maintainer lets functions use.
    """

    tree: Tree
    path: str
    qualname: str
    after: bytes
    tests: tuple[str, ...]
    guards: tuple[str, ...]
    ordinal: int | None = None
    allow: tuple[str, ...] = ()


def verify(
    sandbox: Sandbox, claim: Claim, *, repeats: int, limits: Limits
) -> tuple[Verdict, tuple[TestOutcome, ...]]:
    """Check ``claim`` in fresh sandboxes and return the verdict and the traced target tests.

    Accepted only if every target test passes ``repeats`` times, one of them at least fails without
    the function, no guard test fails, nothing but the function (and imports) changed and the guard
    has no veto. Tests that are not there any more are left out where that is so without the function
    as well. Raises SandboxError when no sandbox can be had.
    """
    file = claim.tree[claim.path]
    reasons = vetoes(
        file.data,
        claim.after,
        claim.qualname,
        claim.ordinal,
        path=claim.path,
        test_paths=files_of_tests((*claim.tests, *claim.guards)),
        allow=claim.allow,
    )
    reasons += changed_outside(file.data, claim.after, claim.qualname, claim.ordinal)
    if reasons:
        return Verdict(accepted=False, target_passed=(), guard_passed=(), vetoes=reasons), ()
    patched = {**claim.tree, claim.path: TreeFile(claim.after, file.mode)}
    with sandbox.open(patched, files_of(claim.tests), limits) as executor:
        gone = vanished(executor.collection, claim.tests)
        tests, unsteady = parted(claim.tests, _unsteady(sandbox, claim.tree, gone, limits))
        claim = replace(claim, tests=tests)
        evidence = _traced(executor, claim, limits)
        repeated = [_untraced(executor, claim.tests, limits) for _ in range(repeats - 1)]
        passed, flaky = _agree(claim.tests, [evidence, *repeated])
        changed = _changed(sandbox, claim.tree, executor.collection, limits)
        passed = tuple(one for one in passed if without_row(one) not in changed)
        is_right = len(passed) == len(claim.tests) > 0
        proof = _failing_without(executor, claim, limits) if is_right else ()
    guard_passed: tuple[str, ...] = ()
    regressions: tuple[str, ...] = ()
    if claim.guards and proof:
        guard_passed, regressions, left = _check_guards(sandbox, claim, patched, limits)
        unsteady += left
    verdict = Verdict(
        accepted=bool(proof) and not regressions,
        target_passed=passed,
        guard_passed=guard_passed,
        regressions=regressions,
        flaky=flaky,
        proof=proof,
        unsteady=unsteady,
    )
    if verdict.accepted:
        definition = find(claim.after, claim.qualname, claim.ordinal)
        assert definition is not None  # noqa: S101  nothing outside of it changed
        noticed = notice(definition.code, definition.span.start_line, evidence.outcomes)
        verdict = replace(verdict, unrun_lines=noticed.unrun_lines, cautions=noticed.cautions)
    return verdict, evidence.outcomes


def _traced(executor: Executor, claim: Claim, limits: Limits) -> Execution:
    """One run of the target tests that also says what the function did."""
    program = _program(claim, claim.after)
    return run_watched(executor, Job(claim.tests, program=program, trace=True, limits=limits))


def _program(claim: Claim, data: bytes) -> Program:
    return Program(claim.path, claim.qualname, read_source(data).text, claim.ordinal)


def _failing_without(executor: Executor, claim: Claim, limits: Limits) -> tuple[str, ...]:
    """The target tests that fail with the file as it was: without one, nothing is proved."""
    program = _program(claim, claim.tree[claim.path].data)
    job = Job(claim.tests, program=program, trace=False, limits=limits, patient=False)
    return tuple(one.node_id for one in executor.run(job).outcomes if one.status in FAILED)


def _untraced(executor: Executor, tests: tuple[str, ...], limits: Limits) -> Execution:
    return executor.run(Job(tests, trace=False, limits=limits))


def _check_guards(
    sandbox: Sandbox, claim: Claim, patched: Tree, limits: Limits
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The guard tests that pass, those that do not, and those left out.

    A failure must show twice to count.
    """
    guards = claim.guards
    with sandbox.open(patched, files_of(guards), limits) as executor:
        first = _passing(_untraced(executor, guards, limits))
        doubtful = tuple(test for test in guards if test not in first)
        again = _passing(_untraced(executor, doubtful, limits)) if doubtful else frozenset()
    changed = _changed(sandbox, claim.tree, executor.collection, limits)
    kept = frozenset(one for one in first | again if without_row(one) not in changed)
    gone = vanished(executor.collection, doubtful)
    _, left = parted(gone, _unsteady(sandbox, claim.tree, gone, limits))
    return (
        tuple(test for test in guards if test in kept),
        tuple(test for test in guards if test not in kept and test not in left),
        left,
    )


# --- tests whose ids or number change with every collection ---------------------------------------


def _changed(
    sandbox: Sandbox, tree: Tree, collection: Collection, limits: Limits
) -> frozenset[str]:
    """The functions whose ids are others because of the patch: without it, in ``tree``, they stay.

    Their tests ask for something else than before, so that no outcome of theirs counts; those that
    cannot be collected without it have no before.
    """
    waiting = frozenset(collection.renamed)
    for _ in range(_LOOKS):
        if waiting:
            with sandbox.open(tree, files_of(waiting), limits) as executor:
                found = executor.collection
            waiting &= frozenset(map(without_row, found.node_ids))
            waiting -= frozenset(found.renamed)
    return waiting


def vanished(collection: Collection, tests: Iterable[str]) -> tuple[str, ...]:
    """The tests that were not collected although others of their function were.

    Sandboxes call tests by the same names, whatever their ids, while a function has as many.
    """
    known = frozenset(collection.node_ids)
    functions = {without_row(one) for one in known if one.endswith("]")}
    rows = (one for one in tests if one not in known and one != without_row(one))
    return tuple(one for one in rows if without_row(one) in functions)


def parted(
    tests: tuple[str, ...], unsteady: Iterable[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tests of other functions than those of ``unsteady``, and the tests of these."""
    functions = {without_row(one) for one in unsteady}
    return (
        tuple(one for one in tests if without_row(one) not in functions),
        tuple(one for one in tests if without_row(one) in functions),
    )


def _unsteady(
    sandbox: Sandbox, tree: Tree, gone: tuple[str, ...], limits: Limits
) -> tuple[str, ...]:
    """The functions of ``gone`` that have another number of tests with each look at one ``tree``."""
    numbers: dict[str, set[int]] = {without_row(one): set() for one in gone}
    found: tuple[str, ...] = ()
    for _ in range(_LOOKS):
        if len(found) == len(numbers):
            break
        with sandbox.open(tree, files_of(gone), limits) as executor:
            functions = [without_row(one) for one in executor.collection.node_ids]
        for function, seen in numbers.items():
            seen.add(functions.count(function))
        found = tuple(function for function, seen in numbers.items() if len(seen) > 1)
    return found


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
