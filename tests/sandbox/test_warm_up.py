"""hypothesis's table of characters is made once, and only where tests need it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from sandbox.session import warm_hypothesis


@dataclass
class Strategies:
    """Stands for the module ``hypothesis.strategies`` and for one of its strategies."""

    made: list[str] = field(default_factory=list)

    def text(self) -> Strategies:
        return self

    def validate(self) -> None:
        self.made.append("table")


@dataclass
class Item:
    path: Path
    marker: str = "hypothesis"

    def get_closest_marker(self, name: str) -> str | None:
        return self.marker if name == self.marker else None


@pytest.mark.parametrize(
    ("source", "marker", "made"),
    [
        ("@given(st.lists(st.text()))", "hypothesis", ["table"]),
        ("@given(st.integers())", "hypothesis", []),
        ("print(text())", "", []),
    ],
)
def test_the_table_of_characters_is_made_where_text_is_asked_for(
    source: str,
    marker: str,
    made: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It costs seconds, so that it is made neither in every run nor where no test needs it."""
    path = tmp_path / "test_m.py"
    path.write_text(source)
    strategies = Strategies()
    monkeypatch.setitem(sys.modules, "hypothesis.strategies", cast("Any", strategies))
    warm_hypothesis([Item(path, marker), Item(path, marker)])
    assert strategies.made == made


def test_no_hypothesis_and_no_file_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis.strategies", cast("Any", Strategies()))
    warm_hypothesis([Item(Path("gone"))])
    monkeypatch.delitem(sys.modules, "hypothesis.strategies")
    warm_hypothesis([Item(Path("gone"))])
