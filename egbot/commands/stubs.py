"""The command ``stubs``: from tests to stubs of what is missing. It holds no logic of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from egbot.commands.output import put, put_json
from egbot.commands.shared import EXIT_CODES, guarded, sandbox_options, sandbox_overrides, say
from egbot.consent import refuse_forbidden, settings_of
from egbot.errors import EXIT_NOT_SOLVED, EXIT_SOLVED, UsageError
from egbot.intake.failures import from_root, selected_tests
from egbot.local import Effects
from egbot.ports import Sandbox
from egbot.records import Tree
from egbot.report.progress import PlainView
from egbot.report.text import visible
from egbot.repository import apply, ignored_modules, open_repository, snapshot
from egbot.stubbing import check_writable, patches_of, stubs_json, stubs_of_each


@click.command(epilog=EXIT_CODES)
@click.argument("tests", nargs=-1, required=True, metavar="TESTS...")
@click.option(
    "--repo",
    type=click.Path(exists=True, path_type=Path),
    default=Path(),
    help="The repository that TESTS belong to.  [default: here]",
)
@click.option("--write", "is_writing", is_flag=True, help="Write the stubs to the files.")
@click.option("--check", "is_check", is_flag=True, help="Exit code 1 when stubs are missing.")
@click.option("--json", "as_json", is_flag=True, help="Print the stubs as JSON, with the diff.")
@sandbox_options
@guarded
def stubs(
    tests: tuple[str, ...],
    repo: Path,
    is_writing: bool,
    is_check: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Write stubs for what TESTS use and the repository lacks.

    TESTS are files, folders or node ids. They run in the sandbox, against recorders for all that is
    missing: names, signatures and types are those of the calls that happen. What exists is never
    touched. Without an option the diff is shown.

    \b
    Examples:
      egbot stubs tests
      egbot stubs tests/test_cart.py --write
      egbot stubs tests --check
    """
    if is_writing and is_check:
        raise UsageError("--write and --check exclude each other", hint="give one of them")
    repository = open_repository(repo)
    tree = snapshot(repository, note=lambda text: say(f"left out: {text}"))
    chosen = selected_tests(from_root(tests, tree, repository.root, (Path(), repo)), tree)
    overrides = {"sandbox": sandbox_overrides(options)}
    settings = settings_of(tree, overrides, repository.root)
    refuse_forbidden(settings, overrides, repository.root)
    view = PlainView(Console(stderr=True))

    def sandbox_of(project: str, tree: Tree) -> Sandbox:
        return Effects().make_sandbox(settings, tree, repository._replace(folder=project), view)

    ignored = ignored_modules(repository)
    made = stubs_of_each(tree, chosen, sandbox_of, settings.sandbox.limits, ignored)
    patches = patches_of(made, tree, repository.root)
    diff = "".join(patch.unified_diff for patch in patches)
    for problem in made.problems:
        say(f"problem: {problem}")
    for note in made.notes:
        say(f"not followed: {note}")
    if not patches and not made.problems:
        say("nothing that the tests use is lacking")
    if is_writing:
        check_writable(patches, repository.root)
        apply(repository, patches)
    if as_json:
        put_json(stubs_json(made, diff))
    elif is_writing:
        click.echo(visible("\n".join(f"wrote {patch.path}" for patch in patches)))
    else:
        put(diff)
    is_lacking = bool(made.problems) or (is_check and bool(patches))
    return EXIT_NOT_SOLVED if is_lacking else EXIT_SOLVED
