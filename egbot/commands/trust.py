"""The command ``trust``: a person's word for what their repository's settings ask for.

It runs nothing, and nothing but this command gives that word.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from egbot.commands.shared import EXIT_CODES, guarded
from egbot.consent import Wants, given, grant, revoke, wants_of
from egbot.errors import EXIT_NOT_SOLVED, EXIT_SOLVED, UsageError
from egbot.repository import open_repository, snapshot

_NOT_COVERED = (
    "not covered: what image names, FROM and ADD bring from elsewhere, what the hub keeps under a "
    "model's name, and what lies at a path outside the repository"
)


@click.command(epilog=EXIT_CODES)
@click.argument("repo", type=click.Path(exists=True, path_type=Path), default=".")
@click.option("--show", "is_showing", is_flag=True, help="Only show; exit code 1: not trusted.")
@click.option("--revoke", "is_revoking", is_flag=True, help="Take the word back.")
@guarded
def trust(repo: Path, is_showing: bool, is_revoking: bool) -> int:
    """Allow what the pyproject.toml of REPO asks of the sandbox and the model (default: here).

    Images, Dockerfiles, set-up commands, variables, interpreters, models and wider limits from a
    repository's file count only after this. Prints what is allowed. It holds until the section
    or a file that it points at changes.

    \b
    Examples:
      egbot trust --show
      egbot trust
      egbot trust ../shop --revoke
    """
    if is_showing and is_revoking:
        raise UsageError("--show and --revoke exclude each other", hint="give one of them")
    repository = open_repository(repo)
    if is_revoking:
        revoke(repository.root)
        click.echo(f"not trusted: {repository.root}")
        return EXIT_SOLVED
    wants = wants_of(snapshot(repository), repository.root)
    _print(wants)
    if not wants.values:
        click.echo("nothing in it needs to be trusted")
        return EXIT_SOLVED
    if not is_showing:
        grant(wants)
    kept = given(wants.root)
    changed = "not trusted: it has changed since" if kept else "not trusted"
    click.echo("trusted" if kept == wants.digest else changed)
    return EXIT_SOLVED if kept == wants.digest else EXIT_NOT_SOLVED


def _print(wants: Wants) -> None:
    click.echo(f"pyproject.toml of {wants.root} asks for")
    for key, value in wants.values.items():
        click.echo(f"  {key} = {json.dumps(value)}")
    click.echo(f"covered: the section [tool.egbot] and {len(wants.files)} files that it points at")
    for path, digest in wants.files.items():
        click.echo(f"  {digest[:12]}  {json.dumps(path)}")
    click.echo(_NOT_COVERED)
