"""The commands ``solve`` and ``demo``: options in, a run out. They hold no logic of their own."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from egbot.bounds import refuse_links
from egbot.commands.output import put_json
from egbot.commands.shared import (
    EXIT_CODES,
    Command,
    agent_options,
    guarded,
    model_options,
    sandbox_options,
    sandbox_overrides,
)
from egbot.demo import DEMO_AGENTS, lay_out
from egbot.errors import EXIT_NOT_SOLVED, EXIT_SOLVED, UsageError
from egbot.local import Order, run_order
from egbot.nodeids import file_of
from egbot.output import held
from egbot.records import Run
from egbot.report.files import run_json
from egbot.report.progress import make_view
from egbot.report.terminal import summary


def _run_options(command: Command) -> Command:
    """The options that ``solve`` and ``demo`` share."""
    for option in reversed(
        (
            model_options,
            sandbox_options,
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


@click.command(epilog=EXIT_CODES)
@click.argument("repo", type=click.Path(), default=".", metavar="[REPO|TEST]")
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
@_run_options
@agent_options
@click.option("--gamma", type=click.FloatRange(0), help="Guidance scale; one agent only.")
@click.option("--candidates", type=click.IntRange(0), help="Samples before each line.")
@click.option("--horizon", type=click.IntRange(1), help="Lines that a sample looks ahead.")
@click.option("--temperature", type=click.FloatRange(0), help="Temperature of the samples.")
@click.option("--max-lines", type=click.IntRange(1), help="Longest function.  [default: 80 to 400]")
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
@guarded
def solve(
    repo: str,
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

    Without a TEST and --tests the whole suite runs and what fails is taken. Tests are files,
    folders or node ids, from the current folder or from the repository's root. The working tree
    is left alone unless --apply or --commit says otherwise.

    \b
    Examples:
      egbot solve
      egbot solve tests/test_text.py::test_vowels
      egbot solve --tests tests/test_text.py --apply
      egbot solve ../shop --target shop/cart.py::Cart.total --max-seconds 120
      egbot solve --junit report.xml --json > run.json
      egbot solve --agents greedy,samples:16,guided:gamma=0.5:s=4:d=6
    """
    folder, named = _place(repo)
    order = Order(
        repository=folder,
        output=output,
        overrides=_overrides(options),
        tests=(*named, *tests),
        targets=targets,
        junit=junit,
        issue_text=issue_text,
        apply=apply_,
        commit=commit,
        folders=(Path(), folder),
    )
    return _run(order, plain=plain, as_json=as_json)


@click.command(epilog=EXIT_CODES)
@_run_options
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("egbot-out/demo"),
    show_default=True,
    help="Folder for everything.",
)
@guarded
def demo(output: Path, plain: bool, **options: Any) -> int:
    """Watch egbot write six functions of a small sample repository.

    Real model, real sandbox, nothing canned: another --seed or --model decodes something else.
    Guidance comes before plain samples here, so that there is something to watch; `egbot solve`
    tries samples first, because that is cheaper.

    \b
    Examples:
      egbot demo
      egbot demo --plain --sandbox bubblewrap --seed 7
    """
    refuse_links(output, Path.cwd())
    with held(output):  # of another demo that is running, the repository is not replaced
        repository = lay_out(output / "repository")
    overrides = _overrides({**options, "agents": DEMO_AGENTS})
    order = Order(repository=repository, output=output, overrides=overrides)
    return _run(order, plain=plain, as_json=False)


def _place(argument: str) -> tuple[Path, tuple[str, ...]]:
    """The folder that ``solve`` is called for, and the test where its argument names one."""
    path = Path(file_of(argument))
    with suppress(OSError):  # as of a name that is too long: nothing has it
        if path.is_dir() and "::" not in argument:
            return path, ()
        if path.is_file():
            return path.parent, (argument,)
    if "::" in argument:
        return Path(), (argument,)
    raise UsageError(f"{argument} does not exist", hint="give a repository or one of its tests")


def _run(order: Order, *, plain: bool, as_json: bool) -> int:
    console = Console(stderr=as_json)
    # not click's envvar: some services put their own name into CI, which is no boolean
    is_ci = os.environ.get("CI", "").lower() not in {"", "0", "false"}
    start_s = time.monotonic()
    with make_view(console, plain=plain or is_ci) as view:
        run = run_order(order, view)
    if as_json:
        put_json(run_json(run).rstrip())
    else:
        summary(run, console, reports=order.output, took_s=time.monotonic() - start_s)
    return _exit_code(run)


def _exit_code(run: Run) -> int:
    fine = all(outcome.reason in {"patched", "nothing_to_do"} for outcome in run.outcomes)
    return EXIT_SOLVED if fine else EXIT_NOT_SOLVED


def _overrides(options: dict[str, Any]) -> dict[str, object]:
    """Settings in the shape of ``[tool.egbot]``; None stands for what was not given."""
    guidance = ("method", "agents", "gamma", "candidates", "horizon", "temperature", "max_lines")
    top = ("model", "device", "seed", "max_seconds", "max_tokens")
    return {
        **{name: options.get(name) for name in top},
        "guidance": {name: options.get(name) for name in guidance},
        "sandbox": sandbox_overrides(options),
    }
