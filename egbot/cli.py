"""The command line: one group, and the list of its commands. It holds no logic of its own."""

from __future__ import annotations

import signal

import click

from egbot import __version__
from egbot.commands.bench import bench
from egbot.commands.doctor import doctor
from egbot.commands.models import models
from egbot.commands.publish import publish
from egbot.commands.report import report
from egbot.commands.shared import EXIT_CODES
from egbot.commands.solve import demo, solve
from egbot.commands.stubs import stubs
from egbot.commands.trace import trace


@click.group(
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


for _command in (solve, demo, stubs, trace, report, publish, doctor, models, bench):
    cli.add_command(_command)


def main() -> None:
    """Run the command line; never returns.

    To be stopped by a runner (SIGTERM) or with the terminal (SIGHUP) is to be interrupted: what
    was reached is saved and the sandbox ended.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    cli(prog_name="egbot")
