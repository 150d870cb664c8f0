"""Fitting into a limit: whole sections go, by rank; nothing is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbot.publish.fit import Part, fit, num_units

PARTS = (
    Part("head", "HEAD", 0),
    Part("the story", "```\n" + "s" * 50 + "\n```", 2),
    Part("attempts", "a" * 80, 5),
    Part("end", "END", 0),
)


def test_everything_stays_where_it_fits() -> None:
    text = fit(PARTS, 1000, else_look="look there")
    assert text == "HEAD\n\n```\n" + "s" * 50 + "\n```\n\n" + "a" * 80 + "\n\nEND\n"


def test_the_least_important_goes_first_and_is_named() -> None:
    text = fit(PARTS, 150, else_look="look there")
    assert "a" * 80 not in text
    assert "s" * 50 in text
    assert "_Left out to keep this short: attempts; look there._\n\nEND\n" in text


def test_the_whole_section_goes_never_a_part_of_it() -> None:
    text = fit(PARTS, 100, else_look="look there")
    assert text.startswith("HEAD\n\n")
    assert text.count("```") == 0


def test_what_must_stay_and_does_not_fit_is_a_fault() -> None:
    with pytest.raises(ValueError, match="cannot be left out"):
        fit(PARTS, 5, else_look="look there")


def test_lengths_are_counted_in_utf16_units() -> None:
    assert num_units("a€😀") == 4


@given(
    st.lists(st.tuples(st.text(max_size=40), st.integers(1, 5)), max_size=12),
    st.integers(200, 600),
)
def test_the_result_fits_and_holds_sections_whole(texts: list[tuple[str, int]], limit: int) -> None:
    parts = [Part(f"part {n}", text, rank) for n, (text, rank) in enumerate(texts)]
    result = fit([Part("head", "HEAD", 0), *parts], limit, else_look="look there")
    assert num_units(result) <= limit
    if "_Left out" not in result:
        assert all(part.text in result for part in parts)
