"""Runs tests in a fresh sandbox and says what fails, what passes and what could not be told.

It knows nothing of functions: what a failure asks for is read elsewhere.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import PurePosixPath

from egbot.errors import UsageError
from egbot.intake.failures import failing_tests
from egbot.nodeids import file_of, files_of, without_row
from egbot.ports import Executor, Sandbox
from egbot.records import (
    Collection,
    FailingTest,
    Fault,
    Job,
    LeftTest,
    Limits,
    TestOutcome,
    Tree,
)
from egbot.synthesis.budget import Budget

_UNASKABLE = (
    "was not run: its id is too long or no text; give its parameters short ids "
    "(pytest.param(..., id=...))"
)
_PORTION = 200
"""Tests in one job: between two jobs the budget is looked at and progress is told."""


@dataclass(frozen=True, slots=True)
class Survey:
    """One run over the tests of some files. ``unclear`` are tests of which nothing is known."""

    collection: Collection
    failing: tuple[FailingTest, ...]
    passing: frozenset[str]
    unclear: tuple[LeftTest, ...]


def survey(
    sandbox: Sandbox,
    tree: Tree,
    paths: tuple[str, ...],
    limits: Limits,
    *,
    budgets: tuple[Budget, Budget] | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Survey:
    """Run the tests of ``paths`` (none: the whole suite) on ``tree``.

    It ends with the first of ``budgets`` where something is known to fail by then, else with the
    second; ``note`` is told how far a large suite is. Raises SandboxError when no sandbox can be
    had, OutOfTimeError when the second budget ends before the tests are collected.
    """
    endless = Budget(math.inf, sys.maxsize, time.monotonic)
    budgets = budgets or (endless, endless)
    bounded = replace(limits, deadline_s=budgets[1].deadline_s)
    with sandbox.open(tree, paths, bounded) as executor:
        tell_switched_off(executor.collection, note)
        outcomes, why = _run(executor, bounded, budgets, note)
        collection = executor.collection
    known = {one.node_id for one in outcomes}
    return Survey(
        collection=collection,
        failing=failing_tests(collection, outcomes),
        passing=frozenset(one.node_id for one in outcomes if one.status == "passed"),
        unclear=tuple(
            LeftTest(test, f"was not run: {why}")
            for test in collection.node_ids
            if test not in known
        )
        + tuple(LeftTest(test[:200], _UNASKABLE) for test in collection.unaskable),
    )


def tell_switched_off(collection: Collection, note: Callable[[str], None]) -> None:
    """Say which of the repository's own options of pytest do not count here."""
    if collection.switched_off:
        options = ", ".join(collection.switched_off)
        note(f"without the options {options}: egbot runs each test in its own way")


def joined(first: Survey, second: Survey) -> Survey:
    """Both runs as one."""
    return Survey(
        collection=replace(
            first.collection,
            node_ids=first.collection.node_ids + second.collection.node_ids,
            errors=first.collection.errors + second.collection.errors,
        ),
        failing=first.failing + second.failing,
        passing=first.passing | second.passing,
        unclear=first.unclear + second.unclear,
    )


def _run(
    executor: Executor,
    limits: Limits,
    budgets: tuple[Budget, Budget],
    note: Callable[[str], None],
) -> tuple[list[TestOutcome], str]:
    """Every test's outcome, in as many jobs as it takes; and why some have none.

    ``budgets`` are for the time when something is known to fail, and when nothing is. A job ends
    early with its budget or when several of its tests crash or run out of time, and one that brings
    down the sandbox itself takes the others' results with it: then each half is run by itself.
    """
    budget = budgets[0]
    fails = bool(executor.collection.errors)
    found: dict[str, TestOutcome] = {}
    num_tests = len(executor.collection.node_ids)
    waiting = [*reversed(_portions(executor.collection.node_ids))]
    while waiting:
        budget = budgets[0] if fails or not budgets[0].exhausted else budgets[1]
        if budget.exhausted:
            break
        if num_tests > _PORTION:
            note(f"{len(found)} of {num_tests} have run")
        tests = waiting.pop()
        until = replace(limits, deadline_s=budget.deadline_s)
        execution = executor.run(Job(tests, trace=False, limits=until))
        ran = {one.node_id: one for one in execution.outcomes if one.status != "not_run"}
        found |= ran
        fails = fails or any(one.status not in {"passed", "skipped"} for one in ran.values())
        rest = tuple(test for test in tests if test not in ran)
        if rest and budget.is_late:
            waiting.append(rest)
        elif not ran and len(rest) == 1:
            fault = Fault("Crash", f"it ends its own sandbox: {execution.detail}"[:400])
            found[rest[0]] = TestOutcome(rest[0], "crash", fault=fault)
        elif not ran:
            middle = len(rest) // 2
            waiting += [rest[middle:], rest[:middle]]
        elif rest:
            waiting.append(rest)
    in_order = [found[test] for test in executor.collection.node_ids if test in found]
    return in_order, budget.exhausted


