"""What is kept of other people's packages is still what the packages and our routes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import trim
from tests.fetched import KEPT, from_npm, kept


def test_what_is_kept_is_what_the_command_makes() -> None:
    """A new route, example, event or version needs ``python -m tests.trim``."""
    assert [name for name in trim.SOURCES if kept(name) != trim.made(name)] == []


def test_what_is_kept_is_small() -> None:
    assert sum(path.stat().st_size for path in KEPT.iterdir()) < 300_000


def test_without_npm_the_tests_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGBOT_TEST_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.skip.Exception, match="npm is not installed"):
        from_npm("@octokit/openapi", "23.0.2", "README.md")
