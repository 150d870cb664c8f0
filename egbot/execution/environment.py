"""Owns the interpreter that a repository's tests run with outside Docker.

It does not know how the tests are run. The order of choice: the interpreter that was named, an
environment built once from wheels and kept. Of the repository's own nothing is started unnamed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from egbot.bounds import is_below, search_path
from egbot.dependencies import Requirements, detect
from egbot.errors import SandboxError
from egbot.execution.cache import cache_folder, locked, space_error
from egbot.execution.interpreter import Interpreter, describe
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.wheels import RETRY_S, has_pip, install_most, run_pip, tell_left_out
from egbot.records import Tree

__all__ = ["Requirements", "choose_interpreter", "detect", "ensure"]

_NEXT_STEP = (
    "install what the tests need into an environment of your own and name it with --python PATH"
)
_KNOWN_MINORS = range(8, 20)
OLDEST_PYTHON = Version("3.8")
"""What the code that runs inside a sandbox is written for."""


def choose_interpreter(
    options: SandboxOptions, tree: Tree, root: Path | None, report: Report
) -> Interpreter:
    """Return the interpreter for ``tree``, building its environment when there is none.

    ``root`` is the repository's folder on disk, if it has one: an interpreter below it is started
    only where ``options`` name it, whether git tracks it, ignores it, or somebody just made it.
    """
    if options.python is not None:
        named = describe(options.python)
        if is_too_old(named):
            raise SandboxError(
                f"{named.path} is Python {named.version}", hint="name one from 3.8 on with --python"
            )
        if not named.has_module("pytest"):
            report(f"{named.path} seems to have no pytest")
        return named
    if root is not None and (root / ".venv" / "bin" / "python").exists():
        report(f"the repository's .venv is not used; --python {root}/.venv/bin/python names it")
    requirements = detect(tree)
    for one in requirements.ignored:
        report(f"{one.path}: {one.why}")
    base = base_python(requirements.requires_python, root)
    python = ensure(requirements, base, cache_folder(options), report)
    folder = python.parents[1]
    left_out = _left_out(folder.with_name(f"{folder.name}.ok"))
    tell_left_out(left_out, report)
    return replace(describe(python), left_out=left_out)


def is_too_old(interpreter: Interpreter) -> bool:
    """Say whether the code that runs inside needs a newer one."""
    return Version(interpreter.version) < OLDEST_PYTHON


def base_python(requires_python: str, root: Path | None = None) -> Path:
    """Return an interpreter in the range: this one, else the newest ``python3.N`` on the path.

    None below ``root`` counts.
    """
    wanted = SpecifierSet(requires_python)
    places = search_path(root)
    names = [f"python3.{minor}" for minor in reversed(_KNOWN_MINORS)]
    found = (shutil.which(name, path=places) for name in names)
    for path in (_own_base(), *(Path(one) for one in found if one)):
        if root is not None and is_below(path, root):
            continue
        try:
            version = describe(path).version
        except SandboxError:
            continue
        if wanted.contains(version, prereleases=True):
            return path
    fitting = (f"3.{minor}" for minor in _KNOWN_MINORS if _allows(wanted, minor))
    newest = max(fitting, key=Version, default="")
    install = f"install python{newest} so that it is on the PATH" if newest else "install one"
    image = f" --image python:{newest}-slim" if newest else " with --image NAME"
    raise SandboxError(
        f"the repository asks for Python {requires_python}, and no such python3.N is on the PATH",
        hint=f"{install}, or name one that has the tests' packages with --python PATH, or use "
        f"--sandbox docker{image}",
    )


def _allows(wanted: SpecifierSet, minor: int) -> bool:
    """Whether a range holds one of the first or the last releases of Python 3.``minor``."""
    return any(wanted.contains(f"3.{minor}.{patch}", prereleases=True) for patch in (0, 1, 99))


def ensure(requirements: Requirements, python: Path, cache_dir: Path, report: Report) -> Path:
    """Return the interpreter of an environment that holds ``requirements``, building it once.

    The environment is kept under ``cache_dir`` by the hash of its requirements. It is built in
    its final place, since its scripts hold absolute paths, and counts only while its mark tells
    the files that are there; a lock lets one process build at a time. Raises SandboxError,
    SpaceError.
    """
    base = describe(python)
    digest = requirements.digest(base.version, base.tag, str(base.path))[:24]
    home = cache_dir / "environments"
    folder, mark = home / digest, home / f"{digest}.ok"
    interpreter = folder / "bin" / "python"
    if _is_ready(folder, mark):
        return interpreter
    try:
        home.mkdir(parents=True, exist_ok=True)
        with locked(home / f"{digest}.lock", report):
            if not _is_ready(folder, mark):
                if mark.is_file() and not _is_whole(folder, mark):
                    report(f"the environment {folder} was changed or damaged: built anew")
                mark.unlink(missing_ok=True)
                left_out = _build(requirements, base, folder, report)
                known = {"files": _listing_digest(folder), "left_out": left_out}
                mark.write_text(json.dumps(known), encoding="utf-8")
    except OSError as error:
        raise space_error(error, home) from error
    return interpreter


def _is_ready(folder: Path, mark: Path) -> bool:
    """Whether the environment is whole, and what it lacks was tried to be had not long ago."""
    if not _is_whole(folder, mark):
        return False
    return not _left_out(mark) or time.time() - mark.stat().st_mtime < RETRY_S


def _is_whole(folder: Path, mark: Path) -> bool:
    """Whether the environment's files are those that were built, by their names and sizes."""
    try:
        return _marked(mark).get("files") == _listing_digest(folder)
    except OSError:
        return False


