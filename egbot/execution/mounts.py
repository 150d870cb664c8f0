"""Owns which of the host's files an interpreter needs inside a sandbox. It mounts nothing.

An interpreter may live anywhere (a version manager in a home folder, a virtual environment of
links); only its own folders are shown, never the home folder around them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from egbot.execution.interpreter import Interpreter

SYSTEM_FOLDERS = ("/usr",)
SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)
MAX_LINKS = 40
"""As many as the kernel follows in one path (path_resolution(7))."""

_PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")


def system_arguments() -> list[str]:
    """Return bwrap's options for the system's own programs and libraries, read-only."""
    arguments: list[str] = []
    for name in SYSTEM_FOLDERS:
        arguments += ["--ro-bind", name, name]
    for name in SYSTEM_LINKS:
        path = Path(name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            arguments += ["--ro-bind", name, name]
    made: set[Path] = set()
    for name in SYSTEM_FILES:
        arguments += _parents(Path(name), made)
        arguments += ["--ro-bind-try", name, name]
    return arguments


def interpreter_arguments(interpreter: Interpreter) -> list[str]:
    """Return bwrap's options that show ``interpreter`` where it lives on the host, read-only."""
    folders = [
        prefix / part
        for prefix in interpreter.prefixes
        for part in _PARTS
        if (prefix / part).exists() and not _is_system(prefix / part)
    ]
    links: dict[str, str] = {}
    files: list[Path] = []
    starts = [*folders, *(one for one in interpreter.mapped if one.is_file()), interpreter.path]
    for start in starts:
        found, end = follow(start)
        links.update(found)
        files.append(end)
    arguments: list[str] = []
    bound: list[Path] = []
    made: set[Path] = set()
    for path in sorted({*files}, key=lambda one: len(one.parts)):
        if path.exists() and not _is_system(path) and not _below(path, bound):
            arguments += [*_parents(path, made), "--ro-bind", str(path), str(path)]
            bound.append(path)
    for link, target in links.items():
        if not _is_system(Path(link)) and not _below(Path(link), bound):
            arguments += [*_parents(Path(link), made), "--symlink", target, link]
    return arguments


def _parents(path: Path, made: set[Path]) -> list[str]:
    """Return options that make the folders above ``path``: bwrap's own are closed to others."""
    arguments: list[str] = []
    for folder in reversed(path.parents[:-1]):
        if folder not in made:
            made.add(folder)
            arguments += ["--perms", "0755", "--dir", str(folder)]
    return arguments


def follow(path: Path) -> tuple[dict[str, str], Path]:
    """Follow every link in ``path``; return the links met with their targets, and the end."""
    links: dict[str, str] = {}
    num_followed = 0
    here, rest = Path("/"), list(path.parts[1:])
    while rest:
        name = rest.pop(0)
        if name == "..":
            here = here.parent
            continue
        step = here / name
        if step.is_symlink() and num_followed < MAX_LINKS:
            num_followed += 1
            target = step.readlink()
            links[str(step)] = str(target)
            if target.is_absolute():
                here, rest = Path("/"), [*target.parts[1:], *rest]
            else:
                rest = [*target.parts, *rest]
        else:
            here = step
    return links, here


def _is_system(path: Path) -> bool:
    return _below(path, [Path(name) for name in (*SYSTEM_FOLDERS, *SYSTEM_LINKS)])


def _below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path == folder or folder in path.parents for folder in folders)
