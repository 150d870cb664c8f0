"""Owns what an Actions runner hands to a step and takes from it: environment, masks, outputs,
the job summary. It does not know what the step does.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from egbot.errors import SpaceError, UsageError
from egbot.intake.event import MAX_PAYLOAD_BYTES
from egbot.report.text import defused

MAX_SUMMARY_BYTES = 1024 * 1024
"""GITHUB_STEP_SUMMARY of one step; what is longer is dropped as a whole."""
_CUT = "\n\nThe rest is in the artifact: the summary of a job holds 1 MiB.\n"
_SECRET = ("EGBOT_INPUTS", "GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN")
_SECRET_STARTS = ("ACTIONS_ID_TOKEN_", "ACTIONS_RESULTS_", "INPUT_")


@dataclass(frozen=True, slots=True)
class Runner:
    """Where a step runs; the files are None where the runner gave none."""

    repository: str
    event_name: str
    event_path: Path | None
    workspace: Path
    temp: Path
    server_url: str
    api_url: str
    run_id: str
    output_file: Path | None
    summary_file: Path | None


def runner_of(environment: Mapping[str, str]) -> Runner:
    """The runner that ``environment`` describes. Raises UsageError outside of Actions."""
    repository = environment.get("GITHUB_REPOSITORY", "")
    if not repository:
        raise UsageError(
            "GITHUB_REPOSITORY is not set: this is no step of a workflow",
            hint="use `uses:` in a workflow, or the command line `egbot` elsewhere",
        )

    def file(name: str) -> Path | None:
        return Path(environment[name]) if environment.get(name) else None

    return Runner(
        repository=repository,
        event_name=environment.get("GITHUB_EVENT_NAME", ""),
        event_path=file("GITHUB_EVENT_PATH"),
        workspace=file("GITHUB_WORKSPACE") or Path.cwd(),
        temp=file("RUNNER_TEMP") or Path.cwd(),
        server_url=(environment.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/"),
        api_url=(environment.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/"),
        run_id=environment.get("GITHUB_RUN_ID", ""),
        output_file=file("GITHUB_OUTPUT"),
        summary_file=file("GITHUB_STEP_SUMMARY"),
    )


def take_secrets(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Take what no child process may inherit out of ``environment``, and return it."""
    names = [name for name in environment if name in _SECRET or name.startswith(_SECRET_STARTS)]
    return {name: environment.pop(name) for name in names}


def event_payload(runner: Runner) -> bytes:
    """The event's JSON. Raises UsageError when it cannot be read."""
    if runner.event_path is None:
        return b"{}"
    try:
        with runner.event_path.open("rb") as file:
            return file.read(MAX_PAYLOAD_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the event's payload cannot be read: {error.strerror}") from error


# --- what is printed ---------------------------------------------------------------------------


def say(text: str) -> None:
    """Print one line to the log; no line of it is taken for a command of the runner."""
    sys.stdout.write("".join(f"{defused(line)}\n" for line in text.splitlines() or [""]))
    sys.stdout.flush()


def mask(secret: str) -> None:
    """Let the runner blot out ``secret`` in all that follows, also as a basic-auth header."""
    if secret:
        basic = base64.b64encode(f"x-access-token:{secret}".encode()).decode()
        for each in (secret, basic):
            sys.stdout.write(f"::add-mask::{_escaped(each)}\n")
        sys.stdout.flush()


def annotate(level: str, message: str) -> None:
    """Show ``message`` at the top of the workflow run; ``level`` is notice, warning or error."""
    sys.stdout.write(f"::{level} title=egbot::{_escaped(message)}\n")
    sys.stdout.flush()


@contextlib.contextmanager
def no_commands() -> Iterator[None]:
    """Within it, the runner obeys no command in what is printed: it may come from strangers."""
    token = secrets.token_hex(16)
    sys.stdout.write(f"::stop-commands::{token}\n")
    sys.stdout.flush()
    try:
        yield
    finally:
        sys.stdout.write(f"\n::{token}::\n")
        sys.stdout.flush()


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


# --- what is left in files ---------------------------------------------------------------------


def put_outputs(runner: Runner, outputs: Mapping[str, str]) -> None:
    """Set the step's outputs, each between delimiters that nobody can foresee."""
    if runner.output_file is None:
        return
    lines: list[str] = []
    for name, value in outputs.items():
        end = f"egbot-{secrets.token_hex(16)}"
        lines += [f"{name}<<{end}", value, end]
    _append(runner.output_file, "\n".join(lines) + "\n")


def put_summary(runner: Runner, sections: list[str]) -> None:
    """Add whole sections to the job summary, as many as its limit has room for."""
    if runner.summary_file is None:
        return
    path = runner.summary_file
    room = MAX_SUMMARY_BYTES - (path.stat().st_size if path.exists() else 0) - len(_CUT)
    kept: list[str] = []
    for section in sections:
        text = f"{section.rstrip()}\n\n"
        room -= len(text.encode("utf-8", "replace"))
        if room < 0:
            kept.append(_CUT)
            break
        kept.append(text)
    _append(path, "".join(kept))


def _append(path: Path, text: str) -> None:
    try:
        with path.open("ab") as file:
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SpaceError(f"{path.name} cannot be written: {error.strerror}") from error
