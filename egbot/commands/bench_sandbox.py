"""The command ``bench sandbox``: how fast sandboxes are here. It does not know how to measure."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from egbot.commands.shared import guarded, sandbox_options
from egbot.errors import EXIT_SOLVED
from egbot.execution.options import Backend, SandboxOptions


@click.command()
@sandbox_options
@click.option(
    "--runs",
    type=click.IntRange(min=3),
    default=300,
    show_default=True,
    help="Warm runs that are timed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of the table.")
@guarded
def sandbox(
    sandbox: Backend | None, image: str | None, python: str | None, runs: int, as_json: bool
) -> int:
    """Time warm runs against fresh pytest processes and containers, and the tracer.

    What the tests need is built from nothing first, which takes a network. Takes about a minute.

    \b
    Examples:
      egbot bench sandbox
      egbot bench sandbox --sandbox bubblewrap --json > sandbox.json
    """
    from egbot.bench.sandbox import Effort, measure_sandbox
    from egbot.bench.sandbox_figures import to_json
    from egbot.bench.sandbox_table import sandbox_tables

    options = SandboxOptions(
        backend=sandbox or "auto",
        python=Path(python) if python else None,
        image=image or SandboxOptions().image,
    )
    figures = measure_sandbox(options, Effort(num_runs=runs), _say)
    if as_json:
        click.echo(json.dumps(to_json(figures), indent=2))
    else:
        Console().print(sandbox_tables(figures))
    return EXIT_SOLVED


def _say(text: str) -> None:
    click.echo(text, err=True)
