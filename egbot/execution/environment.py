"""Owns the interpreter that a repository's tests run with outside Docker.

The one that was named, else an environment that is built once from wheels and kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from egbot.bounds import is_below, search_path
from egbot.dependencies import Requirements, detect
from egbot.errors import SandboxError
from egbot.execution.cache import cache_folder, locked
from egbot.execution.interpreter import MINORS, Interpreter, describe, newest_in
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.packages import RETRY_S, install, make_readable, tell_left_out
from egbot.records import Tree
from egbot.uv import run_uv

_NEXT_STEP = "install what the tests need into an environment, and name that with --python PATH"


def choose_interpreter(
    options: SandboxOptions, tree: Tree, root: Path | None, report: Report
) -> Interpreter:
    """Return the interpreter for ``tree``, building its environment when there is none.

    ``root`` is the repository's folder on disk, if it has one: an interpreter below it is started
    only where ``options`` name it, whether git tracks it, ignores it, or somebody just made it.
    """
    if options.python is not None:
        return describe(options.python)
    if root is not None and (root / ".venv" / "bin" / "python").exists():
        report(f"the repository's .venv is not used; --python {root}/.venv/bin/python names it")
    requirements = detect(tree, options.project)
    for one in requirements.ignored:
        report(f"{one.path}: {one.why}")
    base = base_python(requirements.requires_python, root)
    built = ensure(requirements, base, cache_folder(options), report)
    tell_left_out(built.left_out, report)
    return built


def base_python(requires_python: str, root: Path | None = None) -> Interpreter:
    """Return an interpreter in the range: this one, else the newest ``python3.N`` on the path.

    None below ``root`` counts. Raises SandboxError.
    """
    wanted, places = SpecifierSet(requires_python), search_path(root)
    found = [shutil.which(f"python3.{minor}", path=places) for minor in MINORS]
    own = getattr(sys, "_base_executable", None) or sys.executable
    for path in map(Path, filter(None, (own, *found))):
        if root is None or not is_below(path, root):
            with suppress(SandboxError):
                python = describe(path)
                if wanted.contains(python.version, prereleases=True):
                    return python
    asked = f"the repository asks for Python {requires_python}, and"
    name_it = "name one that has the tests' packages with --python PATH"
    newest = newest_in(requires_python)
    if not newest:
        raise SandboxError(
            f"{asked} egbot needs 3.10 or a later 3.N",
            hint=f"let its requires-python allow one of these, or {name_it}",
        )
    raise SandboxError(
        f"{asked} no such python3.N is on the PATH",
        hint=f"install python{newest} so that it is on the PATH, or {name_it}, "
        f"or use --sandbox docker --image python:{newest}-slim",
    )


def ensure(
    requirements: Requirements, base: Interpreter, cache_dir: Path, report: Report
) -> Interpreter:
    """Return the interpreter of an environment that holds ``requirements``, building it once.

    It is kept under ``cache_dir`` by the hash of what it is made of, in its final place, since its
    scripts hold absolute paths. Raises SandboxError, SpaceError.
    """
    digest = requirements.digest(base.version, base.platform, str(base.path))[:24]
    folder = cache_dir / "environments" / digest
    known = _known(folder)
    if not known:
        with locked(folder.with_suffix(".lock"), report):
            known = _known(folder) or _build(requirements, base, folder, report)
    return replace(describe(folder / "bin" / "python"), left_out=known["left_out"])


def _known(folder: Path) -> dict[str, Any]:
    """What the mark tells of an environment that is whole; one that lacks something ages."""
    mark = folder.with_suffix(".ok")
    with suppress(OSError, ValueError, KeyError, TypeError):  # none, or none that an egbot wrote
        known: dict[str, Any] = json.loads(mark.read_text(encoding="utf-8"))
        can_start = os.access(folder / "bin" / "python", os.X_OK)
        if known["left_out"] and time.time() - known["at_s"] > RETRY_S:
            mark.unlink()
        elif can_start and known["files"] == _listing_digest(folder):
            return known
    return {}


def _listing_digest(folder: Path) -> str:
    """Return a digest of all files' names and sizes: some 10 ms for a thousand."""
    files = (os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)  # noqa: PTH118  half the time
    listing = sorted((file, os.lstat(file).st_size) for file in files)
    return hashlib.sha256(repr(listing).encode()).hexdigest()


def _build(
    requirements: Requirements, base: Interpreter, folder: Path, report: Report
) -> dict[str, Any]:
    """Build the environment, and write and return what its mark tells."""
    mark = folder.with_suffix(".ok")
    if mark.is_file():
        report(f"the environment {folder} was changed or damaged: built anew")
    report(f"building an environment with {', '.join(requirements.lines)[:300]}")

    def make_empty() -> None:
        """Each time: uv asks the environment's Python, which must run no package's hook."""
        options = ("--clear", "--no-project", "--python", str(base.path), str(folder))
        run_uv("venv", *options, what=f"making an environment of {base.path}", next_step=_NEXT_STEP)

    try:
        options = ["--python", str(folder / "bin" / "python")]
        left_out = install(requirements.lines, options, make_empty, _NEXT_STEP)
        # uv would compile with the environment's Python, which runs packages' start-up hooks.
        compiler = [str(base.path), "-I", "-S", "-m", "compileall", "-q", "-j", "0", str(folder)]
        subprocess.run(compiler, check=False, capture_output=True, stdin=subprocess.DEVNULL)
        make_readable(folder)
        known = {"files": _listing_digest(folder), "left_out": left_out, "at_s": time.time()}
        mark.write_text(json.dumps(known), encoding="utf-8")
        return known
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
