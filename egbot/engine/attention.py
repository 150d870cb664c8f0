"""Owns attention in packs of many contexts, and savings on CPUs: grouped queries, in blocks.

It does not know models; where it cannot help it is transformers' own attention.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

from egbot.engine.packing import OPTION, Contexts

NAMES = {"sdpa": "egbot_sdpa", "eager": "egbot_eager"}
_BLOCK_TOKENS = 128
"""The kernel also computes what a mask hides, so that a block of queries sees only what stands
before its end: 1,256 tokens behind 244 took 47 ms a layer instead of 77 (CPU seconds, bfloat16).
"""


def use_own_attention(model: Any) -> None:
    """Let ``model`` forward packs, if its attention is torch's or its own plain one.

    On a CPU, torch's attention decodes with grouped queries as well: its kernel prepares a key
    head once for every query head that shares it. Shown the group as the rows of one head it does
    so once, with the same result to the bit: 2.4 ms became 0.3 ms for three rows of 9 heads over
    3 key heads and 800 tokens in bfloat16.
    """
    config = model.config.get_text_config()
    kind = config._attn_implementation  # noqa: SLF001
    if kind not in NAMES or not getattr(model, "_supports_attention_backend", False):
        return
    AttentionInterface.register(NAMES["sdpa"], sdpa_attention)
    AttentionMaskInterface.register(NAMES["sdpa"], sdpa_mask)
    AttentionInterface.register(NAMES["eager"], eager_attention)
    AttentionMaskInterface.register(NAMES["eager"], eager_mask)
    model.set_attn_implementation(NAMES[kind])


def sdpa_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it: ``query`` (rows, heads, n, d) to (rows, n, heads, d)."""
    pack: Contexts | None = options.pop(OPTION, None)
    if pack is None:
        return _grouped(module, query, key, value, attention_mask, **options)

    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        return _grouped(module, query, key, value, mask, **options)[0]

    return pack.attend(query, module.layer_idx, attend), None


def eager_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """The same by the plain products of the model's own module (soft caps, sinks)."""
    own: Any = sys.modules[type(module).__module__].eager_attention_forward
    pack: Contexts | None = options.pop(OPTION, None)
    if pack is None:
        output: tuple[Tensor, Tensor | None] = own(
            module, query, key, value, attention_mask, **options
        )
        return output

    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None:
            lowest = torch.finfo(query.dtype).min
            mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, lowest)
        found: Tensor = own(module, query, key, value, mask, **options)[0]
        return found

    return pack.attend(query, module.layer_idx, attend), None


def _grouped(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """torch's attention; on a CPU the queries that share a key head are the rows of one head."""
    num_tokens, num_cells = query.shape[2], key.shape[2]
    is_one_mask = attention_mask is None or attention_mask.shape[1] == 1
    is_causal = getattr(module, "is_causal", True) and options.get("is_causal") is not False
    is_known = attention_mask is not None or num_tokens in (1, num_cells)
    has_bias = options.get("position_bias") is not None
    if not query.is_cpu or not is_one_mask or not is_causal or not is_known or has_bias:
        as_it_is: tuple[Tensor, None] = _sdpa(module, query, key, value, attention_mask, **options)
        return as_it_is
    scale = options.get("scaling")
    blocks: list[Tensor] = []
    for start in range(0, num_tokens, _BLOCK_TOKENS):
        end = min(start + _BLOCK_TOKENS, num_tokens)
        num_seen = num_cells - num_tokens + end
        mask = None
        if attention_mask is not None:
            mask = attention_mask[:, :, start:end, :num_seen]
        elif num_tokens > 1:
            cells = torch.arange(num_seen)
            mask = (cells <= cells[start:end, None])[None, None]
        seen = (key[:, :, :num_seen], value[:, :, :num_seen])
        blocks.append(_block(query[:, :, start:end], *seen, mask, scale))
    output = blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)
    return output.transpose(1, 2).contiguous(), None


def _block(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float | None
) -> Tensor:
    """Attention of few queries (rows, heads, n, d), as rows of their key heads; the same shape."""
    rows, num_heads, num_tokens, size = query.shape
    num_groups = key.shape[1]
    share = num_heads // num_groups
    packed = query.reshape(rows, num_groups, share * num_tokens, size)
    if mask is not None and share > 1:
        mask = mask.repeat(1, 1, share, 1)  # (rows, 1, share * n, cells)
    output = scaled_dot_product_attention(packed, key, value, mask, scale=scale)
    return output.reshape(rows, num_heads, num_tokens, value.shape[-1])


_sdpa: Any = sdpa_attention_forward
