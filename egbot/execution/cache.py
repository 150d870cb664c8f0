"""Owns the folder on the host where built things are kept. It does not know what they are."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from egbot.errors import SpaceError
from egbot.execution.options import Report, SandboxOptions


def cache_folder(options: SandboxOptions) -> Path:
    """Return the cache's folder: the setting, else EGBOT_CACHE, else the user's own cache."""
    if options.cache_dir is not None:
        return options.cache_dir.absolute()
    named = os.environ.get("EGBOT_CACHE")
    return Path(named).absolute() if named else platformdirs.user_cache_path("egbot")


def space_error(error: OSError, folder: Path) -> SpaceError:
    """Turn a failed write below ``folder`` into an error that says so."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SpaceError(
            f"no space left for {folder}", hint="free some space or set EGBOT_CACHE elsewhere"
        )
    return SpaceError(
        f"{folder} cannot be written: {error.strerror or error}",
        hint="set EGBOT_CACHE to a folder that can be written",
    )


@contextlib.contextmanager
def locked(path: Path, report: Report) -> Iterator[None]:
    """Hold a file lock; the kernel frees it when its holder dies, so waiting needs no limit."""
    with path.open("a") as file:
        said = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not said:
                    report("waiting for another egbot that builds the same environment")
                    said = True
                time.sleep(0.1)
        yield


def check_writable(folder: Path) -> None:
    """Make ``folder`` and write one file in it. Raises SpaceError when that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"egbot")
    except OSError as error:
        raise space_error(error, folder) from error
