"""Owns which files of a repository belong to its tests, by their paths alone."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_TEST_FOLDERS = frozenset({"tests", "test"})


def is_test_path(path: str) -> bool:
    """Whether ``path`` belongs to the tests: by its own name or by a folder named tests."""
    pure = PurePosixPath(path)
    stem = pure.name
    if stem == "conftest.py" or re.fullmatch(r"test_.*\.py|.*_test\.py", stem):
        return True
    return any(part in _TEST_FOLDERS for part in pure.parts[:-1])
