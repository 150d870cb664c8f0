"""The files that run inside a sandbox: where they lie and how a tree travels to them.

It does not know which backend takes them there.
"""

from __future__ import annotations

import io
import tarfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from egbot.errors import SandboxError
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
