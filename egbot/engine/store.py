"""Owns the keys and values of contexts: they grow in place and can be cut back to any token.

It does not know models, tokens or guidance. Other caches (recurrent states, quantised keys) are
left as transformers makes them; they can only be copied whole.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from egbot.engine.arena import Arena

_SIMPLE = (DynamicLayer, DynamicSlidingWindowLayer)
_SPARE_CELLS = 64


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer's keys and values (rows, heads, cells, d), in tensors with room for more.

    A sliding window is a matter of masks here: all cells are kept, so that any token can be cut.
    """

    def __init__(self, sliding_window: int | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._keys = self._values = torch.empty(0)
        self.sliding_window = sliding_window
        self.is_sliding = sliding_window is not None
        self.num_cells = 0

    def held(self) -> tuple[Tensor, Tensor]:
        """Views of the keys and values (rows, heads, cells, d)."""
        return self._keys[:, :, : self.num_cells], self._values[:, :, : self.num_cells]

    def settle(self, keys: Tensor, values: Tensor) -> None:
        """Move what is held into these tensors (1, heads, room, d), and grow there from now on."""
        if self.is_initialized:
            held = self.held()
            keys[:, :, : self.num_cells], values[:, :, : self.num_cells] = held
        self.dtype, self.device = keys.dtype, keys.device
        self._keys, self._values = keys, values
        self.is_initialized = True

    def update(  # type: ignore[explicit-override]
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Take in new keys and values (rows, heads, n, d); return all that are held."""
        del args, kwargs  # transformers passes them to other kinds of layers
        start, end = self.num_cells, self.num_cells + key_states.shape[-2]
        if not self.is_initialized:
            self.dtype, self.device = key_states.dtype, key_states.device
            self._keys, self._values = _wider(key_states, 0, end), _wider(value_states, 0, end)
            self.is_initialized = True
        elif end > self._keys.shape[-2]:
            keys, values = _wider(self._keys, start, end), _wider(self._values, start, end)
            self._keys, self._values = keys, values  # both or, without memory, neither
        self._keys[:, :, start:end] = key_states
        self._values[:, :, start:end] = value_states
        self.num_cells = end
        return self.held()

    def get_seq_length(self) -> int:  # type: ignore[explicit-override]
        """How many cells are in use."""
        return self.num_cells

    def reorder_cache(self, beam_idx: Tensor) -> None:  # type: ignore[explicit-override]
        """Make the rows be the former ``beam_idx``; one may be taken twice."""
        keys, values = self.held()
        self._keys, self._values = keys.index_select(0, beam_idx), values.index_select(0, beam_idx)


class Store(DynamicCache):
    """The cache of one context, or of several rows of equal length."""

    def __init__(self, windows: Sequence[int | None], arena: Arena | None = None) -> None:
        """Hold nothing yet; ``windows`` are the layers' sliding windows, None where all is seen.

        Its cells are in ``arena`` as long as there is room for them.
        """
        super().__init__()
        self.grown = [GrowingLayer(window) for window in windows]
        self.layers = list(self.grown)
        self._arena = arena
        self._place: tuple[int, int] | None = None
        self._leave: Callable[[], object] = _nothing

    @property
    def num_cells(self) -> int:
        """How many tokens a row holds."""
        return self.grown[0].num_cells

    @property
    def start(self) -> int | None:
        """Its first cell in the arena; None where it is not there."""
        return None if self._place is None else self._place[0]

    def reserve(self, num_tokens: int) -> None:
        """Have a place for so many more in the arena, if there is one; called before each forward.

        A place that is too small is left, for a larger one or for tensors of its own.
        """
        arena, num_cells = self._arena, self.num_cells + num_tokens
        if arena is None or (self._place and num_cells <= self._place[1] - self._place[0]):
            return
        place = arena.take(_roomy(num_cells))
        if place is not None:
            cells = slice(*place)
            for layer, keys, values in zip(self.grown, arena.keys, arena.values, strict=True):
                layer.settle(keys[:, :, cells], values[:, :, cells])
        else:
            self._arena = None
            for layer in self.grown if self._place else ():
                layer.settle(*(one.clone() for one in layer.held()))
        self._leave()
        self._place = place
        self._leave = weakref.finalize(self, arena.give_back, *place) if place else _nothing

    def cut(self, num_cells: int) -> None:
        """Keep the first ``num_cells`` alone; also mends layers that an error left uneven."""
        for layer in self.grown:
            layer.num_cells = num_cells

    def fork(self) -> Store:
        """A copy that can grow without changing this one."""
        forked = Store([layer.sliding_window for layer in self.grown], self._arena)
        forked.reserve(self.num_cells)
        for mine, theirs in zip(self.grown, forked.grown, strict=True):
            if mine.is_initialized:
                theirs.update(*mine.held())
        return forked


def windows_of(cache: Any) -> tuple[int | None, ...] | None:
    """The sliding windows by which a ``Store`` can stand for ``cache``; None where it cannot."""
    if type(cache) is not DynamicCache or any(type(one) not in _SIMPLE for one in cache.layers):
        return None
    return tuple(getattr(layer, "sliding_window", None) for layer in cache.layers)


def fork(cache: Any) -> Any:
    """A cache that can grow without changing ``cache``; unknown kinds are copied whole."""
    return cache.fork() if isinstance(cache, Store) else copy.deepcopy(cache)


def pick_rows(cache: Any, rows: list[int], device: torch.device) -> None:
    """Make the rows of ``cache`` be its former ``rows``, in place; a row may be taken twice."""
    cache.reorder_cache(torch.tensor(rows, dtype=torch.long, device=device))


def _wider(tensor: Tensor, num_kept: int, num_needed: int) -> Tensor:
    """Room for ``num_needed`` cells and a quarter more, holding the first ``num_kept``."""
    rows, heads, _, size = tensor.shape
    wider = tensor.new_empty(rows, heads, _roomy(num_needed), size)
    wider[:, :, :num_kept] = tensor[:, :, :num_kept]
    return wider


def _roomy(num_cells: int) -> int:
    return num_cells + num_cells // 4 + _SPARE_CELLS


def _nothing() -> None:
    """Leave no place."""
