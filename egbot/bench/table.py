"""Owns the table that a speed measurement is shown as. It does not know how it was measured."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from egbot.bench.figures import NUM_AGENTS, Figures, Phase, ratios

_TARGETS = (
    ("fast_vs_naive_wall", "naive / fast, seconds", "at least 8", 8.0, True),
    ("fast_vs_naive_cpu", "naive / fast, CPU seconds", "", None, True),
    ("fast_vs_naive_tokens", "naive / fast, tokens forwarded", "", None, True),
    ("tokens_vs_bound", "tokens / every token once", "at most 1.1", 1.1, False),
    ("wall_vs_bound", "seconds / the bound's seconds", "", None, False),
    ("guided_vs_greedy_wall", "guided / greedy, seconds a token", "at most 1.5", 1.5, False),
    ("gamma_3_vs_greedy_wall", "the same at gamma 3, no drafts", "", None, False),
    ("draft_share", "guided tokens without a step", "at least 0.5", 0.5, True),
    ("agents8_throughput", "8 agents alone / together", "at least 3", 3.0, True),
    ("agents8_throughput_cpu", "the same in CPU seconds", "", None, True),
    ("agents8_with_prefill", "8 agents with their signals' prefills", "", None, True),
    ("round64_tokens", "64 samples: tokens one by one / forwarded", "", None, True),
    ("step_vs_copy_bandwidth", "bytes a step reads / what a copy moves", "", None, True),
)


def tables(figures: Figures) -> RenderableType:
    """Phases of both ways, then the ratios with their targets."""
    work = figures.workload
    title = (
        f"{figures.model}, {figures.dtype} on {figures.device}, {figures.num_threads} threads: "
        f"prompt {figures.num_prompt_tokens} tokens, conditioned {work.prompt_tokens}, "
        f"{work.num_candidates} candidates of {work.horizon_lines} lines, "
        f"{work.line_tokens} tokens a line, gamma {work.gamma:g}"
    )
    return Group(Text(title), Text(), _phases(figures), Text(), _ratios(figures))


def _phases(figures: Figures) -> Table:
    num_lines, num_same = figures.workload.num_lines, len(figures.naive.steps)
    fast, naive = figures.fast, figures.naive
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("way")
    table.add_column("phase")
    for name in ("seconds", "CPU", "in forwards", "forwards", "tokens"):
        table.add_column(name, justify="right")
    for way, course, count in (
        (f"naive, {num_same} lines", naive, num_same),
        (f"fast, {num_same} lines", fast, num_same),
        (f"fast, {num_lines} lines", fast, num_lines),
    ):
        _add(table, way, "all", course.total(count))
        for name, phases in (
            ("candidates", course.sample),
            ("signal's prefill", course.prefill),
            ("guided tokens", course.steps),
        ):
            if phases:
                _add(table, "", name, sum(phases[:count], Phase()))
    _add(table, f"greedy, {num_lines} lines", "all", figures.greedy)
    for way, whole, prefill in (
        (f"{NUM_AGENTS} agents, a line each", figures.agents.alone, figures.agents.alone_prefill),
        ("the same together", figures.agents.together, figures.agents.together_prefill),
    ):
        _add(table, way, "all", whole)
        _add(table, "", "signals' prefills", prefill)
    bound = Phase(
        wall_s=figures.bound_s, forward_s=figures.bound_s, num_tokens=figures.num_bound_tokens
    )
    _add(table, f"bound, {num_lines} lines", "each token once", bound)
    return table


def _add(table: Table, way: str, phase: str, cost: Phase) -> None:
    table.add_row(
        way,
        phase,
        f"{cost.wall_s:.2f}",
        f"{cost.cpu_s:.2f}" if cost.cpu_s else "",
        f"{cost.forward_s:.2f}",
        f"{cost.num_forwards:,}" if cost.num_forwards else "",
        f"{cost.num_tokens:,}",
    )


def _ratios(figures: Figures) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("ratio", "measured", "target", ""):
        table.add_column(name, justify="right" if name == "measured" else "left")
    found = ratios(figures)
    for key, words, target, limit, is_more in _TARGETS:
        if key not in found:
            continue
        value, verdict = found[key], ""
        if limit is not None:
            verdict = "reached" if (value >= limit if is_more else value <= limit) else "missed"
        table.add_row(f"{key}: {words}", f"{value:.2f}", target, verdict)
    return table
