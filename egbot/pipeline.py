"""The order of things: what fails, what is missing, write it, prove it, save it, next.

The only module that knows all rooms; it does none of their work itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from egbot import __version__
from egbot.config import Settings
from egbot.errors import EgbotError, InterruptedRunError, UsageError
from egbot.intake.failures import failing_tests
from egbot.ports import Decoder, Sandbox
from egbot.progress import FailuresFound, Report, Stage, TargetEnded, TargetStarted
from egbot.records import (
    SCHEMA_RUN,
    FailingTest,
    Job,
    LeftTest,
    Limits,
    Outcome,
    Patch,
    Run,
    Stats,
    Target,
    TestOutcome,
    Tree,
)
from egbot.source.locate import locate, named_target
from egbot.synthesis.budget import Budget
from egbot.workbench import Workbench, deliver, write_target

_MAX_ROUNDS = 6
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: a repository's files, and optionally which tests and functions.

    ``tests_added`` are the files of ``tree`` that the person's working tree does not have yet.
    """

    tree: Tree
    tests: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    tests_added: tuple[Patch, ...] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """The effects of a run: a sandbox, a way to load the model, and where news go.

    ``save`` is called after every stage with all that is known by then.
    """

    sandbox: Sandbox
    load_decoder: Callable[[], Decoder]
    report: Report
    save: Callable[[Run], None]


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
    failures: tuple[FailingTest, ...] = ()
    targets: tuple[Target, ...] = ()
    left: tuple[LeftTest, ...] = ()
    added: tuple[str, ...] = ()
    tried: set[tuple[str, str]] = field(default_factory=set)
    outcomes: list[Outcome] = field(default_factory=list)
    decoder: Decoder | None = None
    load_s: float = 0.0

    @property
    def limits(self) -> Limits:
        """What one test may use."""
        sandbox = self.settings.sandbox
        return Limits(test_s=sandbox.test_s, memory_bytes=sandbox.memory_mib * _MIB)


def solve(request: Request, settings: Settings, tools: Tools) -> Run:
    """Do the whole job and return its record, which ``tools.save`` has seen in every stage.

    Raises UsageError for a repository without tests, SurroundingsError and its kin when
    something around egbot breaks, InterruptedRunError on Ctrl-C; what was reached is saved first.
    """
    budget = Budget(settings.max_seconds, settings.max_tokens, time.monotonic)
    state = _State(request, settings, tools, budget, request.tree, request.tree)
    try:
        _survey(state)
        _work(state)
    except KeyboardInterrupt:
        tools.save(_record(state, detail="interrupted"))
        raise InterruptedRunError("interrupted; what was reached so far is saved") from None
    except Exception as error:
        message = error.message if isinstance(error, EgbotError) else repr(error)[:500]
        tools.save(_record(state, detail=message))
        raise
    run = _record(state, finished=True)
    tools.save(run)
    return run


# --- what fails --------------------------------------------------------------------------------


def _survey(state: _State) -> None:
    """Run the whole suite once: what passes is the guard, what fails is the work."""
    state.tools.report(Stage("running the tests", "to see what fails"))
    failures, passing, num_tests = _run_tests(state, ())
    if num_tests == 0 and not failures:
        raise UsageError(
            "pytest found no tests in this repository",
            hint="write a test that calls the function you want, for example tests/test_it.py",
        )
    state.passing = passing
    state.failures = tuple(one for one in failures if _is_wanted(one.node_id, state.request.tests))
    _locate(state)
    state.tools.report(FailuresFound(state.failures, state.left))
    state.tools.save(_record(state))


def _run_tests(
    state: _State, paths: Iterable[str]
) -> tuple[tuple[FailingTest, ...], frozenset[str], int]:
    """The failing tests of ``paths`` (none: all), the passing ones and how many there are."""
    with state.tools.sandbox.open(state.tree, tuple(paths), state.limits) as executor:
        collection = executor.collection
        outcomes: tuple[TestOutcome, ...] = ()
        if collection.node_ids:
            job = Job(collection.node_ids, trace=False, limits=state.limits)
            outcomes = executor.run(job).outcomes
    passing = frozenset(one.node_id for one in outcomes if one.status == "passed")
    return failing_tests(collection, outcomes), passing, len(collection.node_ids)


def _is_wanted(node_id: str, selection: tuple[str, ...]) -> bool:
    """Whether a failing test (or a module that cannot be collected) was asked for."""
    path = node_id.partition("::")[0]
    return not selection or any(
        node_id == one
        or one in (".", path)
        or node_id.startswith((f"{one}::", f"{one}[", f"{one}/"))
        or (node_id == path and one.startswith(f"{path}::"))
        for one in selection
    )


# --- what is missing ---------------------------------------------------------------------------


