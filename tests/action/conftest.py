"""A stage for each test. It does not know what is played on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.action.steps import Stage, stage_of
from tests.github.server import FakeGitHub


@pytest.fixture
def stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    (tmp_path / "server").mkdir()
    with FakeGitHub(tmp_path / "server") as github:
        yield stage_of(github, tmp_path, capsys)
