"""The reading of hunks: which lines of the new side a review comment may name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from egbot.publish.hunks import Hunk, read_hunks


def test_context_and_additions_are_the_right_side() -> None:
    patch = "@@ -1,3 +1,4 @@ def f():\n a\n-b\n+c\n+d\n e\n@@ -9 +10,0 @@\n-gone"
    assert read_hunks(patch) == (Hunk(1, ("a", "c", "d", "e")), Hunk(10, ()))


def test_a_missing_newline_at_the_end_is_no_line() -> None:
    patch = "@@ -1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+b\n\\ No newline at end of file"
    assert read_hunks(patch) == (Hunk(1, ("a", "b")),)


def test_only_newlines_part_lines() -> None:
    assert read_hunks("@@ -0,0 +1,2 @@\n+a\u2028b\x0c\r\n+c\r") == (
        Hunk(1, ("a\u2028b\x0c\r", "c\r")),
    )


def test_an_empty_line_of_context_counts_even_without_its_blank() -> None:
    assert read_hunks("@@ -1,3 +1,3 @@\n a\n\n b\n") == (Hunk(1, ("a", "", "b")),)


def test_a_hunk_that_was_cut_off_is_left_out() -> None:
    """GitHub leaves the patch of a large file out, or gives a part of it."""
    assert read_hunks("") == ()
    assert read_hunks("@@ -1,3 +1,4 @@\n a\n+b") == ()
    assert read_hunks("@@ -1,9 +1,1 @@\n a\n@@ -20 +20 @@\n-x\n+y") == (Hunk(20, ("y",)),)


@given(st.text(alphabet="@-+ ,0129\n\\ab", max_size=200))
def test_no_patch_breaks_the_reader(patch: str) -> None:
    for hunk in read_hunks(patch):
        assert hunk.last_line == hunk.first_line + len(hunk.lines) - 1
