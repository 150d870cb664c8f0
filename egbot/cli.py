"""The command line: options in, exit code out. It holds no logic of its own."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from egbot import __version__
from egbot.demo import lay_out
from egbot.doctor import examine, is_ready
from egbot.engine import catalog
from egbot.errors import (
    EXIT_INTERRUPTED,
    EXIT_NOT_SOLVED,
    EXIT_SOLVED,
    EXIT_SURROUNDINGS,
    EgbotError,
)
from egbot.execution.options import SandboxOptions
from egbot.local import Order, run_order
from egbot.records import Run
from egbot.report.files import run_json
from egbot.report.progress import make_view
from egbot.report.terminal import status_text, summary

_EXIT_CODES = """\
\b
Exit codes:
  0    everything solved, or nothing to do
  1    something was not solved
  2    usage: a wrong option, file or setting
  3    surroundings: no model, no sandbox, no space
  130  interrupted
"""
_BACKENDS = ("auto", "docker", "bubblewrap", "process")
_REPORT = "this is a bug: please report it with the output of `egbot --debug ...`"
_Command = Callable[..., Any]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EXIT_CODES,
)
@click.version_option(__version__, prog_name="egbot")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, *, debug: bool) -> None:
    """Write the tests; egbot writes the function.

    Takes failing tests, finds the function that is missing or only a stub, writes it line by line
    with a language model that sees what candidates do when they run, and proves it in a sandbox.

    \b
    First steps:
      egbot doctor          what is here, what is missing, how to get it
      egbot demo            watch it write six functions of a sample repository
      egbot solve           take what fails in this repository
    """
    context.obj = {"debug": debug}


def _model_options(command: _Command) -> _Command:
    """The options that ``solve`` and ``demo`` share."""
    for option in reversed(
        (
            click.option(
                "--model",
                envvar="EGBOT_MODEL",
                metavar="NAME",
                help="Alias, folder, .gguf file or hub name.  [default: smollm2]",
            ),
            click.option(
                "--device",
                type=click.Choice(("auto", "cpu", "cuda")),
                help="Where the model runs.  [default: auto]",
            ),
            click.option(
                "--sandbox",
                type=click.Choice(_BACKENDS),
                envvar="EGBOT_SANDBOX",
                help="Where the tests run.  [default: auto: Docker, else bubblewrap]",
            ),
            click.option(
                "--image",
                envvar="EGBOT_IMAGE",
                metavar="NAME",
                help="Base image of the Docker sandbox.  [default: python:3.11-slim]",
            ),
            click.option(
                "--python",
                metavar="PATH",
                help="Interpreter with the tests' packages (bubblewrap, process).",
            ),
            click.option(
                "--seed", type=click.IntRange(0), help="Seed of the samples.  [default: 0]"
            ),
            click.option(
                "--max-seconds",
                type=click.FloatRange(0, min_open=True),
                help="Wall-clock budget of the run.  [default: 600]",
            ),
            click.option(
                "--max-tokens",
                type=click.IntRange(1),
                help="Budget of tokens forwarded.  [default: 400000]",
            ),
            click.option(
                "--plain",
                is_flag=True,
                help="Plain lines instead of the live view (also where CI is set).",
            ),
        )
    ):
        command = option(command)
    return command


def _guarded(command: _Command) -> _Command:
    """Turn foreseen errors into one clear message and their exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        debug = bool(click.get_current_context().find_root().obj["debug"])
        try:
            code = command(*args, **kwargs)
        except EgbotError as error:
            _complain(error.message, error.hint, debug=debug)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            _complain("interrupted", "", debug=debug)
            sys.exit(EXIT_INTERRUPTED)
        except Exception as error:  # noqa: BLE001  a fault of ours must not end in a traceback
            _complain(f"egbot itself failed: {type(error).__name__}: {error}", _REPORT, debug=debug)
            sys.exit(EXIT_SURROUNDINGS)
        sys.exit(code)

    return run


