"""Owns the layout of stubs: the repository's ruff or black where it has settings for one.

It knows nothing of what a file holds, and it never changes a line that was there.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from egbot.bounds import search_path
from egbot.records import Tree

_TIMEOUT_S = 30.0
_RUFF_FILES = ("ruff.toml", ".ruff.toml")


def formatter_of(tree: Tree, root: Path) -> tuple[str, ...]:
    """The formatter that the tree has settings for and that is here (not below ``root``), or ()."""
    for name in _configured(tree):
        if importlib.util.find_spec(name) is not None:
            return (sys.executable, "-I", "-m", name)
        found = shutil.which(name, path=search_path(root))
        if found:
            return (found,)
    return ()


def formatted(
    command: tuple[str, ...], root: Path, path: str, before: bytes, after: bytes
) -> bytes:
    """``after`` in the formatter's layout, if ``before`` already was in it; else as it is."""
    if not command:
        return after
    if before.strip() and _run(command, root, path, before) != before:
        return after
    return _run(command, root, path, after) or after


def _run(command: tuple[str, ...], root: Path, path: str, data: bytes) -> bytes | None:
    is_ruff = Path(command[-1]).stem == "ruff"
    verb = ("format", "--no-cache") if is_ruff else ("--quiet",)
    try:
        done = subprocess.run(  # noqa: S603  a formatter, with an argument list of our own
            [*command, *verb, "--stdin-filename", str(root / path), "-"],
            cwd=root,
            input=data,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def _configured(tree: Tree) -> list[str]:
    file = tree.get("pyproject.toml")
    try:
        tools = (
            tomllib.loads(file.data.decode("utf-8-sig", "replace")).get("tool", {}) if file else {}
        )
    except (tomllib.TOMLDecodeError, RecursionError):
        tools = {}
    names = [name for name in ("ruff", "black") if isinstance(tools, dict) and name in tools]
    if any(name in tree for name in _RUFF_FILES):
        names.insert(0, "ruff")
    return names
