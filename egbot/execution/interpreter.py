"""Owns what is known of one Python interpreter, on the host or in an image.

On the host it is asked with ``-I -S``: no start-up hook of an installed package (``.pth`` files,
``sitecustomize``) runs there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from egbot.errors import SandboxError

QUESTION = """
import contextlib, json, os, platform, re, sys
version = platform.python_version().rstrip("+")
if sys.version_info < (3, 10):
    sys.exit(print(json.dumps({"too_old": version})))
for name in "bz2 ctypes curses dbm gdbm hashlib lzma sqlite3 ssl uuid".split():
    with contextlib.suppress(ImportError):
        __import__("_" + name)
mapped, installed = "", {}
if os.path.exists("/proc/self/maps"):
    with open("/proc/self/maps", errors="replace") as maps:
        mapped = maps.read()
if not sys.flags.no_site:
    from importlib.metadata import distributions
    for one in distributions():
        installed.setdefault(one.metadata["Name"] or "", one.version)
print(json.dumps({
    "version": version,
    "libc": platform.libc_ver(),
    "machine": platform.machine(),
    "prefixes": sorted({sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}),
    "mapped": sorted(set(re.findall(" (/.+)", mapped))),
    "installed": installed,
}))
"""
MINORS = range(19, 9, -1)
"""Of the Python 3 that the code inside sandboxes runs in: all there are and some to come."""

_GLIBC_MINORS = (17, 28, *range(31, 41))


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter: where it starts, which folders it lives in, which files it maps.

    ``path`` is as given (a virtual environment's link is kept, it decides the environment);
    ``platform`` is uv's name of what it runs on; ``prefixes`` hold the environment's own folder and
    that of the Python below it. ``installed`` is what an image's has already (canonical name ->
    version); ``left_out`` are the requirement lines that could not be installed into it, and why.
    """

    path: Path
    version: str
    platform: str
    prefixes: tuple[Path, ...]
    mapped: tuple[Path, ...]
    installed: Mapping[str, str] = field(default_factory=dict, hash=False)
    left_out: Mapping[str, str] = field(default_factory=dict, hash=False)


def describe(path: Path) -> Interpreter:
    """Ask the interpreter at ``path`` about itself. Raises SandboxError when it cannot answer."""
    where = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would lose the environment
    command, env = [str(where), "-I", "-S", "-"], {"PATH": os.defpath}
    try:
        answer = subprocess.run(
            command, input=QUESTION.encode(), capture_output=True, timeout=30, env=env, check=False
        )
        found = read_answer(where, answer.stdout)
    except (OSError, subprocess.TimeoutExpired, SandboxError) as error:
        raise SandboxError(
            f"{where} does not work as a Python interpreter: {error}",
            hint="name another one, 3.10 or newer, with --python PATH",
        ) from error
    environment = where.parent.parent
    if not (environment / "pyvenv.cfg").is_file():
        return found
    # With -S older Pythons do not know of it.
    return replace(found, prefixes=tuple(dict.fromkeys((environment, *found.prefixes))))


def read_answer(path: Path, answer: str | bytes) -> Interpreter:
    """Return what the Python at ``path`` answered to QUESTION. Raises SandboxError."""
    try:
        known = json.loads(answer)
        if "too_old" in known:
            raise SandboxError(f"it is Python {known['too_old']}")
        return Interpreter(
            path=path,
            version=str(Version(known["version"])),
            platform=platform_name(known["libc"], known["machine"]),
            prefixes=tuple(map(Path, known["prefixes"])),
            mapped=tuple(map(Path, known["mapped"])),
            installed={
                canonicalize_name(name): str(one) for name, one in known["installed"].items()
            },
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise SandboxError("no sensible answer") from error


def newest_in(requires_python: str) -> str:
    """Return the newest "3.N" of MINORS in the range; "" when it has none."""
    releases = (f"3.{minor}.{patch}" for minor in MINORS for patch in (99, 1, 0))
    return next(iter(SpecifierSet(requires_python).filter(releases)), "").rpartition(".")[0]


def platform_name(libc: Sequence[str], machine: str) -> str:
    """Return uv's name for what ``platform.libc_ver`` says; ValueError when that is no version."""
    if libc[0] != "glibc":
        return f"{machine}-unknown-linux-musl"
    newest = max(Version(libc[1]).minor, _GLIBC_MINORS[0])
    return f"{machine}-manylinux_2_{max(one for one in _GLIBC_MINORS if one <= newest)}"


def shares_system_packages(environment: Path) -> bool:
    """Say whether what lies outside this folder is imported too: always, if it is no venv."""
    config = environment / "pyvenv.cfg"
    text = config.read_text(encoding="utf-8", errors="replace") if config.is_file() else ""
    return not re.search(r"(?im)^include-system-site-packages\s*=(?!\s*true\s*$)", text)
