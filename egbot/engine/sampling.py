"""Owns drawing one token from one distribution. It does not know models, caches or batches."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

_NUM_LIKELY = 256
_NUM_MORE = 8
"""How many of the likeliest tokens to try first, and by how many times more where their mass is too
small: 256 of 49,152 take 0.1 ms, all of them 4 ms.
"""


def row_generator(seed: int, row: int) -> torch.Generator:
    """A generator of its own for each row, so that no row's draws depend on its neighbours.

    It lives on the CPU: the same seed draws the same numbers whatever device the model is on.
    """
    digest = hashlib.sha256(f"{seed}:{row}".encode()).digest()
    generator = torch.Generator()
    generator.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return generator


def draw(log_probs: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
    """One token id from ``log_probs`` (V), float32. Temperature 0 takes the likeliest.

    The nucleus is the smallest set of likeliest tokens whose mass, after the temperature, reaches
    ``top_p`` (Holtzman et al., arXiv 1904.09751). Takes exactly one number from ``generator``
    unless greedy.
    """
    if temperature <= 0.0:
        return int(log_probs.argmax())
    scaled = torch.log_softmax(log_probs / temperature, dim=-1)
    likely = min(_NUM_LIKELY, scaled.shape[-1])
    probs, ids = _likeliest(scaled, likely)
    while float(probs.sum()) < top_p and likely < scaled.shape[-1]:
        likely = min(likely * _NUM_MORE, scaled.shape[-1])
        probs, ids = _likeliest(scaled, likely)
    kept = int((probs.cumsum(dim=-1) < top_p).sum()) + 1
    # in the order of ids: which of two equals comes first must not depend on how logits were rounded
    ids, by_id = ids[:kept].sort()
    mass = probs[by_id].cumsum(dim=-1)
    point = float(torch.rand((), generator=generator, dtype=torch.float64)) * float(mass[-1])
    chosen = int((mass <= point).sum())
    return int(ids[min(chosen, len(ids) - 1)])


def _likeliest(log_probs: Tensor, num_tokens: int) -> tuple[Tensor, Tensor]:
    """Probabilities (num_tokens), float64, and ids of the likeliest tokens, descending."""
    values, ids = torch.topk(log_probs, num_tokens)
    return values.double().exp(), ids
