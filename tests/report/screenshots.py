"""Pictures of report pages at three widths, light and dark, to be looked at by a person.

Each page comes whole and as its first screen (``-top``), the list of steps
open on the whole one.

    python -m tests.report.screenshots FOLDER [RUN.json | PAGE.html]...

Without a run or page the samples of these tests are drawn. It does not judge what it draws.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from egbot.records import Run
from egbot.report.files import read_run
from egbot.report.html import render_html, render_trace_html
from tests.report.chromium import Chromium, binary
from tests.report.samples import (
    fib_seen,
    fib_target,
    hostile,
    no_target,
    sample_run,
    solved,
    unsolved,
)

WIDTHS = (1400, 900, 360)
OPEN_LIST = "document.querySelectorAll('#all').forEach((each) => { each.open = true; })"


def pages(arguments: list[str], folder: Path) -> Iterator[tuple[str, Path]]:
    """A name and a file for each page, made in ``folder`` where it is not there yet."""
    runs: list[tuple[str, Run]] = []
    for argument in arguments:
        path = Path(argument)
        if path.suffix == ".html":
            yield path.stem, path
        else:
            runs.append((f"{path.stem}-", read_run(path)))
    if not arguments:
        runs.append(("", sample_run(solved(), unsolved(), hostile(3_000), no_target())))
        traced = folder / "traced.html"
        traced.write_text(render_trace_html(fib_seen(), fib_target()), encoding="utf-8")
        yield traced.stem, traced
    for name, run in runs:
        for number, outcome in enumerate(run.outcomes, 1):
            page = folder / f"{name}{number:02d}.html"
            page.write_text(render_html(outcome, run=run), encoding="utf-8")
            yield page.stem, page


def shoot(folder: Path, arguments: list[str]) -> int:
    """Take the pictures and say where each one lies; exit code 3 without a browser."""
    path = binary()
    if path is None:
        sys.stderr.write("Chromium is not installed; install it and try again\n")
        return 3
    folder.mkdir(parents=True, exist_ok=True)
    with Chromium(path) as browser:
        for name, page in pages(arguments, folder):
            for width in WIDTHS:
                for dark in (False, True):
                    browser.open(page, width=width, dark=dark)
                    kind = f"{name}-{width}-{'dark' if dark else 'light'}"
                    browser.shot(folder / f"{kind}-top.png", whole=False)
                    browser.run(f"{OPEN_LIST};0")
                    browser.settle()
                    browser.shot(folder / f"{kind}.png")
                    sys.stdout.write(f"{folder / kind}.png, -top.png\n")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(shoot(Path(sys.argv[1]), sys.argv[2:]))
