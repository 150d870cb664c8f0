"""Owns a run's output folder: who may write there, what an earlier run left, run.json, reports.

It does not know how a run goes on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from egbot.errors import SpaceError, SurroundingsError
from egbot.records import Outcome, Run
from egbot.report.files import clear_outcomes, outcome_folders, write_outcome, write_run, write_text

RUN_FILE = "run.json"
PREVIOUS = "previous"
_LOCK = ".lock"
_LEAST_FREE_BYTES = 32 * 1024 * 1024


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep ``folder`` to this run, and see that there is room for it; it is made where needed.

    The kernel frees it when its holder dies. A folder made here is none that git should list.
    Raises SurroundingsError, saying who holds it, and SpaceError.
    """
    if not folder.is_dir():
        write_text(folder / ".gitignore", "*\n")
    path = folder / _LOCK
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise SpaceError(
            f"{folder} cannot be written: {error.strerror}",
            hint="give a folder that egbot may write to: --output",
        ) from error
    with os.fdopen(lock, "r+", encoding="utf-8", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SurroundingsError(
                f"another egbot is writing to {folder} ({file.read(80).strip()})",
                hint="wait for it, or give this run a folder of its own with --output",
            ) from error
        if free_bytes < _LEAST_FREE_BYTES:
            raise SpaceError(
                f"{folder} has room for {free_bytes:,} bytes only",
                hint="free some space, or choose another folder with --output",
            )
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        file.flush()
        yield


@dataclass(slots=True)
class Saver:
    """Writes run.json in every stage, and each outcome's files once.

    ``complete`` adds to a run what the pipeline does not know.
    """

    folder: Path
    complete: Callable[[Run], Run]
    num_written: int = 0
    has_begun: bool = False

    def begin(self, run: Run) -> None:
        """Put what an earlier run left aside, and save ``run``, of which nothing is known yet.

        So a run that is killed shows no other run's results. Raises SpaceError.
        """
        self.has_begun = True
        _keep_previous(self.folder)
        self.save(run)

    def save(self, run: Run) -> None:
        """Write what is new. Raises SpaceError when the folder cannot be written."""
        run = self.complete(run)
        write_run(self.folder / RUN_FILE, run)  # first: it matters most where space is short
        for index, outcome in enumerate(run.outcomes[self.num_written :], self.num_written + 1):
            if _has_story(outcome):
                write_outcome(self.folder, index, outcome, run=run)
        self.num_written = len(run.outcomes)


def _has_story(outcome: Outcome) -> bool:
    """Whether there is more to tell than run.json does; of what nobody tried there is nothing."""
    return outcome.target is not None and (
        outcome.reason != "over_budget" or bool(outcome.attempts)
    )


def _keep_previous(folder: Path) -> None:
    """Move an earlier run's files to ``previous``, in place of the run that lies there.

    A run that came to nothing takes nobody's place: its files are removed.
    """
    kept = folder / PREVIOUS
    run_file = folder / RUN_FILE
    old = [*outcome_folders(folder), *([run_file] if run_file.is_file() else [])]
    if not old:
        return
    try:
        if _has_outcomes(run_file):
            if kept.exists():
                shutil.rmtree(kept)
            kept.mkdir()
            for path in old:
                path.rename(kept / path.name)
        else:
            clear_outcomes(folder)
            run_file.unlink(missing_ok=True)
    except OSError as error:
        raise SpaceError(
            f"an earlier run's files in {folder} cannot be put aside: {error.strerror or error}",
            hint="remove them by hand, or choose another folder with --output",
        ) from error


def _has_outcomes(run_file: Path) -> bool:
    try:
        run = json.loads(run_file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(run, dict) and bool(run.get("outcomes"))
