"""Files of other people's packages, fetched once into a cache by the ordinary clients.

It does not know what they are for. A test that needs one is skipped, with the reason, where the
client, the network or the package is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import platformdirs
import pytest

_LIMIT_S = 60


def cache() -> Path:
    chosen = os.environ.get("EGBOT_TEST_CACHE") or platformdirs.user_cache_dir("egbot-tests")
    folder = Path(chosen)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def from_npm(package: str, version: str, member: str) -> str:
    """The text of one file of an npm package."""
    with tarfile.open(_packed(package, version)) as archive:
        file = archive.extractfile(f"package/{member}")
        assert file is not None
        return file.read().decode("utf-8")


def node_modules(packages: dict[str, str], folder: Path) -> Path:
    """A new folder in which node finds the packages (name to version); none is set up or run."""
    for package, version in packages.items():
        with tarfile.open(_packed(package, version)) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        (folder / package).parent.mkdir(parents=True, exist_ok=True)
        (folder / "unpacked" / "package").rename(folder / package)
    return folder


def _packed(package: str, version: str) -> Path:
    path = cache() / f"{package.lstrip('@').replace('/', '-')}-{version}.tgz"
    if not path.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip(f"{path.name} is not in the cache and npm is not installed")
        _fetch([npm, "pack", "--silent", f"{package}@{version}"], path)
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
