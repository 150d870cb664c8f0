"""Owns laying out the sample repository of ``egbot demo``."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from egbot.errors import SpaceError, UsageError
from egbot.gitcommand import ask_git

DEMO_AGENTS = "greedy,guided:gamma=1:s=3:d=2,samples:8:t=0.9:seed=1,guided:gamma=0.5:s=4:d=6:seed=2"
"""Who tries in the demo, in this order."""

_MARK = ".git/egbot-demo"
_IDENTITY = ("-c", "user.name=egbot demo", "-c", "user.email=demo@egbot.invalid")


def lay_out(folder: Path) -> Path:
    """A fresh copy of the sample repository in ``folder``, committed; returns ``folder``.

    A copy of an earlier demo is replaced; anything else there raises UsageError.
    """
    if folder.exists():
        if not (folder / _MARK).is_file():
            raise UsageError(
                f"{folder} exists and is not a demo of egbot",
                hint="choose another place with --output",
            )
        shutil.rmtree(folder)
    try:
        with as_file(files("egbot") / "demo_repository") as source:
            shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    except OSError as error:
        raise SpaceError(
            f"{folder} cannot be written: {error.strerror}", hint="free some space or use --output"
        ) from error
    ask_git(folder, "init", "--quiet", "--template=", "--initial-branch=main", own={})
    (folder / _MARK).write_text("made by egbot demo\n", encoding="utf-8")
    ask_git(folder, "add", "--all", own={})
    ask_git(folder, *_IDENTITY, "commit", "--quiet", "-m", "Write the tests first", own={})
    return folder
