"""Other people's files: small ones kept with the tests (``tests/kept``), large ones fetched by npm.

It does not know what they are for. A test that needs one that is not kept is skipped, with the
reason, where npm, the network or the package is missing.
"""

from __future__ import annotations

import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import platformdirs
import pytest

KEPT = Path(__file__).parent / "kept"
_LIMIT_S = 60


def kept(name: str) -> str:
    """The text of a file that ``python -m tests.trim`` made."""
    return lzma.decompress((KEPT / f"{name}.xz").read_bytes()).decode()


def from_npm(package: str, version: str, member: str) -> bytes:
    """One file of an npm package."""
    with tarfile.open(_packed(package, version)) as archive:
        # Read up to the member only: unpacked, some packages have a gigabyte.
        found = next(each for each in archive if each.name == f"package/{member}")
        file = archive.extractfile(found)
        assert file is not None
        return file.read()


def node_modules(packages: dict[str, str], folder: Path) -> Path:
    """A new folder in which node finds the packages (name to version); none is set up or run."""
    for package, version in packages.items():
        with tarfile.open(_packed(package, version)) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        (folder / package).parent.mkdir(parents=True, exist_ok=True)
        (folder / "unpacked" / "package").rename(folder / package)
    return folder


def _packed(package: str, version: str) -> Path:
    chosen = os.environ.get("EGBOT_TEST_CACHE") or platformdirs.user_cache_dir("egbot-tests")
    path = Path(chosen) / f"{package.lstrip('@').replace('/', '-')}-{version}.tgz"
    if not path.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two test processes may do this at once: each in a folder of its own, the last one stays.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            _fetch([npm, "pack", "--silent", f"{package}@{version}"], Path(folder) / path.name)
            (Path(folder) / path.name).rename(path)
    return path


def _fetch(words: list[str], path: Path) -> None:
    try:
        done = subprocess.run(
            words, cwd=path.parent, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
        why = done.stderr.strip()[-200:]
    except subprocess.TimeoutExpired:
        why = f"no answer in {_LIMIT_S} s"
    if not path.exists():
        pytest.skip(f"{path.name} cannot be fetched: {why}")
