"""Owns forking KV caches and picking their rows. It does not know models, tokens or guidance."""

from __future__ import annotations

import copy
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

_REPLACING = (DynamicLayer, DynamicSlidingWindowLayer)
"""Layers that replace their tensors when they grow, so that two forks may share them."""


def fork(cache: Any) -> Any:
    """A cache that can grow without changing ``cache``.

    Layers known to replace their tensors share them (no copy is made until they grow); any other
    cache, such as one with recurrent states, is copied whole.
    """
    if type(cache) is not DynamicCache or any(type(x) not in _REPLACING for x in cache.layers):
        return copy.deepcopy(cache)
    forked = copy.copy(cache)
    forked.layers = [copy.copy(layer) for layer in cache.layers]
    return forked


def pick_rows(cache: Any, rows: list[int], device: torch.device) -> None:
    """Make the rows of ``cache`` be its former ``rows``, in place; a row may be taken twice."""
    cache.reorder_cache(torch.tensor(rows, dtype=torch.long, device=device))
