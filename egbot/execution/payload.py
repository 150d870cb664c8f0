"""The files that run inside a sandbox: where they lie and how a tree travels to them."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from egbot.errors import SandboxError
from egbot.execution.cache import locked
from egbot.execution.options import Report
from egbot.records import Tree

LINK_MODE = 0o120000


def runner_files() -> dict[str, bytes]:
    """Return the runner's source files, path (``sandbox/...``) to content. Raises SandboxError."""
    folder = Path(__file__).resolve().parents[2] / "sandbox"
    if not folder.joinpath("runner.py").is_file():
        raise SandboxError(
            "the files that run inside the sandbox were not found next to egbot",
            hint="install egbot again; its wheel holds them",
        )
    return {f"sandbox/{at.name}": at.read_bytes() for at in sorted(folder.glob("*.py"))}


def write_files(whole: Mapping[str, bytes], folder: Path) -> None:
    """Write these files, path to content, below ``folder``. Raises OSError."""
    for path, data in whole.items():
        at = folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data)


def keep_files(whole: Mapping[str, bytes], folder: Path, report: Report) -> Path:
    """Have these files, path to content, and no others in a folder below ``folder``; return it.

    What differs is written anew, which ``report`` is told. Raises SandboxError, SpaceError.
    """
    final = folder / hashlib.sha256(repr(sorted(whole.items())).encode()).hexdigest()[:24]
    if _holds(final, whole):
        return final
    with locked(final.with_suffix(".lock"), report):
        if _holds(final, whole):
            return final
        if os.path.lexists(final):
            report(f"the sandbox's own files in {final} were changed or damaged: written anew")
            with tempfile.TemporaryDirectory(dir=folder) as trash:  # whatever it is
                final.rename(Path(trash, "old"))
        write_files(whole, final)
        for at in (final, *final.rglob("*")):
            at.chmod(0o755 if at.is_dir() else 0o644)
    if _holds(final, whole):
        return final
    raise SandboxError(
        f"the sandbox's own files in {final} do not stay as they are written",
        hint="find out what changes them, or set EGBOT_CACHE to another folder",
    )


def _holds(folder: Path, whole: Mapping[str, bytes]) -> bool:
    """Say whether ``folder`` holds these files alone, for everyone to read; takes some 2 ms."""
    wanted = {path: (stat.S_IFREG | 0o644, data) for path, data in whole.items()}
    wanted |= {str(at): (stat.S_IFDIR | 0o755, b"") for path in whole for at in Path(path).parents}
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
        for path, entry in sorted(tree.items()):
            info = tarfile.TarInfo(path)
            if entry.mode == LINK_MODE:
                info.type, info.mode = tarfile.SYMTYPE, 0o777
                info.linkname = entry.data.decode("utf-8", "surrogateescape")
            else:
                info.size, info.mode = len(entry.data), 0o755 if entry.mode & 0o111 else 0o644
            archive.addfile(info, io.BytesIO(entry.data))
    return buffer.getvalue()
