"""Owns rows that go on from one context, each with tokens of its own. It knows no sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from egbot.engine import store as caches
from egbot.engine.batch import memory_told
from egbot.engine.driving import Meter
from egbot.engine.piece import Branching, Piece, Steps
from egbot.engine.store import Store


class Rows(Protocol):
    """Rows that begin where their context ends."""

    def begin(self, starts: Sequence[Sequence[int]], logits: Tensor) -> Steps[Tensor]:
        """Let each row begin with tokens of its own, or none; the logits (rows, V) behind them.

        ``logits`` (rows, V) are those of the context. Comes before anything else.
        """
        ...

    def forward(self, tokens: Sequence[int]) -> Steps[Tensor]:
        """Append a token to each row; the logits (rows, V) behind them."""
        ...

    def pick(self, rows: list[int]) -> None:
        """Go on with these of the rows, in this order; one that is named twice becomes two."""
        ...

    def close(self) -> None:
        """Leave the context as it was."""
        ...


class Branches:
    """Rows as branches within their context's own store: nothing is copied.

    Their tokens stand behind the context, and masks let each see the context and its own row. Rows
    that part share the cells that they had as one. Cells of rows that have left stay until the end,
    unseen.
    """

    def __init__(self, meter: Meter, store: Store, num_rows: int) -> None:
        """Go on from all that ``store`` holds, which must not be used until ``close``."""
        self._meter = meter
        self._store = store
        self._stem = store.num_cells
        self._depths = [0] * num_rows
        device = meter.network.device
        self._cells = torch.arange(self._stem, device=device)  # (cells)
        self._seen = torch.ones(num_rows, self._stem, dtype=torch.bool, device=device)

    def begin(self, starts: Sequence[Sequence[int]], logits: Tensor) -> Steps[Tensor]:
        """All rows' tokens in one forward, each seeing the context and its row's earlier ones.

        The rows' last tokens stand at the end, since nobody needs the logits of the others.
        """
        device = self._cells.device
        begun = [row for row, one in enumerate(starts) if one]
        places = [(row, place) for row in begun for place in range(len(starts[row]) - 1)]
        places += [(row, len(starts[row]) - 1) for row in begun]
        owners, depths = torch.tensor(places, device=device).T  # (n) each, the tokens of all rows
        own = owners == torch.arange(len(starts), device=device)[:, None]  # (rows, n)
        earlier = depths <= depths[:, None]
        seen = torch.cat([self._seen[owners], own[owners] & earlier], dim=1)  # (n, cells)
        positions = depths + self._stem
        self._cells = torch.cat([self._cells, positions])
        self._seen = torch.cat([self._seen, own], dim=1)
        self._depths = [len(one) for one in starts]
        body = [starts[row][place] for row, place in places]
        branching = Branching(positions, self._cells, seen)
        piece = Piece([body], self._store, len(begun), branching)
        (result,) = yield from self._meter.forward([piece])
        found = logits.clone()
        found[begun] = result.logits[0]
        return found

    def forward(self, tokens: Sequence[int]) -> Steps[Tensor]:
        """Append a token to each row; the logits (rows, V) behind them."""
        count = len(tokens)
        own = torch.eye(count, dtype=torch.bool, device=self._seen.device)
        self._seen = torch.cat([self._seen, own], dim=1)  # (rows, cells)
        positions = torch.tensor(self._depths, device=self._cells.device) + self._stem
        self._cells = torch.cat([self._cells, positions])
        self._depths = [depth + 1 for depth in self._depths]
        branching = Branching(positions, self._cells, self._seen)
        piece = Piece([list(tokens)], self._store, count, branching)
        (result,) = yield from self._meter.forward([piece])
        return result.logits[0]

    def pick(self, rows: list[int]) -> None:
        """Go on with these of the rows, in this order; one that is named twice becomes two."""
        self._seen = self._seen[rows]
        self._depths = [self._depths[row] for row in rows]

    def close(self) -> None:
        """Leave the context as it was."""
        self._store.cut(self._stem)


class Copies:
    """Rows as copies of the whole cache: for models whose contexts cannot be packed.

    Rows of one cache are equally long; rows that begin with tokens of their own have one each.
    """

    def __init__(self, meter: Meter, cache: Any, num_rows: int) -> None:
        """Go on from a ``cache`` of our own."""
        self._meter = meter
        self._is_apart = False
        self._caches = [cache]  # of all rows, or one a row where they are apart
        self._num_held = 1
        self._picked = [0] * num_rows  # the next forward's rows, of those that are held

    def begin(self, starts: Sequence[Sequence[int]], logits: Tensor) -> Steps[Tensor]:
        """Each row's tokens in a forward of its own."""
        (whole,) = self._caches
        self._is_apart = True
        self._num_held = len(starts)
        self._picked = list(range(len(starts)))
        with memory_told(self._meter.network):
            self._caches = [caches.fork(whole) for _ in starts]
        found = logits.clone()
        for row, tokens in enumerate(starts):
            if tokens:
                piece = Piece([list(tokens)], self._caches[row])
                (result,) = yield from self._meter.forward([piece])
                self._caches[row], found[row] = result.cache, result.logits[0, -1]
        return found

    def forward(self, tokens: Sequence[int]) -> Steps[Tensor]:
        """Append a token to each row; the logits (rows, V) behind them."""
        with memory_told(self._meter.network):
            self._take_picked()
        column = [[token] for token in tokens]
        bodies = [[one] for one in column] if self._is_apart else [column]
        pieces = [Piece(body, cache) for body, cache in zip(bodies, self._caches, strict=True)]
        results = yield from self._meter.forward(pieces)
        self._caches = [result.cache for result in results]
        return torch.cat([result.logits[:, -1] for result in results])

    def pick(self, rows: list[int]) -> None:
        """Go on with these of the rows, in this order; one that is named twice becomes two."""
        self._picked = [self._picked[row] for row in rows]

    def close(self) -> None:
        """Nothing to do: the copies are nobody else's."""

    def _take_picked(self) -> None:
        """Copy and drop caches, or rows of the one there is, until they are those picked."""
        rows = self._picked
        if rows == list(range(self._num_held)):
            return
        self._num_held = len(rows)
        self._picked = list(range(len(rows)))
        if self._is_apart:
            self._caches = [
                caches.fork(self._caches[row]) if row in rows[:place] else self._caches[row]
                for place, row in enumerate(rows)
            ]
        else:
            caches.pick_rows(self._caches[0], rows, self._meter.network.device)
