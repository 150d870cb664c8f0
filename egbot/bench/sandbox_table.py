"""Owns the table that a sandbox measurement is shown as. It does not know how it was measured."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from egbot.bench.sandbox_figures import SandboxFigures, summary

_ROWS = (
    ("warm_p50_ms", "warm traced run of one test", "at most 10", 10.0, False),
    ("warm_p99_ms", "the slowest of a hundred", "", None, False),
    ("untraced_p50_ms", "the same without a trace", "", None, False),
    ("runs_per_s", "warm traced runs a second", "at least 150", 150.0, True),
    ("vs_fresh_pytest", "fresh pytest / warm run", "at least 35", 35.0, True),
    ("vs_fresh_container", "fresh container / warm run", "at least 40", 40.0, True),
    ("trace_us_per_line", "what tracing adds to a line", "at most 10", 10.0, False),
    ("trace_sent_us_per_line", "until it is sent", "", None, False),
    ("rebuild_s", "changed source to result", "under 3", 3.0, False),
    ("cold_start_s", "start and collect", "", None, False),
    ("image_build_s", "built from nothing", "", None, False),
)


def sandbox_tables(figures: SandboxFigures) -> RenderableType:
    """What was measured on, then each figure with its target."""
    title = (
        f"{figures.backend}, Python {figures.python}, pytest {figures.pytest}, "
        f"{figures.num_cpus} cores, {figures.num_workers} workers, "
        f"load {figures.load_before:.1f} before"
    )
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("figure", "measured", "target", ""):
        table.add_column(name, justify="right" if name == "measured" else "left")
    found = summary(figures)
    for key, words, target, limit, is_more in _ROWS:
        value = found[key]
        if value is None:
            table.add_row(f"{key}: {words}", "none", target, "")
            continue
        verdict = ""
        if limit is not None:
            verdict = "reached" if (value >= limit if is_more else value <= limit) else "missed"
        table.add_row(f"{key}: {words}", f"{value:.2f}", target, verdict)
    missing = [Text(f"{key}: none, {why}") for key, why in figures.reasons.items()]
    return Group(Text(title), Text(), table, *([Text(), *missing] if missing else []))
