"""Finds what the failing tests need: it asks the sandbox, puts stubs in place, and runs them again."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from egbot.discovery.left import left_alone
from egbot.discovery.needs import merge
from egbot.discovery.probe import Probed, ask, inside
from egbot.discovery.stubplan import make_plan
from egbot.discovery.targets import named_target
from egbot.errors import OutOfTimeError
from egbot.nodeids import file_of, files_of, without_row
from egbot.progress import Stage
from egbot.records import FAILED, Evidence, FailingTest, LeftTest, Probe
from egbot.report.text import count
from egbot.state import State
from egbot.survey import Survey, is_wanted, survey
from egbot.synthesis.budget import Budget

_NOTHING = Evidence()
_AGAIN = 4  # running the failing tests again may take one of so many parts of the time that is left
_IGNORED = (
    "git ignores it; take it out of .gitignore or add it (git add -f), or have the tests do without"
)


def locate(state: State, finding: Budget) -> None:
    """Find the targets: ask the sandbox, write stubs, and see what fails with them in place."""
    before, probe = state.tree, state.probe(state.plain)
    _ask(state, finding, probe)
    needs = merge(state.evidence, state.plain, probe, ignored=state.request.ignored)
    early = {path: tuple(tests) for path, tests in state.early.items()}
    plan = make_plan(needs, state.plain, early)
    state.tree, state.targets, state.added = plan.tree, plan.targets, plan.added
    if state.tree != before:
        run_again(state)
    _tell_left(state)
    if state.request.targets:
        _keep_named(state)


def _ask(state: State, finding: Budget, probe: Probe) -> None:
    """Run those failing tests against recorders that no known target explains."""
    asked = state.unexplained
    if not asked or finding.is_late:
        return
    share = state.budget.share(_AGAIN)
    limits = replace(state.limits, deadline_s=share.deadline_s)
    state.tools.report(Stage("finding what is missing", count(len(asked), "failing test")))
    with suppress(OutOfTimeError):
        found = ask(state.tools.sandbox, state.plain, asked, limits, probe)
        _learn(state, asked, found)


def _learn(state: State, asked: list[FailingTest], found: Probed) -> None:
    """Keep what was seen; the tests of a file that could not be collected are known by now."""
    early = found.evidence.pop("", Evidence())
    known = state.evidence.get("", Evidence())
    sights = tuple(dict.fromkeys((*known.sights, *early.sights)))
    state.evidence |= {**found.evidence, "": replace(early, sights=sights)}
    state.lessons += found.lessons
    state.reds |= {
        test: one.fault
        for test, one in found.outcomes.items()
        if one.status in FAILED and one.fault
    }
    state.skipping |= {test for test, one in found.outcomes.items() if one.status == "skipped"}
    broken = {one.node_id for one in found.errors}
    places = {one.node_id for one in asked}
    failures: list[FailingTest] = []
    for one in _as_collected(state.failures, asked, found.collected):
        tests = inside(one.node_id, found.collected) if one.node_id in places else ()
        # its rows may be others with the right function
        functions = dict.fromkeys(without_row(test) for test in tests if test not in state.skipping)
        wanted = [test for test in functions if is_wanted(test, state.request.tests)]
        if one.node_id in state.skipping:
            continue
        failures += [replace(one, node_id=test) for test in wanted] or [one]
        if one.node_id in broken:
            wanted = [one.node_id]  # its tests are not known before it can be collected
        for test in wanted:
            state.early.setdefault(file_of(test), {})[test] = None
    state.failures = tuple({one.node_id: one for one in failures}.values())


def _as_collected(
    failures: Iterable[FailingTest], asked: Iterable[FailingTest], collected: tuple[str, ...]
) -> list[FailingTest]:
    """The failing tests; those that have other ids with every collection by their latest ones."""
    rows: dict[str, list[str]] = {}
    for test in collected:
        rows.setdefault(without_row(test), []).append(test)
    names = {one.node_id for one in asked}.difference(collected)
    lost = {one for one in names if without_row(one) in rows}
    functions = {without_row(one.node_id): one for one in failures if one.node_id in lost}
    latest = [
        replace(one, node_id=row) for function, one in functions.items() for row in rows[function]
    ]
    return [*(one for one in failures if one.node_id not in lost), *latest]


def _tell_left(state: State) -> None:
    """Say of every failing test that no target needs why it is left alone."""
    left_out = {**state.tools.sandbox.left_out, **dict.fromkeys(state.request.ignored, _IGNORED)}
    state.left = tuple(
        LeftTest(one.node_id, left_alone(one, state.evidence.get(one.node_id, _NOTHING), left_out))
        for one in state.unexplained
    )


def _keep_named(state: State) -> None:
    """Only the targets that were asked for; one that is written has the failing tests that enter it.

    A person who names a function may know more than a run says: it can be wrong rather than
    missing. Raises UsageError for a name that stands nowhere, not even as a stub by now.
    """
    found = {f"{one.path}::{one.qualname}": one for one in state.targets}
    entered: dict[str, list[tuple[str, int]]] = {}
    failing = state.failing
    for test, seen in state.evidence.items():
        for one in seen.entered if test in failing else ():
            entered.setdefault(f"{one.path}::{one.qualname}", []).append((test, one.line))
    targets = []
    for spec in state.request.targets:
        named = named_target(spec, state.tree)
        name = f"{named.path}::{named.qualname}"
        target = found.get(name) or named_target(name, state.tree, entered.get(name, ()))
        targets += [target] if target.tests else []
    state.targets = tuple(targets)
    if state.targets or state.outcomes:
        state.left = ()  # who names functions asks for those tests alone that need them


def run_again(state: State) -> None:
    """Run the modules of the failing tests once more: some pass by now, others show more."""
    modules, share = files_of(one.node_id for one in state.failures), state.budget.share(_AGAIN)
    with suppress(OutOfTimeError):
        if modules:
            sandbox, budgets = state.tools.sandbox, (share, share)
            take(state, survey(sandbox, state.tree, modules, state.limits, budgets=budgets))


def take(state: State, found: Survey) -> None:
    """Remember what a run showed; what it did not show stays as it was.

    A test that a verdict has proved is looked after by the verdicts that follow, which ask twice.
    """
    selection = state.request.tests
    state.passing |= found.passing
    not_run = {one.node_id for one in found.unclear}
    known_early = [test for tests in state.early.values() for test in tests]
    settled = state.proved | state.skipping
    failing = (
        replace(one, node_id=test)
        for one in found.failing
        for test in inside(one.node_id, known_early) or (one.node_id,)
        if test not in settled and is_wanted(test, selection)
    )
    state.failures = (*failing, *(one for one in state.failures if one.node_id in not_run))
    known = state.passing | state.failing | {one.node_id for one in found.failing}
    wanted = (one for one in found.unclear if is_wanted(one.node_id, selection))
    unclear = {one.node_id: one for one in (*state.unclear, *wanted) if one.node_id not in known}
    state.unclear = tuple(unclear.values())
