"""Writes one function: alone, or with the others that its tests need as well."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields, replace

from egbot.discovery.needs import merge
from egbot.discovery.probe import ask
from egbot.discovery.stubplan import make_plan
from egbot.discovery.targets import key_of, make_target
from egbot.errors import EgbotError, OutOfTimeError
from egbot.progress import Report, TargetStarted
from egbot.records import Outcome, Reason, StubPlace, Target, Tree
from egbot.source.edit import prepare
from egbot.source.stubs import UNWRITTEN
from egbot.state import State
from egbot.synthesis.completions import normalise
from egbot.witness import Witness
from egbot.workbench import Standins, Workbench, deliver, prove, write_target

_MAX_FIRSTS = 3  # distinct functions for the first of a set
_LEAST_SHARE_S = 10.0  # so much a target gets while there is any: less serves none of many
_PROOF = 1.5  # a proof runs the suite once, and the target's tests some more times


def write(state: State, target: Target) -> bool:
    """Write one function, or the set that its tests need; whether it was accepted."""
    tests = _own_tests(state, target)
    if tests:
        outcome, code = _try(state, target, tests)
        if code is not None:
            outcome = _accept(state, target, outcome, code)
        if code is not None or not _is_blocked(state, target, outcome):
            state.end(target, outcome)
            return code is not None
    return _write_set(state, target)


def _is_blocked(state: State, target: Target, outcome: Outcome) -> bool:
    """Whether a function that was tried came to another one that is not written either."""
    own = (target.path, target.qualname)
    others = {(one.path, one.qualname) for one in state.probe(state.tree).stubs} - {own}
    return any(
        f"{path}::{name}" in outcome.unwritten
        for path, qualname in others
        for name in (qualname, qualname.rpartition(".")[2])
    )


def _write_set(state: State, target: Target) -> bool:
    """Write a function whose tests all need others as well, while recorders stand in for these.

    Then those are written on top of it, and at last it is proved with them in place. When they
    cannot be, the next distinct function is tried.
    """
    tests = tuple(filter(state.failing.__contains__, target.tests))
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
            outcome = _prove(state, target, tests)
            if outcome.reason == "patched":
                state.end(target, _accept(state, target, outcome, code))
                return True
        for item in fields(before):
            setattr(state, item.name, getattr(before, item.name))
        if state.budget.exhausted:
            break
    state.end(target, outcome)
    return False


def _others(state: State, target: Target, tests: tuple[str, ...]) -> list[Target]:
    """What the tests need besides a function that stands in the tree by now."""
    others = [one for one in _besides(state, target) if not set(tests).isdisjoint(one.tests)]
    if not others:
        probe = state.probe(state.tree)
        asked = [one for one in state.failures if one.node_id in tests]
        with suppress(OutOfTimeError):
            found = ask(state.tools.sandbox, state.tree, asked, state.limits, probe)
            needs = merge(found.evidence, state.tree, probe, ignored=state.request.ignored)
            plan = make_plan(needs, state.tree, {})
            state.tree, others = plan.tree, list(plan.targets)
    return others


def _standins(state: State, target: Target, refused: frozenset[str]) -> Standins:
    """Recorders for all that is not written but ``target`` itself."""
    probe = state.probe(state.tree)
    own = StubPlace(*key_of(target))
    stubs = tuple(one for one in probe.stubs if replace(one, silent=False) != own)
    return Standins(replace(probe, stubs=stubs), state.lessons, refused)


def _filled(tree: Tree, target: Target, code: str) -> Tree:
    file = tree[target.path]
    slot = prepare(file.data, target.qualname, target.path, target.ordinal)
    return {**tree, target.path: replace(file, data=slot.fill(code))}


def _write_other(state: State, other: Target) -> bool:
    """Write one more of a set, at the place where it stands by now."""
    state.tried[key_of(other)] = state.num_written
    now = make_target(state.tree, *key_of(other), origin=other.origin)
    if now is None:
        return False
    now = replace(now, tests=other.tests, evidence=other.evidence, examples=other.examples)
    return write(state, now)


def _own_tests(state: State, target: Target) -> tuple[str, ...]:
    """The target's failing tests that no other missing function keeps from passing."""
    others = {test for one in _besides(state, target) for test in one.tests}
    return tuple(filter((state.failing - others).__contains__, target.tests))


def _besides(state: State, target: Target) -> list[Target]:
    return [one for one in state.pending if key_of(one) != key_of(target)]


def _try(
    state: State, target: Target, tests: tuple[str, ...], standins: Standins | None = None
) -> tuple[Outcome, str | None]:
    """Have the model write one function; the outcome (without a patch yet) and the code."""
    num_tried = len(state.tried)
    state.tools.report(TargetStarted(num_tried, num_tried + len(state.pending), target))
    witness = Witness(state.tools.report)
    bench = replace(_bench(state, target, tests, witness), standins=standins)
    try:
        return write_target(bench, lambda: state.loaded(bench.budget))
    except OutOfTimeError as error:
        return replace(witness.outcome(target, error.message), reason="over_budget"), None
    except BaseException as error:
        state.add(witness.outcome(target, why(error)))
        raise


def _bench(state: State, target: Target, tests: tuple[str, ...], report: Report) -> Workbench:
    num_parts, kept_s = len(state.pending) + 1, _PROOF * state.survey_s
    return Workbench(
        tree=state.tree,
        target=target,
        tests=tests,
        guards=tuple(sorted(state.passing)),
        settings=state.settings,
        sandbox=state.tools.sandbox,
        limits=state.limits,
        budget=state.budget.share(num_parts, least_s=_LEAST_SHARE_S, kept_s=kept_s),
        report=report,
        reds=state.reds,
    )


def _prove(state: State, target: Target, tests: tuple[str, ...]) -> Outcome:
    """Prove the first of a set now that the others are in place: without it, the tests fail."""
    without = _filled(state.tree, target, f"{target.header}\n    {UNWRITTEN}")
    bench = replace(_bench(state, target, tests, state.tools.report), tree=without)
    verdict, evidence = prove(bench, state.tree[target.path].data, tests)
    reason: Reason = "patched" if verdict.accepted else "rejected"
    return Outcome(reason, target, tests, verdict=verdict, evidence=evidence)


def _accept(state: State, target: Target, outcome: Outcome, code: str) -> Outcome:
    """Write an accepted function into both trees; its tests pass from now on."""
    delivery = deliver(state.plain, state.tree, target, code, state.added)
    state.plain, state.tree = delivery.plain, delivery.tree
    state.proved |= frozenset(outcome.verdict.target_passed if outcome.verdict else ())
    state.passing |= state.proved
    state.passing -= {one.node_id for one in outcome.left}
    state.failures = tuple(one for one in state.failures if one.node_id not in state.proved)
    return replace(outcome, patch=delivery.patch)


def why(error: BaseException) -> str:
    """What ended a run from outside, in words fit for its record."""
    if isinstance(error, EgbotError):
        return error.message
    return "interrupted" if isinstance(error, KeyboardInterrupt) else repr(error)[:500]
