"""Our attention is transformers' own: grouped, in blocks, and in every kind of model."""

from __future__ import annotations

import copy

import pytest
import torch

from egbot.engine.attention import NAMES
from egbot.engine.network import Network, network
from tests.engine.tiny_models import KINDS, PROMPT, tiny, tokenizer


def logits(net: Network, num_rows: int) -> torch.Tensor:
    """A prefill of some blocks, another behind it, then three single steps, in equal rows."""
    ids = (net.tokenizer(PROMPT.head)["input_ids"] * 9)[:400]
    found, cache = net.forward([ids[:197]] * num_rows, None, 197)
    steps = [found]
    found, cache = net.forward([ids[197:-3]] * num_rows, cache, 200)
    steps.append(found)
    for token in ids[-3:]:
        found, cache = net.forward([[token]] * num_rows, cache)
        steps.append(found)
    return torch.cat(steps, dim=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_ours_equals_the_models_own(kind: str, dtype: torch.dtype) -> None:
    """In every kind of model, one row or three: a sum in another order, and nothing else."""
    model = copy.deepcopy(tiny(kind).model).to(dtype)
    ours = network(kind, model, tokenizer())
    own_model = copy.deepcopy(model)
    (own_kind,) = (own for own, name in NAMES.items() if name == model.config._attn_implementation)
    theirs = network(kind, own_model, tokenizer())
    own_model.set_attn_implementation(own_kind)
    assert own_kind == ("eager" if kind == "gemma2" else "sdpa")
    for num_rows in (1, 3):
        one, other = logits(ours, num_rows), logits(theirs, num_rows)
        if dtype == torch.float32:
            assert torch.allclose(one, other, atol=2e-4, rtol=0)
        else:
            assert float((one - other).abs().float().mean()) < 0.02 * float(other.float().std())
