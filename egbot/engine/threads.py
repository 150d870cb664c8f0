"""Owns how many CPU threads a forward uses. It does not know what is forwarded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from egbot.engine.weights import linear_bytes

_FEW_TOKENS = 64
"""By the number of threads: the more there are, the sooner they are worth waking."""
_SMALL_WEIGHT_BYTES = 2 * 1024 * 1024
"""What one core reads in about twice the time that it takes to wake a thread that sleeps."""


def has_small_weights(model: Any) -> bool:
    """Whether waking threads for a linear layer costs more than they save with few tokens.

    So it is on a CPU whose idle threads sleep, with weights of ``_SMALL_WEIGHT_BYTES`` on average
    (the output layer apart). A step of one row took 41 ms on one thread and 59 on two, one of 32
    112 and 135, one of 48 169 and 156 (SmolLM2, 1 MiB on average, bfloat16). A matter of the model,
    not of a timing, so that the same run rounds the same way every time.
    """
    if model.device.type != "cpu" or os.environ.get("OMP_WAIT_POLICY", "").upper() != "PASSIVE":
        return False
    output = model.get_output_embeddings()
    sizes = [size for layer, size in linear_bytes(model).items() if layer is not output]
    return bool(sizes) and sum(sizes) <= _SMALL_WEIGHT_BYTES * len(sizes)


@contextmanager
def threads_for(num_tokens: int, *, small_weights: bool) -> Iterator[None]:
    """Forward ``num_tokens`` with one thread of this thread's own, if they are few."""
    num_threads = torch.get_num_threads()
    if not small_weights or num_threads == 1 or num_tokens > _FEW_TOKENS // num_threads:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
