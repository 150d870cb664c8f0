"""Text from outside is visible, bounded and never lost without a word."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from egbot.report.text import block, clip, one_line, percent, seconds, visible
from egbot.report.text import test_name as short_name


@given(st.text(alphabet=st.characters()))
def test_nothing_invisible_is_left(text: str) -> None:
    """Control, bidirectional, zero-width characters and lone surrogates become escapes."""
    assert all(char.isprintable() or char in "\n\t" for char in visible(text))
    assert one_line(text).isprintable()
    visible(text).encode("utf-8")


def test_escapes_name_the_character() -> None:
    """A reader can tell which character stood there."""
    assert visible("a\x1b[31m\u202e\ud800\U000e0041") == "a\\x1b[31m\\u202e\\ud800\\U000e0041"
    assert one_line("a\nb\tc\r") == "a\\nb\\tc\\r"
    assert visible("a\r\nb") == "a\nb"


def test_clip_says_how_much_was_cut() -> None:
    """A cut text is never mistaken for a whole one."""
    assert clip("abcdef", 3) == "abc… (+3 characters)"
    assert clip("abc", 3) == "abc"
    assert len(block("\x00" * 1_000_000, 100)) < 200


def test_numbers_read_well() -> None:
    """Times and probabilities have units, and odd numbers do not crash."""
    assert [seconds(s) for s in (0.0, 0.085, 0.9996, 4.21, 59.96, 185)] == [
        "0 ms",
        "85 ms",
        "1.0 s",
        "4.2 s",
        "1 min 00 s",
        "3 min 05 s",
    ]
    assert [seconds(s) for s in (math.nan, math.inf, -1)] == ["? s"] * 3
    assert [percent(p) for p in (0.0, -2.1, -9.0, -math.inf, math.nan, 1e-9)] == [
        "100.0%",
        "12.2%",
        "<0.1%",
        "0.0%",
        "?",
        "100.0%",
    ]


def test_test_name_is_what_tells_tests_apart() -> None:
    """Tabs show the test's own name; an id without one is shown whole."""
    assert short_name("a/b.py::C::test_x[1::2]") == "C::test_x[1::2]"
    assert short_name("a/b.py") == "a/b.py"
    assert short_name("a/b.py::") == "a/b.py"
