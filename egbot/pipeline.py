"""The order of things: what fails, what is missing, write it, prove it, save it, next.

The only module that knows all rooms; it does none of their work itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from egbot import __version__
from egbot.config import Settings
from egbot.dependencies import declared_imports
from egbot.errors import EgbotError, InterruptedRunError, OutOfTimeError
from egbot.nodeids import files_of
from egbot.ports import Decoder, Sandbox
from egbot.progress import FailuresFound, Report, Stage, TargetEnded, TargetStarted
from egbot.records import (
    SCHEMA_RUN,
    FailingTest,
    LeftTest,
    Limits,
    Outcome,
    Patch,
    Run,
    Stats,
    Target,
    Tree,
)
from egbot.report.kept import bounded, limit_bytes
from egbot.source.locate import Location, check_name, locate, named_target
from egbot.survey import Survey, is_wanted, joined, not_collected, survey, unseen_files
from egbot.synthesis.agents import schedule
from egbot.synthesis.budget import Budget
from egbot.witness import Witness
from egbot.workbench import Workbench, deliver, write_target

_MAX_ROUNDS = 6
_FINDING = 2.5  # finding out what fails and why may take one of so many parts of the time
_AGAIN = 4  # and running the failing tests again one of so many parts of what is left
_LEAST_SHARE_S = 10.0  # so much a target gets while there is any: less serves none of many
_PROOF = 1.5  # a proof runs the suite once, and the target's tests some more times
_MIB = 1024 * 1024
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
    that may be written before the model is loaded; what it raises ends the run.
    """

    sandbox: Sandbox
    load_decoder: Callable[[], Decoder]
    report: Report
    save: Callable[[Run], None]
    check: Callable[[tuple[str, ...]], None] = lambda _: None


