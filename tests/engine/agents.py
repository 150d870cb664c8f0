"""Agents for the tests of groups: each writes three lines, and alone it writes the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from egbot.engine.decode import Session
from egbot.engine.network import Network
from egbot.ports import DecodeSession
from tests.engine.tiny_models import PROMPT, SIGNAL, at_line_end, never

Agent = Callable[[DecodeSession], list[Any]]
PROMPTS = (PROMPT, replace(PROMPT, head=PROMPT.head + "assert add(0, 0) == 0\n"))


def agent(seed: int, gamma: float, num_samples: int) -> Agent:
    """Three lines: a look ahead, its samples as drafts, a signal of the agent's own."""

    def write(session: DecodeSession) -> list[Any]:
        done: list[Any] = []
        for line in range(3):
            samples = session.sample(
                num_samples,
                temperature=1.1,
                top_p=0.95,
                max_tokens=3 + (seed + line) % 5,
                seed=seed * 7 + line,
                stop=at_line_end,
            )
            signal = SIGNAL * (seed % 4) + f"x = {seed}\n" * line
            done.append(session.cost(signal, max_tokens=6))
            guided = session.advance(
                signal=signal,
                gamma=gamma,
                max_tokens=2 + (seed * 3 + line) % 6,
                stop=never,
                drafts=tuple(sample.text for sample in samples),
            )
            done += [samples, guided.text, [token.text for token in guided.tokens]]
        return [*done, session.text]

    return write


def alone(network: Network, agents: list[Agent]) -> list[Any]:
    """The slow twin: the same one after another."""
    return [one(Session(network, PROMPTS[number % 2])) for number, one in enumerate(agents)]
