"""Owns what every command shares: how it ends, and which messages and exit codes its errors get.

It knows no command.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import click

from egbot.commands.output import safe_output
from egbot.errors import EXIT_INTERRUPTED, EXIT_SURROUNDINGS, EgbotError
from egbot.report.text import visible

EXIT_CODES = """\
\b
Exit codes:
  0    everything solved, or nothing to do
  1    something was not solved
  2    usage: a wrong option, file or setting
  3    surroundings: no model, no sandbox, no space
  130  interrupted
"""
_REPORT = "this is a bug: please report it with the output of `egbot --debug ...`"
Command = Callable[..., Any]
_BACKENDS = ("auto", "docker", "bubblewrap", "process")


def guarded(command: Command) -> Command:
    """Turn foreseen errors into one clear message and their exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        debug = bool(click.get_current_context().find_root().obj["debug"])
        with safe_output():
            code = _carried_out(lambda: command(*args, **kwargs), debug=debug)
        sys.exit(code)

    return run


def _carried_out(command: Callable[[], int], *, debug: bool) -> int:
    try:
        return command()
    except EgbotError as error:
        _complain(error.message, error.hint, debug=debug)
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted", "", debug=debug)
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  a fault of ours must not end in a traceback
        _complain(f"egbot itself failed: {type(error).__name__}: {error}", _REPORT, debug=debug)
        return EXIT_SURROUNDINGS


def say(text: str) -> None:
    """Print a line of foreign text to standard error: what does not show is made visible."""
    click.echo(visible(text), err=True)


def _complain(message: str, hint: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    click.secho(f"error: {visible(message)}", fg="red", err=True)
    if hint:
        say(f"  next: {hint}")


def sandbox_options(command: Command) -> Command:
    """The options of every command that runs tests: which sandbox, with which packages."""
    for option in reversed(
        (
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
        )
    ):
        command = option(command)
    return command


def sandbox_overrides(options: Mapping[str, Any]) -> dict[str, object]:
    """``sandbox_options`` in the shape of ``[tool.egbot.sandbox]``; None: not given."""
    return {
        "backend": options.get("sandbox"),
        "image": options.get("image"),
        "python": options.get("python"),
    }


def model_options(command: Command) -> Command:
    """The options of every command that runs a model."""
    command = click.option(
        "--device",
        type=click.Choice(("auto", "cpu", "cuda")),
        help="Where the model runs.  [default: auto]",
    )(command)
    return click.option(
        "--model",
        envvar="EGBOT_MODEL",
        metavar="NAME",
        help="Alias, folder, .gguf file or hub name.  [default: smollm2]",
    )(command)


def agent_options(command: Command) -> Command:
    """The options that say who tries to write a function."""
    command = click.option(
        "--agents",
        metavar="SPEC",
        help="The agents in their order, e.g. greedy,guided:gamma=1:s=3:d=2,samples:8.",
    )(command)
    return click.option(
        "--method",
        metavar="METHOD",
        help="egbot, paper (its grid, without what egbot adds), greedy or samples:N.  "
        "[default: egbot]",
    )(command)