def _portions(node_ids: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The tests in jobs of about ``_PORTION``; a module stays whole, for its fixtures' sake."""
    portions: list[tuple[str, ...]] = []
    for _, module in groupby(node_ids, file_of):
        tests = tuple(module)
        if portions and len(portions[-1]) + len(tests) <= _PORTION:
            portions[-1] += tests
        else:
            portions.append(tests)
    return portions


# --- what was asked for ------------------------------------------------------------------------


def is_wanted(node_id: str, selection: tuple[str, ...]) -> bool:
    """Whether a failing test (or a module that cannot be collected) was asked for."""
    path = file_of(node_id)
    if PurePosixPath(path).name == "conftest.py" and path == node_id:
        return not selection or any(_is_below(one, path) for one in selection)
    return not selection or any(
        one in (".", path, node_id, without_row(node_id))
        or node_id.startswith((f"{one}::", f"{one}/"))
        or (node_id == path and one.startswith(f"{path}::"))
        for one in selection
    )


def _is_below(spec: str, conftest: str) -> bool:
    """Whether a conftest.py that cannot be imported keeps ``spec`` from being collected."""
    folder = PurePosixPath(conftest).parent
    asked = PurePosixPath(file_of(spec))
    return asked.is_relative_to(folder) or folder.is_relative_to(asked)


def settled(
    sandbox: Sandbox, tree: Tree, found: Collection, selection: tuple[str, ...], limits: Limits
) -> tuple[str, ...]:
    """The tests that were asked for, by ids that they have here.

    A row that is not there, of a test whose rows have other ids each time, stands for all of them:
    that is seen by collecting once more. Raises as opening a sandbox does.
    """
    seen = set(found.node_ids)
    tests = set(map(without_row, seen))
    lost = [one for one in selection if one not in seen and without_row(one) in tests - {one}]
    if not lost:
        return selection
    with sandbox.open(tree, files_of(lost), limits) as executor:
        changing = set(executor.collection.renamed)
    names = (without_row(one) if one in lost else one for one in selection)
    return tuple(
        dict.fromkeys(
            name if name in changing else one for one, name in zip(selection, names, strict=True)
        )
    )


def unseen_files(found: Survey, selection: tuple[str, ...], tree: Tree) -> tuple[str, ...]:
    """Files that were asked for and that pytest leaves out unless they are named."""
    errors = tuple(one.node_id for one in found.collection.errors)
    seen = files_of(found.collection.node_ids + errors)
    paths = files_of(selection)
    is_broken = any(PurePosixPath(path).name == "conftest.py" for path in errors)
    return tuple(p for p in paths if p in tree and p not in seen and not is_broken)


def not_collected(found: Survey, selection: tuple[str, ...]) -> tuple[LeftTest, ...]:
    """The tests that were asked for and that pytest does not know.

    Raises UsageError when it knows none at all, or none of those asked for.
    """
    seen = (*found.collection.node_ids, *(one.node_id for one in found.failing))
    if not seen:
        raise UsageError(
            "pytest found no tests in this repository",
            hint="write one, for example tests/test_it.py; a file that pytest does not look into by "
            "itself must be named: --tests PATH",
        )
    unknown = [spec for spec in selection if not any(is_wanted(test, (spec,)) for test in seen)]
    if unknown and len(unknown) == len(selection):
        raise UsageError(
            f"pytest collects no test {' or '.join(unknown[:3])}",
            hint="see what it collects: pytest --collect-only; the repository's own options may "
            "leave tests out",
        )
    return tuple(LeftTest(spec, "pytest collects no such test") for spec in unknown)
