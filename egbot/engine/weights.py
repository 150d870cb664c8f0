"""Owns the layout of weights on CPUs: stored once as the matrix kernel wants them.

It does not know models beyond their linear layers; where it cannot help it leaves them alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_TYPICAL_ROWS = 16
"""The kernel chooses a layout for a number of rows; this one served 1 to 1,256 rows well."""


def arrange_weights(model: Any) -> None:
    """Store the weights of ``model``'s linear layers in the kernel's own blocked layout.

    torch rearranges a bfloat16 weight at every call. Done once, a step of one row took 0.65 of
    the time and one of three rows too, on two cores with avx512_bf16; the results are the same to
    the bit. A weight that something else uses as well (tied embeddings) stays there too.
    """
    if not _can_arrange(model):
        return
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear and layer.weight.dtype == torch.bfloat16:
                setattr(parent, name, _ArrangedLinear(layer))


def linear_bytes(model: Any) -> dict[Any, int]:
    """The linear layers of ``model``, rearranged or not, and the bytes of each one's weight."""
    return {
        layer: layer.in_features * layer.out_features * model.dtype.itemsize
        for layer in model.modules()
        if hasattr(layer, "in_features")
    }


class _ArrangedLinear(nn.Module):
    """A linear layer for inference: ``x`` (..., in) to (..., out)."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        operators: Any = torch.ops.mkldnn
        weight = layer.weight.detach()
        self._blocked = operators._reorder_linear_weight(weight, _TYPICAL_ROWS)  # noqa: SLF001
        self._apply_blocked = operators._linear_pointwise  # noqa: SLF001
        bias: Tensor | None = layer.bias
        self._bias = None if bias is None else bias.detach()

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[explicit-override]
        output: Tensor = self._apply_blocked(x, self._blocked, self._bias, "none", [], "")
        return output


def _can_arrange(model: Any) -> bool:
    """Whether this build of torch has the operators, and they do here what a layer does.

    They are those that torch's own compiler uses for frozen weights; no public name leads there.
    """
    if model.device.type != "cpu":
        return False
    probe = nn.Linear(64, 96, dtype=torch.bfloat16)
    x = torch.linspace(-1, 1, 3 * 64).reshape(1, 3, 64).bfloat16()
    try:
        with torch.inference_mode():
            return torch.equal(_ArrangedLinear(probe)(x), probe(x))
    except (AttributeError, RuntimeError):
        return False
