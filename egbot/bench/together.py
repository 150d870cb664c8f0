"""Owns the measurement of several agents: one after another against all in one batch.

It does not know how the figures are shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from egbot.bench.figures import NUM_AGENTS, Agents, Phase
from egbot.bench.workload import Workload, make_signal, never
from egbot.engine.decode import Session
from egbot.engine.network import Network
from egbot.engine.piece import Forward
from egbot.engine.together import Group
from egbot.records import Prompt

MAX_STEP_TOKENS = 64
"""A forward of more tokens is a prefill."""

CountTokens = Callable[[str], int]


def measure_agents(
    network: Network, prompt: Prompt, workload: Workload, count_tokens: CountTokens
) -> Agents:
    """Let each agent write one line, with candidates and a signal of its own, in both ways.

    Reading the prompt is not measured: a group does so once for all.
    """

    def line(number: int, session: Session) -> tuple[str, ...]:
        return _line(number, session, workload, count_tokens)

    log: list[Forward] = []
    sessions = [Session(network, prompt, log=log) for _ in range(NUM_AGENTS)]
    for session in sessions:
        session.sample(1, temperature=0.0, top_p=1.0, max_tokens=1, seed=0, stop=never)
    log.clear()
    clock = Clock()
    texts = [line(number, session) for number, session in enumerate(sessions)]
    alone_prefill, alone = prefill_of(log), clock.phase(log)
    with ThreadPoolExecutor(NUM_AGENTS) as threads, Group(network, log=log) as group:
        grouped = [group.open(prompt) for _ in range(NUM_AGENTS)]
        log.clear()
        clock = Clock()
        others = list(threads.map(line, range(NUM_AGENTS), grouped))
        together_prefill, together = prefill_of(log), clock.phase(log)
    num_same = sum(one == other for one, other in zip(texts, others, strict=True))
    return Agents(alone, alone_prefill, together, together_prefill, num_same)


class Clock:
    """Seconds by the clock and of the CPU since it was made."""

    def __init__(self) -> None:
        self._wall_s = time.perf_counter()
        self._cpu_s = time.process_time()

    def phase(self, log: list[Forward]) -> Phase:
        """What the log says; it is empty afterwards."""
        phase = Phase(
            wall_s=time.perf_counter() - self._wall_s,
            cpu_s=time.process_time() - self._cpu_s,
            forward_s=sum(one.wall_s for one in log),
            num_forwards=len(log),
            num_tokens=sum(one.num_rows * one.num_tokens for one in log),
        )
        log.clear()
        return phase


def prefill_of(log: list[Forward]) -> Phase:
    """The log's long forwards."""
    long = [one for one in log if one.num_tokens > MAX_STEP_TOKENS]
    wall_s = sum(one.wall_s for one in long)
    return Phase(
        wall_s=wall_s,
        cpu_s=sum(one.cpu_s for one in long),
        forward_s=wall_s,
        num_forwards=len(long),
        num_tokens=sum(one.num_tokens for one in long),
    )


def _line(
    number: int, session: Session, workload: Workload, count_tokens: CountTokens
) -> tuple[str, ...]:
    samples = session.sample(
        workload.num_candidates,
        temperature=workload.temperature,
        top_p=0.95,
        max_tokens=workload.sample_tokens,
        seed=workload.seed + number,
        stop=never,
    )
    room = workload.prompt_tokens - session.num_prompt_tokens
    signal = make_signal([f"\n    rows = rows[{number}:]\n"] * 3, room, count_tokens)
    guided = session.advance(
        signal=signal,
        gamma=workload.gamma,
        max_tokens=workload.line_tokens,
        stop=never,
        drafts=tuple(sample.text for sample in samples),
    )
    return (*(sample.text for sample in samples), guided.text)
