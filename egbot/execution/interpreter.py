"""Owns what is known of one Python interpreter on the host.

It is asked with ``-I -S``: no start-up hook of an installed package (``.pth`` files,
``sitecustomize``) runs on the host.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from egbot.errors import SandboxError

_QUESTION = """
import json, platform, sys, sysconfig
for name in "bz2 ctypes curses dbm gdbm hashlib lzma sqlite3 ssl uuid".split():
    try:
        __import__("_" + name)
    except ImportError:
        pass
try:
    with open("/proc/self/maps") as maps:
        mapped = sorted({l.split(None, 5)[5].strip() for l in maps if "/" in l})
except OSError:
    mapped = []
print(json.dumps({
    "version": platform.python_version(),
    "tag": sys.implementation.name + "-" + sysconfig.get_platform(),
    "prefixes": sorted({sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}),
    "mapped": [path for path in mapped if path.startswith("/")],
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter: where it starts, which folders it lives in, which files it maps.

    ``path`` is as given (a virtual environment's link is kept, it decides the environment);
    ``prefixes`` hold the environment's own folder and that of the Python below it. ``left_out``
    are the requirement lines that could not be installed into it, and why.
    """

    path: Path
    version: str
    tag: str
    prefixes: tuple[Path, ...]
    mapped: tuple[Path, ...]
    left_out: Mapping[str, str] = field(default_factory=dict, hash=False)

    def has_module(self, name: str) -> bool:
        """Say whether a top-level module lies in one of its site folders, without running it."""
        short = "python" + ".".join(self.version.split(".")[:2])
        roots = self.prefixes if shares_system_packages(self.prefixes[0]) else self.prefixes[:1]
        folders = (
            f"lib/{short}/site-packages lib/python3/dist-packages local/lib/{short}/dist-packages"
        )
        found = [root / folder / name for root in roots for folder in folders.split()]
        return any(one.is_dir() or one.with_suffix(".py").is_file() for one in found)


def describe(path: Path) -> Interpreter:
    """Ask the interpreter at ``path`` about itself. Raises SandboxError when it cannot answer."""
    where = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would lose the environment
    try:
        answer = subprocess.run(
            [str(where), "-I", "-S", "-c", _QUESTION],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env={"PATH": os.defpath},
            stdin=subprocess.DEVNULL,
        )
        known = json.loads(answer.stdout)
        prefixes = {Path(one): None for one in known["prefixes"]}
        environment = where.parent.parent
        if (environment / "pyvenv.cfg").is_file():  # with -S older Pythons do not know of it
            prefixes = {environment: None} | prefixes
        return Interpreter(
            path=where,
            version=str(known["version"]),
            tag=str(known["tag"]),
            prefixes=tuple(prefixes),
            mapped=tuple(Path(one) for one in known["mapped"]),
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        raise SandboxError(
            f"{where} does not work as a Python interpreter: {type(error).__name__}",
            hint="name another one with --python PATH",
        ) from error


def shares_system_packages(environment: Path) -> bool:
    """Say whether what lies outside this folder is imported too: always, if it is no venv."""
    config = environment / "pyvenv.cfg"
    if not config.is_file():
        return True
    text = config.read_text(encoding="utf-8", errors="replace")
    return bool(re.search(r"(?im)^include-system-site-packages\s*=\s*true\s*$", text))
