"""Rearranged weights give the same logits as torch's own linear layers, to the bit."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from egbot.engine.network import Network, network
from egbot.engine.weights import arrange_weights
from tests.engine.tiny_models import KINDS, tiny, tokenizer


def logits(net: Network, num_rows: int) -> torch.Tensor:
    """Prefill, then three single steps, in equal rows."""
    ids = list(range(10, 60))
    found, cache = net.forward([ids[:-3]] * num_rows, None)
    steps = [found]
    for token in ids[-3:]:
        found, cache = net.forward([[token]] * num_rows, cache)
        steps.append(found)
    return torch.cat(steps)


def num_plain_layers(model: nn.Module) -> int:
    return sum(type(layer) is nn.Linear for layer in model.modules())


@pytest.mark.parametrize("kind", KINDS)
def test_arranged_equals_plain(kind: str) -> None:
    """In every kind of model, one row or three, prefill and single steps."""
    model = copy.deepcopy(tiny(kind).model).to(torch.bfloat16)
    arranged_model = copy.deepcopy(model)
    arrange_weights(arranged_model)
    arranged = network(kind, arranged_model, tokenizer())
    plain = network(kind, model, tokenizer())
    for num_rows in (1, 3):
        assert torch.equal(logits(arranged, num_rows), logits(plain, num_rows))


def test_every_linear_layer_is_arranged_where_the_kernel_is_there() -> None:
    model = copy.deepcopy(tiny("llama").model).to(torch.bfloat16)
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this build of torch has no oneDNN")
    arrange_weights(model)
    assert num_plain_layers(model) == 0


def test_float32_is_left_alone() -> None:
    model = copy.deepcopy(tiny("llama").model)
    before = num_plain_layers(model)
    arrange_weights(model)
    assert num_plain_layers(model) == before > 0
