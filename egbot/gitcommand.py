"""Owns how git is called, and what its refusals mean; ``gitcommand.toml`` says it.

Of GitPython it uses the command interface alone: ``git.Repo`` reads strange settings with no limit.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

from egbot.bounds import search_path
from egbot.deadline import held
from egbot.errors import SurroundingsError, UsageError

if TYPE_CHECKING:
    from git import Git

_INSTALL = "install git, version 2.32 or newer"  # the first that knows GIT_CONFIG_GLOBAL
_TABLE = tomllib.loads((files("egbot") / "gitcommand.toml").read_text(encoding="utf-8"))
_Answer = tuple[int, bytes, str]


def ask_git(folder: Path, *arguments: str, own: Mapping[str, str] | None = None) -> bytes:
    """What git prints, as ``run_git``. Raises UsageError or SurroundingsError where it refuses."""
    status, printed, said = run_git(folder, *arguments, own=own)
    if status:
        raise refusal(folder, said)
    return printed


def run_git(
    folder: Path, *arguments: str, own: Mapping[str, str] | None = None, is_commit: bool = False
) -> _Answer:
    """Git's status in ``folder``, what it printed (less a line end), what it complained of.

    ``gitcommand.toml`` says what holds for reading, for the user's commit (``is_commit``) and in a
    repository of ours, with the variables ``own``. Raises SurroundingsError if git does not work.
    """
    program = shutil.which("git", path=search_path())
    if program is None:
        raise SurroundingsError("git was not found", hint=_INSTALL)
    _check(program)
    row = _TABLE["reading"] | _TABLE["commit" if is_commit else "reading" if own is None else "own"]
    environment = {**row["variables"], **(own or {})}
    environment |= {name: os.environ.get(name, "") for name in row["kept"]}  # empty is unset
    unset = [f"-u{n}" for n in os.environ.keys() - environment if re.fullmatch(row["dropped"], n)]
    command = [*unset, program, "-C", str(folder), *row["options"], *arguments]
    return _execute(command, environment, row["limit_s"])


def _execute(command: list[str], environment: Mapping[str, str], limit_s: float) -> _Answer:
    # GitPython only adds variables, so env; its Git(folder) expands "~" and "$" in names, so -C; and
    # its limit is a thread that outlives an interrupted wait and kills by number, so one of ours.
    with held():
        child = _gitpython().execute(["/usr/bin/env", *command], as_process=True, env=environment)
    try:
        printed, said = child.communicate(timeout=limit_s)
        status = child.returncode
    except TimeoutExpired:
        status, printed, said = 1, b"", f"it did not finish in {limit_s:.0f} s".encode()
    finally:
        child.kill()  # also where a signal ends the wait
    return status, printed.removesuffix(b"\n"), said.decode(errors="replace").strip()


@cache
def _check(program: str) -> None:
    """See that this git works and is new enough."""
    _, printed, said = _execute([program, "version"], {}, _TABLE["reading"]["limit_s"])
    found = re.match(rb"git version (\d+)\.(\d+)", printed)
    if found and (int(found[1]), int(found[2])) >= (2, 32):
        return
    why = f"{program} does not work: asked for its version, it says {said or printed!r}"
    why = f"{found[0].decode()} is too old for egbot" if found else why
    raise SurroundingsError(why, hint=_INSTALL)


@cache
def _gitpython() -> Git:
    """GitPython's command interface. Its import tries a git of its own choice: here it finds none."""
    before = dict(os.environ)
    os.environ |= {"GIT_PYTHON_REFRESH": "quiet", "GIT_PYTHON_GIT_EXECUTABLE": os.devnull}
    try:
        from git import Git
    finally:
        os.environ.clear()
        os.environ |= before
    return Git()


def refusal(folder: Path, said: str) -> UsageError | SurroundingsError:
    """What git said, in our words, with what to do next."""
    tried = ((row, re.search(row["said"], said)) for row in _TABLE["refusal"])
    row, found = next((row, found) for row, found in tried if found)  # the last takes everything
    what = found[1] if found.re.groups else str(folder)
    told = " ".join(said.split()) or "no message"
    kind = UsageError if row.get("is_usage") else SurroundingsError
    message = row["message"].format(folder=folder, said=told, what=what)
    return kind(message, hint=row["hint"].format(quoted=shlex.quote(what)))
