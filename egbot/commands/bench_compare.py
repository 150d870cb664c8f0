"""The command ``bench compare``: runs on the same tasks, side by side. It holds no logic."""

from __future__ import annotations

import json
from pathlib import Path

import click

from egbot.commands.shared import guarded
from egbot.errors import EXIT_SOLVED, UsageError


@click.command(name="compare")
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    metavar="A B [C...]",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the curves into this SVG file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of the tables.")
@guarded
def compare(folders: tuple[Path, ...], plot: Path | None, as_json: bool) -> int:
    """Compare runs of `egbot bench run` on the tasks that all of them have.

    The first run is the baseline of the others: tasks that only one of two solves (McNemar's exact
    test), and tasks solved at equal budgets of tokens forwarded. A folder that holds the folders of
    shards counts as one run.

    \b
    Examples:
      egbot bench compare out/greedy out/egbot
      egbot bench compare out/greedy out/samples out/egbot --plot curves.svg
    """
    from egbot.bench.comparing import compare_folders, comparison_json, comparison_markdown
    from egbot.bench.drawing import curves_svg
    from egbot.report.files import write_text

    if len(folders) < 2:
        raise UsageError("one run alone cannot be compared", hint="give two folders or more")
    comparison = compare_folders(folders)
    if plot is not None:
        write_text(plot, curves_svg(comparison.curves))
    if as_json:
        click.echo(json.dumps(comparison_json(comparison), indent=1))
    else:
        click.echo(comparison_markdown(comparison).rstrip())
    return EXIT_SOLVED
