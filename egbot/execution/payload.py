"""The files that run inside a sandbox: where they lie and how a tree travels to them.

It does not know which backend takes them there.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from egbot.errors import SandboxError
from egbot.execution.cache import space_error
from egbot.execution.options import Report
from egbot.records import Tree

PACKAGE = "sandbox"
LINK_MODE = 0o120000
_RUNNER = "runner.py"


def runner_files() -> dict[str, bytes]:
    """Return the runner's source files, path (``sandbox/...``) to content, sorted by path.

    They are looked for next to the ``egbot`` package first (a checkout, or a wheel, which holds
    both), then wherever Python finds them. Raises SandboxError when they are nowhere.
    """
    for folder in _folders():
        if folder.joinpath(_RUNNER).is_file():
            return {
                f"{PACKAGE}/{entry.name}": entry.read_bytes()
                for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
                if entry.name.endswith(".py")
            }
    raise SandboxError(
        f"the files that run inside the sandbox (package {PACKAGE!r}) were not found next to egbot",
        hint="install egbot again; its wheel holds them",
    )


def _folders() -> list[Traversable]:
    beside = Path(__file__).resolve().parents[2] / PACKAGE
    try:
        installed = resources.files(PACKAGE)
    except (ImportError, TypeError):
        return [beside]
    return [beside, installed]


def write_runner(folder: Path) -> None:
    """Write the runner's files below ``folder``, which then belongs on PYTHONPATH."""
    for path, data in runner_files().items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def keep_files(whole: Mapping[str, bytes], folder: Path, report: Report) -> Path:
    """Have these files, path to content, in a folder of their own below ``folder``; return it.

    It is looked at each time: what is not there to the byte, or is there besides, is written
    anew, which ``report`` is told. Raises SandboxError, SpaceError.
    """
    final = folder / hashlib.sha256(repr(sorted(whole.items())).encode()).hexdigest()[:24]
    if _holds(final, whole):
        return final
    if os.path.lexists(final):
        report(f"the sandbox's own files in {final} were changed or damaged: written anew")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as scratch:
            fresh = Path(scratch, "new")
            for path, data in whole.items():
                at = fresh / path
                at.parent.mkdir(parents=True, exist_ok=True)
                at.write_bytes(data)
            for at in (fresh, *fresh.rglob("*")):
                at.chmod(0o755 if at.is_dir() else 0o644)
            with contextlib.suppress(FileNotFoundError):
                final.rename(Path(scratch, "old"))
            with contextlib.suppress(FileExistsError):  # another one was faster
                fresh.rename(final)
    except OSError as error:
        raise space_error(error, folder) from error
    if _holds(final, whole):
        return final
    raise SandboxError(
        f"the sandbox's own files in {final} do not stay as they are written",
        hint="find out what changes them, or set EGBOT_CACHE to another folder",
    )


def _holds(folder: Path, whole: Mapping[str, bytes]) -> bool:
    """Say whether ``folder`` holds these files alone, for everyone to read; takes some 2 ms."""
    folders = {str(parent) for path in whole for parent in Path(path).parents}
    wanted = dict.fromkeys(folders, (stat.S_IFDIR | 0o755, b""))
    wanted |= {path: (stat.S_IFREG | 0o644, data) for path, data in whole.items()}
    found = {}
    try:
        for at in (folder, *folder.rglob("*")):
            mode = at.lstat().st_mode
            data = at.read_bytes() if stat.S_ISREG(mode) else b""
            found[str(at.relative_to(folder))] = (mode, data)
    except OSError:
        return False
    return found == wanted


def build_tar(tree: Tree) -> bytes:
    """Pack a tree as an uncompressed tar; equal trees give equal bytes.

    Links keep their target, other files their executable bit; owner and times are zero.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(tree):
            entry = tree[path]
            info = tarfile.TarInfo(path)
            if entry.mode == LINK_MODE:
                info.type = tarfile.SYMTYPE
                info.linkname = entry.data.decode("utf-8", "surrogateescape")
                info.mode = 0o777
                archive.addfile(info)
            else:
                info.size = len(entry.data)
                info.mode = 0o755 if entry.mode & 0o111 else 0o644
                archive.addfile(info, io.BytesIO(entry.data))
    return buffer.getvalue()
