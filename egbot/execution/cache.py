"""Owns the folder on the host where built things are kept."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from egbot.errors import SpaceError
from egbot.execution.options import Report, SandboxOptions


def cache_folder(options: SandboxOptions) -> Path:
    """Return the cache's folder: the setting, else EGBOT_CACHE, else the user's own cache."""
    named = options.cache_dir or os.environ.get("EGBOT_CACHE")
    return Path(named).absolute() if named else platformdirs.user_cache_path("egbot")


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make ``folder``. Raises SpaceError when that, or what is done meanwhile, raises OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        what = f"{folder} cannot be written: {error.strerror or error}"
        hint = "set EGBOT_CACHE to a folder that can be written"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what, hint = f"{folder}: no space left", "free some or set EGBOT_CACHE elsewhere"
        raise SpaceError(what, hint=hint) from error


@contextlib.contextmanager
def locked(path: Path, report: Report) -> Iterator[None]:
    """Hold a file lock, which the kernel frees when its holder dies. Raises as ``writing`` does."""
    with writing(path.parent), path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another egbot that builds the same environment")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
