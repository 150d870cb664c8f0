"""Owns one row of context as it grows: KV cache, pending tokens and last logits.

It does not know what the tokens mean, nor which side of the guidance it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from egbot.engine import store as caches
from egbot.engine.driving import Meter
from egbot.engine.piece import Piece, Result, Steps
from egbot.engine.rows import Branches, Copies, Rows
from egbot.engine.store import Store

_MAX_SCORED = 64
"""Positions whose logits are held at once: 64 x 150,000 x 4 bytes are 37 MiB."""


@dataclass(frozen=True, slots=True)
class _Start:
    """What a forked side begins with."""

    cache: Any
    logits: Tensor
    num_tokens: int


class Side:
    """Tokens are appended at once and forwarded when their logits are first asked for."""

    def __init__(self, meter: Meter, tokens: Sequence[int], start: _Start | None = None) -> None:
        """Hold ``tokens`` after what ``start`` holds already."""
        self._meter = meter
        self._cache: Any = start.cache if start else meter.network.new_cache()
        self._logits: Tensor | None = start.logits if start else None  # (V), of the last forwarded
        self._pending: list[int] = list(tokens)
        self._length = len(self._pending) + (start.num_tokens if start else 0)
        self._ahead: Tensor | None = None  # (n + 1, V), while n tokens are looked at

    def __len__(self) -> int:
        """How many tokens it holds, forwarded or not."""
        return self._length

    def append(self, tokens: Sequence[int]) -> None:
        """Add tokens at the end."""
        self._pending.extend(tokens)
        self._length += len(tokens)

    def logits(self) -> Steps[Tensor]:
        """The logits (V) for the token after the last one; forwards what is pending."""
        if self._pending or self._logits is None:
            (result,) = yield from self._meter.forward([Piece([self._pending], self._cache)])
            self._take(result)
            self._pending = []
        assert self._logits is not None
        return self._logits

    @property
    def can_look_ahead(self) -> bool:
        """Whether its cache can be cut back."""
        return isinstance(self._cache, Store)

    def _ask(self, tokens: Sequence[int]) -> list[Piece]:
        """What to forward to look at ``tokens``: one piece, or none where all is known."""
        body = [*self._pending, *tokens]
        num_logits = len(tokens) + min(len(self._pending), 1)
        return [Piece([body], self._cache, num_logits)] if body else []

    def _look(self, results: list[Result]) -> Tensor:
        """The logits (n + 1, V) behind what it holds and behind each token that was asked for."""
        known = [] if self._pending or self._logits is None else [self._logits[None]]
        for result in results:
            known.append(result.logits[0])
            self._take(result)
        self._pending = []
        self._ahead = torch.cat(known)
        return self._ahead

    def keep(self, num_tokens: int) -> None:
        """Append the first ``num_tokens`` of those that were looked at and drop the others."""
        assert self._ahead is not None
        self._length += num_tokens
        if len(self._ahead) > 1:
            self._cache.cut(self._length)
        self._logits = self._ahead[num_tokens]
        self._ahead = None

    def rewind(self, num_tokens: int) -> None:
        """Keep the first ``num_tokens`` alone. Something must be appended before logits are asked."""
        num_forwarded = self._length - len(self._pending)
        if num_tokens < num_forwarded:
            self._cache.cut(num_tokens)
            self._pending = []
        else:
            self._pending = self._pending[: num_tokens - num_forwarded]
        self._logits = None
        self._length = num_tokens

    def append_scored(self, tokens: Sequence[int]) -> Steps[Tensor]:
        """Append ``tokens`` (n > 0) and return the logits (n, V) from which each was predicted.

        The last one stays pending: what follows it has not been asked for.
        """
        first = yield from self.logits()
        rows = [first[None]]
        body = list(tokens[:-1])
        for start in range(0, len(body), _MAX_SCORED):
            part = body[start : start + _MAX_SCORED]
            (result,) = yield from self._meter.forward([Piece([part], self._cache, len(part))])
            rows.append(result.logits[0])
            self._take(result)
        self._pending = [tokens[-1]]
        self._length += len(tokens)
        return torch.cat(rows)

    def fork(self, meter: Meter, tokens: Sequence[int]) -> Steps[Side]:
        """Another side: this one's tokens, which are forwarded first, and ``tokens``."""
        logits = yield from self.logits()
        return Side(meter, tokens, _Start(caches.fork(self._cache), logits, self._length))

    def rows(self, count: int) -> Steps[Rows]:
        """``count`` rows that go on from here; this side must wait until they are closed."""
        yield from self.logits()
        if self._meter.network.packs:
            return Branches(self._meter, self._cache, count)
        return Copies(self._meter, caches.fork(self._cache), count)

    def _take(self, result: Result) -> None:
        self._cache, self._logits = result.cache, result.logits[0, -1]


def look_ahead(
    meter: Meter, sides: Sequence[Side], tokens: Sequence[int], *, joins: bool
) -> Steps[list[Tensor]]:
    """For each side the logits (n + 1, V) behind what it holds and behind each of ``tokens`` (n).

    What is pending goes into the same forward; with ``joins`` all sides share one where they can.
    ``keep`` must follow before anything else.
    """
    asked = [side._ask(tokens) for side in sides]  # noqa: SLF001 - the same noun
    groups = [[piece for pieces in asked for piece in pieces]] if joins else asked
    results: list[Result] = []
    for pieces in groups:
        results += yield from meter.forward(pieces)
    found = iter(results)
    return [
        side._look([next(found) for _ in pieces])  # noqa: SLF001 - the same noun
        for side, pieces in zip(sides, asked, strict=True)
    ]
