"""The command ``publish``: a run.json in, suggestions, pull requests and comments out. It runs no
code of the repository.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from egbot.commands.output import put_json
from egbot.commands.shared import guarded
from egbot.errors import EXIT_NOT_DELIVERED, EXIT_SOLVED, ForgeError, SpaceError, UsageError
from egbot.publish.comment import Voice
from egbot.publish.deliver import deliver
from egbot.publish.github import DEFAULT_API_URL, connect
from egbot.publish.load import load_run
from egbot.publish.place import look
from egbot.publish.plan import make_plan
from egbot.publish.said import Said
from egbot.publish.summary import (
    job_summary,
    out_of_reach,
    plan_steps,
    plan_text,
    result_document,
)
from egbot.records import Run
from egbot.report.text import visible

EXIT_CODES = """\
\b
Exit codes:
  0    all that there was to post is where it belongs (solved or not)
  2    usage: a wrong option, no token, or no run.json of this version
  3    surroundings: a fault of egbot's own
  4    not delivered: GitHub refused, moved on, or could not be reached
"""
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog=EXIT_CODES)
@click.argument("run_json", metavar="RUN.json", type=_FILE)
@click.option("--repo", metavar="OWNER/NAME", help="The repository.  [default: the run's own]")
@click.option("--number", type=click.IntRange(min=1), help="Pull request or issue.")
@click.option("--dry-run", is_flag=True, help="Print what would be posted where; post nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result (or the plan) as JSON.")
@click.option("--summary", type=_FILE, metavar="FILE", help="Append a job summary to FILE.")
@guarded
def publish(
    run_json: Path,
    repo: str | None,
    number: int | None,
    dry_run: bool,
    as_json: bool,
    summary: Path | None,
) -> int:
    """Deliver a run to its pull request or issue on GitHub. Runs none of its code.

    The run is checked again against the repository. What is posted already is found and kept, so
    that the command can be repeated at any time. The token comes from GITHUB_TOKEN or GH_TOKEN,
    the interface's address from GITHUB_API_URL; settings are those of the base branch.

    \b
    Examples:
      egbot publish egbot-out/run.json
      egbot publish egbot-out/run.json --dry-run
      egbot publish run.json --repo octo/shop --number 12 --json
      egbot publish run.json --summary "$GITHUB_STEP_SUMMARY"
    """
    run = load_run(run_json)
    repository, number = _where(run, repo, number)
    token = os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN") or ""
    api_url = os.environ.get("GITHUB_API_URL") or DEFAULT_API_URL
    forge = connect(repository, token, api_url=api_url)
    if dry_run:
        place = look(forge, run, number)
        plan = make_plan(run, place)
        steps = plan_steps(run, place, plan)
        document = {**result_document(plan.said), "steps": steps}
        if as_json:
            put_json(json.dumps(document, indent=1))
        else:
            click.echo(plan_text(steps, plan.said))
        return EXIT_SOLVED
    try:
        said, place = deliver(forge, run, number)
    except ForgeError as error:
        if summary is not None:
            _append(summary, job_summary(run, out_of_reach(run, error), Voice()))
        raise
    if summary is not None:
        _append(summary, job_summary(run, said, place.voice))
    _tell(said, as_json=as_json)
    return EXIT_SOLVED if said.is_delivered else EXIT_NOT_DELIVERED


def _where(run: Run, repo: str | None, number: int | None) -> tuple[str, int]:
    """The repository and the number: the options', else the run's; they must not contradict."""
    trigger = run.trigger
    repository = (
        repo or os.environ.get("GITHUB_REPOSITORY") or (trigger.repository if trigger else "")
    )
    if trigger is not None:
        if trigger.repository.lower() != repository.lower():
            raise UsageError(
                f"the run is for {visible(trigger.repository, keep='')}, not for {repository}",
                hint="publish it in its own repository",
            )
        if number is not None and trigger.number is not None and trigger.number != number:
            raise UsageError(
                f"the run is for #{trigger.number}, not for #{number}",
                hint="publish it where it belongs, or run egbot again",
            )
    number = number if number is not None else (trigger.number if trigger is not None else None)
    if not repository:
        raise UsageError("the run names no repository", hint="give --repo OWNER/NAME")
    if number is None:
        raise UsageError("the run names no pull request or issue", hint="give --number N")
    return repository, number


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise SpaceError(f"{path} cannot be written: {error.strerror}.", hint="check it") from error


def _tell(said: Said, *, as_json: bool) -> None:
    if as_json:
        put_json(json.dumps(result_document(said), indent=1))
        return
    words = {
        "suggestion": "Suggested",
        "pull_request": "Pull request",
        "commit": "Committed",
        "branch": "On a branch",
        "comment": "As a patch in the comment",
        "nothing": "Nothing to deliver",
    }
    state = "" if said.state == "open" else f" ({said.state})"
    click.echo(f"{words[said.route]}{state}")
    for url in (*said.suggestion_urls, said.pull_url, said.comment_url, said.check_url):
        if url:
            click.echo(f"  {url}")
    for problem in (*said.problems, *said.refusals):
        click.secho(visible(f"  problem: {problem}", keep=""), fg="red", err=True)
