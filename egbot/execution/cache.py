"""Owns the folder on the host where built things are kept."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from egbot.errors import SpaceError
from egbot.execution.options import Report, SandboxOptions


def cache_folder(options: SandboxOptions) -> Path:
    """Return the cache's folder: the setting, else EGBOT_CACHE, else the user's own cache."""
    named = options.cache_dir or os.environ.get("EGBOT_CACHE")
    return Path(named).absolute() if named else platformdirs.user_cache_path("egbot")


def space_error(error: OSError, folder: Path) -> SpaceError:
    """Turn a failed write below ``folder`` into an error that says so."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SpaceError(f"{folder}: no space left", hint="free some or set EGBOT_CACHE elsewhere")
    what = f"{folder} cannot be written: {error.strerror or error}"
    return SpaceError(what, hint="set EGBOT_CACHE to a folder that can be written")


@contextlib.contextmanager
def locked(path: Path, report: Report) -> Iterator[None]:
    """Hold a file lock; the kernel frees it when its holder dies, so waiting needs no limit.

    Makes its folder. Raises SpaceError when that, or what is done meanwhile, raises OSError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report("waiting for another egbot that builds the same environment")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise space_error(error, path.parent) from error


def check_writable(folder: Path) -> None:
    """Make ``folder`` and write one file in it. Raises SpaceError when that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"egbot")
    except OSError as error:
        raise space_error(error, folder) from error