def _complain(message: str, hint: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    click.secho(f"error: {message}", fg="red", err=True)
    if hint:
        click.echo(f"  next: {hint}", err=True)


@cli.command(epilog=_EXIT_CODES)
@click.argument("repo", type=click.Path(exists=True, path_type=Path), default=".")
@click.option(
    "--tests",
    multiple=True,
    metavar="NODEID_OR_PATH",
    help="Only these failing tests; may be given several times.",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="PATH::QUALNAME",
    help="Write this function, whatever else is missing; repeatable.",
)
@click.option(
    "--junit",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the failing tests of a JUnit XML report.",
)
@click.option(
    "--issue-text",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the tests that an issue's text holds or names.",
)
@_model_options
@click.option("--gamma", type=click.FloatRange(0), help="Guidance scale; one agent only.")
@click.option("--candidates", type=click.IntRange(0), help="Samples before each line.")
@click.option("--horizon", type=click.IntRange(1), help="Lines that a sample looks ahead.")
@click.option("--temperature", type=click.FloatRange(0), help="Temperature of the samples.")
@click.option("--max-lines", type=click.IntRange(1), help="Longest function.  [default: 24]")
@click.option("--apply", "apply_", is_flag=True, help="Write accepted functions to the files.")
@click.option("--commit", is_flag=True, help="Write and commit them.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("egbot-out"),
    show_default=True,
    help="Folder for run.json, reports.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print run.json to standard output (progress goes to standard error).",
)
@_guarded
def solve(
    repo: Path,
    tests: tuple[str, ...],
    targets: tuple[str, ...],
    junit: Path | None,
    issue_text: Path | None,
    apply_: bool,
    commit: bool,
    output: Path,
    as_json: bool,
    plain: bool,
    **options: Any,
) -> int:
    """Write the functions that the failing tests of REPO ask for (default: here).

    Without --tests the whole suite runs and what fails is taken. The working tree is left alone
    unless --apply or --commit says otherwise.

    \b
    Examples:
      egbot solve
      egbot solve --tests tests/test_text.py --apply
      egbot solve ../shop --target shop/cart.py::Cart.total --max-seconds 120
      egbot solve --junit report.xml --json > run.json
    """
    order = Order(
        repository=repo,
        output=output,
        overrides=_overrides(options),
        tests=tests,
        targets=targets,
        junit=junit,
        issue_text=issue_text,
        apply=apply_,
        commit=commit,
    )
    return _run(order, plain=plain, as_json=as_json)


@cli.command(epilog=_EXIT_CODES)
@_model_options
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("egbot-out/demo"),
    show_default=True,
    help="Folder for everything.",
)
@_guarded
def demo(output: Path, plain: bool, **options: Any) -> int:
    """Watch egbot write six functions of a small sample repository.

    Real model, real sandbox, nothing canned: another --seed or --model decodes something else.

    \b
    Examples:
      egbot demo
      egbot demo --plain --sandbox bubblewrap --seed 7
    """
    repository = lay_out(output / "repository")
    order = Order(repository=repository, output=output, overrides=_overrides(options))
    return _run(order, plain=plain, as_json=False)


def _run(order: Order, *, plain: bool, as_json: bool) -> int:
    console = Console(stderr=as_json)
    # not click's envvar: some services put their own name into CI, which is no boolean
    is_ci = os.environ.get("CI", "").lower() not in {"", "0", "false"}
    with make_view(console, plain=plain or is_ci) as view:
        run = run_order(order, view)
    if as_json:
        click.echo(run_json(run), nl=False)
    else:
        summary(run, console, reports=order.output)
    return _exit_code(run)


def _exit_code(run: Run) -> int:
    fine = all(outcome.reason in {"patched", "nothing_to_do"} for outcome in run.outcomes)
    return EXIT_SOLVED if fine else EXIT_NOT_SOLVED


def _overrides(options: dict[str, Any]) -> dict[str, object]:
    """Settings in the shape of ``[tool.egbot]``; None stands for what was not given."""
    guidance = ("gamma", "candidates", "horizon", "temperature", "max_lines")
    top = ("model", "device", "seed", "max_seconds", "max_tokens")
    return {
        **{name: options.get(name) for name in top},
        "guidance": {name: options.get(name) for name in guidance},
        "sandbox": {
            "backend": options.get("sandbox"),
            "image": options.get("image"),
            "python": options.get("python"),
        },
    }


@cli.command()
@_guarded
def doctor() -> int:
    """Say what is here, what is missing and how to get it. Exit code 3 when a run cannot work."""
    image = os.environ.get("EGBOT_IMAGE", SandboxOptions().image)
    checks = examine(SandboxOptions(image=image), Path("egbot-out"))
    console = Console()
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for check in checks:
        table.add_row(status_text(check.ok, check.name), Text(check.detail), Text(check.hint))
    console.print(table)
    ready = is_ready(checks)
    words = "egbot can work here" if ready else "egbot cannot work here yet"
    console.print(status_text(ready, words))
    return EXIT_SOLVED if ready else EXIT_SURROUNDINGS


@cli.group()
def models() -> None:
    """List the recommended models, fetch one, or say where it lies.

    \b
    Examples:
      egbot models list
      egbot models pull smollm2
    """


@models.command("list")
@_guarded
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
@_guarded
def pull_model(name: str) -> int:
    """Fetch the model NAME into the cache, unless it is there."""
    folder = catalog.pull(name, lambda text: click.echo(text, err=True))
    click.echo(str(folder))
    return EXIT_SOLVED


@models.command("path")
@click.argument("name")
@_guarded
def model_path(name: str) -> int:
    """Print the folder of the model NAME; exit code 1 when it is not in the cache."""
    folder = catalog.path(name)
    if folder is None:
        click.echo(f"{name} is not in the cache; fetch it: egbot models pull {name}", err=True)
        return EXIT_NOT_SOLVED
    click.echo(str(folder))
    return EXIT_SOLVED


def main() -> None:
    """Run the command line; never returns."""
    cli(prog_name="egbot")
