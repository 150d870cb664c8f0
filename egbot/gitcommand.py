"""Owns how git is called: with which options, environment and limit, and what its refusals mean.

Of GitPython it uses the command interface alone: ``git.Repo`` reads HEAD and the configuration of a
stranger's folder by itself and without a limit, so that a FIFO there would hold it for good.
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
from egbot.errors import SurroundingsError, UsageError

if TYPE_CHECKING:
    from git import Git

_LIMIT_S, _LONG_S = 120.0, 900.0  # to fetch takes its time, and a commit's hooks may run checks
_INSTALL = "install git, version 2.32 or newer"  # the first that knows GIT_CONFIG_GLOBAL
_OPTIONS = "-c core.fsmonitor=false -c core.quotePath=false -c safe.bareRepository=explicit"
_NO_HOOKS = "-c core.hooksPath=/dev/null -c submodule.recurse=false"
_READING = {"GIT_OPTIONAL_LOCKS": "0", "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
_OWN = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
_OWN |= {"GIT_ASKPASS": "", "GIT_LFS_SKIP_SMUDGE": "1"}
# A git hook that starts egbot hands these down; they would redirect our calls.
_REDIRECTING = re.compile(
    "GIT_(DIR|WORK_TREE|INDEX_FILE|PREFIX|COMMON_DIR|OBJECT_DIRECTORY|NAMESPACE|"
    "ALTERNATE_OBJECT_DIRECTORIES|GRAFT_FILE|SHALLOW_FILE)"
)


def ask_git(folder: Path, *arguments: str, own: Mapping[str, str] | None = None) -> bytes:
    """What git prints, as ``run_git``. Raises UsageError or SurroundingsError where it refuses."""
    status, printed, said = run_git(folder, *arguments, own=own)
    if status:
        raise refusal(folder, said)
    return printed


def run_git(
    folder: Path, *arguments: str, own: Mapping[str, str] | None = None, is_commit: bool = False
) -> tuple[int, bytes, str]:
    """Git's status in ``folder``, what it printed (less a line end), what it complained of.

    It takes no path for a pattern. Hooks, transports and the user's language are there for
    ``is_commit`` alone. With ``own``, variables for a repository of ours, nobody's configuration
    and no other variable of git's counts. Raises SurroundingsError if git is missing or too old.
    """
    program = shutil.which("git", path=search_path())
    if program is None:
        raise SurroundingsError("git was not found", hint=_INSTALL)
    _check(program)
    environment = {"GIT_LITERAL_PATHSPECS": "1", "GIT_TERMINAL_PROMPT": "0"}
    if is_commit:  # empty is unset; GitPython would put "C" there
        environment |= {name: os.environ.get(name, "") for name in ("LANGUAGE", "LC_ALL")}
    else:
        environment |= _READING
    dropped = _REDIRECTING
    if own is not None:
        environment |= {**_OWN, **own}
        dropped = re.compile("GIT_(?!SSL_CAINFO).*")
    unset = [f"--unset={n}" for n in os.environ if dropped.fullmatch(n) and n not in environment]
    options = f"{_OPTIONS} {'' if is_commit else _NO_HOOKS}".split()
    command = [*unset, program, "-C", str(folder), *options, *arguments]
    return _execute(command, environment, _LONG_S if is_commit or own is not None else _LIMIT_S)


def _execute(
    command: list[str], environment: Mapping[str, str], limit_s: float
) -> tuple[int, bytes, str]:
    # GitPython only adds variables: env takes them away. Folders go by -C and not by Git(folder),
    # which expands "~" and "$" in their names and falls back to the current folder. The limit is
    # ours: GitPython's has a thread that outlives an interrupted wait and kills by number.
    child = _gitpython().execute(["/usr/bin/env", *command], as_process=True, env=environment)
    try:
        printed, said = child.communicate(timeout=limit_s)
    except TimeoutExpired:
        printed, said = b"", f"it did not finish in {limit_s:.0f} s".encode()
    finally:
        child.kill()  # also where a signal ends the wait
    status = child.poll()
    told = said.decode(errors="replace").strip()
    return 1 if status is None else status, printed.removesuffix(b"\n"), told


@cache
def _check(program: str) -> None:
    """See that this git works and is new enough."""
    _, printed, said = _execute([program, "version"], {}, _LIMIT_S)
    found = re.match(rb"git version (\d+)\.(\d+)", printed)
    if not found:
        raise SurroundingsError(
            f"{program} does not work: asked for its version, it says {said or printed!r}",
            hint=_INSTALL,
        )
    if (int(found[1]), int(found[2])) < (2, 32):
        raise SurroundingsError(f"{found[0].decode()} is too old for egbot", hint=_INSTALL)


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
    table = tomllib.loads((files("egbot") / "gitcommand.toml").read_text(encoding="utf-8"))
    for row in table["refusal"]:
        if found := re.search(row["said"], said):
            what = found[1] if found.re.groups else str(folder)
            words = {"folder": folder, "said": " ".join(said.split()) or "no message", "what": what}
            kind = UsageError if row.get("is_usage") else SurroundingsError
            hint = row["hint"].format(quoted=shlex.quote(what))
            return kind(row["message"].format(**words), hint=hint)
    raise AssertionError("the last row takes everything")
