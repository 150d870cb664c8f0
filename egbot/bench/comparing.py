"""Compares runs on the tasks that all of them have: pairs, and equal budgets of tokens.

It does not know how runs came about. Tasks count by their first repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from egbot.bench.curve import Curve, budgets, curve_of, level_from
from egbot.bench.odds import mcnemar, relative_success, wilson
from egbot.bench.results import Result, read_folder, read_head
from egbot.bench.summary import counted
from egbot.errors import UsageError

SCHEMA = "egbot.bench.comparison/1"


@dataclass(frozen=True, slots=True)
class Side:
    """One run on the common tasks."""

    name: str
    solved: int
    interval_95: tuple[float, float]
    tokens: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class Pair:
    """A run ``b`` against the first one, ``a``: tasks by who solved them.

    ``p_value`` is McNemar's, exact and two-sided; ``times`` and ``relative`` take ``a`` as the
    baseline. ``level_from`` is the budget of tokens for a task from which ``b`` has solved at least
    as many as ``a`` (0: always, None: never for good).
    """

    a: str
    b: str
    both: int
    only_a: int
    only_b: int
    neither: int
    p_value: float
    times: float | None
    relative: float | None
    level_from: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """``at_budgets`` maps tokens forwarded for a task to the tasks that each side has solved."""

    num_tasks: int
    num_left_out: int
    sides: tuple[Side, ...]
    pairs: tuple[Pair, ...]
    at_budgets: Mapping[int, tuple[int, ...]]
    curves: tuple[Curve, ...]


def compare_folders(folders: Sequence[Path]) -> Comparison:
    """Read and compare runs. Raises UsageError when they are not of the same tasks."""
    names = _names(folders)
    runs = [_read(folder) for folder in folders]
    digests = {one.dataset_sha256 for results in runs for one in results.values()}
    if len(digests) > 1:
        raise UsageError(
            "these runs are not of the same task file: " + ", ".join(sorted(digests)),
            hint="compare runs of one file; an edition with other tests is another file",
        )
    common = [task for task in runs[0] if all(task in results for results in runs)]
    if not common:
        raise UsageError(
            "these runs have no task in common", hint="give runs of the same limit and shards"
        )
    chosen = [[results[task] for task in common] for results in runs]
    curves = tuple(curve_of(name, one) for name, one in zip(names, chosen, strict=True))
    return Comparison(
        num_tasks=len(common),
        num_left_out=len({task for results in runs for task in results}) - len(common),
        sides=tuple(_side(name, one) for name, one in zip(names, chosen, strict=True)),
        pairs=tuple(
            _pair(chosen[0], one, curves[0], curve)
            for one, curve in zip(chosen[1:], curves[1:], strict=True)
        ),
        at_budgets={
            budget: tuple(curve.solved(budget) for curve in curves) for budget in budgets(curves)
        },
        curves=curves,
    )


def _read(folder: Path) -> dict[str, Result]:
    read_head(folder)
    return counted(read_folder(folder))


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, or their whole paths where two are the same."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def _side(name: str, results: Sequence[Result]) -> Side:
    solved = sum(one.solved for one in results)
    return Side(
        name=name,
        solved=solved,
        interval_95=wilson(solved, len(results)),
        tokens=sum(one.num_tokens_forwarded for one in results),
        wall_s=round(sum(one.wall_s for one in results), 3),
    )


def _pair(first: Sequence[Result], second: Sequence[Result], a: Curve, b: Curve) -> Pair:
    solved = [(one.solved, other.solved) for one, other in zip(first, second, strict=True)]
    only_a, only_b = solved.count((True, False)), solved.count((False, True))
    both = solved.count((True, True))
    return Pair(
        a=a.name,
        b=b.name,
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=solved.count((False, False)),
        p_value=mcnemar(only_a, only_b),
        times=(both + only_b) / (both + only_a) if both + only_a else None,
        relative=relative_success(both + only_b, both + only_a, len(solved)),
        level_from=level_from(a, b),
    )


# --- words -------------------------------------------------------------------------------------


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """The comparison as plain dicts and lists."""
    plain = asdict(comparison)
    plain["at_budgets"] = [
        {"tokens": budget, "solved": list(solved)}
        for budget, solved in comparison.at_budgets.items()
    ]
    return {"schema": SCHEMA, **plain}


def comparison_markdown(comparison: Comparison) -> str:
    """Three Markdown tables: the runs, the pairs, and equal budgets."""
    num_tasks = comparison.num_tasks
    lines = [f"{num_tasks} tasks in common, {comparison.num_left_out} left out.", ""]
    lines += [
        "| run | solved | 95 % interval | tokens forwarded | seconds |",
        "|---|---|---|---|---|",
    ]
    for side in comparison.sides:
        low, high = side.interval_95
        lines.append(
            f"| {_cell(side.name)} | {side.solved} ({side.solved / num_tasks:.1%}) "
            f"| {low:.1%} to {high:.1%} | {side.tokens:,} | {side.wall_s:,.0f} |"
        )
    lines += [
        "",
        "| pair | both | only first | only second | neither | p | times | relative | level from |",
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    lines += [_pair_row(pair) for pair in comparison.pairs]
    names = " | ".join(_cell(side.name) for side in comparison.sides)
    lines += ["", f"| tokens for a task | {names} |", "|---" * (len(comparison.sides) + 1) + "|"]
    lines += [
        f"| {budget:,} | {' | '.join(map(str, solved))} |"
        for budget, solved in comparison.at_budgets.items()
    ]
    return "\n".join(lines) + "\n"


def _pair_row(pair: Pair) -> str:
    times = "" if pair.times is None else f"{pair.times:.2f}"
    relative = "" if pair.relative is None else f"{pair.relative:.1%}"
    level = "never" if pair.level_from is None else f"{pair.level_from:,}"
    return (
        f"| {_cell(pair.a)}, {_cell(pair.b)} | {pair.both} | {pair.only_a} | {pair.only_b} "
        f"| {pair.neither} | {pair.p_value:.4f} | {times} | {relative} "
        f"| {level} |"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