def _left_out(mark: Path) -> dict[str, str]:
    found = _marked(mark).get("left_out")
    return {str(line): str(why) for line, why in found.items()} if isinstance(found, dict) else {}


def _marked(mark: Path) -> dict[str, object]:
    """What stands in the mark; nothing in an older one. Raises OSError."""
    try:
        found = json.loads(mark.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _listing_digest(folder: Path) -> str:
    """Return a digest of all names below ``folder``, files' sizes and links' targets.

    Takes some 10 ms for a thousand files. Raises OSError when the interpreter cannot be started.
    """
    if not os.access(folder / "bin" / "python", os.X_OK):
        raise FileNotFoundError(errno.ENOENT, "no interpreter", str(folder))
    lines = []
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)  # noqa: PTH118  a Path for each would take twice as long
            status = os.lstat(path)
            target = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""  # noqa: PTH115
            lines.append(f"{path[len(str(folder)) :]}\0{status.st_size}\0{target}")
    return hashlib.sha256(os.fsencode("\n".join(sorted(lines)))).hexdigest()


def _build(
    requirements: Requirements, base: Interpreter, folder: Path, report: Report
) -> dict[str, str]:
    report(f"building an environment with {', '.join(requirements.lines)[:300]}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        pip = _make_environment(base, folder)
        return install_most(
            requirements.lines,
            lambda lines: run_pip(
                [*pip, "install", "--quiet", "--only-binary=:all:", "--", *lines],
                what="installing the repository's requirements",
                next_step=_NEXT_STEP,
            ),
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _make_environment(base: Interpreter, folder: Path) -> list[str]:
    """Make the empty environment; return the command of a pip that installs into it.

    The pip next to egbot serves an environment of the same Python, which saves seconds and does
    not depend on what the base Python bundles; else the environment gets a pip of its own.
    """
    python = str(folder / "bin" / "python")
    borrowed = base.version.split(".")[:2] == [str(one) for one in sys.version_info[:2]]
    borrowed = borrowed and has_pip()
    options = ["--without-pip"] if borrowed else []
    try:
        subprocess.run(
            [str(base.path), "-I", "-m", "venv", *options, str(folder)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.CalledProcessError as error:
        output = str(error.stdout) + str(error.stderr)
        if "No space left" in output:
            raise OSError(errno.ENOSPC, "no space left") from error
        last = output.strip().splitlines()[-1:] or ["no message"]
        raise SandboxError(
            f"{base.path} could not make a virtual environment: {last[0]}",
            hint="install Python's venv module (Debian: python3-venv), or use --python PATH",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SandboxError(
            f"{base.path} took longer than 300 s to make a virtual environment", hint=_NEXT_STEP
        ) from error
    if borrowed:
        return [sys.executable, "-I", "-m", "pip", "--python", python]
    return [python, "-I", "-m", "pip"]


def _own_base() -> Path:
    return Path(getattr(sys, "_base_executable", None) or sys.executable)
