"""Owns one row of context as it grows: KV cache, pending tokens and last logits; and the meter.

It does not know what the tokens mean, nor which side of the guidance it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from egbot.engine import cache as caches
from egbot.engine.network import Network

_MAX_SCORED = 64
"""Positions whose logits are held at once: 64 x 150,000 x 4 bytes are 37 MiB."""


class Meter:
    """A network with counters: every forward of a session passes here and is counted once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.num_forwards = 0
        self.num_tokens_forwarded = 0

    def forward(
        self, tokens: list[list[int]], cache: Any, num_logits: int = 1
    ) -> tuple[Tensor, Any]:
        """As ``Network.forward``: logits (rows, num_logits, V) and the extended cache."""
        self.num_forwards += 1
        self.num_tokens_forwarded += sum(len(row) for row in tokens)
        return self.network.forward(tokens, cache, num_logits)


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
        self._cache: Any = start.cache if start else None
        self._logits: Tensor | None = start.logits if start else None  # (V), of the last forwarded
        self._pending: list[int] = list(tokens)
        self._length = len(self._pending) + (start.num_tokens if start else 0)

    def __len__(self) -> int:
        """How many tokens it holds, forwarded or not."""
        return self._length

    def append(self, tokens: Sequence[int]) -> None:
        """Add tokens at the end."""
        self._pending.extend(tokens)
        self._length += len(tokens)

    def logits(self) -> Tensor:
        """The logits (V) for the token after the last one; forwards what is pending."""
        if self._pending or self._logits is None:
            logits, self._cache = self._meter.forward([self._pending], self._cache)
            self._logits = logits[0, -1]
            self._pending = []
        return self._logits

    def append_scored(self, tokens: Sequence[int]) -> Tensor:
        """Append ``tokens`` (n > 0) and return the logits (n, V) from which each was predicted.

        The last one stays pending: what follows it has not been asked for.
        """
        rows = [self.logits()[None]]
        body = list(tokens[:-1])
        for start in range(0, len(body), _MAX_SCORED):
            part = body[start : start + _MAX_SCORED]
            logits, self._cache = self._meter.forward([part], self._cache, len(part))
            rows.append(logits[0])
            self._logits = logits[0, -1]
        self._pending = [tokens[-1]]
        self._length += len(tokens)
        return torch.cat(rows)

    def fork(self, tokens: Sequence[int]) -> Side:
        """Another side: this one's tokens, which are forwarded first, and ``tokens``."""
        start = _Start(caches.fork(self._settled()), self.logits(), self._length)
        return Side(self._meter, tokens, start)

    def rows(self, count: int) -> Any:
        """A cache of ``count`` equal rows that holds this side's tokens."""
        cache = caches.fork(self._settled())
        if count > 1:
            caches.pick_rows(cache, [0] * count, self._meter.network.device)
        return cache

    def _settled(self) -> Any:
        """The cache with every token forwarded."""
        self.logits()
        return self._cache
