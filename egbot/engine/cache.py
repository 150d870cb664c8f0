"""Owns forking, cutting and joining KV caches. It does not know models, tokens or guidance."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

_REPLACING = (DynamicLayer, DynamicSlidingWindowLayer)
"""Layers that replace their tensors when they grow, so that two forks may share them."""


def is_simple(cache: Any) -> bool:
    """Whether every layer is known to hold nothing but one key and one value for each token.

    Such a cache can be forked without a copy, cut and joined; others (recurrent states, quantised
    or offloaded keys) cannot be cut back to an earlier token.
    """
    return type(cache) is DynamicCache and all(type(x) in _REPLACING for x in cache.layers)


def fork(cache: Any) -> Any:
    """A cache that can grow without changing ``cache``.

    A simple cache's forks share its tensors (no copy is made until they grow); any other cache is
    copied whole.
    """
    if not is_simple(cache):
        return copy.deepcopy(cache)
    forked = copy.copy(cache)
    forked.layers = [copy.copy(layer) for layer in cache.layers]
    return forked


def pick_rows(cache: Any, rows: list[int], device: torch.device) -> None:
    """Make the rows of ``cache`` be its former ``rows``, in place; a row may be taken twice."""
    cache.reorder_cache(torch.tensor(rows, dtype=torch.long, device=device))


def keep_past(cache: Any) -> None:
    """Let sliding windows of a simple cache keep what slides out, until ``cut``."""
    for layer in cache.layers:
        if isinstance(layer, DynamicSlidingWindowLayer):
            layer.record_past = True


def cut(cache: Any, num_tokens: int) -> None:
    """Remove the last ``num_tokens`` (0 or more) that a simple cache took in since ``keep_past``."""
    for layer in cache.layers:
        layer.crop(-num_tokens)
        if isinstance(layer, DynamicSlidingWindowLayer):
            layer.record_past = False


def join(parts: Sequence[Any]) -> Any:
    """One simple cache whose rows are ``parts`` (one row each), the shorter ones padded in front.

    Padding in front keeps the distances between a row's tokens, which sliding windows count.
    """
    joined = fork(parts[0])
    for index, layer in enumerate(joined.layers):
        layers = [part.layers[index] for part in parts]
        layer.keys = _stack([one.keys for one in layers])
        layer.values = _stack([one.values for one in layers])
        if isinstance(layer, DynamicSlidingWindowLayer):
            layer.cumulative_length = max(one.get_seq_length() for one in layers)
    return joined


def take_row(joined: Any, row: int, num_tokens: int) -> Any:
    """The cache of one row that holds ``num_tokens``, without the padding in front of them."""
    part = fork(joined)
    for layer in part.layers:
        num_kept = num_tokens
        if isinstance(layer, DynamicSlidingWindowLayer):
            num_kept = min(num_tokens, layer.sliding_window - 1)
            layer.cumulative_length = num_tokens
        layer.keys = layer.keys[row : row + 1, :, -num_kept:]
        layer.values = layer.values[row : row + 1, :, -num_kept:]
    return part


def _stack(tensors: list[Tensor]) -> Tensor:
    """Rows (1, heads, n, d) of several lengths as one tensor (rows, heads, longest n, d)."""
    longest = max(tensor.shape[-2] for tensor in tensors)
    return torch.cat([pad(one, (0, 0, longest - one.shape[-2], 0)) for one in tensors])
