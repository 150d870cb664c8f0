"""Sessions of a group: the same tokens as alone, whatever the others do and however they end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.engine.decode import Session
from egbot.engine.network import Network
from egbot.engine.piece import Forward
from egbot.engine.together import Group
from egbot.errors import ModelError
from egbot.ports import DecodeSession, SessionCancelledError
from tests.engine.agents import PROMPTS, Agent, agent, alone
from tests.engine.tiny_models import KINDS, PROMPT, SIGNAL, never, tiny


def together(network: Network, agents: list[Agent], log: list[Forward] | None = None) -> list[Any]:
    """What each agent writes as a member of one group."""
    with ThreadPoolExecutor(len(agents)) as threads, Group(network, log=log) as group:
        sessions = [group.open(PROMPTS[number % 2]) for number in range(len(agents))]
        return list(threads.map(lambda one, session: one(session), agents, sessions))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=4)
@given(data=st.data())
def test_together_equals_one_after_another(kind: str, data: st.DataObject) -> None:
    """In every kind of cache, at any scale, with different prompts, signals and lengths."""
    network = tiny(kind)
    settings_of_agents = data.draw(
        st.lists(
            st.tuples(st.integers(0, 99), st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.integers(0, 4)),
            min_size=2,
            max_size=6,
        )
    )
    agents = [agent(*one) for one in settings_of_agents]
    assert together(network, agents) == alone(network, agents)


def test_rounds_are_shared() -> None:
    """Eight agents' steps take about as many forwards as one agent's, not eight times as many."""
    agents = [agent(4, 3.0, 3)] * 8
    log: list[Forward] = []
    together(tiny("llama"), agents, log)
    lonely: list[Forward] = []
    agent(4, 3.0, 3)(Session(tiny("llama"), PROMPT, log=lonely))
    assert len([one for one in log if one.num_tokens <= 64 * 8]) < 3 * len(lonely)


def test_a_prompt_is_read_once_and_paid_for_once() -> None:
    """The first session's usage holds it; answers that start from it do not touch each other."""
    network = tiny("llama")
    with Group(network) as group:
        first, second = group.open(PROMPT), group.open(PROMPT)
        assert second.usage.num_tokens_forwarded == 0
        assert first.usage.num_tokens_forwarded == first.num_prompt_tokens
        lines = [
            one.advance(signal=SIGNAL, gamma=2.0, max_tokens=6, stop=never).text
            for one in (first, second, first)
        ]
    session = Session(network, PROMPT)
    expected = [
        session.advance(signal=SIGNAL, gamma=2.0, max_tokens=6, stop=never).text for _ in range(2)
    ]
    assert lines == [expected[0], expected[0], expected[1]]


class BrokenRuleError(Exception):
    """What a stop rule of the tests raises."""


def test_one_sessions_failure_is_nobody_elses() -> None:
    """A prompt beyond the context, a rule that raises, NaN: each ends its own call alone."""
    network = tiny("llama")
    work = agent(3, 3.0, 2)
    expected = work(Session(network, PROMPT))

    def fail(session: DecodeSession) -> list[Any]:
        def stop(text: str) -> bool:
            if len(text) > 3:
                raise BrokenRuleError
            return False

        with pytest.raises(BrokenRuleError):
            session.advance(signal=SIGNAL, gamma=0.5, max_tokens=30, stop=stop)
        return []

    with ThreadPoolExecutor(3) as threads, Group(network) as group:
        with pytest.raises(ModelError, match="reads at most 512"):
            group.open(replace(PROMPT, head="x = 1\n" * 400))
        sessions = [group.open(PROMPT) for _ in range(3)]
        found = list(threads.map(lambda one, session: one(session), (work, fail, work), sessions))
    assert found == [expected, [], expected]


class Faulty:
    """A model that breaks on every forward that holds ``bad_token``; it remembers the others."""

    def __init__(self, model: Any, bad_token: int | None = None) -> None:
        self._model = model
        self._bad_token = bad_token
        self.seen: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, **options: Any) -> Any:
        tokens = set(options["input_ids"].flatten().tolist())
        output = self._model(**options)
        if self._bad_token in tokens:
            raise ValueError("this token breaks the kernel")
        self.seen |= tokens
        return output


def test_a_forward_that_breaks_is_repeated_without_its_culprit() -> None:
    """The others' caches are as if it had not been there."""
    work = agent(6, 1.0, 2)
    watched: Any = Faulty(tiny("qwen2").model)
    expected = alone(replace(tiny("qwen2"), model=watched), [work])
    bad = min(set(range(320)) - watched.seen)
    model: Any = Faulty(tiny("qwen2").model, bad)

    def fail(session: DecodeSession) -> list[Any]:
        assert isinstance(session, Session)
        for _ in range(3):
            session._drawn["bad"] = (bad, bad)
            with pytest.raises(ValueError, match="breaks the kernel"):
                session.advance(signal="", gamma=0.0, max_tokens=9, stop=never, drafts=("bad",))
        return []

    found = together(replace(tiny("qwen2"), model=model), [work, fail, fail])
    assert found == [*expected, [], []]


def test_a_session_that_is_away_holds_up_nobody() -> None:
    """One waits, as for its tests, until the others are done; then it goes on where it was."""
    network = tiny("llama")
    others_done = threading.Event()
    work = agent(2, 1.0, 3)

    def late(session: DecodeSession) -> list[Any]:
        session.sample(2, temperature=1.0, top_p=0.9, max_tokens=3, seed=0, stop=never)
        assert others_done.wait(60)
        return work(session)

    with ThreadPoolExecutor(3) as threads, Group(network) as group:
        waiting = threads.submit(late, group.open(PROMPT))
        busy = [threads.submit(work, group.open(PROMPT)) for _ in range(2)]
        found = [one.result(60) for one in busy]
        others_done.set()
        found.append(waiting.result(60))
    assert found == [work(Session(network, PROMPT))] * 3


def test_a_cancelled_group_ends_every_call() -> None:
    """Those under way, those that come later and those that would open; twice does no harm."""
    network = tiny("llama")
    begun = threading.Event()

    def endless(text: str) -> bool:
        begun.set()
        return False

    with ThreadPoolExecutor(2) as threads, Group(network) as group:
        sessions = [group.open(PROMPT) for _ in range(2)]
        calls = [
            threads.submit(session.advance, signal="", gamma=0.0, max_tokens=300, stop=endless)
            for session in sessions
        ]
        assert begun.wait(60)
        group.cancel()
        group.cancel()
        for call in calls:
            with pytest.raises(SessionCancelledError):
                call.result(60)
        with pytest.raises(SessionCancelledError):
            sessions[0].sample(1, temperature=1.0, top_p=1.0, max_tokens=2, seed=0, stop=never)
        with pytest.raises(SessionCancelledError):
            group.open(replace(PROMPT, head="another\n"))


def test_leaving_the_block_cancels() -> None:
    """So that no thread outlives the group."""
    network = tiny("llama")
    with Group(network) as group:
        session = group.open(PROMPT)
    with pytest.raises(SessionCancelledError):
        session.advance(signal="", gamma=0.0, max_tokens=2, stop=never)
    assert "egbot-engine" not in [one.name for one in threading.enumerate()]
