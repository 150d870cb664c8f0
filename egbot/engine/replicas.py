"""Owns a network's copies on further devices. It does not know what is decoded on them."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from egbot.engine.batch import is_no_memory
from egbot.engine.network import Network, network

Report = Callable[[str], None]


class Replicas:
    """Copies of a network, one for each device that can hold one, made when first asked for."""

    def __init__(self, original: Network, devices: tuple[str, ...], report: Report) -> None:
        """Know what to copy and where to. ``report`` is told which device is left out, and why."""
        self._original = original
        self._devices = devices
        self._report = report
        self._lock = threading.Lock()
        self._made: tuple[Network, ...] | None = None

    def __call__(self) -> tuple[Network, ...]:
        """The copies, in the order of their devices; the same ones every time, in any thread."""
        with self._lock:
            if self._made is None:
                found = [self._copy(device) for device in self._devices]
                self._made = tuple(one for one in found if one is not None)
            return self._made

    def _copy(self, device: str) -> Network | None:
        """A copy, or None and a word to the user: a run needs no device but the first.

        A device may be full, or too old for this build of torch; a part of a model may be beyond
        copying.
        """
        name = self._original.name
        try:
            made = replica(self._original, torch.device(device))
        except (MemoryError, RuntimeError, TypeError) as error:
            why = "it has no memory for a copy" if is_no_memory(error) else _first_line(error)
        else:
            if (made.windows, made.packs) == (self._original.windows, self._original.packs):
                return made
            why = "it has no memory for a forward"  # which `network` takes for a model's limits
            del made
        torch.cuda.empty_cache()  # whoever fills that device may need what was left of the try
        self._report(f"{name} does not run on {device} as well: {why}")
        return None


def replica(original: Network, device: torch.device) -> Network:
    """A network of the same weights on ``device``, with a tokenizer of its own.

    Weights go straight there, so that the original's device needs no memory for them; those that
    are there already are shared, since they never change. Raises what torch raises without memory.
    """
    weights = {id(one): one for one in _tensors(original.model)}  # tied ones once
    moved = {key: _on(one, device, original.device) for key, one in weights.items()}
    model = copy.deepcopy(original.model, moved)  # takes what was moved for what it would copy
    return network(original.name, model, copy.deepcopy(original.tokenizer))


def _tensors(model: Any) -> Iterator[Tensor]:
    """Parameters, buffers and whatever else modules keep as attributes."""
    for module in model.modules():
        for owner in (module._parameters, module._buffers, vars(module)):  # noqa: SLF001
            yield from (one for one in owner.values() if isinstance(one, Tensor))


def _on(tensor: Tensor, device: torch.device, home: torch.device) -> Tensor:
    """``tensor`` on ``device``; itself where it is there or was never on the model's own device."""
    if tensor.device == device or tensor.device != home:
        return tensor
    moved = tensor.detach().to(device)
    is_parameter = isinstance(tensor, nn.Parameter)
    return nn.Parameter(moved, requires_grad=False) if is_parameter else moved


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
