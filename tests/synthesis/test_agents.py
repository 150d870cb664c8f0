"""The schedule escalates from cheap to dear, and the agents share one budget."""

from __future__ import annotations

import re
from typing import Any

import pytest

from egbot.config import GuidanceSettings
from egbot.errors import ModelError, UsageError
from egbot.ports import DecodeSession
from egbot.progress import AttemptEnded, AttemptStarted
from egbot.records import Guidance
from egbot.synthesis.agents import schedule, try_agents
from egbot.synthesis.budget import Budget
from tests.synthesis.workshop import GOOD, make_bench, session_of

WRONG = "\n    return 1\n"


def agents_of(settings: GuidanceSettings, seed: int = 0) -> tuple[Guidance, ...]:
    return tuple(agent for stage in schedule(settings, seed) for agent in stage)


def test_the_default_schedule_starts_cheap_and_reaches_the_paper_s_grid() -> None:
    agents = agents_of(GuidanceSettings())
    first, second = agents[:2]
    assert (first.gamma, first.horizon_lines) == (0.0, 2), "short functions"
    assert (second.gamma, second.candidates) == (0.0, 0), "greedy decoding"
    assert {agent.gamma for agent in agents} == {0.0, 0.5, 1.0, 3.0}
    assert {agent.style for agent in agents} == {"plain", "few_shot", "long_code"}
    assert {2, 6, 8} <= {agent.horizon_lines for agent in agents}
    assert all(0.3 <= agent.temperature <= 1.5 for agent in agents)


@pytest.mark.parametrize("spec", [None, "samples:8,greedy,samples:8+guided,guided:s=4"])
def test_no_agent_draws_what_another_drew(spec: str | None) -> None:
    """Neither one of the same schedule nor one of the next seed's."""
    settings = GuidanceSettings(agents=spec)
    seeds = [
        agent.seed for seed in range(3) for agent in agents_of(settings, seed) if agent.candidates
    ]
    assert len(set(seeds)) == len(seeds)


def test_max_lines_holds_for_every_agent() -> None:
    agents = agents_of(GuidanceSettings(max_lines=7))
    assert {agent.max_lines for agent in agents} == {7}
    assert len(agents) > 1


@pytest.mark.parametrize(
    ("settings", "agent"),
    [
        (GuidanceSettings(gamma=0.0), Guidance(0.0, 0, horizon_lines=0, seed=4000)),
        (GuidanceSettings(gamma=0.0, candidates=2), Guidance(0.0, 2, horizon_lines=0, seed=4000)),
        (GuidanceSettings(candidates=0), Guidance(candidates=0, seed=4000)),
        (GuidanceSettings(horizon=8), Guidance(horizon_lines=8, seed=4000)),
        (GuidanceSettings(temperature=0.0), Guidance(temperature=0.0, seed=4000)),
        (
            GuidanceSettings(gamma=3.0, candidates=5, horizon=3, temperature=1.5, max_lines=9),
            Guidance(3.0, 5, 3, 1.5, max_lines=9, seed=4000),
        ),
    ],
)
def test_what_is_asked_for_by_name_is_the_one_agent(
    settings: GuidanceSettings, agent: Guidance
) -> None:
    """Zero is a value, not "not given"."""
    assert schedule(settings, seed=4) == ((agent,),)


