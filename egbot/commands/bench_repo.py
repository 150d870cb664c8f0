"""The command ``bench repo``: functions of third-party packages, blanked and written again.

It holds no logic.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from egbot.commands.bench_shared import overrides_of, run_options, say, shard_of
from egbot.commands.shared import EXIT_CODES, guarded
from egbot.errors import EXIT_SOLVED, UsageError


@click.command(name="repo", epilog=EXIT_CODES)
@click.argument("tasks", metavar="[LIST]", required=False)
@click.option(
    "--find-only",
    is_flag=True,
    help="Only find what is missing: no model is loaded and nothing is written.",
)
@click.option(
    "--oracle",
    is_flag=True,
    help="A model that knows the right body stands in: all but the model is judged.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("egbot-out/bench-repo"),
    show_default=True,
    help="Folder for results.jsonl, summary.json, summary.md, curve.svg.",
)
@run_options
@guarded
def repo(
    tasks: str | None,
    find_only: bool,
    oracle: bool,
    output: Path,
    as_json: bool,
    **options: Any,
) -> int:
    """Blank functions of packages and write them again against the packages' own tests.

    LIST is a JSON list of {package, version, sha256, target} or {path, target}, target being
    PATH::QUALNAME, and form "blanked" or "deleted". Without it, a shipped list of three small
    packages is used; with --oracle, one of many packages. The packages' source distributions are
    fetched with pip and kept in egbot's cache.

    \b
    Examples:
      egbot bench repo --find-only --output out/find
      egbot bench repo --oracle --output out/oracle
      egbot bench repo --sandbox docker --output out/repo
      egbot bench repo my-list.json --limit 3 --output out/mine
    """
    from egbot.bench.packages import ORACLE, SHIPPED
    from egbot.bench.runs import Order, run_bench
    from egbot.bench.summary import summary_json, summary_markdown

    if find_only and oracle:
        raise UsageError("--find-only and --oracle exclude each other", hint="give one of them")
    order = Order(
        tasks=tasks or str(ORACLE if oracle else SHIPPED),
        output=output,
        overrides=overrides_of(options),
        format_name="repo",
        limit=options["limit"],
        shard=shard_of(options["shard"]),
        resume=options["resume"],
        find_only=find_only,
        oracle=oracle,
        baseline=options["baseline"],
    )
    summary = run_bench(order, say)
    text = json.dumps(summary_json(summary), indent=1) if as_json else summary_markdown(summary)
    click.echo(text.rstrip())
    return EXIT_SOLVED
