"""The schedule: which agents try, in which order, under one budget. Cheap ones come first.

It does not know how an agent works; `egbot.synthesis.search` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from egbot.config import GuidanceSettings
from egbot.ports import DecodeSession
from egbot.progress import AttemptEnded, AttemptStarted
from egbot.records import Attempt, Guidance
from egbot.synthesis.search import Task, write_function

_Open = Callable[[Guidance], DecodeSession]


def schedule(settings: GuidanceSettings, seed: int) -> tuple[Guidance, ...]:
    """The agents in the order in which they try.

    Asked for a gamma, a number of candidates, a horizon or a temperature by name: that one agent.
    Otherwise: greedy decoding, a handful of samples, then guided agents that look further and
    wider (the paper's grid: gamma 0.5 / 1 / 3, horizon 2 .. 8, temperature 0.7 .. 1.5).
    """
    lines = settings.max_lines
    if not settings.is_default:
        default = Guidance()
        return (
            Guidance(
                gamma=default.gamma if settings.gamma is None else settings.gamma,
                candidates=_or(settings.candidates, default.candidates),
                horizon_lines=_or(settings.horizon, default.horizon_lines),
                temperature=(
                    default.temperature if settings.temperature is None else settings.temperature
                ),
                max_lines=lines,
                seed=seed,
            ),
        )
    return (
        Guidance(gamma=0.0, candidates=0, max_lines=lines, seed=seed),
        Guidance(gamma=1.0, candidates=3, horizon_lines=2, max_lines=lines, seed=seed),
        Guidance(gamma=0.0, candidates=8, temperature=0.9, max_lines=lines, seed=seed + 1),
        Guidance(gamma=0.5, candidates=4, horizon_lines=6, max_lines=lines, seed=seed + 2),
        Guidance(
            gamma=1.0,
            candidates=4,
            horizon_lines=6,
            temperature=1.0,
            max_lines=lines,
            seed=seed + 3,
            style="few_shot",
        ),
        Guidance(
            gamma=3.0,
            candidates=4,
            horizon_lines=8,
            max_lines=lines,
            seed=seed + 4,
            style="long_code",
        ),
    )


def try_agents(task: Task, agents: tuple[Guidance, ...], open_session: _Open) -> Iterator[Attempt]:
    """Let the agents try one after another, while the budget lasts and somebody asks for more."""
    for number, guidance in enumerate(agents, 1):
        if task.budget.exhausted:
            return
        task.report(AttemptStarted(number, guidance))
        session = open_session(guidance)
        attempt = write_function(task, session, guidance)
        task.report(AttemptEnded(attempt))
        yield attempt


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