@dataclass(slots=True)
class _State:
    """A run while it goes on.

    ``tree`` is the repository with stubs for all that is missing and every accepted function;
    ``plain`` the same without the stubs, which is what the person gets.
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
    tried: set[tuple[str, str]] = field(default_factory=set)
    outcomes: list[Outcome] = field(default_factory=list)
    decoder: Decoder | None = None
    load_s: float = 0.0
    survey_s: float = 0.0

    @property
    def limits(self) -> Limits:
        """What one test may use."""
        sandbox = self.settings.sandbox
        return Limits(
            test_s=sandbox.test_s,
            memory_bytes=sandbox.memory_mib * _MIB,
            deadline_s=self.budget.deadline_s,
        )


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
    failing = (one for one in found.failing if one.node_id not in state.proved)
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
    """Find the targets; collect again after stubs were written, until nothing new shows.

    When the time for it is over, once at most: without that no test of a module can be run that
    could not be imported before.
    """
    for number in range(_MAX_ROUNDS):
        location = _location(state)
        state.targets, state.left = location.targets, location.left
        state.added += location.added
        if location.tree == state.tree:
            break
        state.tree = location.tree
        if number and finding.exhausted:
            break
        _run_again(state)
    if state.request.targets:
        _keep_named(state)


def _location(state: _State) -> Location:
    share = state.budget.share(_AGAIN)
    return locate(
        state.failures,
        state.tree,
        state.targets,
        {**state.tools.sandbox.left_out, **dict.fromkeys(state.request.ignored, _IGNORED)},
        declared_imports(state.tree),
        lambda: share.is_late,
    )


def _keep_named(state: _State) -> None:
    """Only the targets that were asked for; one that no failure points to gets what fails.

    A person who names a function may know more than the traceback says: it can be wrong rather
    than missing. Raises UsageError for a name that stands nowhere, not even as a stub by now.
    """
    named = {(one.path, one.qualname): one for one in _named(state)}
    found = {(one.path, one.qualname): one for one in state.targets}
    failing = tuple(one.node_id for one in state.failures if "::" in one.node_id)
    chosen = {key: one for key, one in found.items() if key in named}
    state.targets = tuple(
        one if one.tests else replace(one, tests=failing)
        for one in (chosen | {key: one for key, one in named.items() if key not in found}).values()
        if one.tests or failing
    )
    wanted = {test for one in state.targets for test in one.tests}
    state.left = tuple(one for one in state.left if one.node_id not in wanted)


def _named(state: _State) -> tuple[Target, ...]:
    return tuple(named_target(spec, state.tree) for spec in state.request.targets)


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
        state.tried.add((target.path, target.qualname))
        if state.budget.exhausted:
            over = Outcome("over_budget", target, target.tests, detail=state.budget.exhausted)
            state.outcomes.append(over)
            continue
        total = len(state.tried) + len(_pending(state))
        state.tools.report(TargetStarted(len(state.tried), total, target))
        witness = Witness(state.tools.report)
        try:
            outcome = _write(state, target, witness)
        except OutOfTimeError as error:
            outcome = replace(witness.outcome(target, error.message), reason="over_budget")
        except BaseException as error:
            _add(state, witness.outcome(target, _why(error)))
            raise
        _add(state, outcome)
        state.tools.report(TargetEnded(outcome))
        state.tools.save(_record(state))
        if outcome.reason == "patched":
            _run_again(state)
            _locate(state, state.budget)
    _close(state)


def _next(state: _State) -> Target | None:
    return next(iter(_pending(state)), None)


def _pending(state: _State) -> list[Target]:
    """The targets that were not tried yet and that a test still needs: others prove nothing."""
    failing = {one.node_id for one in state.failures}
    return [
        one
        for one in state.targets
        if (one.path, one.qualname) not in state.tried and not failing.isdisjoint(one.tests)
    ]


def _why(error: BaseException) -> str:
    """What ended a run from outside, in words fit for its record."""
    if isinstance(error, EgbotError):
        return error.message
    return "interrupted" if isinstance(error, KeyboardInterrupt) else repr(error)[:500]


def _write(state: _State, target: Target, witness: Witness) -> Outcome:
    """Write one function with the model; an accepted one goes into both trees."""
    budget = state.budget.share(
        len(_pending(state)) + 1, least_s=_LEAST_SHARE_S, kept_s=_PROOF * state.survey_s
    )

    def load() -> Decoder:
        start_s = budget.clock()
        decoder = _decoder(state)
        budget.start_s += budget.clock() - start_s  # it serves all targets
        return decoder

    bench = Workbench(
        tree=state.tree,
        target=target,
        tests=_own_tests(state, target),
        guards=tuple(sorted(state.passing)),
        settings=state.settings,
        sandbox=state.tools.sandbox,
        limits=state.limits,
        budget=budget,
        report=witness,
    )
    outcome, code = write_target(bench, load)
    if code is None:
        return outcome
    delivery = deliver(state.plain, state.tree, target, code, state.added)
    state.plain, state.tree = delivery.plain, delivery.tree
    state.proved |= frozenset(outcome.verdict.target_passed if outcome.verdict else ())
    state.passing |= state.proved
    state.passing -= {one.node_id for one in outcome.left}
    state.failures = tuple(one for one in state.failures if one.node_id not in state.proved)
    return replace(outcome, patch=delivery.patch)


def _own_tests(state: _State, target: Target) -> tuple[str, ...]:
    """The target's failing tests that no other missing function keeps from passing."""
    others = {test for one in _pending(state) for test in one.tests}
    failing = {one.node_id for one in state.failures}
    tests = tuple(test for test in target.tests if test in failing)
    return tuple(test for test in tests if test not in others) or tests


def _decoder(state: _State) -> Decoder:
    if state.decoder is None:
        state.tools.check(tuple(dict.fromkeys(one.path for one in state.targets)))
        state.tools.report(Stage("loading the model", state.settings.model))
        start_s = time.monotonic()
        state.decoder = state.tools.load_decoder()
        state.load_s = time.monotonic() - start_s
    return state.decoder


# --- the record --------------------------------------------------------------------------------


def _add(state: _State, outcome: Outcome) -> None:
    """Keep of ``outcome`` what its record has room for."""
    state.outcomes.append(bounded(outcome, limit_bytes(len(state.outcomes) + 1)))


def _close(state: _State) -> None:
    """Say what no target explains, or that there was nothing to do."""
    left = (*state.left, *_untold(state), *state.unclear)
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


def _untold(state: _State) -> tuple[LeftTest, ...]:
    """The failing tests of which neither an outcome nor a reason speaks yet.

    Who names functions asks for those tests alone that need them.
    """
    asked = {test for one in state.targets for test in one.tests}
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
