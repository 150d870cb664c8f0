"""Owns the packages that tests need: installs them, leaves out what cannot be had, and tells so."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import is_normalized_name
from packaging.version import InvalidVersion, Version

from egbot.uv import UV_TIMEOUT_S, PackagesError, run_uv

MAX_LEFT_OUT = 8
MAX_REASON_CHARS = 300
RETRY_S = 24 * 3600
"""So long what could not be had is not asked for again."""

_GLIBC_MINORS = (17, 28, *range(31, 41))
_PYTHON_LINE = re.compile(rb"\A#!(?:/bin/sh\n'''exec' .*\n' '''|.*python.*)")
"""How a script starts that is Python's; the first form is for long paths."""

_PYTEST = re.compile(r"pytest(?![\w.-])", re.IGNORECASE)
_NO_REASON = re.compile(
    r"^.*? failed: (?:No solution.*?Because )?|,? we can conclude.*?(?= hint:|$)"
)


@dataclass(frozen=True, slots=True)
class Target:
    """The Python that packages are for: its version (3.11.4) and uv's name of its platform.

    ``installed`` is what it has already (canonical name -> version).
    """

    version: str
    platform: str
    installed: Mapping[str, str]


def platform_name(libc: Sequence[str], machine: str) -> str:
    """Return uv's name for what ``platform.libc_ver`` says; ValueError when that is no version."""
    if libc[0] != "glibc":
        return f"{machine}-unknown-linux-musl"
    newest = Version(libc[1]).minor
    fitting = (minor for minor in _GLIBC_MINORS if minor <= newest)
    return f"{machine}-manylinux_2_{max(fitting, default=_GLIBC_MINORS[0])}"


def install_for(
    target: Target, lines: Sequence[str], folder: Path, *, python: str, next_step: str
) -> dict[str, str]:
    """Install into ``folder`` what ``lines`` need under ``target`` beyond what it has.

    Packages lie directly below it, scripts in its ``bin`` and start with ``#!python``. Returns the
    lines left out, and why. Raises SandboxError, SpaceError, OSError.
    """
    options = ["--target", str(folder), "--python", sys.executable]
    options += ["--python-version", target.version, "--python-platform", target.platform]
    stand_ins = _stand_ins(target, folder)

    def attempt(kept: Sequence[str]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        for place, about in stand_ins.items():
            place.mkdir(parents=True)
            (place / "METADATA").write_text(about, encoding="utf-8")
        install(kept, *options, next_step=next_step)

    left_out = install_most(lines, attempt)
    for place in stand_ins:
        shutil.rmtree(place, ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)
    for script in filter(Path.is_file, (folder / "bin").glob("*")):
        data = script.read_bytes()
        script.write_bytes(_PYTHON_LINE.sub(lambda _: b"#!" + os.fsencode(python), data))
    make_readable(folder)
    return left_out


def _stand_ins(target: Target, folder: Path) -> dict[Path, str]:
    """The folders, and what to write in them, by which uv sees what is installed: it stays.

    The image chose the names: none becomes a path elsewhere. What such a package needs is not
    looked at again.
    """
    found = {}
    for name, version in target.installed.items():
        with suppress(InvalidVersion):
            if is_normalized_name(name):
                place = folder / f"{name.replace('-', '_')}-{Version(version)}.dist-info"
                found[place] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return found


def install(lines: Sequence[str], *options: str, next_step: str) -> None:
    """Install wheels for ``lines``; building a source package would run its code on the host."""
    what = "installing the repository's requirements"
    run_uv("pip install", "--no-build", *options, "--", *lines, what=what, next_step=next_step)


def make_readable(folder: Path) -> None:
    """Let every user read all in ``folder``: files are as private as uv's cache when they came."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))


def install_most(lines: Sequence[str], attempt: Callable[[Sequence[str]], None]) -> dict[str, str]:
    """Call ``attempt`` with ``lines``, less those because of which it raises PackagesError.

    Returns what was left out, a line each, and why. Of two lines that exclude each other the later
    goes. Raises the PackagesError when pytest itself cannot be had, or after ``MAX_LEFT_OUT`` lines
    or ``UV_TIMEOUT_S``.
    """
    kept = sorted(lines, key=lambda line: not _PYTEST.match(line))
    left_out: dict[str, str] = {}
    deadline = time.monotonic() + UV_TIMEOUT_S
    while kept:
        try:
            attempt(kept)
            break
        except PackagesError as error:
            culprit, cause = _found_culprit(kept, attempt, error)
        is_over = len(left_out) >= MAX_LEFT_OUT or time.monotonic() > deadline
        if is_over or _PYTEST.match(culprit):
            raise cause
        kept.remove(culprit)
        left_out[culprit] = _NO_REASON.sub("", cause.message)[:MAX_REASON_CHARS]
    return left_out


def _found_culprit(
    lines: Sequence[str], attempt: Callable[[Sequence[str]], None], cause: PackagesError
) -> tuple[str, PackagesError]:
    """The last line of the shortest beginning that cannot be installed, found by halves."""
    good, bad = 0, len(lines)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            attempt(lines[:middle])
            good = middle
        except PackagesError as error:
            bad, cause = middle, error
    return lines[bad - 1], cause


def tell_left_out(left_out: Mapping[str, str], report: Callable[[str], None]) -> None:
    """Tell the person who watches which requirements are not there, and why."""
    for line, why in left_out.items():
        report(f"{line} is left out: {why}")
