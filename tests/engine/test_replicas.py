"""Copies of a network: where they can be, made once, the same logits, nothing lost without them."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from egbot.engine.network import Network, network
from egbot.engine.replicas import Replicas, replica
from egbot.engine.weights import arrange_weights
from tests.engine.tiny_models import KINDS, tiny, tokenizer

CPU = torch.device("cpu")
META = torch.device("meta")
"""A device that has no numbers, only shapes: it shows where a weight went."""


def wrapped(model: Any) -> Network:
    return network("tiny", model, tokenizer())


def logits(net: Network) -> torch.Tensor:
    return net.forward([[5, 6, 7, 8]], None, 2)[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_copy_gives_the_same_logits(kind: str, dtype: torch.dtype) -> None:
    """Also with weights in the matrix kernel's own layout, which torch cannot copy."""
    model = copy.deepcopy(tiny(kind).model).to(dtype)
    arrange_weights(model)
    original = wrapped(model)
    made = replica(original, CPU)
    assert torch.equal(logits(made), logits(original))
    assert made.model is not original.model
    assert made.tokenizer is not original.tokenizer
    assert (made.packs, made.windows, made.end_ids) == (
        original.packs,
        original.windows,
        original.end_ids,
    )


def test_weights_go_to_the_other_device_and_the_original_keeps_its_own() -> None:
    """Tied ones stay tied, and a tensor that a layer merely keeps goes along."""
    model = copy.deepcopy(tiny("gpt2").model)
    assert model.lm_head.weight is model.transformer.wte.weight
    model.transformer.kept = torch.zeros(2)
    original = wrapped(model)
    before = logits(original)
    made = replica(original, META).model
    for tensor in (*made.parameters(), *made.buffers(), made.transformer.kept):
        assert tensor.device == META
    assert made.lm_head.weight is made.transformer.wte.weight
    assert isinstance(made.lm_head.weight, torch.nn.Parameter)
    assert model.device == CPU
    assert torch.equal(logits(original), before)


class Slow:
    """A part of a model that takes a while to copy; it counts."""

    def __init__(self) -> None:
        self.num_copies = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Slow:
        self.num_copies += 1
        time.sleep(0.05)
        return Slow()


def test_copies_are_made_once_whoever_asks() -> None:
    """For every group that follows, also when several ask at once."""
    model = copy.deepcopy(tiny("llama").model)
    model.kept = Slow()
    replicas = Replicas(wrapped(model), ("cpu", "cpu"), pytest.fail)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: replicas(), range(4)))
    assert len(found[0]) == model.kept.num_copies == 2
    assert all(one is found[0] for one in found)


class Stubborn(torch.Tensor):
    """A weight that cannot go to another device."""

    error: Exception

    def detach(self) -> Any:  # type: ignore[explicit-override]
        return self

    def to(self, *args: Any, **options: Any) -> Any:  # type: ignore[explicit-override]
        raise self.error


def stubborn(error: Exception) -> Any:
    model = copy.deepcopy(tiny("llama").model)
    weight = torch.zeros(1).as_subclass(Stubborn)
    weight.error = error
    model.kept = weight
    return model


class Uncopied:
    """What can be in no copy."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Uncopied:
        raise TypeError("cannot copy this")


def uncopied() -> Any:
    model = copy.deepcopy(tiny("llama").model)
    model.kept = Uncopied()
    return model


def full_for_forwards() -> Any:
    """A model that has room on the other device, but whose forward has none there."""
    model = copy.deepcopy(tiny("llama").model)
    model.model.register_forward_pre_hook(_no_room)
    return model


def _no_room(module: Any, inputs: Any) -> None:
    if next(module.parameters()).device == META:
        raise torch.OutOfMemoryError("CUDA out of memory.")


NO_MEMORY = "it has no memory for a copy"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: stubborn(torch.OutOfMemoryError("CUDA out of memory. Tried to")), NO_MEMORY),
        (lambda: stubborn(RuntimeError("CUDA error: out of memory\nmore")), NO_MEMORY),
        (lambda: stubborn(RuntimeError("no kernel image\nfor this")), "no kernel image"),
        (lambda: stubborn(RuntimeError()), "RuntimeError"),
        (uncopied, "cannot copy this"),
        (full_for_forwards, "it has no memory for a forward"),
    ],
    ids=["full", "full without a context", "too old", "wordless", "uncopied", "full for forwards"],
)
def test_a_device_that_cannot_be_used_is_left_out_and_told(
    make: Callable[[], Any], why: str
) -> None:
    """Once, in one line; the others are used, where the model can be copied at all."""
    told: list[str] = []
    others = () if make is uncopied else ("cpu",)
    replicas = Replicas(wrapped(make()), ("meta", *others), told.append)
    assert [one.device for one in replicas()] == [CPU] * len(others)
    assert replicas() is replicas()
    assert told == [f"tiny does not run on meta as well: {why}"]
