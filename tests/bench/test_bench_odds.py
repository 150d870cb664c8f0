"""The statistics, against their definitions and published values."""

from __future__ import annotations

from itertools import combinations

import pytest

from egbot.bench.odds import mcnemar, pass_at_k, relative_success, wilson


@pytest.mark.parametrize(("num_runs", "num_solved"), [(5, 0), (5, 1), (6, 2), (7, 7), (1, 1)])
def test_pass_at_k_is_the_share_of_draws_that_hold_a_solution(
    num_runs: int, num_solved: int
) -> None:
    runs = [True] * num_solved + [False] * (num_runs - num_solved)
    for k in range(1, num_runs + 1):
        draws = list(combinations(runs, k))
        share = sum(any(draw) for draw in draws) / len(draws)
        assert pass_at_k(num_runs, num_solved, k) == pytest.approx(share)


@pytest.mark.parametrize(("num_runs", "num_solved", "k"), [(3, 1, 0), (3, 1, 4), (3, 4, 1)])
def test_pass_at_k_refuses_what_has_no_meaning(num_runs: int, num_solved: int, k: int) -> None:
    with pytest.raises(ValueError, match="pass@"):
        pass_at_k(num_runs, num_solved, k)


def test_wilson_gives_the_textbook_interval() -> None:
    """Ten of a hundred: 5.5 % to 17.4 %; none of ten has an upper end; no task says nothing."""
    assert wilson(10, 100) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(1, 8) == mcnemar(8, 1) == pytest.approx(2 * (1 + 9) / 512)


def test_relative_success_is_the_papers() -> None:
    """82.8 % and 96.6 % of the paper's MBPP table make its 80.23 %."""
    assert relative_success(966, 828, 1000) == pytest.approx(0.8023, abs=1e-4)
    assert relative_success(3, 3, 3) is None
