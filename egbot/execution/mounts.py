"""Owns which of the host's files are shown inside a bubblewrap sandbox, and why.

An interpreter may live anywhere (a version manager in a home folder, a virtual environment of
links); only its own folders are shown, never the home folder around them. ``/usr`` and
``/usr/local`` are everyone's: of them only what stands in the tables, and Python's own.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from egbot.execution.interpreter import Interpreter, shares_system_packages

SYSTEM = (
    ("/lib64", "the loader, where programs name it; Fedora's libraries"),
    ("/lib/ld-*.so*", "the loader, where other machines' programs name it"),
    ("/usr/lib64", "the same where these folders are one"),
    ("/lib/*-linux-*", "Debian's libraries"),
    ("/usr/lib/*-linux-*", "Debian's libraries"),
    ("/nix/store", "every program and library of Nix"),
    ("/etc/ld.so.cache", "where the loader finds libraries"),
    ("/usr/lib/locale", "locales"),
    ("/usr/share/zoneinfo", "time zones"),
    ("/etc/localtime", "the machine's time zone"),
    ("/lib/terminfo", "terminals, for curses"),
    ("/usr/share/terminfo", "terminals, for curses"),
    ("/etc/mime.types", "file types, for mimetypes"),
    ("/usr/share/misc/magic.mgc", "file types, for libmagic"),
    ("/etc/ssl/certs", "certificates"),
    ("/etc/pki/tls/cert*", "certificates of Fedora"),
    ("/etc/pki/tls/openssl.cnf", "OpenSSL's settings of Fedora"),
    ("/etc/pki/ca-trust/extracted", "certificates of Fedora"),
    ("/usr/share/ca-certificates", "certificates, where Debian's links lead"),
    ("/etc/ssl/openssl.cnf", "OpenSSL's settings"),
    ("/usr/lib/ssl", "where Debian's OpenSSL looks for both"),
    ("/usr/lib/git-core", "git's own programs"),
    ("/usr/share/git-core", "git's templates"),
)
"""Patterns of files and folders outside the interpreter, each with its reason."""

PROGRAMS = (
    "sh bash env true false cat echo printf test ls cp mv rm mkdir rmdir ln touch chmod pwd sleep "
    "date head tail sort uniq wc cut tr tee seq basename dirname mktemp uname id whoami kill grep "
    "sed awk find xargs diff tar gzip which git ldconfig"
)
"""The programs that tests start; ``ctypes.util.find_library`` asks ldconfig. No compiler."""

SHARED_PREFIXES = (Path("/"), Path("/usr"), Path("/usr/local"))
MAX_LINKS = 40
"""As many as the kernel follows in one path (path_resolution(7))."""

_LINKS = ("/bin", "/sbin", "/lib", "/lib64")
_PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")


@functools.lru_cache(maxsize=8)
def host_arguments(interpreter: Interpreter) -> tuple[str, ...]:
    """Return bwrap's options that show what ``interpreter`` and its tests need of the host.

    Everything is read-only and stays where it is; links are made again.
    """
    root, where = Path("/"), "/usr/bin:/bin:/usr/sbin:/sbin"
    starts = [found for pattern, _ in SYSTEM for found in sorted(root.glob(pattern[1:]))]
    starts += [Path(one) for name in PROGRAMS.split() if (one := shutil.which(name, path=where))]
    starts += [*_python_files(interpreter), *_libraries(interpreter), interpreter.path]
    links = {one: str(Path(one).readlink()) for one in _LINKS if Path(one).is_symlink()}
    ends: set[Path] = set()
    for start in starts:
        found, end = follow(start)
        links.update(found)
        ends.add(end)
    arguments: list[str] = []
    bound: set[Path] = set()
    made: set[Path] = set()
    for path in sorted(ends, key=lambda one: (len(one.parts), one)):
        if path.exists() and bound.isdisjoint((path, *path.parents)):
            arguments += [*_parents(path, made), "--ro-bind", str(path), str(path)]
            bound.add(path)
    for link, target in links.items():
        if bound.isdisjoint(Path(link).parents):
            arguments += [*_parents(Path(link), made), "--symlink", target, link]
    return tuple(arguments)


def _python_files(interpreter: Interpreter) -> Iterator[Path]:
    """Yield the interpreter's own folders, and its own files in folders that it shares."""
    short = "python" + ".".join(interpreter.version.split(".")[:2])
    has_packages = shares_system_packages(interpreter.prefixes[0])
    for prefix in interpreter.prefixes:
        parts: tuple[str, ...] = _PARTS
        if prefix in SHARED_PREFIXES:
            parts = (f"lib/{short}", f"lib64/{short}", "bin/python", "bin/python3", f"bin/{short}")
            if has_packages:
                parts += ("lib/python3", f"local/lib/{short}")
                yield from _scripts(interpreter.path.parent)
        yield from (prefix / part for part in parts if (prefix / part).exists())


def _scripts(home: Path) -> Iterator[Path]:
    """Yield the scripts that pip puts into ``/usr/local/bin`` for the Python in ``home``."""
    for path in Path("/usr/local/bin").glob("*"):
        if path.is_file() and os.access(path, os.R_OK):
            with path.open("rb") as file:
                if file.read(200).startswith(b"#!%b/python" % os.fsencode(home)):
                    yield path


def _libraries(interpreter: Interpreter) -> Iterator[Path]:
    """Yield the files that are mapped, or all that lie beside them in a folder of libraries."""
    for path in interpreter.mapped:
        if path.is_file():
            is_library = ".so" in path.name and path.parent in (Path("/lib"), Path("/usr/lib"))
            yield path.parent if is_library else path


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
