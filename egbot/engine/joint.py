"""Owns letting sides of different lengths advance as the rows of one padded batch.

It does not know what the sides mean. While a joint holds them, they must not be used on their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from egbot.engine import cache as caches
from egbot.engine.side import Meter, Side


def can_join(meter: Meter, sides: Sequence[Side]) -> bool:
    """Whether padding is possible: simple caches, and a model that is told positions."""
    return meter.network.takes_positions and all(side.can_look_ahead for side in sides)


class Joint:
    """Has the sides' ``look_ahead`` and ``keep``, for all of them in one forward each.

    All sides must have the same pending tokens, at least one.
    """

    def __init__(self, meter: Meter, sides: Sequence[Side]) -> None:
        self._meter = meter
        self._sides = sides
        parts, pending = zip(*(side.hand_over() for side in sides), strict=True)
        self._pending: list[int] = list(pending[0])
        assert self._pending
        assert all(one == self._pending for one in pending)
        self._num_before = [len(side) - side.num_pending for side in sides]
        longest = max(self._num_before)
        self._padding = [longest - count for count in self._num_before]
        self._num_new = 0  # forwarded since, the same in every row
        self._cache: Any = caches.join(parts)
        self._logits: Tensor | None = None  # (rows, n + 1, V)

    def append(self, token: int) -> None:
        """Add a token at the end of every side."""
        self._pending.append(token)

    def look_ahead(self, tokens: Sequence[int]) -> Tensor:
        """The logits (rows, n + 1, V) behind what is held and behind each of ``tokens`` (n)."""
        assert self._pending
        caches.keep_past(self._cache)
        body = [*self._pending, *tokens]
        rows = [body] * len(self._sides)
        self._logits, self._cache = self._meter.forward(
            rows, self._cache, len(tokens) + 1, self._padding
        )
        self._num_new += len(body)
        self._pending = []
        return self._logits

    def keep(self, num_tokens: int) -> None:
        """Append the first ``num_tokens`` of those that were looked at and drop the others."""
        assert self._logits is not None
        num_dropped = self._logits.shape[1] - 1 - num_tokens
        caches.cut(self._cache, num_dropped)
        self._num_new -= num_dropped
        self._logits = self._logits[:, : num_tokens + 1]

    def part(self) -> None:
        """Give every side its own row back. The joint is of no use afterwards."""
        assert self._logits is not None
        for row, (side, num_before) in enumerate(zip(self._sides, self._num_before, strict=True)):
            count = num_before + self._num_new
            num_more = count - len(side)
            cache = caches.take_row(self._cache, row, count)
            side.take_back(cache, self._logits[row, -1], num_more)
            if self._pending:
                side.append(self._pending)
