"""Owns drawing several continuations as rows of one batch. It does not know guidance.

Each row draws from a generator of its own and ends on its own; ended rows leave the batch, and what
rows have in common is computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from egbot.engine.batch import NoMemoryError
from egbot.engine.driving import Meter
from egbot.engine.guidance import log_probs
from egbot.engine.piece import Steps
from egbot.engine.rows import Rows
from egbot.engine.sampling import nucleus, row_generator
from egbot.engine.side import Side
from egbot.records import Sample


@dataclass(frozen=True, slots=True)
class Draw:
    """How to draw: ``max_tokens`` bounds each row, its start included. Temperature 0 is greedy.

    ``starts`` are tokens that the first rows begin with.
    """

    num_samples: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    starts: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample and its tokens."""

    sample: Sample
    tokens: tuple[int, ...]


@dataclass(slots=True)
class _Row:
    generator: torch.Generator
    tokens: list[int] = field(default_factory=list)
    branch: int = 0
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
) -> Steps[tuple[Drawn, ...]]:
    """Continuations of ``side``, which does not move. ``read`` turns a row's tokens into text.

    Greedy rows are all the same, so that only one is computed; those have no starts.
    """
    assert not how.starts or how.temperature > 0.0
    num_rows = how.num_samples if how.temperature > 0.0 else min(how.num_samples, 1)
    drawn: list[Drawn] = []
    if how.max_tokens > 0 and num_rows:
        logits = yield from side.logits()
        drawn = yield from _drawn(side, logits, how, range(num_rows), _Ends(meter, read, stop))
    else:
        drawn = [Drawn(Sample("", 0, "length"), ())] * num_rows
    copies = how.num_samples if how.temperature <= 0.0 else 1
    return tuple(drawn * copies)


def _drawn(
    side: Side, logits: Tensor, how: Draw, numbers: range, ends: _Ends
) -> Steps[list[Drawn]]:
    """The rows of those numbers; where memory runs out, half of them at a time, from the start."""
    rows = [_Row(row_generator(how.seed, number)) for number in numbers]
    for row, start in zip(rows, how.starts[numbers.start : numbers.stop], strict=False):
        ends.begin(row, start, how.max_tokens)
    try:
        yield from _run(side, logits, how, rows, ends)
    except NoMemoryError:
        if len(numbers) < 2:
            raise
    else:
        return [Drawn(row.sample or Sample("", 0, "length"), tuple(row.tokens)) for row in rows]
    half = len(numbers) // 2
    early = yield from _drawn(side, logits, how, numbers[:half], ends)
    late = yield from _drawn(side, logits, how, numbers[half:], ends)
    return early + late


@dataclass(frozen=True, slots=True)
class _Ends:
    """What decides whether a row goes on."""

    meter: Meter
    read: Callable[[list[int]], str]
    stop: Callable[[str], bool]

    def begin(self, row: _Row, start: tuple[int, ...], max_tokens: int) -> None:
        """Let ``row`` begin with ``start``; it may be enough already."""
        row.tokens = list(start)
        row.text = self.read(row.tokens)
        if start and self.stop(row.text):
            row.end("stop")
        elif len(row.tokens) >= max_tokens:
            row.end("length")

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


def _run(side: Side, start: Tensor, how: Draw, drawing: list[_Row], ends: _Ends) -> Steps[None]:
    """Draw until every row has ended. ``start`` are the logits (V) that all begin with.

    Rows whose tokens are the same so far are one branch, which is forwarded once: it parts where
    they draw differently.
    """
    live = [row for row in drawing if row.sample is None]
    tokens = list(dict.fromkeys(tuple(row.tokens) for row in live))
    for row in live:
        row.branch = tokens.index(tuple(row.tokens))
    logits = start[None].expand(len(tokens), -1)  # (branches, V)
    rows: Rows | None = None
    try:
        if any(tokens):
            rows = yield from side.rows(len(tokens))
            logits = yield from rows.begin(tokens, logits)
        while live:
            scores = ends.meter.network.checked(log_probs(logits))
            nuclei = [nucleus(one, how.temperature, how.top_p) for one in scores]
            for row in live:
                ends.push(row, nuclei[row.branch].draw(row.generator), how.max_tokens)
            live = [row for row in live if row.sample is None]
            twigs = list(dict.fromkeys((row.branch, row.tokens[-1]) for row in live))
            for row in live:
                row.branch = twigs.index((row.branch, row.tokens[-1]))
            stems = [stem for stem, _ in twigs]
            if not stems:
                return
            if rows is None:
                rows = yield from side.rows(len(stems))
            elif stems != list(range(len(scores))):
                rows.pick(stems)
            logits = yield from rows.forward([token for _, token in twigs])
    finally:
        if rows is not None:
            rows.close()
