"""The command ``trace``: a test in, what one function did in it out. It runs and chooses nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from egbot import __version__
from egbot.bounds import refuse_links
from egbot.commands.output import put_json
from egbot.commands.shared import guarded, sandbox_options
from egbot.errors import EXIT_NOT_SOLVED, EXIT_SOLVED
from egbot.report.files import write_text
from egbot.report.html import render_trace_html
from egbot.report.progress import PlainView
from egbot.report.terminal import trace as show
from egbot.report.trace_json import traced_document
from egbot.repository import open_repository
from egbot.tracing import TracedRun, TraceOrder, trace_order

EXIT_CODES = """\
\b
Exit codes:
  0    the test passed (or was skipped)
  1    it failed
  2    usage: no such test or function, a wrong option
  3    surroundings: no sandbox, no space
  130  interrupted
"""


@click.command(epilog=EXIT_CODES)
@click.argument("node_id", metavar="NODEID")
@click.option(
    "--target",
    metavar="PATH::QUALNAME",
    default="",
    help="The function to follow.  [default: the one that the test is about]",
)
@click.option(
    "--repo",
    type=click.Path(exists=True, path_type=Path),
    default=".",
    metavar="FOLDER",
    help="The repository.  [default: here]",
)
@sandbox_options
@click.option("--json", "as_json", is_flag=True, help="Print a trace.json instead.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the page to step through as well.",
)
@click.option("--no-pager", is_flag=True, help="Never open a pager, however long the trace is.")
@guarded
def trace(
    node_id: str,
    target: str,
    repo: Path,
    sandbox: str | None,
    image: str | None,
    python: str | None,
    as_json: bool,
    html: Path | None,
    no_pager: bool,
) -> int:
    """Run one test in the sandbox and show what a function did in it, line by line.

    The function is one that the test enters; the first line of the output says which.

    \b
    Examples:
      egbot trace tests/test_text.py::test_vowels
      egbot trace tests/test_shop.py::test_add --target shop/cart.py::Cart.add
      egbot trace tests/test_text.py::test_vowels --html trace.html
    """
    overrides = {"sandbox": {"backend": sandbox, "image": image, "python": python}}
    if html is not None:
        refuse_links(html, open_repository(repo).root)
    view = PlainView(Console(stderr=True))
    traced = trace_order(TraceOrder(repo, node_id, overrides, target, (Path(), repo)), view)
    versions = {"egbot": __version__, **traced.versions}
    if html is not None:
        write_text(html, render_trace_html(traced.seen, traced.target, versions))
    if as_json:
        document = traced_document(traced.seen, traced.target, versions)
        put_json(json.dumps(document, indent=1, allow_nan=False))
    else:
        _page(traced, use_pager=not no_pager)
        if html is not None:
            click.echo(f"Page: {html}", err=True)
    return EXIT_SOLVED if traced.passed else EXIT_NOT_SOLVED


def _page(traced: TracedRun, *, use_pager: bool) -> None:
    """Print the trace, through a pager when it is longer than the terminal is high."""
    console = Console()
    with console.capture() as captured:
        show(traced.seen, traced.target, traced.others, console)
    text = captured.get()
    if use_pager and console.is_terminal and text.count("\n") >= console.height:
        # None: click asks less for colours, and takes them out for a pager that shows none
        click.echo_via_pager(text, color=None if console.color_system else False)
    else:
        sys.stdout.write(text)
