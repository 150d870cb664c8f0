"""Owns one saving in attention on CPUs: grouped queries of few tokens read each key once.

It does not know models; where it cannot help it is transformers' own attention.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "egbot_grouped_sdpa"
_MAX_TOKENS = 64
"""More tokens than this spend their time on products, not on reading keys."""


def use_grouped_attention(model: Any) -> None:
    """Let ``model`` decode with grouped queries, if it uses torch's attention on a CPU.

    torch's CPU kernel prepares a key head once for every query head that shares it. Shown the
    group as the rows of one head it does so once, with the same result to the bit: 2.4 ms became
    0.3 ms for three rows of 9 heads over 3 key heads and 800 tokens in bfloat16.
    """
    config = model.config.get_text_config()
    if model.device.type != "cpu" or config._attn_implementation != "sdpa":  # noqa: SLF001
        return
    AttentionInterface.register(NAME, grouped_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)


def grouped_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it: ``query`` (rows, heads, n, d) to (rows, n, heads, d)."""
    rows, num_heads, num_tokens, size = query.shape
    num_groups = key.shape[1]
    share = num_heads // num_groups
    is_one_mask = attention_mask is None or attention_mask.shape[1] == 1
    is_few = num_tokens == 1 or (attention_mask is not None and num_tokens <= _MAX_TOKENS)
    has_bias = options.get("position_bias") is not None
    if share == 1 or not is_few or not is_one_mask or has_bias:
        as_it_is: tuple[Tensor, None] = _sdpa(module, query, key, value, attention_mask, **options)
        return as_it_is
    packed = query.reshape(rows, num_groups, share * num_tokens, size)
    if attention_mask is None:
        options["is_causal"] = False  # a single token sees everything
        output, _ = _sdpa(module, packed, key, value, None, **options)
        output = output.transpose(1, 2)
    else:
        mask = attention_mask.repeat(1, 1, share, 1)  # (rows, 1, share * n, cells)
        scale = options.get("scaling")
        output = scaled_dot_product_attention(packed, key, value, mask, scale=scale)
    output = output.reshape(rows, num_heads, num_tokens, value.shape[-1])
    return output.transpose(1, 2).contiguous(), None


_sdpa: Any = sdpa_attention_forward
