"""Owns the packages that tests need: installs them, leaves out what cannot be had, and tells so."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from packaging.utils import is_normalized_name
from packaging.version import InvalidVersion, Version

from egbot.execution.interpreter import Interpreter
from egbot.uv import UV_TIMEOUT_S, PackagesError, run_uv

MAX_LEFT_OUT = 8
MAX_REASON_CHARS = 300
RETRY_S = 24 * 3600
"""So long what could not be had is not asked for again."""

_PYTHON_LINE = re.compile(rb"\A#!(?:/bin/sh\n'''exec' .*\n' '''|.*python.*)")
"""How a script starts that is Python's; the first form is for long paths."""

_PYTEST = re.compile(r"pytest(?![\w.-])", re.IGNORECASE)
_NOISE = re.compile(r"^.*? failed: (?:No solution.*?Because )?|,? we can conclude.*?(?= hint:|$)")


def install_for(
    target: Interpreter, lines: Sequence[str], folder: Path, next_step: str
) -> dict[str, str]:
    """Install into ``folder`` what ``lines`` need under ``target`` beyond what it has.

    Packages lie directly below it, scripts in its ``bin`` and start the ``target``. Returns the
    lines left out, and why. Raises SandboxError, SpaceError, OSError.
    """
    options = ["--target", str(folder), "--python", sys.executable]
    options += ["--python-version", target.version, "--python-platform", target.platform]

    def make_empty() -> None:
        """Leave but what uv knows packages by: those of ``target`` stay, and all that they need."""
        shutil.rmtree(folder, ignore_errors=True)
        for name, version in target.installed.items():
            if not is_normalized_name(name):
                continue  # the image chose it: none becomes a path elsewhere
            with suppress(InvalidVersion):
                place = folder / f"{name.replace('-', '_')}-{Version(version)}.dist-info"
                place.mkdir(parents=True)
                about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
                (place / "METADATA").write_text(about, encoding="utf-8")

    left_out = install(lines, options, make_empty, next_step)
    for place in folder.glob("*.dist-info"):
        if not (place / "RECORD").exists():
            shutil.rmtree(place)
    (folder / ".lock").unlink(missing_ok=True)
    for script in filter(Path.is_file, (folder / "bin").glob("*")):
        data = script.read_bytes()
        script.write_bytes(_PYTHON_LINE.sub(lambda _: b"#!" + os.fsencode(target.path), data))
    make_readable(folder)
    return left_out


def make_readable(folder: Path) -> None:
    """Let every user read all in ``folder``: files are as private as uv's cache when they came."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))


def install(
    lines: Sequence[str], options: Sequence[str], make_empty: Callable[[], None], next_step: str
) -> dict[str, str]:
    """Install wheels for ``lines`` with uv's ``options`` into what ``make_empty`` makes each time.

    What uv refuses is left out: returns those lines, and why. Of two that exclude each other the
    later goes. Raises PackagesError when pytest itself cannot be had, or after ``MAX_LEFT_OUT``
    lines or ``UV_TIMEOUT_S``.
    """
    kept = sorted(lines, key=lambda line: not _PYTEST.match(line))
    left_out: dict[str, str] = {}
    causes: dict[int, PackagesError] = {}
    deadline = time.monotonic() + UV_TIMEOUT_S

    def fails(num_lines: int) -> bool:
        make_empty()
        # Building a source package would run its code on the host.
        command = ["pip install", "--no-build", *options, "--", *kept[:num_lines]]
        try:
            run_uv(*command, what="installing the repository's requirements", next_step=next_step)
        except PackagesError as error:
            causes[num_lines] = error
            return True
        return False

    while kept and fails(len(kept)):
        num_lines = bisect_left(range(len(kept)), True, lo=1, key=fails)  # the fewest that fail
        culprit, cause = kept.pop(num_lines - 1), causes[num_lines]
        is_over = len(left_out) >= MAX_LEFT_OUT or time.monotonic() > deadline
        if is_over or _PYTEST.match(culprit):
            raise cause
        left_out[culprit] = _NOISE.sub("", cause.message)[:MAX_REASON_CHARS]
    return left_out


def tell_left_out(left_out: Mapping[str, str], report: Callable[[str], None]) -> None:
    """Tell the person who watches which requirements are not there, and why."""
    for line, why in left_out.items():
        report(f"{line} is left out: {why}")
