"""Owns drawing several continuations as rows of one batch. It does not know guidance.

Each row draws from a generator of its own and ends on its own; ended rows leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from egbot.engine import cache as caches
from egbot.engine.guidance import log_probs
from egbot.engine.sampling import draw, row_generator
from egbot.engine.side import Meter, Side
from egbot.records import Sample


@dataclass(frozen=True, slots=True)
class Draw:
    """How to draw: ``max_tokens`` bounds each row. Temperature 0 is greedy."""

    num_samples: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample and its tokens."""

    sample: Sample
    tokens: tuple[int, ...]


@dataclass(slots=True)
class _Row:
    generator: torch.Generator
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    sample: Sample | None = None

    def end(self, finish: str) -> None:
        assert finish in ("stop", "eos", "length")
        self.sample = Sample(self.text, len(self.tokens), finish)  # type: ignore[arg-type]


def draw_samples(
    meter: Meter,
    side: Side,
    how: Draw,
    read: Callable[[list[int]], str],
    stop: Callable[[str], bool],
) -> tuple[Drawn, ...]:
    """Continuations of ``side``, which does not move. ``read`` turns a row's tokens into text.

    Greedy rows are all the same, so that only one is computed.
    """
    num_rows = how.num_samples if how.temperature > 0.0 else min(how.num_samples, 1)
    rows = [_Row(row_generator(how.seed, index)) for index in range(num_rows)]
    if how.max_tokens > 0 and rows:
        _run(meter, side, how, rows, _Ends(meter, read, stop))
    drawn = [Drawn(row.sample or Sample("", 0, "length"), tuple(row.tokens)) for row in rows]
    copies = how.num_samples if how.temperature <= 0.0 else 1
    return tuple(drawn * copies)


@dataclass(frozen=True, slots=True)
class _Ends:
    """What decides whether a row goes on."""

    meter: Meter
    read: Callable[[list[int]], str]
    stop: Callable[[str], bool]

    def push(self, row: _Row, token: int, max_tokens: int) -> None:
        """Give ``row`` its next token and end it where that token says so."""
        if token in self.meter.network.end_ids:
            row.end("eos")
            return
        row.tokens.append(token)
        row.text = self.read(row.tokens)
        if self.stop(row.text):
            row.end("stop")
        elif len(row.tokens) >= max_tokens:
            row.end("length")


def _run(meter: Meter, side: Side, how: Draw, rows: list[_Row], ends: _Ends) -> None:
    live = rows
    logits: Tensor = side.logits()[None].expand(len(rows), -1)  # (rows, V)
    cache = None
    while True:
        scores = meter.network.checked(log_probs(logits))
        for row, row_scores in zip(live, scores, strict=True):
            token = draw(row_scores, how.temperature, how.top_p, row.generator)
            ends.push(row, token, how.max_tokens)
        kept = [index for index, row in enumerate(live) if row.sample is None]
        if not kept:
            return
        if cache is None:
            cache = side.rows(len(kept))
        elif len(kept) < len(live):
            caches.pick_rows(cache, kept, meter.network.device)
        live = [live[index] for index in kept]
        logits, cache = meter.forward([[row.tokens[-1]] for row in live], cache)
        logits = logits[:, -1]