def test_named_agents_are_those_in_that_order() -> None:
    settings = GuidanceSettings(agents="greedy, guided:gamma=3:s=4:d=6:t=1.2 + samples:8:t=0.9")
    assert schedule(settings, seed=5) == (
        (Guidance(gamma=0.0, candidates=0, seed=5000),),
        (
            Guidance(3.0, 4, 6, 1.2, seed=5000),
            Guidance(0.0, 8, horizon_lines=0, temperature=0.9, seed=5001),
        ),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no agent"),
        (" , ", "no agent"),
        ("greedy+", "'': not greedy"),
        ("magic", "'magic': not greedy"),
        ("samples", "'samples': not greedy"),
        ("samples:many", "'s=many'"),
        ("guided:gamma", "'gamma' is no option"),
        ("guided:force=1", "'force=1' is no option"),
        ("guided:gamma=-1", "not between 0 and 100"),
        ("guided:gamma=nan", "not between 0 and 100"),
        ("guided:style=loud", "not one of plain"),
        ("guided:d=201", "not between 0 and 200"),
        ("samples:0", "nothing to draw"),
        ("greedy:s=8", "greedy draws"),
        ("greedy:gamma=1", "greedy draws"),
    ],
)
def test_agents_that_cannot_be_read_are_named(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        schedule(GuidanceSettings(agents=text), seed=0)
    assert caught.value.hint


def test_no_agent_has_the_seed_that_another_one_names() -> None:
    stages = schedule(GuidanceSettings(agents="guided:seed=1,samples:8,samples:8:d=2"), seed=0)
    assert [agent.seed for (agent,) in stages] == [1, 2, 3]


@pytest.mark.parametrize("method", ["greedy", "samples:8"])
def test_a_method_that_guides_nobody_and_a_guided_agent_contradict(method: str) -> None:
    with pytest.raises(UsageError, match=f"{method} is described otherwise") as caught:
        schedule(GuidanceSettings(method=method, temperature=0.5), seed=0)
    assert "--agents" in caught.value.hint


@pytest.mark.parametrize("other", [{"gamma": 1.0}, {"method": "paper"}])
def test_named_agents_and_another_description_contradict(other: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="otherwise as well"):
        schedule(GuidanceSettings(agents="greedy", **other), seed=0)


def test_every_field_of_an_agent_can_be_named() -> None:
    settings = GuidanceSettings(
        agents="guided:gamma=0.5:s=2:d=3:t=0.7:top_p=0.9:style=long_code:method=paper"
        ":trace=final:tell=best:signal=300:seed=7"
    )
    assert agents_of(settings, 1) == (
        Guidance(0.5, 2, 3, 0.7, 0.9, 80, 1007, "long_code", "paper", "final", 300, "best"),
    )


def test_the_methods() -> None:
    """Baselines are one agent; the paper's agents leave out all that egbot adds."""
    greedy, samples = Guidance(gamma=0.0, candidates=0), Guidance(0.0, 16, horizon_lines=0)
    assert agents_of(GuidanceSettings(method="greedy")) == (greedy,)
    assert agents_of(GuidanceSettings(method="samples:16")) == (samples,)
    paper = agents_of(GuidanceSettings(method="paper"))
    assert {(one.method, one.trace, one.signal_tokens) for one in paper} == {("paper", "whole", 0)}
    assert {one.gamma for one in paper} == {0.0, 0.5, 1.0, 3.0}
    assert len(set(paper)) == len(paper)
    single = agents_of(GuidanceSettings(method="paper", gamma=1.0))
    assert [(one.method, one.gamma) for one in single] == [("paper", 1.0)]


def test_agents_try_in_order_until_nobody_asks_for_more() -> None:
    bench = make_bench()
    agents = (Guidance(gamma=0.0, candidates=0), Guidance(gamma=0.0, candidates=0, seed=1))
    opened: list[Guidance] = []

    def open_session(guidance: Guidance) -> DecodeSession:
        opened.append(guidance)
        return session_of(WRONG if len(opened) == 1 else GOOD)

    attempts = try_agents(bench.task, ((*agents,), (Guidance(),)), open_session)
    assert [next(attempts).finish, next(attempts).finish] == ["wrong", "solved"]
    assert opened == list(agents)
    assert [one.number for one in bench.of(AttemptStarted)] == [1, 2]
    assert [one.attempt.finish for one in bench.of(AttemptEnded)] == ["wrong", "solved"]


def test_an_exhausted_budget_starts_no_agent() -> None:
    bench = make_bench(budget=Budget(1e9, 10, lambda: 0.0))
    agents = (Guidance(gamma=0.0, candidates=0),) * 5
    attempts = list(try_agents(bench.task, (agents,), lambda _: session_of(WRONG)))
    assert 1 <= len(attempts) < 5
    assert bench.task.budget.num_tokens_spent >= 10


def test_the_runs_of_one_agent_serve_the_next() -> None:
    bench = make_bench()
    agents = (Guidance(gamma=0.0, candidates=0),) * 3
    list(try_agents(bench.task, (agents,), lambda _: session_of(WRONG)))
    assert bench.runs.num_executions == 2
    assert bench.runs.num_cache_hits == 4


def test_a_model_that_fails_is_not_hidden() -> None:
    def open_session(guidance: Guidance) -> DecodeSession:
        raise ModelError("the prompt is too long")

    with pytest.raises(ModelError):
        next(try_agents(make_bench().task, ((Guidance(),),), open_session))