def _locate(state: _State) -> None:
    """Find the targets; collect again after stubs were written, until nothing new shows."""
    named = tuple(named_target(spec, state.tree) for spec in state.request.targets)
    for _ in range(_MAX_ROUNDS):
        location = locate(state.failures, state.tree, state.targets or named)
        state.targets, state.left = location.targets, location.left
        state.added += location.added
        if location.tree == state.tree:
            break
        state.tree = location.tree
        _run_again(state)
    if named:
        keys = {(one.path, one.qualname) for one in named}
        _keep_named(state, keys)


def _keep_named(state: _State, keys: set[tuple[str, str]]) -> None:
    """Only the targets that were asked for; one that no failure points to gets what fails.

    A person who names a function may know more than the traceback says: it can be wrong rather
    than missing.
    """
    failing = tuple(one.node_id for one in state.failures if "::" in one.node_id)
    state.targets = tuple(
        one if one.tests else replace(one, tests=failing)
        for one in state.targets
        if (one.path, one.qualname) in keys and (one.tests or failing)
    )
    wanted = {test for one in state.targets for test in one.tests}
    state.left = tuple(one for one in state.left if one.node_id not in wanted)


def _run_again(state: _State) -> None:
    """Run the modules of the failing tests once more: some pass by now, others show more."""
    modules = tuple(dict.fromkeys(one.node_id.partition("::")[0] for one in state.failures))
    failures, passing, _ = _run_tests(state, modules)
    state.passing |= passing
    state.failures = tuple(one for one in failures if _is_wanted(one.node_id, state.request.tests))


# --- writing -----------------------------------------------------------------------------------


def _work(state: _State) -> None:
    """Write one function after another; each one accepted may show what the next one needs."""
    while (target := _next(state)) is not None:
        state.tried.add((target.path, target.qualname))
        total = len({*state.tried, *((one.path, one.qualname) for one in state.targets)})
        state.tools.report(TargetStarted(len(state.tried), total, target))
        outcome = _write(state, target)
        state.outcomes.append(outcome)
        state.tools.report(TargetEnded(outcome))
        state.tools.save(_record(state))
        if outcome.reason == "patched":
            _run_again(state)
            _locate(state)
    _close(state)


def _next(state: _State) -> Target | None:
    for target in state.targets:
        if (target.path, target.qualname) not in state.tried:
            return target
    return None


def _write(state: _State, target: Target) -> Outcome:
    """Write one function with the model; an accepted one goes into both trees."""
    if state.budget.exhausted:
        return Outcome("over_budget", target, target.tests, detail=state.budget.exhausted)
    bench = Workbench(
        tree=state.tree,
        target=target,
        tests=_own_tests(state, target),
        guards=tuple(sorted(state.passing)),
        settings=state.settings,
        sandbox=state.tools.sandbox,
        limits=state.limits,
        budget=state.budget.share(_num_waiting(state)),
        report=state.tools.report,
    )
    outcome, code = write_target(bench, lambda: _decoder(state))
    if code is None:
        return outcome
    delivery = deliver(state.plain, state.tree, target, code, state.added)
    state.plain, state.tree = delivery.plain, delivery.tree
    state.passing |= frozenset(outcome.verdict.target_passed if outcome.verdict else ())
    return replace(outcome, patch=delivery.patch)


def _num_waiting(state: _State) -> int:
    """The target at work and those behind it."""
    keys = {(one.path, one.qualname) for one in state.targets}
    return len(keys - state.tried) + 1


def _own_tests(state: _State, target: Target) -> tuple[str, ...]:
    """The target's tests that no other missing function keeps from passing."""
    others = {
        test
        for one in state.targets
        if (one.path, one.qualname) not in state.tried
        for test in one.tests
    }
    failing = {one.node_id for one in state.failures}
    tests = tuple(test for test in target.tests if test in failing) or target.tests
    return tuple(test for test in tests if test not in others) or tests


def _decoder(state: _State) -> Decoder:
    if state.decoder is None:
        state.tools.report(Stage("loading the model", state.settings.model))
        start_s = time.monotonic()
        state.decoder = state.tools.load_decoder()
        state.load_s = time.monotonic() - start_s
    return state.decoder


# --- the record --------------------------------------------------------------------------------


def _close(state: _State) -> None:
    """Say what no target explains, or that there was nothing to do."""
    unexplained = {left.node_id for left in state.left}
    if unexplained:
        state.outcomes.append(
            Outcome(
                reason="no_target",
                target=None,
                failing=tuple(one.node_id for one in state.failures if one.node_id in unexplained),
                detail=_unexplained(len(unexplained)),
                left=state.left,
            )
        )
    elif not state.outcomes:
        state.outcomes.append(
            Outcome("nothing_to_do", None, (), detail="every test that was looked at passes")
        )


def _unexplained(num_tests: int) -> str:
    tests = "one failing test asks" if num_tests == 1 else f"{num_tests} failing tests ask"
    return (
        f"{tests} for no missing function; to have a written one rewritten, "
        "name it: --target PATH::QUALNAME"
    )


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
        num_executions=total.num_executions + part.num_executions,
        num_execution_cache_hits=total.num_execution_cache_hits + part.num_execution_cache_hits,
    )
