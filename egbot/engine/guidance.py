"""Owns the guidance formula on two rows of log-probabilities. It does not know models or tokens.

Classifier-free guidance between a plain and a conditioned distribution (arXiv 2506.10948,
section 3): ``log p_g = log p + gamma * (log p_c - log p)``.
"""

from __future__ import annotations

import torch
from torch import Tensor


def log_probs(logits: Tensor) -> Tensor:
    """Natural-log probabilities, float32, of ``logits`` (..., V). A row with NaN stays NaN."""
    return torch.log_softmax(logits.float(), dim=-1)


def guide(logits_plain: Tensor, logits_conditioned: Tensor, gamma: float) -> Tensor:
    """Guided scores (V), float32, from the two sides' logits (V).

    gamma 0 returns the plain log-probabilities and gamma 1 the conditioned ones, bit for bit.
    """
    return combine(log_probs(logits_plain), log_probs(logits_conditioned), gamma)


def combine(plain: Tensor, conditioned: Tensor, gamma: float) -> Tensor:
    """The formula on log-probabilities (V) of both sides; the result is not normalised.

    A token that either side rules out (-inf) is ruled out for every gamma but 0 and 1: there the
    formula reads inf - inf, and a ratio to nothing is no evidence.
    """
    if gamma == 0.0:
        return plain
    if gamma == 1.0:
        return conditioned
    scores = plain + gamma * (conditioned - plain)
    ruled_out = torch.isneginf(plain) | torch.isneginf(conditioned)
    return scores.masked_fill(ruled_out, -torch.inf)
