"""Owns one saving in attention on CPUs: grouped queries of a single token read each key once.

It does not know models; where it cannot help it is transformers' own attention.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "egbot_grouped_sdpa"


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
    rows, num_heads, num_tokens, _ = query.shape
    num_groups = key.shape[1]
    has_bias = options.get("position_bias") is not None
    if num_tokens > 1 or num_heads == num_groups or attention_mask is not None or has_bias:
        as_it_is: tuple[Tensor, None] = _sdpa(module, query, key, value, attention_mask, **options)
        return as_it_is
    packed = query.reshape(rows, num_groups, num_heads // num_groups, query.shape[-1])
    options["is_causal"] = False  # all of the packed queries are of the last position
    output, _ = _sdpa(module, packed, key, value, None, **options)  # (rows, in group, groups, d)
    return output.transpose(1, 2).reshape(rows, 1, num_heads, value.shape[-1]), None


_sdpa: Any = sdpa_attention_forward
