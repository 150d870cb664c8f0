"""The order of things: what fails, what is missing, write it, prove it, save it, next."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial

from egbot.config import Settings
from egbot.discovery.targets import check_name, key_of
from egbot.errors import InterruptedRunError, OutOfTimeError
from egbot.function_sets import why, write
from egbot.locating import locate, run_again, take
from egbot.nodeids import files_of
from egbot.progress import FailuresFound, Stage
from egbot.records import LeftTest, Outcome, Run, Tree
from egbot.state import Request, State, Tools
from egbot.survey import joined, not_collected, settled, survey, unseen_files
from egbot.synthesis.agents import schedule
from egbot.synthesis.budget import Budget

_MAX_NAMED = 3
_NAME_IT = "to have a written function rewritten, name it: --target PATH::QUALNAME"
_FINDING = 2.5  # finding out what fails and why may take one of so many parts of the time


def solve(request: Request, settings: Settings, tools: Tools, budget: Budget | None = None) -> Run:
    """Do the whole job and return its record, which ``tools.save`` has seen in every stage.

    ``budget`` is what the settings say, from now on, unless its time runs already. Raises
    UsageError for a repository without tests, SurroundingsError and its kin when something around
    egbot breaks, InterruptedRunError on Ctrl-C; what was reached is saved first.
    """
    budget = budget or Budget(settings.max_seconds, settings.max_tokens, time.monotonic)
    state = State(request, settings, tools, budget, request.tree, request.tree)
    try:
        _survey(state)
        _work(state)
    except KeyboardInterrupt:
        tools.save(state.record(detail="interrupted"))
        raise InterruptedRunError("interrupted; what was reached so far is saved") from None
    except Exception as error:
        tools.save(state.record(detail=why(error)))
        raise
    finally:
        tools.hand_on(state.plain)
    run = state.record(finished=True)
    tools.save(run)
    return run


def check_request(request: Request, settings: Settings) -> None:
    """Refuse at once what would be refused after work: agents, functions. Raises UsageError."""
    schedule(settings.guidance, settings.seed, settings.max_lines)
    for spec in request.targets:
        check_name(spec, request.tree)


# --- what fails --------------------------------------------------------------------------------


def _survey(state: State) -> None:
    """Run the whole suite once: what passes is the guard, what fails is the work."""
    tools, finding = state.tools, state.budget.share(_FINDING)
    tools.report(Stage("running the tests", "to see what fails"))
    run = partial(survey, tools.sandbox, state.tree, budgets=(finding, state.budget))
    found = run((), state.limits, note=lambda text: tools.report(Stage("running the tests", text)))
    state.survey_s = finding.elapsed_s
    asked, collection = state.request.tests, found.collection
    tests = settled(tools.sandbox, state.tree, collection, asked, state.limits)
    state.request = replace(state.request, tests=tests)
    if unseen := unseen_files(found, tests, state.tree):
        found = joined(found, run(unseen, state.limits))
    state.unclear = not_collected(found, tests)
    take(state, found)
    locate(state, finding)
    tools.report(FailuresFound(state.failures, (*state.left, *state.unclear)))
    tools.save(state.record())


def _work(state: State) -> None:
    """Write one function after another; each one accepted may show what the next one needs."""
    while pending := state.pending:
        target = pending[0]
        state.tried[key_of(target)] = state.num_written
        if over := state.budget.exhausted:
            state.add(Outcome("over_budget", target, target.tests, detail=over))
        elif write(state, target):
            state.num_written += 1
            run_again(state)
            locate(state, state.budget)
    _close(state)


# --- what is told in the end -------------------------------------------------------------------


def _close(state: State) -> None:
    """Say what no target explains, or that there was nothing to do."""
    left = (*state.left, *_untold(state), *_unfinished(state), *state.unclear)
    unexplained = {one.node_id for one in left}
    if unexplained:
        state.add(
            Outcome(
                reason="no_target",
                target=None,
                failing=tuple(one.node_id for one in state.failures if one.node_id in unexplained),
                detail=_unexplained(len(left) - len(state.unclear), len(state.unclear)),
                left=left,
            ),
        )
    elif not state.outcomes:
        state.add(Outcome("nothing_to_do", None, (), detail="every test that was looked at passes"))


def _unfinished(state: State) -> tuple[LeftTest, ...]:
    """The proved tests that still need something of which egbot delivers no more than a stub."""
    modules = files_of(state.proved)
    names = [f"{one.path}::{one.qualname}" for one in state.targets if one.origin != "stub"]
    lacking = [name for name in (*names, *state.added) if not _is_written(state.plain, name)]
    if not modules or not lacking:
        return ()
    share = state.budget.share(1)
    said = f"passes once there is {', '.join(lacking[:_MAX_NAMED])}, which its file imports too"
    with suppress(OutOfTimeError):
        sandbox, budgets = state.tools.sandbox, (share, share)
        found = survey(sandbox, state.plain, modules, state.limits, budgets=budgets)
        return tuple(LeftTest(one, said) for one in sorted(state.proved - found.passing))
    return ()


def _is_written(tree: Tree, spec: str) -> bool:
    path, _, qualname = spec.partition("::")
    name = qualname.rpartition(".")[2].encode()
    return path in tree and re.search(rb"\b%s\b" % re.escape(name), tree[path].data) is not None


def _untold(state: State) -> tuple[LeftTest, ...]:
    """The failing tests of which neither an outcome nor a reason speaks yet.

    Who names functions asks for those tests alone that need them.
    """
    told = {one.node_id for one in state.left}
    if state.request.targets:
        told.update(one.node_id for one in state.unexplained)
    for outcome in state.outcomes:
        told.update(one.node_id for one in outcome.left)
        told.update(outcome.failing if outcome.reason != "patched" else ())
    left = (one.node_id for one in state.failures if one.node_id not in told)
    return tuple(LeftTest(test, "fails, and no function that it needs was found") for test in left)


def _unexplained(num_left: int, num_unclear: int) -> str:
    parts = [
        (num_left, "failing test", f"left alone; {_NAME_IT}"),
        (num_unclear, "test", "not run"),
    ]
    return "; ".join(
        f"one {what} was {rest}" if number == 1 else f"{number} {what}s were {rest}"
        for number, what, rest in parts
        if number
    )
