"""Agents that try at the same time: what comes out does not depend on who is faster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from egbot.errors import ModelError
from egbot.ports import DecodeSession, SessionCancelledError
from egbot.progress import AttemptEnded, AttemptStarted, LineChosen
from egbot.records import Guidance
from egbot.synthesis.agents import Gather, try_agents
from egbot.synthesis.together import Open
from egbot.testing import ScriptedSession
from tests.synthesis.workshop import GOOD, Bench, make_bench, session_of

WRONG = "\n    y = 1\n    return y\n"
PLAIN = Guidance(gamma=0.0, candidates=0)
NEVER_S = 9999.0
"""Whoever waits for it meets the limit of every test."""

AGENTS = tuple(replace(PLAIN, seed=seed) for seed in range(4))


class Gate:
    """Lets a test decide who is slow, and cancels as a group does."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def session(self, answer: str, wait_s: float) -> DecodeSession:
        inner = session_of(answer)
        advance = inner.advance

        def slow(**asked):  # type: ignore[no-untyped-def]
            if self.cancelled.wait(wait_s):
                raise SessionCancelledError
            return advance(**asked)

        inner.advance = slow  # type: ignore[method-assign]
        return inner


def gathering(answers: dict[int, tuple[str, float]], gate: Gate) -> Gather:
    def open_session(guidance: Guidance) -> DecodeSession:
        return gate.session(*answers[guidance.seed])

    @contextmanager
    def gather() -> Iterator[tuple[Open, Callable[[], None]]]:
        yield open_session, gate.cancelled.set

    return gather


def never(guidance: Guidance) -> ScriptedSession:
    raise AssertionError("no session outside the group")


def finishes(bench: Bench, answers: dict[int, tuple[str, float]]) -> list[tuple[int, str]]:
    """Who was handed over, until one has solved it."""
    found: list[tuple[int, str]] = []
    for attempt in try_agents(bench.task, (AGENTS,), never, gathering(answers, Gate())):
        found.append((attempt.guidance.seed, attempt.finish))
        if attempt.finish == "solved":
            break
    return found


@pytest.mark.parametrize("slow", range(4))
def test_attempts_come_in_the_agents_order_whoever_is_faster(slow: int) -> None:
    """The third agent solves it first, or last: the outcome is the same."""
    answers = {n: (GOOD if n >= 2 else WRONG, 0.05 if n == slow else 0.0) for n in range(4)}
    assert finishes(make_bench(), answers) == [(0, "wrong"), (1, "wrong"), (2, "solved")]


def test_news_are_told_agent_by_agent() -> None:
    bench = make_bench()
    finishes(bench, {n: (GOOD if n == 3 else WRONG, 0.02 * (3 - n)) for n in range(4)})
    told = [
        event.number if isinstance(event, AttemptStarted) else type(event).__name__
        for event in bench.events
        if isinstance(event, AttemptStarted | AttemptEnded | LineChosen)
    ]
    assert [one for one in told if isinstance(one, int)] == [1, 2, 3, 4]
    assert told[:5] == [1, "LineChosen", "LineChosen", "AttemptEnded", 2]


def test_a_solution_cancels_the_later_ones_at_once() -> None:
    answers = {0: (GOOD, 0.0), **dict.fromkeys((1, 2, 3), (WRONG, NEVER_S))}
    assert finishes(make_bench(), answers) == [(0, "solved")]


def test_a_program_that_two_agents_write_is_run_once() -> None:
    bench = make_bench()
    finishes(bench, dict.fromkeys(range(4), (WRONG, 0.0)))
    assert bench.runs.num_executions == 2
    assert bench.runs.num_cache_hits == 6


def test_tokens_that_agents_spend_at_the_same_time_are_all_booked() -> None:
    alone = make_bench()
    list(try_agents(alone.task, (AGENTS,), lambda _: session_of(WRONG)))
    together = make_bench()
    finishes(together, dict.fromkeys(range(4), (WRONG, 0.0)))
    assert together.task.budget.num_tokens_spent == alone.task.budget.num_tokens_spent > 0


def test_an_agent_that_fails_fails_the_stage_and_frees_the_others() -> None:
    gate = Gate()

    def open_session(guidance: Guidance) -> DecodeSession:
        if guidance.seed == 1:
            raise ModelError("NaN")
        return gate.session(WRONG, NEVER_S if guidance.seed > 1 else 0.0)

    @contextmanager
    def gather() -> Iterator[tuple[Open, Callable[[], None]]]:
        yield open_session, gate.cancelled.set

    attempts = try_agents(make_bench().task, (AGENTS,), never, gather)
    assert next(attempts).finish == "wrong"
    with pytest.raises(ModelError, match="NaN"):
        next(attempts)


def test_one_agent_in_a_stage_needs_no_group() -> None:
    def gather():  # type: ignore[no-untyped-def]
        raise AssertionError("a group of one")

    attempts = try_agents(make_bench().task, ((PLAIN,),), lambda _: session_of(GOOD), gather)
    assert [attempt.finish for attempt in attempts] == ["solved"]
