"""The command ``report``: a run.json in, reports, exports and comparisons out. It runs nothing."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from egbot.commands.output import put_json
from egbot.commands.shared import guarded
from egbot.errors import EXIT_NOT_SOLVED, EXIT_SOLVED, UsageError
from egbot.records import Run
from egbot.report.compare import compare, comparison_document
from egbot.report.files import read_run, write_json, write_reports
from egbot.report.perfetto import perfetto_document
from egbot.report.sarif import sarif_document
from egbot.report.terminal import compared, summary

EXIT_CODES = """\
\b
Exit codes:
  0    done; with --compare: both runs did the same
  1    --compare: the runs differ
  2    usage: a wrong option, or no run.json of this version
  3    surroundings: no space
"""
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog=EXIT_CODES)
@click.argument("run_json", metavar="[RUN.json]", type=_FILE, required=False)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the reports go.  [default: beside RUN.json]",
)
@click.option(
    "--compare",
    "pair",
    type=_FILE,
    nargs=2,
    metavar="A B",
    help="Show where two runs part.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@click.option("--perfetto", type=_FILE, metavar="FILE", help="Write the run over time.")
@click.option("--sarif", type=_FILE, metavar="FILE", help="Write what is unsolved.")
@guarded
def report(
    run_json: Path | None,
    output: Path | None,
    pair: tuple[Path, Path] | None,
    as_json: bool,
    perfetto: Path | None,
    sarif: Path | None,
) -> int:
    """Render the reports of a run again, export it, or compare two runs. Runs nothing.

    --perfetto writes trace events for Chrome's and Perfetto's viewers, --sarif a SARIF 2.1.0 log
    for code scanning; with either of them no report is rendered unless --output asks for it.

    \b
    Examples:
      egbot report egbot-out/run.json
      egbot report egbot-out/run.json --sarif egbot.sarif --perfetto run.trace
      egbot report --compare monday/run.json tuesday/run.json
    """
    if (run_json is None) == (pair is None):
        raise UsageError(
            "give one RUN.json, or two with --compare", hint="egbot report egbot-out/run.json"
        )
    if pair is not None:
        if output or perfetto or sarif:
            raise UsageError(
                "--compare writes no files", hint="leave out --output, --perfetto and --sarif"
            )
        return _compare(*pair, as_json=as_json)
    if as_json:
        raise UsageError("--json is for --compare", hint="RUN.json is JSON already")
    if run_json is not None:
        _render(read_run(run_json), run_json, output, (perfetto, sarif))
    return EXIT_SOLVED


def _compare(path_a: Path, path_b: Path, *, as_json: bool) -> int:
    comparison = compare(read_run(path_a), read_run(path_b))
    if as_json:
        put_json(json.dumps(comparison_document(comparison), indent=1, allow_nan=False))
    else:
        compared(comparison, Console())
    return EXIT_SOLVED if comparison.is_same else EXIT_NOT_SOLVED


def _render(
    run: Run, path: Path, output: Path | None, exports: tuple[Path | None, Path | None]
) -> None:
    perfetto, sarif = exports
    if perfetto is not None:
        write_json(perfetto, perfetto_document(run))
        click.echo(f"Trace events: {perfetto}")
    if sarif is not None:
        write_json(sarif, sarif_document(run))
        click.echo(f"SARIF: {sarif}")
    if output is not None or not (perfetto or sarif):
        folder = output or path.parent
        write_reports(folder, run)
        summary(run, Console(), reports=folder)
