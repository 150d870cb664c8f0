"""The commands ``models list | pull | path``: a view of the catalog. They load no model."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from egbot.commands.shared import guarded
from egbot.engine import catalog
from egbot.errors import EXIT_NOT_SOLVED, EXIT_SOLVED


@click.group()
def models() -> None:
    """List the recommended models, fetch one, or say where it lies.

    \b
    Examples:
      egbot models list
      egbot models pull smollm2
    """


@models.command("list")
@guarded
def list_models() -> int:
    """The recommended models with their licences and sizes."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("alias", no_wrap=True)
    table.add_column("size", no_wrap=True, justify="right")
    for title in (
        "licence",
        "model and note",
    ):
        table.add_column(title, overflow="fold")
    for entry in catalog.CATALOG:
        size = f"{entry.num_bytes / 1e9:.1f} GB"
        cells = (entry.alias, size, entry.licence, f"{entry.hub_name}: {entry.note}")
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)
    return EXIT_SOLVED


@models.command("pull")
@click.argument("name")
@guarded
def pull_model(name: str) -> int:
    """Fetch the model NAME into the cache, unless it is there."""
    folder = catalog.pull(name, lambda text: click.echo(text, err=True))
    click.echo(str(folder))
    return EXIT_SOLVED


@models.command("path")
@click.argument("name")
@guarded
def model_path(name: str) -> int:
    """Print the folder of the model NAME; exit code 1 when it is not in the cache."""
    folder = catalog.path(name)
    if folder is None:
        click.echo(f"{name} is not in the cache; fetch it: egbot models pull {name}", err=True)
        return EXIT_NOT_SOLVED
    click.echo(str(folder))
    return EXIT_SOLVED
