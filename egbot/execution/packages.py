"""Owns the packages that tests need: installs them, leaves out what cannot be had, and tells so."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from egbot.uv import UV_TIMEOUT_S, PackagesError, run_uv

MAX_LEFT_OUT = 8
RETRY_S = 24 * 3600
"""So long what could not be had is not asked for again."""

_GLIBC_MINORS = (17, 28, *range(31, 41))
_PYTHON_LINE = re.compile(rb"\A#!(?:/bin/sh\n'''exec' .*\n' '''|.*python.*)")
"""How a script starts that is Python's; the first form is for long paths."""


@dataclass(frozen=True, slots=True)
class Target:
    """The Python that packages are for.

    Its version (3.11.4), uv's name of its platform, and what it has installed (canonical name ->
    version).
    """

    version: str
    platform: str
    installed: Mapping[str, str]


def platform_name(libc: Sequence[str], machine: str) -> str:
    """Return uv's name of a platform; ``libc`` is what ``platform.libc_ver`` says there.

    Raises ValueError when that is no version.
    """
    if libc[0] != "glibc":
        return f"{machine}-unknown-linux-musl"
    newest = Version(libc[1]).minor
    fitting = [minor for minor in _GLIBC_MINORS if minor <= newest]
    return f"{machine}-manylinux_2_{max(fitting, default=17)}"


def install_for(
    target: Target, lines: Sequence[str], folder: Path, *, python: str, next_step: str
) -> dict[str, str]:
    """Install into ``folder`` what ``lines`` need under ``target`` beyond what it has.

    Packages lie directly below it, scripts in its ``bin`` and start with ``#!python``. Returns the
    lines left out, and why. Raises SandboxError, SpaceError, OSError.
    """
    options = ["--target", str(folder), "--python", sys.executable]
    options += ["--python-version", target.version, "--python-platform", target.platform]

    def attempt(kept: Sequence[str]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        for place in _stand_ins(target, folder):
            place.mkdir(parents=True)
            name, _, version = place.stem.partition("-")
            about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            (place / "METADATA").write_text(about, encoding="utf-8")
            (place / "RECORD").touch()
        install(kept, *options, next_step=next_step)

    left_out = install_most(lines, attempt)
    for place in _stand_ins(target, folder):
        shutil.rmtree(place, ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)
    for script in (folder / "bin").glob("*"):
        data = script.read_bytes()
        script.write_bytes(_PYTHON_LINE.sub(lambda _: b"#!" + os.fsencode(python), data))
    make_readable(folder)
    return left_out


def _stand_ins(target: Target, folder: Path) -> list[Path]:
    """Where to say, for uv to see, what is installed: its own needs are not looked at again."""
    found = []
    for name, version in target.installed.items():
        try:
            if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):  # the image chose it: no path
                found.append(folder / f"{name.replace('-', '_')}-{Version(version)}.dist-info")
        except InvalidVersion:
            continue
    return found


def install(lines: Sequence[str], *options: str, next_step: str) -> None:
    """Install wheels for ``lines``; building a source package would run its code on the host."""
    what = "installing the repository's requirements"
    run_uv("pip install", "--no-build", *options, "--", *lines, what=what, next_step=next_step)


def make_readable(folder: Path) -> None:
    """Let every user read all in ``folder``: uv's files are as private as its cache once was."""
    for at, _, names in os.walk(folder):
        for path in (Path(at), *(Path(at, name) for name in names)):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o555 if mode & 0o100 else 0o444))


def install_most(lines: Sequence[str], attempt: Callable[[Sequence[str]], None]) -> dict[str, str]:
    """Call ``attempt`` with ``lines``, less those because of which it raises PackagesError.

    Returns what was left out, a line each, and why. Of two lines that exclude each other the later
    goes. Raises the PackagesError when pytest itself cannot be had, or after ``MAX_LEFT_OUT`` lines
    or ``UV_TIMEOUT_S``.
    """
    kept = sorted(lines, key=lambda line: not _is_pytest(line))
    left_out: dict[str, str] = {}
    deadline = time.monotonic() + UV_TIMEOUT_S
    while kept:
        try:
            attempt(kept)
            break
        except PackagesError as error:
            culprit, cause = _found_culprit(kept, attempt, error)
        is_over = len(left_out) >= MAX_LEFT_OUT or time.monotonic() > deadline
        if is_over or _is_pytest(culprit):
            raise cause
        kept.remove(culprit)
        left_out[culprit] = cause.reason
    return left_out


def tell_left_out(left_out: Mapping[str, str], report: Callable[[str], None]) -> None:
    """Tell the person who watches which requirements are not there, and why."""
    for line, why in left_out.items():
        report(f"{line} is left out: {why}")


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


def _is_pytest(line: str) -> bool:
    return re.match(r"pytest(?![\w.-])", line, re.IGNORECASE) is not None
