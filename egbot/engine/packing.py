"""Owns forwarding pieces of many contexts as one row of tokens, without padding.

Linear layers see all tokens as one row; attention and caches go context by context. It does not
know models: `egbot.engine.attention` calls back here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from egbot.engine.piece import Piece
from egbot.engine.store import GrowingLayer, Store

OPTION = "egbot_pack"
"""The name under which transformers hands the pack through to the attention function."""

Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""Attention of queries (1, heads, n, d) to keys and values: (1, n, heads, d).

The mask (1, 1, n, cells) is True where a query sees a cell; None: everything.
"""


_GROUP_TOKENS = 16
_WORTH_PICKING = 0.75
"""Of the cells: a group that sees more than this looks at all of them, since picking copies."""


@dataclass(frozen=True, slots=True)
class _View:
    """What some of a piece's tokens see: ``seen`` (1, 1, n, cells) of ``cells`` (None: all).

    ``seen`` None: they see all of them.
    """

    tokens: slice
    cells: Tensor | None
    seen: Tensor | None


def _views(seen: Tensor) -> list[_View]:
    """Tokens that see (n, cells) of the cells, in groups that see few of them.

    Each of many branches sees its stem and itself. On a CPU, where the kernel also computes what a
    mask hides, a group gets only those cells that any of its tokens sees: 64 rows of 130 tokens took
    33 s instead of 44 (SmolLM2, one thread).
    """
    if not seen.is_cpu:
        return [_View(slice(None), None, seen[None, None])]
    found: list[_View] = []
    for start in range(0, len(seen), _GROUP_TOKENS):
        tokens = slice(start, start + _GROUP_TOKENS)
        mine, cells = seen[tokens], None
        (picked,) = mine.any(dim=0).nonzero(as_tuple=True)
        if len(picked) < _WORTH_PICKING * seen.shape[1]:
            mine, cells = mine[:, picked], picked
        found.append(_View(tokens, cells, mine[None, None]))
    return found


class _Part:
    """One piece within a pack: where its tokens stand and what they see."""

    def __init__(self, piece: Piece, device: torch.device) -> None:
        self.store: Store = piece.cache
        self.num_tokens = piece.num_tokens
        start, end = self.store.num_cells, self.store.num_cells + self.num_tokens
        self._seen: Tensor | None
        if piece.branching is not None:
            self.positions, self._cells = piece.branching.positions, piece.branching.cells
            self._seen = piece.branching.seen
        else:
            self._cells = torch.arange(end, device=device)
            self.positions = self._cells[start:]
            self._seen = None
            if self.num_tokens > 1:
                self._seen = self._cells <= self.positions[:, None]
        self._is_branching = piece.branching is not None
        self._views: dict[int | None, list[_View]] = {}

    def attend(self, query: Tensor, layer: GrowingLayer, attend: Attend) -> Tensor:
        """Attention of this part's queries (1, heads, n, d): (1, n, heads, d)."""
        keys, values = layer.held()
        window = layer.sliding_window
        if window is None or layer.num_cells <= window:
            window = None
        elif self._seen is None:  # a single token
            return attend(query, keys[:, :, -window:], values[:, :, -window:], None)
        outputs = [
            attend(query[:, :, view.tokens], *_picked(keys, values, view.cells), view.seen)
            for view in self._seen_through(window)
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def _seen_through(self, window: int | None) -> list[_View]:
        if window not in self._views:
            seen = self._seen
            if seen is not None and window is not None:
                seen = seen & (self.positions[:, None] - self._cells < window)
            if seen is None:
                self._views[window] = [_View(slice(None), None, None)]
            elif self._is_branching:
                self._views[window] = _views(seen)
            else:
                self._views[window] = [_View(slice(None), None, seen[None, None])]
        return self._views[window]


def _picked(keys: Tensor, values: Tensor, cells: Tensor | None) -> tuple[Tensor, Tensor]:
    if cells is None:
        return keys, values
    return keys.index_select(2, cells), values.index_select(2, cells)


class Contexts(DynamicCache):
    """What a model takes for its cache in a forward of many contexts, and attention for its pack."""

    def get_seq_length(self, layer_idx: int = 0) -> int:  # type: ignore[explicit-override]
        """Nothing: positions are told, and masks are not made of it."""
        del layer_idx
        return 0

    def attend(self, query: Tensor, layer_idx: int, attend: Attend) -> Tensor:
        """Attention of all tokens' queries (1, heads, n, d): (1, n, heads, d)."""
        raise NotImplementedError


class Pack(Contexts):
    """Stands for the caches of all pieces during one forward."""

    def __init__(self, pieces: list[Piece], device: torch.device) -> None:
        """Hold single-row ``pieces`` whose caches are different stores."""
        super().__init__()
        self._parts = [_Part(piece, device) for piece in pieces]
        self._sizes = [part.num_tokens for part in self._parts]
        self.num_attended = 0

    @property
    def positions(self) -> Tensor:
        """The tokens' positions (1, n)."""
        return torch.cat([part.positions for part in self._parts])[None]

    def update(  # type: ignore[explicit-override]
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Give every context its own new keys and values; return the new ones alone."""
        del args, kwargs  # transformers passes them to other kinds of layers
        keys, values = (torch.split(one, self._sizes, dim=2) for one in (key_states, value_states))
        for part, key, value in zip(self._parts, keys, values, strict=True):
            part.store.grown[layer_idx].update(key, value)
        return key_states, value_states

    def attend(  # type: ignore[explicit-override]
        self, query: Tensor, layer_idx: int, attend: Attend
    ) -> Tensor:
        """Attention of all tokens' queries (1, heads, n, d): (1, n, heads, d)."""
        self.num_attended += 1
        queries = torch.split(query, self._sizes, dim=2)
        outputs = [
            part.attend(one, part.store.grown[layer_idx], attend)
            for part, one in zip(self._parts, queries, strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
