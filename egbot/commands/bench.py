"""The commands ``bench ...``: measurements that anyone can repeat. They do not know how to measure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from egbot.commands.bench_compare import compare
from egbot.commands.bench_repo import repo
from egbot.commands.bench_run import run
from egbot.commands.bench_sandbox import sandbox
from egbot.commands.shared import guarded
from egbot.errors import EXIT_SOLVED

if TYPE_CHECKING:
    from egbot.engine.model import Device
    from egbot.engine.network import Network

_CONFIGS = Path(__file__).parents[1] / "bench" / "configs"


@click.group()
def bench() -> None:
    """Measure how much egbot solves, and how fast it is here.

    \b
    Examples:
      egbot bench speed
      egbot bench run humaneval --limit 5 --output out/egbot
      egbot bench compare out/greedy out/egbot
      egbot bench repo --find-only
    """


for _command in (run, compare, repo, sandbox):
    bench.add_command(_command)


@bench.command()
@click.option(
    "--model",
    envvar="EGBOT_MODEL",
    metavar="NAME",
    default="smollm2",
    show_default=True,
    help="Alias, folder, .gguf file or hub name.",
)
@click.option(
    "--random-weights",
    metavar="CONFIG",
    help="A config.json (or llama-1.3b) instead of a model: the architecture is timed.",
)
@click.option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda")),
    default="auto",
    show_default=True,
    help="Where the model runs.",
)
@click.option(
    "--prompt-tokens",
    type=click.IntRange(min=600),
    default=1500,
    show_default=True,
    help="Length of the conditioned prompt.",
)
@click.option(
    "--line-tokens",
    type=click.IntRange(2, 64),
    default=12,
    show_default=True,
    help="Length of a line.",
)
@click.option(
    "--lines",
    type=click.IntRange(2),
    default=8,
    show_default=True,
    help="Lines that the fast way writes; the slow one writes two of them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of the table.")
@guarded
def speed(
    model: str,
    random_weights: str | None,
    device: Device,
    prompt_tokens: int,
    line_tokens: int,
    lines: int,
    as_json: bool,
) -> int:
    """Time guided decoding against its slow twin, greedy decoding and the physical limit.

    The slow twin does what the public implementation of the method does: an uncached forward over
    the whole conditioned prompt for each token, and candidates from scratch. Both decode the same
    prompt with the same signals and seeds. Takes two to five minutes on two cores.

    \b
    Examples:
      egbot bench speed
      egbot bench speed --prompt-tokens 3000 --json > speed.json
      egbot bench speed --random-weights llama-1.3b --device cuda
    """
    network = _network(model, random_weights, device)  # first: it says how torch's threads wait
    from egbot.bench.figures import to_json
    from egbot.bench.speed import measure
    from egbot.bench.table import tables
    from egbot.bench.workload import Workload

    workload = Workload(prompt_tokens=prompt_tokens, line_tokens=line_tokens, num_lines=lines)
    figures = measure(network, workload, _say)
    if as_json:
        click.echo(json.dumps(to_json(figures), indent=2))
    else:
        Console().print(tables(figures))
    return EXIT_SOLVED


def _network(model: str, random_weights: str | None, device: Device) -> Network:
    """The model to time, which never ends its answer: lengths are the workload's."""
    from egbot.engine.model import load, load_random

    if random_weights is None:
        network = load(model, device, report=_say).network
    else:
        shipped = _CONFIGS / f"{random_weights}.json"
        path = shipped if shipped.is_file() else Path(random_weights)
        network = load_random(path, device, report=_say).network
    return replace(network, end_ids=frozenset())


def _say(text: str) -> None:
    click.echo(text, err=True)
