"""Owns the interpreter that a repository's tests run with outside Docker.

The one that was named, else an environment that is built once from wheels and kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from egbot.bounds import is_below, search_path
from egbot.dependencies import Requirements, detect
from egbot.errors import SandboxError
from egbot.execution import packages
from egbot.execution.cache import cache_folder, locked, space_error
from egbot.execution.interpreter import Interpreter, describe
from egbot.execution.options import Report, SandboxOptions
from egbot.records import Tree
from egbot.uv import run_uv

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
        if Version(named.version) < OLDEST_PYTHON:
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
    built = ensure(requirements, base, cache_folder(options), report)
    packages.tell_left_out(built.left_out, report)
    return built


def base_python(requires_python: str, root: Path | None = None) -> Path:
    """Return an interpreter in the range: this one, else the newest ``python3.N`` on the path.

    None below ``root`` counts.
    """
    wanted = SpecifierSet(requires_python)
    places = search_path(root)
    names = [f"python3.{minor}" for minor in reversed(_KNOWN_MINORS)]
    found = (shutil.which(name, path=places) for name in names)
    own = getattr(sys, "_base_executable", None) or sys.executable
    for path in (Path(own), *(Path(one) for one in found if one)):
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


def ensure(
    requirements: Requirements, python: Path, cache_dir: Path, report: Report
) -> Interpreter:
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
    known = _known(folder, mark)
    try:
        if not known:
            home.mkdir(parents=True, exist_ok=True)
            with locked(home / f"{digest}.lock", report):
                known = _known(folder, mark)
                if not known:
                    if mark.is_file():
                        report(f"the environment {folder} was changed or damaged: built anew")
                        mark.unlink()
                    known = _build(requirements, base, folder, report)
                    mark.write_text(json.dumps(known), encoding="utf-8")
    except OSError as error:
        raise space_error(error, home) from error
    return replace(describe(folder / "bin" / "python"), left_out=known["left_out"])


def _known(folder: Path, mark: Path) -> dict[str, Any]:
    """What the mark tells of an environment that is whole; one that lacks something ages."""
    try:
        known: dict[str, Any] = json.loads(mark.read_text(encoding="utf-8"))
        can_start = os.access(folder / "bin" / "python", os.X_OK)
        if known["left_out"] and time.time() - known["at_s"] > packages.RETRY_S:
            mark.unlink()
        elif can_start and known["files"] == _listing_digest(folder):
            return known
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none, or none that an egbot wrote
    return {}


def _listing_digest(folder: Path) -> str:
    """Return a digest of all names below ``folder``, files' sizes and links' targets.

    Takes some 10 ms for a thousand files.
    """
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
) -> dict[str, Any]:
    """Build the environment and return what its mark should tell."""
    report(f"building an environment with {', '.join(requirements.lines)[:300]}")

    def attempt(lines: Sequence[str]) -> None:
        """Anew each time: uv asks the environment's Python, which must run no package's hook."""
        shutil.rmtree(folder, ignore_errors=True)
        options = ("--no-project", "--python", str(base.path), str(folder))
        what = f"making an environment of {base.path}"
        run_uv("venv", *options, what=what, next_step=_NEXT_STEP)
        packages.install(lines, "--python", str(folder / "bin/python"), next_step=_NEXT_STEP)

    try:
        left_out = packages.install_most(requirements.lines, attempt)
        # uv would compile with the environment's Python, which runs packages' start-up hooks.
        compiler = [str(base.path), "-I", "-S", "-m", "compileall", "-q", "-j", "0", str(folder)]
        subprocess.run(compiler, check=False, capture_output=True, stdin=subprocess.DEVNULL)
        packages.make_readable(folder)
        return {"files": _listing_digest(folder), "left_out": left_out, "at_s": time.time()}
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
