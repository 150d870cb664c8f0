"""The guidance formula: exact at 0 and 1, finite whatever is ruled out."""

from __future__ import annotations

import math

import pytest
import torch

from egbot.engine.guidance import guide, log_probs

PLAIN = torch.tensor([1.0, -2.0, 0.5, -torch.inf, 3.0, -torch.inf])
CONDITIONED = torch.tensor([0.1, 4.0, -torch.inf, 1.0, 2.0, -torch.inf])


def test_gamma_zero_is_the_plain_side_to_the_bit() -> None:
    assert torch.equal(guide(PLAIN, CONDITIONED, 0.0), log_probs(PLAIN))


def test_gamma_one_is_the_conditioned_side_to_the_bit() -> None:
    assert torch.equal(guide(PLAIN, CONDITIONED, 1.0), log_probs(CONDITIONED))


@pytest.mark.parametrize("gamma", [0.5, 3.0, 5.0])
def test_a_token_that_one_side_rules_out_stays_out(gamma: float) -> None:
    """No NaN and no +inf: where a probability is zero the ratio is no evidence."""
    scores = guide(PLAIN, CONDITIONED, gamma)
    assert not torch.isnan(scores).any()
    assert torch.isneginf(scores[[2, 3, 5]]).all()
    assert torch.isfinite(scores[[0, 1, 4]]).all()


def test_the_formula() -> None:
    """log p + gamma (log pc - log p), worked by hand for two tokens."""
    plain = torch.tensor([0.5, 0.5]).log()
    conditioned = torch.tensor([0.8, 0.2]).log()
    scores = guide(plain, conditioned, 3.0)
    assert scores[0].item() == pytest.approx(math.log(0.5) + 3 * math.log(0.8 / 0.5), abs=1e-6)
    assert scores[1].item() == pytest.approx(math.log(0.5) + 3 * math.log(0.2 / 0.5), abs=1e-6)


def test_low_precision_logits_are_compared_in_float32() -> None:
    scores = guide(PLAIN.bfloat16(), CONDITIONED.bfloat16(), 0.5)
    assert scores.dtype == torch.float32
