"""Owns one row of context as it grows: KV cache, pending tokens and last logits; and the meter.

It does not know what the tokens mean, nor which side of the guidance it is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from egbot.engine import cache as caches
from egbot.engine.network import Network

_MAX_SCORED = 64
"""Positions whose logits are held at once: 64 x 150,000 x 4 bytes are 37 MiB."""


@dataclass(frozen=True, slots=True)
class Forward:
    """One forward: its rows, new tokens in a row, and seconds by the clock until it was done."""

    num_rows: int
    num_tokens: int
    wall_s: float


class Meter:
    """A network with counters: every forward of a session passes here and is counted once.

    With a ``log``, each forward is waited for, timed and added to it.
    """

    def __init__(self, network: Network, log: list[Forward] | None = None) -> None:
        self.network = network
        self.num_forwards = 0
        self.num_tokens_forwarded = 0
        self._log = log

    def forward(
        self,
        tokens: list[list[int]],
        cache: Any,
        num_logits: int = 1,
        padding: Sequence[int] = (),
    ) -> tuple[Tensor, Any]:
        """As ``Network.forward``: logits (rows, num_logits, V) and the extended cache."""
        self.num_forwards += 1
        self.num_tokens_forwarded += sum(len(row) for row in tokens)
        start_s = time.perf_counter()
        logits, extended = self.network.forward(tokens, cache, num_logits, padding)
        if self._log is not None:
            if logits.is_cuda:
                torch.cuda.synchronize(logits.device)
            wall_s = time.perf_counter() - start_s
            self._log.append(Forward(len(tokens), len(tokens[0]), wall_s))
        return logits, extended


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
        self._ahead: Tensor | None = None  # (n + 1, V), while n tokens are looked at

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

    @property
    def num_pending(self) -> int:
        """How many tokens wait for their forward."""
        return len(self._pending)

    @property
    def can_look_ahead(self) -> bool:
        """Whether its cache can be cut back; not known before the first forward."""
        return self._cache is not None and caches.is_simple(self._cache)

    def look_ahead(self, tokens: Sequence[int]) -> Tensor:
        """The logits (n + 1, V) behind what it holds and behind each of ``tokens`` (n).

        What is pending goes into the same forward. ``keep`` must follow before anything else.
        """
        if not tokens:
            rows = self.logits()[None]
        else:
            num_logits = len(tokens) + min(len(self._pending), 1)
            caches.keep_past(self._cache)
            body = [*self._pending, *tokens]
            logits, self._cache = self._meter.forward([body], self._cache, num_logits)
            rows = logits[0]
            if not self._pending:
                rows = torch.cat([self.logits()[None], rows])
            self._pending = []
        self._ahead = rows
        return rows

    def keep(self, num_tokens: int) -> None:
        """Append the first ``num_tokens`` of those that were looked at and drop the others."""
        assert self._ahead is not None
        num_looked_at = len(self._ahead) - 1
        if num_looked_at:
            caches.cut(self._cache, num_looked_at - num_tokens)
        self._logits = self._ahead[num_tokens]
        self._length += num_tokens
        self._ahead = None

    def hand_over(self) -> tuple[Any, list[int]]:
        """The cache of the forwarded tokens and the pending ones; ``take_back`` must follow."""
        return self._cache, self._pending

    def take_back(self, cache: Any, logits: Tensor, num_tokens: int) -> None:
        """Hold what ``cache`` holds, which is ``num_tokens`` more than there were."""
        self._cache, self._logits, self._pending = cache, logits, []
        self._length += num_tokens

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
