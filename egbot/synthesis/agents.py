"""The schedule: which agents try, in which order, under one budget. Cheap ones come first.

It does not know how an agent works; `egbot.synthesis.search` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import product
from typing import Any, Literal

from egbot.config import GuidanceSettings
from egbot.errors import UsageError
from egbot.progress import AttemptEnded, AttemptStarted
from egbot.records import Attempt, Guidance
from egbot.synthesis.agentspec import read_agents
from egbot.synthesis.search import write_function
from egbot.synthesis.task import Task
from egbot.synthesis.together import Open, try_together

Stage = tuple[Guidance, ...]
"""Agents that may work at the same time."""
Gather = Callable[[], AbstractContextManager[tuple[Open, Callable[[], None]]]]
"""Makes a group: how to open its sessions, and how to cancel them all."""

_GREEDY = Guidance(gamma=0.0, candidates=0)
_SAMPLES = Guidance(gamma=0.0, horizon_lines=0)
_ESCALATION: tuple[Stage, ...] = (
    (replace(_SAMPLES, horizon_lines=2, candidates=16, temperature=0.3, seed=1),),
    (_GREEDY,),
    (replace(_SAMPLES, candidates=8, seed=2),),
    (replace(_SAMPLES, candidates=24, temperature=0.5, seed=3),),
    (replace(_SAMPLES, candidates=32, seed=4),),
    (Guidance(gamma=1.0, candidates=3, horizon_lines=2, tell="best", seed=5),),
    (replace(_SAMPLES, candidates=64, seed=6),),
    (
        Guidance(gamma=0.5, candidates=4, horizon_lines=6, tell="best", seed=7),
        Guidance(
            gamma=1.0,
            candidates=4,
            horizon_lines=6,
            temperature=1.0,
            style="few_shot",
            tell="best",
            seed=8,
        ),
        Guidance(gamma=3.0, candidates=4, horizon_lines=8, style="long_code", tell="best", seed=9),
    ),
    (replace(_SAMPLES, candidates=128, seed=10),),
)
"""First functions of at most two lines, cheap and cool: they mostly repeat one another, which
costs nothing. Then whole ones, of which a few warm ones first, since the cool ones have failed.

Rows of one round go on side by side: of several functions that pass, the shortest is taken. Chosen
by measurement: docs/engine.md has the table.
"""
_SEEDS_OF_A_SCHEDULE = 1000
"""So far apart are the agents of two seeds, so that none draws what one of the other drew."""
_PAPER_BATCH = 8
_STYLES: tuple[Literal["few_shot", "long_code"], ...] = ("few_shot", "long_code")
_PAPER = tuple(
    Guidance(
        gamma=gamma,
        candidates=3 if gamma > 0.0 else 0,
        horizon_lines=horizon,
        temperature=temperature,
        style=style,
        method="paper",
        trace="whole",
    )
    for gamma, style, temperature, horizon in product(
        (0.0, 0.5, 1.0, 3.0), _STYLES, (0.7, 0.75, 0.85, 0.95, 1.2, 1.5), (2, 3, 6, 8)
    )
    if gamma > 0.0 or (temperature, horizon) == (0.7, 2)
)
"""The grid of section 4; without guidance all temperatures and horizons are the same agent."""


def schedule(settings: GuidanceSettings, seed: int, max_lines: int = 80) -> tuple[Stage, ...]:
    """The agents in the order in which they try, those in one stage at the same time.

    Agents named by ``settings.agents`` are those. A gamma, a number of candidates, a horizon or a
    temperature asked for by itself: that one guided agent, or the paper's. Otherwise what
    ``settings.method`` says: the paper's grid, greedy decoding, samples, or egbot's own escalation:
    short samples, greedy decoding, whole samples, and guidance late. No two agents of any two
    ``seed`` draw with the same one, the paper's grid apart. None writes more than ``max_lines``,
    unless the settings name another number.
    Raises UsageError for agents that cannot be read or that contradict the other settings.
    """
    if settings.agents is not None:
        if not settings.is_default or settings.method != "egbot":
            raise UsageError(
                "agents are named and described otherwise as well",
                hint="use either --agents or --method, --gamma, --candidates and their kin",
            )
        stages = read_agents(settings.agents)
    elif not settings.is_default:
        if settings.method not in ("egbot", "paper"):
            raise UsageError(
                f"the method {settings.method} is described otherwise as well",
                hint="describe the agent as a whole, for example --agents samples:8:t=0.5",
            )
        stages = ((_single(settings),),)
    elif settings.method == "paper":
        stages = _batches(_PAPER)
    elif settings.method == "greedy":
        stages = ((_GREEDY,),)
    elif settings.method.startswith("samples:"):
        stages = read_agents(settings.method)
    else:
        stages = _ESCALATION
    return tuple(
        tuple(
            replace(
                agent,
                max_lines=settings.max_lines or max_lines,
                seed=agent.seed + seed * _SEEDS_OF_A_SCHEDULE,
            )
            for agent in stage
        )
        for stage in stages
    )


def _batches(agents: tuple[Guidance, ...]) -> tuple[Stage, ...]:
    return tuple(
        agents[start : start + _PAPER_BATCH] for start in range(0, len(agents), _PAPER_BATCH)
    )


def _single(settings: GuidanceSettings) -> Guidance:
    """One agent with what was asked for."""
    asked = {
        "gamma": settings.gamma,
        "candidates": settings.candidates,
        "horizon_lines": settings.horizon,
        "temperature": settings.temperature,
    }
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if settings.gamma == 0.0:
        given.setdefault("candidates", 0)  # plain decoding, unless samples are asked for
        given.setdefault("horizon_lines", 0)
    plain = Guidance(method="paper", trace="whole") if settings.method == "paper" else Guidance()
    return replace(plain, **given)


def try_agents(
    task: Task, stages: Sequence[Stage], open_session: Open, gather: Gather | None = None
) -> Iterator[Attempt]:
    """Let the agents try, stage after stage, while the budget lasts and somebody asks for more.

    The agents of one stage work together where ``gather`` can make a group for them, else one
    after another; the attempts come in the same order either way.
    """
    number = 0
    for stage in stages:
        numbered = tuple(enumerate(stage, number + 1))
        number += len(stage)
        if gather is not None and len(stage) > 1 and not task.budget.exhausted:
            with gather() as (open_together, cancel):
                yield from try_together(task, numbered, open_together, cancel)
        else:
            yield from _one_by_one(task, numbered, open_session)


def _one_by_one(
    task: Task, agents: Sequence[tuple[int, Guidance]], open_session: Open
) -> Iterator[Attempt]:
    for number, guidance in agents:
        if task.budget.exhausted:
            return
        task.report(AttemptStarted(number, guidance))
        session = open_session(guidance)
        attempt = write_function(task, session, guidance)
        task.report(AttemptEnded(attempt))
        yield attempt
