"""The command ``doctor``: shows what is here and what is missing. It does not know what is needed."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from egbot.commands.shared import guarded
from egbot.doctor import examine, is_ready
from egbot.errors import EXIT_SOLVED, EXIT_SURROUNDINGS
from egbot.execution.options import SandboxOptions
from egbot.report.terminal import status_text


@click.command()
@guarded
def doctor() -> int:
    """Say what is here, what is missing and how to get it. Exit code 3 when a run cannot work."""
    image = os.environ.get("EGBOT_IMAGE", SandboxOptions().image)
    checks = examine(SandboxOptions(image=image), Path("egbot-out"))
    console = Console()
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for check in checks:
        table.add_row(status_text(check.ok, check.name), Text(check.detail, overflow="fold"))
        if check.hint:
            table.add_row("", Text(f"next: {check.hint}", overflow="fold"))
    console.print(table)
    ready = is_ready(checks)
    words = "egbot can work here" if ready else "egbot cannot work here yet"
    console.print(status_text(ready, words))
    return EXIT_SOLVED if ready else EXIT_SURROUNDINGS
