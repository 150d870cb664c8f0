"""Owns the limit that memory sets to a step: the bytes that it must read, and how fast bytes move.

It does not time steps.
"""

from __future__ import annotations

import time
from statistics import median

import torch

from egbot.engine.network import Network
from egbot.engine.weights import linear_bytes

_COPY_BYTES = 256 * 1024 * 1024
"""Far beyond any cache."""
_REPEATS = 5


def copy_bytes_per_s(device: torch.device) -> float:
    """Bytes read and written in a second by a copy from one tensor on ``device`` to another."""
    source = torch.ones(_COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times: list[float] = []
    for _ in range(_REPEATS + 1):
        _wait(device)
        start_s = time.perf_counter()
        target.copy_(source)
        _wait(device)
        times.append(time.perf_counter() - start_s)
    return 2 * _COPY_BYTES / median(times[1:])


def step_bytes(network: Network, num_before: int) -> int | None:
    """Bytes that a step of one token behind ``num_before`` tokens must read.

    Those are the weights of all linear layers, each once, and the keys and values of the tokens
    before it. None for a model whose cache is not a ``Store``.
    """
    if network.windows is None:
        return None
    store = network.new_cache()
    network.forward([[0]], store)
    keys_and_values: int = sum(one.nbytes for layer in store.grown for one in layer.held())
    return sum(linear_bytes(network.model).values()) + num_before * keys_and_values


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
