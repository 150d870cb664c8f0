"""The order of things: what fails, what is missing, write it, prove it, save it, next.

The only module that knows all rooms; it does none of their work itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace

from egbot import __version__
from egbot.config import Settings
from egbot.discovery.left import left_alone
from egbot.discovery.needs import merge
from egbot.discovery.probe import Probed, ask, inside, probe_of
from egbot.discovery.stubplan import make_plan
from egbot.discovery.targets import check_name, make_target, named_target
from egbot.errors import EgbotError, InterruptedRunError, OutOfTimeError
from egbot.nodeids import file_of, files_of, without_row
from egbot.ports import Decoder, Sandbox
from egbot.progress import FailuresFound, Report, Stage, TargetEnded, TargetStarted
from egbot.records import (
    FAILED,
    SCHEMA_RUN,
    Evidence,
    FailingTest,
    Fault,
    LeftTest,
    Lesson,
    Limits,
    Outcome,
    Patch,
    Probe,
    Reason,
    Run,
    Stats,
    StubPlace,
    Target,
    Tree,
)
from egbot.report.kept import bounded, limit_bytes
from egbot.report.text import count
from egbot.source.edit import prepare
from egbot.source.stubs import UNWRITTEN
from egbot.survey import Survey, is_wanted, joined, not_collected, settled, survey, unseen_files
from egbot.synthesis.agents import schedule
from egbot.synthesis.budget import Budget
from egbot.synthesis.completions import normalise
from egbot.witness import Witness
from egbot.workbench import Standins, Workbench, deliver, prove, write_target

_MAX_NAMED = 3
_MAX_FIRSTS = 3  # distinct functions for the first of a set
_FINDING = 2.5  # finding out what fails and why may take one of so many parts of the time
_AGAIN = 4  # and running the failing tests again one of so many parts of what is left
_LEAST_SHARE_S = 10.0  # so much a target gets while there is any: less serves none of many
_PROOF = 1.5  # a proof runs the suite once, and the target's tests some more times
_IGNORED = (
    "git ignores it; take it out of .gitignore or add it (git add -f), or have the tests do without"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: a repository's files, and optionally which tests and functions.

    ``tests_added`` are the files of ``tree`` that the person's working tree does not have yet,
    ``ignored`` the modules and folders (with a / at the end) that it has and git ignores.
    """

    tree: Tree
    tests: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    tests_added: tuple[Patch, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """The effects of a run: a sandbox, a way to load the model, and where news go.

    ``save`` is called after every stage with all that is known by then, ``check`` with the paths
    that may be written before the model is loaded; what it raises ends the run. ``hand_on`` gets
    the tree with all accepted functions in the end.
    """

    sandbox: Sandbox
    load_decoder: Callable[[], Decoder]
    report: Report
    save: Callable[[Run], None]
    check: Callable[[tuple[str, ...]], None] = lambda _: None
    hand_on: Callable[[Tree], None] = lambda _: None


_Key = tuple[str, str, int]


def _key_of(target: Target) -> _Key:
    return target.path, target.qualname, target.ordinal


@dataclass(slots=True)
class _State:
    """A run while it goes on.

    ``tree`` is the repository with stubs for all that is missing and every accepted function;
    ``plain`` the same without the stubs, which is what the person gets. ``evidence`` is what
    recorders saw, by test, ``lessons`` what they were given for it, and ``reds`` how a test failed
    all the same; ``skipping`` are those that skip themselves with them. ``early`` are the tests of
    files that could not be collected, by file. ``tried`` says how many functions were written when
    one was tried last.
    """

    request: Request
    settings: Settings
    tools: Tools
    budget: Budget
    tree: Tree
    plain: Tree
    passing: frozenset[str] = frozenset()
    proved: frozenset[str] = frozenset()
    failures: tuple[FailingTest, ...] = ()
    targets: tuple[Target, ...] = ()
    left: tuple[LeftTest, ...] = ()
    unclear: tuple[LeftTest, ...] = ()
    added: tuple[str, ...] = ()
    evidence: dict[str, Evidence] = field(default_factory=dict)
    lessons: tuple[Lesson, ...] = ()
    reds: dict[str, Fault] = field(default_factory=dict)
    skipping: frozenset[str] = frozenset()
    early: dict[str, dict[str, None]] = field(default_factory=dict)
    tried: dict[_Key, int] = field(default_factory=dict)
    num_written: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    decoder: Decoder | None = None
    load_s: float = 0.0
    survey_s: float = 0.0

    @property
    def explained(self) -> frozenset[str]:
        """The failing tests that a target needs."""
        return frozenset(test for one in self.targets for test in one.tests)

    def probe(self, tree: Tree) -> Probe:
        """What a sandbox has to know of ``tree`` to let recorders stand in."""
        return probe_of(tree, self.tools.sandbox.project)

    @property
    def limits(self) -> Limits:
        """What one test may use."""
        return replace(self.settings.sandbox.limits, deadline_s=self.budget.deadline_s)


def solve(request: Request, settings: Settings, tools: Tools, budget: Budget | None = None) -> Run:
    """Do the whole job and return its record, which ``tools.save`` has seen in every stage.

    ``budget`` is what the settings say, from now on, unless its time runs already. Raises
    UsageError for a repository without tests, SurroundingsError and its kin when something around
    egbot breaks, InterruptedRunError on Ctrl-C; what was reached is saved first.
    """
    budget = budget or Budget(settings.max_seconds, settings.max_tokens, time.monotonic)
    state = _State(request, settings, tools, budget, request.tree, request.tree)
    try:
        _survey(state)
        _work(state)
    except KeyboardInterrupt:
        tools.save(_record(state, detail="interrupted"))
        raise InterruptedRunError("interrupted; what was reached so far is saved") from None
    except Exception as error:
        tools.save(_record(state, detail=_why(error)))
        raise
    finally:
        tools.hand_on(state.plain)
    run = _record(state, finished=True)
    tools.save(run)
    return run


def check_request(request: Request, settings: Settings) -> None:
    """Refuse at once what would be refused after work: agents, functions. Raises UsageError."""
    schedule(settings.guidance, settings.seed, settings.max_lines)
    for spec in request.targets:
        check_name(spec, request.tree)


# --- what fails --------------------------------------------------------------------------------


def _survey(state: _State) -> None:
    """Run the whole suite once: what passes is the guard, what fails is the work."""
    finding = state.budget.share(_FINDING)
    state.tools.report(Stage("running the tests", "to see what fails"))
    found = survey(
        state.tools.sandbox,
        state.tree,
        (),
        state.limits,
        budgets=(finding, state.budget),
        note=lambda text: state.tools.report(Stage("running the tests", text)),
    )
    state.survey_s = finding.elapsed_s
    tests = settled(
        state.tools.sandbox, state.tree, found.collection, state.request.tests, state.limits
    )
    state.request = replace(state.request, tests=tests)
    unseen = unseen_files(found, state.request.tests, state.tree)
    if unseen:
        budgets = (finding, state.budget)
        found = joined(
            found,
            survey(state.tools.sandbox, state.tree, unseen, state.limits, budgets=budgets),
        )
    state.unclear = not_collected(found, state.request.tests)
    _take(state, found)
    _locate(state, finding)
    state.tools.report(FailuresFound(state.failures, (*state.left, *state.unclear)))
    state.tools.save(_record(state))


def _take(state: _State, found: Survey) -> None:
    """Remember what a run showed; what it did not show stays as it was.

    A test that a verdict has proved is looked after by the verdicts that follow, which ask twice.
    """
    selection = state.request.tests
    state.passing |= found.passing
    not_run = {one.node_id for one in found.unclear}
    known_early = [test for tests in state.early.values() for test in tests]
    failing = (
        replace(one, node_id=test)
        for one in found.failing
        for test in inside(one.node_id, known_early) or (one.node_id,)
        if test not in state.proved | state.skipping
    )
    state.failures = (
        *(one for one in failing if is_wanted(one.node_id, selection)),
        *(one for one in state.failures if one.node_id in not_run),
    )
    known = {*state.passing, *(one.node_id for one in (*found.failing, *state.failures))}
    unclear = {one.node_id: one for one in state.unclear if one.node_id not in known}
    unclear |= {
        one.node_id: one
        for one in found.unclear
        if is_wanted(one.node_id, selection) and one.node_id not in known
    }
    state.unclear = tuple(unclear.values())


# --- what is missing ---------------------------------------------------------------------------


def _locate(state: _State, finding: Budget) -> None:
    """Find the targets: ask the sandbox, write stubs, and see what fails with them in place."""
    before, probe = state.tree, state.probe(state.plain)
    _ask(state, finding, probe)
    needs = merge(state.evidence, state.plain, probe, ignored=state.request.ignored)
    plan = make_plan(
        needs, state.plain, {path: tuple(tests) for path, tests in state.early.items()}
    )
    state.tree, state.targets, state.added = plan.tree, plan.targets, plan.added
    if state.tree != before:
        _run_again(state)
    _tell_left(state)
    if state.request.targets:
        _keep_named(state)


def _ask(state: _State, finding: Budget, probe: Probe) -> None:
    """Run those failing tests against recorders that no known target explains."""
    asked = [one for one in state.failures if one.node_id not in state.explained]
    if not asked or finding.is_late:
        return
    share = state.budget.share(_AGAIN)
    limits = replace(state.limits, deadline_s=share.deadline_s)
    state.tools.report(Stage("finding what is missing", count(len(asked), "failing test")))
    with suppress(OutOfTimeError):
        found = ask(state.tools.sandbox, state.plain, asked, limits, probe)
        _learn(state, asked, found)


def _learn(state: _State, asked: list[FailingTest], found: Probed) -> None:
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


def _tell_left(state: _State) -> None:
    """Say of every failing test that no target needs why it is left alone."""
    ignored = dict.fromkeys(state.request.ignored, _IGNORED)
    left_out = {**state.tools.sandbox.left_out, **ignored}
    nothing = Evidence()
    state.left = tuple(
        LeftTest(one.node_id, left_alone(one, state.evidence.get(one.node_id, nothing), left_out))
        for one in state.failures
        if one.node_id not in state.explained
    )


def _keep_named(state: _State) -> None:
    """Only the targets that were asked for; one that is written has the failing tests that enter it.

    A person who names a function may know more than a run says: it can be wrong rather than
    missing. Raises UsageError for a name that stands nowhere, not even as a stub by now.
    """
    found = {f"{one.path}::{one.qualname}": one for one in state.targets}
    failing = {one.node_id for one in state.failures}
    entered: dict[str, list[tuple[str, int]]] = {}
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


def _run_again(state: _State) -> None:
    """Run the modules of the failing tests once more: some pass by now, others show more."""
    modules = files_of(one.node_id for one in state.failures)
    if not modules:
        return
    share = state.budget.share(_AGAIN)
    with suppress(OutOfTimeError):
        budgets = (share, share)
        _take(
            state, survey(state.tools.sandbox, state.tree, modules, state.limits, budgets=budgets)
        )


# --- writing -----------------------------------------------------------------------------------


def _work(state: _State) -> None:
    """Write one function after another; each one accepted may show what the next one needs."""
    while (target := _next(state)) is not None:
        state.tried[_key_of(target)] = state.num_written
        if state.budget.exhausted:
            over = Outcome("over_budget", target, target.tests, detail=state.budget.exhausted)
            _add(state, over)
            continue
        if _write(state, target):
            state.num_written += 1
            _run_again(state)
            _locate(state, state.budget)
    _close(state)


def _next(state: _State) -> Target | None:
    return next(iter(_pending(state)), None)


def _pending(state: _State) -> list[Target]:
    """The targets that a test still needs (others prove nothing) and that were not tried yet.

    One that failed is tried again when another one has been written since.
    """
    failing = {one.node_id for one in state.failures}
    return [
        one
        for one in state.targets
        if state.tried.get(_key_of(one), -1) < state.num_written
        and not failing.isdisjoint(one.tests)
    ]


def _write(state: _State, target: Target) -> bool:
    """Write one function, or the set that its tests need; whether it was accepted."""
    tests = _own_tests(state, target)
    if tests:
        outcome, code = _try(state, target, tests)
        if code is not None:
            outcome = _accept(state, target, outcome, code)
        if code is not None or not _is_blocked(state, target, outcome):
            _end(state, outcome)
            return code is not None
    return _write_set(state, target)


def _is_blocked(state: _State, target: Target, outcome: Outcome) -> bool:
    """Whether a function that was tried came to another one that is not written either."""
    probe = state.probe(state.tree)
    own = (target.path, target.qualname)
    stubs = {(one.path, one.qualname) for one in probe.stubs} - {own}
    return any(
        f"{path}::{name.rpartition('.')[2]}" in outcome.unwritten
        or f"{path}::{name}" in outcome.unwritten
        for path, name in stubs
    )


def _write_set(state: _State, target: Target) -> bool:
    """Write a function whose tests all need others as well, while recorders stand in for these.

    Then those are written on top of it, and at last it is proved with them in place. When they
    cannot be, the next distinct function is tried.
    """
    failing = {one.node_id for one in state.failures}
    tests = tuple(test for test in target.tests if test in failing)
    refused: frozenset[str] = frozenset()
    outcome = Outcome("no_patch", target, tests)
    for _ in range(_MAX_FIRSTS):
        outcome, code = _try(state, target, tests, _standins(state, target, refused))
        if code is None:
            break
        refused |= {normalise(code) or code}
        before = replace(state, outcomes=[*state.outcomes], tried={**state.tried})
        state.tree = _filled(state.tree, target, code)
        others = _others(state, target, tests)
        if others and all(_write_other(state, one) for one in others):
            outcome, proved = _prove(state, target, code, tests)
            if proved:
                _end(state, _accept(state, target, outcome, code))
                return True
        for item in fields(before):
            setattr(state, item.name, getattr(before, item.name))
        if state.budget.exhausted:
            break
    _end(state, outcome)
    return False


def _others(state: _State, target: Target, tests: tuple[str, ...]) -> list[Target]:
    """What the tests need besides a function that stands in the tree by now."""
    others = [one for one in _pending(state) if not set(tests).isdisjoint(one.tests)]
    others = [one for one in others if _key_of(one) != _key_of(target)]
    if not others:
        probe = state.probe(state.tree)
        asked = [one for one in state.failures if one.node_id in tests]
        with suppress(OutOfTimeError):
            found = ask(state.tools.sandbox, state.tree, asked, state.limits, probe)
            needs = merge(found.evidence, state.tree, probe, ignored=state.request.ignored)
            plan = make_plan(needs, state.tree, {})
            state.tree, others = plan.tree, list(plan.targets)
    return others


def _standins(state: _State, target: Target, refused: frozenset[str]) -> Standins:
    """Recorders for all that is not written but ``target`` itself."""
    probe = state.probe(state.tree)
    own = StubPlace(*_key_of(target))
    stubs = tuple(one for one in probe.stubs if replace(one, silent=False) != own)
    return Standins(replace(probe, stubs=stubs), state.lessons, refused)


def _filled(tree: Tree, target: Target, code: str) -> Tree:
    file = tree[target.path]
    slot = prepare(file.data, target.qualname, target.path, target.ordinal)
    return {**tree, target.path: replace(file, data=slot.fill(code))}


def _write_other(state: _State, other: Target) -> bool:
    """Write one more of a set, at the place where it stands by now."""
    now = make_target(
        state.tree,
        other.path,
        other.qualname,
        other.ordinal,
        origin=other.origin,
        tests=other.tests,
        evidence=other.evidence,
        examples=other.examples,
    )
    state.tried[_key_of(other)] = state.num_written
    return now is not None and _write(state, now)


def _own_tests(state: _State, target: Target) -> tuple[str, ...]:
    """The target's failing tests that no other missing function keeps from passing."""
    others = {
        test for one in _pending(state) for test in one.tests if _key_of(one) != _key_of(target)
    }
    failing = {one.node_id for one in state.failures}
    return tuple(test for test in target.tests if test in failing and test not in others)


def _try(
    state: _State, target: Target, tests: tuple[str, ...], standins: Standins | None = None
) -> tuple[Outcome, str | None]:
    """Have the model write one function; the outcome (without a patch yet) and the code."""
    state.tools.report(
        TargetStarted(len(state.tried), len(state.tried) + len(_pending(state)), target)
    )
    witness = Witness(state.tools.report)
    bench = _bench(state, target, tests, witness, standins)

    def load() -> Decoder:
        start_s = bench.budget.clock()
        decoder = _decoder(state)
        bench.budget.start_s += bench.budget.clock() - start_s  # it serves all targets
        return decoder

    try:
        return write_target(bench, load)
    except OutOfTimeError as error:
        return replace(witness.outcome(target, error.message), reason="over_budget"), None
    except BaseException as error:
        _add(state, witness.outcome(target, _why(error)))
        raise


def _bench(
    state: _State,
    target: Target,
    tests: tuple[str, ...],
    report: Report,
    standins: Standins | None = None,
) -> Workbench:
    return Workbench(
        tree=state.tree,
        target=target,
        tests=tests,
        guards=tuple(sorted(state.passing)),
        settings=state.settings,
        sandbox=state.tools.sandbox,
        limits=state.limits,
        budget=state.budget.share(
            len(_pending(state)) + 1, least_s=_LEAST_SHARE_S, kept_s=_PROOF * state.survey_s
        ),
        report=report,
        reds=state.reds,
        standins=standins,
    )


def _prove(
    state: _State, target: Target, code: str, tests: tuple[str, ...]
) -> tuple[Outcome, bool]:
    """Prove the first of a set now that the others are in place: without it, the tests fail."""
    file = state.tree[target.path]
    slot = prepare(file.data, target.qualname, target.path, target.ordinal)
    stub = f"{target.header}\n    {UNWRITTEN}"
    before = {**state.tree, target.path: replace(file, data=slot.fill(stub))}
    bench = replace(_bench(state, target, tests, state.tools.report), tree=before)
    verdict, evidence = prove(bench, slot.fill(code), tests)
    reason: Reason = "patched" if verdict.accepted else "rejected"
    return Outcome(reason, target, tests, verdict=verdict, evidence=evidence), verdict.accepted


def _accept(state: _State, target: Target, outcome: Outcome, code: str) -> Outcome:
    """Write an accepted function into both trees; its tests pass from now on."""
    delivery = deliver(state.plain, state.tree, target, code, state.added)
    state.plain, state.tree = delivery.plain, delivery.tree
    state.proved |= frozenset(outcome.verdict.target_passed if outcome.verdict else ())
    state.passing |= state.proved
    state.passing -= {one.node_id for one in outcome.left}
    state.failures = tuple(one for one in state.failures if one.node_id not in state.proved)
    return replace(outcome, patch=delivery.patch)


def _end(state: _State, outcome: Outcome) -> None:
    """Keep the outcome in place of an earlier one of the same function, and tell it."""
    target = outcome.target
    state.outcomes = [
        one
        for one in state.outcomes
        if target is None or one.target is None or _key_of(one.target) != _key_of(target)
    ]
    _add(state, outcome)
    state.tools.report(TargetEnded(outcome))
    state.tools.save(_record(state))


def _decoder(state: _State) -> Decoder:
    if state.decoder is None:
        state.tools.check(tuple(dict.fromkeys(one.path for one in state.targets)))
        state.tools.report(Stage("loading the model", state.settings.model))
        start_s = time.monotonic()
        state.decoder = state.tools.load_decoder()
        state.load_s = time.monotonic() - start_s
    return state.decoder


def _why(error: BaseException) -> str:
    """What ended a run from outside, in words fit for its record."""
    if isinstance(error, EgbotError):
        return error.message
    return "interrupted" if isinstance(error, KeyboardInterrupt) else repr(error)[:500]


# --- the record --------------------------------------------------------------------------------


def _add(state: _State, outcome: Outcome) -> None:
    """Keep of ``outcome`` what its record has room for."""
    state.outcomes.append(bounded(outcome, limit_bytes(len(state.outcomes) + 1)))


def _close(state: _State) -> None:
    """Say what no target explains, or that there was nothing to do."""
    left = (*state.left, *_untold(state), *_unfinished(state), *state.unclear)
    unexplained = {one.node_id for one in left}
    if unexplained:
        _add(
            state,
            Outcome(
                reason="no_target",
                target=None,
                failing=tuple(one.node_id for one in state.failures if one.node_id in unexplained),
                detail=_unexplained(len(left) - len(state.unclear), len(state.unclear)),
                left=left,
            ),
        )
    elif not state.outcomes:
        _add(
            state, Outcome("nothing_to_do", None, (), detail="every test that was looked at passes")
        )


def _unfinished(state: _State) -> tuple[LeftTest, ...]:
    """The proved tests that still need something of which egbot delivers no more than a stub."""
    modules = files_of(state.proved)
    names = [f"{one.path}::{one.qualname}" for one in state.targets if one.origin != "stub"]
    lacking = [name for name in (*names, *state.added) if not _is_written(state.plain, name)]
    if not modules or not lacking:
        return ()
    share = state.budget.share(1)
    with suppress(OutOfTimeError):
        found = survey(
            state.tools.sandbox, state.plain, modules, state.limits, budgets=(share, share)
        )
        why = f"passes once there is {', '.join(lacking[:_MAX_NAMED])}, which its file imports too"
        return tuple(LeftTest(one, why) for one in sorted(state.proved - found.passing))
    return ()


def _is_written(tree: Tree, spec: str) -> bool:
    path, _, qualname = spec.partition("::")
    name = qualname.rpartition(".")[2].encode()
    return path in tree and re.search(rb"\b%s\b" % re.escape(name), tree[path].data) is not None


def _untold(state: _State) -> tuple[LeftTest, ...]:
    """The failing tests of which neither an outcome nor a reason speaks yet.

    Who names functions asks for those tests alone that need them.
    """
    asked = state.explained
    told = {one.node_id for one in state.left}
    for outcome in state.outcomes:
        told.update(one.node_id for one in outcome.left)
        if outcome.reason != "patched":
            told.update(outcome.failing)
    return tuple(
        LeftTest(one.node_id, "fails, and no function that it needs was found")
        for one in state.failures
        if one.node_id not in told and (one.node_id in asked or not state.request.targets)
    )


def _unexplained(num_left: int, num_unclear: int) -> str:
    parts = []
    if num_left:
        tests = "one failing test was" if num_left == 1 else f"{num_left} failing tests were"
        parts.append(
            f"{tests} left alone; to have a written function rewritten, "
            "name it: --target PATH::QUALNAME"
        )
    if num_unclear:
        tests = "one test was" if num_unclear == 1 else f"{num_unclear} tests were"
        parts.append(f"{tests} not run")
    return "; ".join(parts)


def _record(state: _State, *, finished: bool = False, detail: str = "") -> Run:
    stats = Stats(wall_s=state.budget.elapsed_s, load_s=state.load_s)
    for outcome in state.outcomes:
        stats = _added(stats, outcome.stats)
    return Run(
        schema=SCHEMA_RUN,
        egbot=__version__,
        settings=state.settings.model_dump(mode="json"),
        outcomes=tuple(state.outcomes),
        stats=stats,
        finished=finished,
        detail=detail,
        versions={"sandbox": state.tools.sandbox.backend},
        tests_added=state.request.tests_added,
    )


def _added(total: Stats, part: Stats) -> Stats:
    """The sums of two records' counts and seconds; wall and load time stay the run's own."""
    return replace(
        total,
        sample_s=total.sample_s + part.sample_s,
        execute_s=total.execute_s + part.execute_s,
        decode_s=total.decode_s + part.decode_s,
        num_forwards=total.num_forwards + part.num_forwards,
        num_tokens_forwarded=total.num_tokens_forwarded + part.num_tokens_forwarded,
        num_tokens_generated=total.num_tokens_generated + part.num_tokens_generated,
        num_guided_tokens=total.num_guided_tokens + part.num_guided_tokens,
        num_draft_tokens_accepted=total.num_draft_tokens_accepted + part.num_draft_tokens_accepted,
        num_executions=total.num_executions + part.num_executions,
        num_execution_cache_hits=total.num_execution_cache_hits + part.num_execution_cache_hits,
    )
