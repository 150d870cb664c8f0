"""The command line: one group, and the list of its commands. It holds no logic of its own."""

from __future__ import annotations

import os
import signal
from importlib import import_module

import click

from egbot import __version__
from egbot.bounds import search_path
from egbot.commands.shared import EXIT_CODES

_COMMANDS = {
    "solve": "Write the functions that the failing tests of REPO ask for (default: here).",
    "demo": "Watch egbot write six functions of a small sample repository.",
    "stubs": "Write stubs for what TESTS use and the repository lacks.",
    "trace": "Run one test in the sandbox and show what a function did in it, line by line.",
    "trust": "Allow what the pyproject.toml of REPO asks of the sandbox and the model (default: here).",
    "report": "Render the reports of a run again, export it, or compare two runs.",
    "publish": "Deliver a run to its pull request or issue on GitHub.",
    "doctor": "Say what is here, what is missing and how to get it.",
    "models": "List the recommended models, fetch one, or say where it lies.",
    "bench": "Measure how much egbot solves, and how fast it is here.",
}
"""Each command's first sentence: help is shown at once, a command's module is read when it runs."""


class _Commands(click.Group):
    """``commands`` holds names and first sentences; a command is imported when it is asked for."""

    def get_command(  # type: ignore[explicit-override]
        self, ctx: click.Context, cmd_name: str
    ) -> click.Command | None:
        if super().get_command(ctx, cmd_name) is None:
            return None
        module = "solve" if cmd_name == "demo" else cmd_name
        command: click.Command = getattr(import_module(f"egbot.commands.{module}"), cmd_name)
        return command

    def format_commands(  # type: ignore[explicit-override]
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        click.Group(commands=self.commands).format_commands(ctx, formatter)


@click.group(
    cls=_Commands,
    commands={name: click.Command(name, help=text) for name, text in _COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
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
    os.environ["PATH"] = search_path()


def main() -> None:
    """Run the command line; never returns.

    To be stopped by a runner (SIGTERM) or with the terminal (SIGHUP) is to be interrupted: what
    was reached is saved and the sandbox ended.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    cli(prog_name="egbot")
