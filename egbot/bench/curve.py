"""Tasks solved against tokens forwarded: the curve of a run and its values at budgets.

It does not know how a curve is drawn.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from egbot.bench.results import Result


@dataclass(frozen=True, slots=True)
class Curve:
    """``costs`` are the tokens forwarded when each solved task was solved, sorted."""

    name: str
    num_tasks: int
    costs: tuple[int, ...]

    def solved(self, budget: float) -> int:
        """How many tasks a budget of so many tokens a task solves."""
        return bisect_right(self.costs, budget)


def curve_of(name: str, results: Iterable[Result]) -> Curve:
    """The curve of results that count, one for each task."""
    listed = list(results)
    return Curve(name, len(listed), tuple(sorted(_cost(one) for one in listed if one.solved)))


def _cost(result: Result) -> int:
    """The tokens up to the end of the attempt that solved it: an agent's samples come together."""
    own = [one.num_tokens_forwarded for one in result.attempts if one.agent == result.agent]
    return own[-1] if own and own[-1] else result.num_tokens_forwarded


def level_from(first: Curve, second: Curve) -> int | None:
    """From how many tokens on ``second`` has solved as many tasks as ``first`` or more.

    0: at every budget; None: not even with all the tokens that both of them had.
    """
    costs = sorted({*first.costs, *second.costs})
    behind = [place for place, cost in enumerate(costs) if second.solved(cost) < first.solved(cost)]
    if not behind:
        return 0
    return costs[behind[-1] + 1] if behind[-1] + 1 < len(costs) else None


def budgets(curves: Sequence[Curve]) -> tuple[int, ...]:
    """Budgets worth a row: 1, 2, 5 times powers of ten from the first solution to the last."""
    costs = [cost for curve in curves for cost in curve.costs]
    if not costs:
        return ()
    top = max(costs)
    steps = (
        factor * 10**power
        for power in range(int(math.log10(max(top, 1))) + 2)
        for factor in (1, 2, 5)
    )
    rows = [step for step in steps if step >= min(costs)]
    last = next((number for number, step in enumerate(rows) if step >= top), len(rows))
    return tuple(rows[: last + 1])
