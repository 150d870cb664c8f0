"""The statistics of benchmarks: pass@k, Wilson intervals, McNemar's exact test, relative success.

It knows numbers only.
"""

from __future__ import annotations

from math import comb, sqrt

_Z_95 = 1.959963984540054


def pass_at_k(num_runs: int, num_solved: int, k: int) -> float:
    """The chance that one of ``k`` runs solves a task of which ``num_solved`` of ``num_runs`` did.

    Unbiased: 1 - C(n - c, k) / C(n, k), from Chen et al., "Evaluating Large Language Models Trained
    on Code" (arXiv 2107.03374), section 2.1. Raises ValueError unless 1 <= k <= num_runs.
    """
    if not 1 <= k <= num_runs or not 0 <= num_solved <= num_runs:
        raise ValueError(f"pass@{k} of {num_solved} in {num_runs} runs")
    return 1.0 - comb(num_runs - num_solved, k) / comb(num_runs, k)


def wilson(num_solved: int, num_tasks: int) -> tuple[float, float]:
    """The 95 % interval of a share. Wilson, "Probable Inference" (JASA 22, 1927); (0, 1) for none."""
    if num_tasks == 0:
        return 0.0, 1.0
    share, square = num_solved / num_tasks, _Z_95**2
    middle = (share + square / (2 * num_tasks)) / (1 + square / num_tasks)
    half = (
        _Z_95
        * sqrt(share * (1 - share) / num_tasks + square / (4 * num_tasks**2))
        / (1 + square / num_tasks)
    )
    return max(middle - half, 0.0), min(middle + half, 1.0)


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided p-value that A and B solve equally much, from the tasks they part on.

    McNemar's test as a binomial test at one half (Edwards 1948 for the tables, exact here).
    """
    total = only_a + only_b
    if total == 0:
        return 1.0
    tail = sum(comb(total, index) for index in range(min(only_a, only_b) + 1))
    return float(min(1.0, 2 * tail / 2**total))


def relative_success(num_solved: int, num_baseline: int, num_tasks: int) -> float | None:
    """The share of what the baseline left that was solved more: (s - b) / (n - b).

    The relative success rate of the paper's tables (arXiv 2506.10948); None where the baseline
    left nothing.
    """
    left = num_tasks - num_baseline
    return (num_solved - num_baseline) / left if left else None
