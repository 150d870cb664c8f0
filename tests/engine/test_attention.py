"""Grouped attention on the CPU is transformers' own, to the bit."""

from __future__ import annotations

import copy

import pytest
import torch

from egbot.engine.attention import NAME, use_grouped_attention
from egbot.engine.network import Network, network
from tests.engine.tiny_models import KINDS, PROMPT, tiny, tokenizer


def logits(net: Network, num_rows: int) -> torch.Tensor:
    """Prefill, then three single steps, in ``num_rows`` equal rows."""
    ids = net.tokenizer(PROMPT.head)["input_ids"]
    found, cache = net.forward([ids[:-3]] * num_rows, None)
    steps = [found]
    for token in ids[-3:]:
        found, cache = net.forward([[token]] * num_rows, cache)
        steps.append(found)
    return torch.cat(steps)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_grouped_equals_ungrouped(kind: str, dtype: torch.dtype) -> None:
    """In every kind of model, one row or three; a model with other attention is left alone."""
    model = copy.deepcopy(tiny(kind).model).to(dtype)
    plain = network(kind, model, tokenizer())
    grouped_model = copy.deepcopy(model)
    use_grouped_attention(grouped_model)
    grouped = network(kind, grouped_model, tokenizer())
    assert (grouped_model.config._attn_implementation == NAME) == (
        model.config._attn_implementation == "sdpa"
    )
    for num_rows in (1, 3):
        assert torch.allclose(logits(grouped, num_rows), logits(plain, num_rows), atol=1e-5, rtol=0)
