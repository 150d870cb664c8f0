"""Sessions spread over several networks: evenly, writing what they write alone, ended together."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Self

import pytest

from egbot.engine.network import Network
from egbot.engine.piece import Forward
from egbot.engine.spread import Spread
from egbot.engine.together import Group
from egbot.errors import ModelError
from egbot.ports import DecodeSession, SessionCancelledError, SessionGroup
from egbot.records import Prompt
from tests.engine.agents import PROMPTS, agent, alone
from tests.engine.tiny_models import PROMPT, never, tiny


def twins(kind: str, count: int) -> list[Network]:
    """Networks of equal weights that share nothing."""
    network = tiny(kind)
    return [
        replace(
            network,
            model=copy.deepcopy(network.model),
            tokenizer=copy.deepcopy(network.tokenizer),
        )
        for _ in range(count)
    ]


def num_engine_threads() -> int:
    return [one.name for one in threading.enumerate()].count("egbot-engine")


@pytest.mark.parametrize(("kind", "count"), [("llama", 2), ("gemma3", 3)])
def test_spread_equals_one_after_another(kind: str, count: int) -> None:
    """Whichever network an agent lands on; every network has its share of the work."""
    agents = [agent(seed, gamma, 3) for seed, gamma in enumerate([1.0, 3.0, 0.0, 0.5, 1.0, 3.0])]
    logs: list[list[Forward]] = [[] for _ in range(count)]
    groups = [Group(one, log=log) for one, log in zip(twins(kind, count), logs, strict=True)]
    with ThreadPoolExecutor(len(agents)) as threads, Spread(groups) as spread:
        sessions = [spread.open(PROMPTS[number % 2]) for number in range(len(agents))]
        found = list(threads.map(lambda one, session: one(session), agents, sessions))
    assert found == alone(tiny(kind), agents)
    assert all(len(log) > 3 for log in logs)


class Counted:
    """A group that counts what it opens, and fails where it is told to."""

    def __init__(self, group: SessionGroup, *, can_enter: bool = True) -> None:
        self._group = group
        self._can_enter = can_enter
        self.num_opened = 0

    def open(self, prompt: Prompt) -> DecodeSession:
        session = self._group.open(prompt)
        self.num_opened += 1
        return session

    def cancel(self) -> None:
        self._group.cancel()

    def __enter__(self) -> Self:
        if not self._can_enter:
            raise RuntimeError("no thread can be started")
        self._group.__enter__()
        return self

    def __exit__(self, *reason: Any) -> None:
        self._group.__exit__(*reason)


def counted(count: int) -> list[Counted]:
    return [Counted(Group(network)) for network in twins("llama", count)]


def test_sessions_go_where_the_fewest_are_and_to_the_first_of_these() -> None:
    groups = counted(3)
    seen: list[list[int]] = []
    with Spread(groups) as spread:
        for _ in range(5):
            spread.open(PROMPT)
            seen.append([group.num_opened for group in groups])
    assert seen == [[1, 0, 0], [1, 1, 0], [1, 1, 1], [2, 1, 1], [2, 2, 1]]


def test_agents_that_open_at_the_same_time_are_spread_evenly() -> None:
    groups = counted(2)
    with ThreadPoolExecutor(8) as threads, Spread(groups) as spread:
        list(threads.map(spread.open, [PROMPT] * 8))
    assert [group.num_opened for group in groups] == [4, 4]


def test_a_prompt_that_is_too_long_counts_as_no_session() -> None:
    """An agent opens a shorter one then, which goes where the first would have gone."""
    groups = counted(2)
    with Spread(groups) as spread:
        with pytest.raises(ModelError, match="reads at most 512"):
            spread.open(replace(PROMPT, head="x = 1\n" * 400))
        spread.open(PROMPT)
    assert [group.num_opened for group in groups] == [1, 0]


def test_cancelling_ends_the_calls_on_every_network() -> None:
    """Those under way, those that come later and those that would open; twice does no harm."""
    begun = [threading.Event() for _ in range(2)]

    def endless(event: threading.Event) -> Any:
        return lambda text: event.set()

    groups = [Group(network) for network in twins("llama", 2)]
    with ThreadPoolExecutor(2) as threads, Spread(groups) as spread:
        sessions = [spread.open(PROMPT) for _ in groups]
        calls = [
            threads.submit(session.advance, signal="", gamma=0.0, max_tokens=300, stop=endless(one))
            for session, one in zip(sessions, begun, strict=True)
        ]
        assert all(event.wait(60) for event in begun)
        spread.cancel()
        spread.cancel()
        for call in calls:
            with pytest.raises(SessionCancelledError):
                call.result(60)
        for session in sessions:
            with pytest.raises(SessionCancelledError):
                session.advance(signal="", gamma=0.0, max_tokens=2, stop=never)
        with pytest.raises(SessionCancelledError):
            spread.open(PROMPTS[1])


def test_leaving_ends_every_thread_and_every_call() -> None:
    before = num_engine_threads()
    with Spread(counted(2)) as spread:
        assert num_engine_threads() == before + 2
        session = spread.open(PROMPT)
    assert num_engine_threads() == before
    with pytest.raises(SessionCancelledError):
        session.advance(signal="", gamma=0.0, max_tokens=2, stop=never)


def test_a_group_that_cannot_be_entered_leaves_none_running() -> None:
    before = num_engine_threads()
    groups = [*counted(2), Counted(Group(tiny("llama")), can_enter=False)]
    with pytest.raises(RuntimeError, match="no thread"), Spread(groups):
        pytest.fail("entered")
    assert num_engine_threads() == before
