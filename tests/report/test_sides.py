"""Both sides of a comparison are marked where they differ, and nothing of them is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from egbot.report.sides import Pieces, sides


def joined(pieces: Pieces) -> str:
    return "".join(text for _, text in pieces)


def test_what_differs_is_marked() -> None:
    left, right = sides("[1, 3]", "[101, 3, 5]")
    assert left == [("", "["), ("differs", "1"), ("", ", 3"), ("", "]")]
    assert [text for kind, text in right if kind] == ["101", ", 5"]
    assert sides("same", "same") == ([("", "same")], [("", "same")])


@given(st.text(), st.text())
def test_nothing_is_lost(left: str, right: str) -> None:
    found = sides(left, right)
    assert (joined(found[0]), joined(found[1])) == (left, right)


def test_long_sides_are_not_worth_the_time() -> None:
    """Two texts of thousands of signs are marked as wholes, uncompared."""
    left, right = sides("ab " * 2_000, "ba " * 2_000)
    assert (left[0][0], right[0][0]) == ("differs", "differs")
