"""What every case is given: the commands, on a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases.front import Front


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Front:
    """The commands on a folder of this test's own."""
    return Front(tmp_path, monkeypatch)
