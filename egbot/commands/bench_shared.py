"""Owns the options that the benchmark commands share, and how they become settings.

It knows no command.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from egbot.commands.shared import (
    Command,
    agent_options,
    model_options,
    sandbox_options,
    sandbox_overrides,
)
from egbot.errors import UsageError


def run_options(command: Command) -> Command:
    """Model, method, budgets, sandbox and output: what ``bench run`` and ``bench repo`` share."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    model_options,
    agent_options,
    sandbox_options,
    click.option("--seed", type=click.IntRange(0), help="Seed of the samples.  [default: 0]"),
    click.option("--limit", type=click.IntRange(1), help="Only the first tasks of the set."),
    click.option("--shard", metavar="I/N", help="Every N-th task, from the I-th on (1/4 to 4/4)."),
    click.option(
        "--max-seconds-per-task",
        type=click.FloatRange(0, min_open=True),
        help="Wall-clock budget of a task.  [default: 600]",
    ),
    click.option(
        "--max-tokens-per-task",
        type=click.IntRange(1),
        help="Budget of tokens forwarded for a task.  [default: 400000]",
    ),
    click.option(
        "--resume", is_flag=True, help="Go on in an --output folder where this run has begun."
    ),
    click.option(
        "--baseline",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A greedy run's folder, for the success relative to it.",
    ),
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print summary.json to standard output (progress goes to standard error).",
    ),
)


def overrides_of(options: dict[str, Any], max_lines: int | None = None) -> dict[str, object]:
    """Settings in the shape of ``[tool.egbot]``; None stands for what was not given."""
    return {
        "model": options.get("model"),
        "device": options.get("device"),
        "seed": options.get("seed"),
        "max_seconds": options.get("max_seconds_per_task"),
        "max_tokens": options.get("max_tokens_per_task"),
        "guidance": {
            "method": options.get("method"),
            "agents": options.get("agents"),
            "max_lines": max_lines,
        },
        "sandbox": sandbox_overrides(options),
    }


def shard_of(text: str | None) -> tuple[int, int]:
    """``I/N`` as numbers; (1, 1) where it was not given. Raises UsageError."""
    if text is None:
        return 1, 1
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and int(second) > 0):
        raise UsageError(f"--shard {text} is not I/N", hint="write 1/4 to 4/4")
    return int(first), int(second)


def say(text: str) -> None:
    """One line of progress, to standard error."""
    click.echo(text, err=True)
