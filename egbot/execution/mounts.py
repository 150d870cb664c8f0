"""Owns which of the host's files are shown inside a bubblewrap sandbox, and why.

An interpreter may live anywhere (a version manager in a home folder, a virtual environment of
links); only its own folders are shown, never the home folder around them. ``/usr`` and
``/usr/local`` are everyone's: of them only what stands in ``mounts.toml``, and Python's own.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from egbot.bounds import hops
from egbot.execution.interpreter import Interpreter, shares_system_packages

SHARED_PREFIXES = (Path("/"), Path("/usr"), Path("/usr/local"))
_LINKS = (Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib64"))


@functools.lru_cache(maxsize=8)
def host_arguments(interpreter: Interpreter) -> tuple[str, ...]:
    """Return bwrap's options that show what ``interpreter`` and its tests need of the host.

    Everything is read-only and stays where it is; links are made again.
    """
    links = {one: str(one.readlink()) for one in _LINKS if one.is_symlink()}
    ends: set[Path] = set()
    for start in (*system_files(), *_python_files(interpreter)):
        *met, end = hops(start)
        links |= {one: str(one.readlink()) for one in met}
        if end.exists():
            ends.add(end)
    options = {path: ["--ro-bind", str(path), str(path)] for path in ends}
    options |= {path: ["--symlink", target, str(path)] for path, target in links.items()}
    for path in list(options):
        for folder in path.parents[:-1]:  # those that bwrap makes itself are closed to others
            options.setdefault(folder, ["--perms", "0755", "--dir", str(folder)])
    order = sorted(options, key=lambda path: (len(path.parts), path))
    shown = [options[path] for path in order if ends.isdisjoint(path.parents)]
    return tuple(itertools.chain(*shown))


def system_files() -> Iterator[Path]:
    """Yield what there is on this machine of ``mounts.toml``."""
    table = tomllib.loads((resources.files(__package__) / "mounts.toml").read_text("utf-8"))
    for pattern in table["system"]:
        yield from sorted(Path("/").glob(pattern[1:]))
    for name in table["programs"].split():
        if found := shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin"):
            yield Path(found)


def _python_files(interpreter: Interpreter) -> Iterator[Path]:
    """Yield the interpreter, its own folders, its own files in shared ones, and what it maps."""
    short = "python" + ".".join(interpreter.version.split(".")[:2])
    for prefix in interpreter.prefixes:
        parts = ["bin", "lib", "lib64", "pyvenv.cfg"]
        if prefix in SHARED_PREFIXES:
            parts = [f"lib/{short}", f"lib64/{short}", "bin/python", "bin/python3", f"bin/{short}"]
            if shares_system_packages(interpreter.prefixes[0]):
                parts += ["lib/python3", f"local/lib/{short}"]
                yield from _scripts(interpreter.path.parent)
        yield from (prefix / part for part in parts if (prefix / part).exists())
    for path in interpreter.mapped:
        if path.is_file():  # a library's neighbours in a folder of libraries may be needed too
            is_library = ".so" in path.name and path.parent in (Path("/lib"), Path("/usr/lib"))
            yield path.parent if is_library else path
    yield interpreter.path


def _scripts(home: Path) -> Iterator[Path]:
    """Yield the scripts that pip puts into ``/usr/local/bin`` for the Python in ``home``."""
    for path in Path("/usr/local/bin").glob("*"):
        if path.is_file() and os.access(path, os.R_OK):
            with path.open("rb") as file:
                if file.read(200).startswith(b"#!%b/python" % os.fsencode(home)):
                    yield path
