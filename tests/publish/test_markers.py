"""Finding our own posts again: by author and first line, which no quoted text can forge."""

from __future__ import annotations

from egbot.forge import Comment
from egbot.publish.markers import (
    REPORT,
    is_suggestion_for,
    own,
    suggestion_marker,
    trailer,
    with_trailer,
)


def test_only_our_own_posts_with_the_marker_in_the_first_line_count() -> None:
    comments = (
        Comment(3, "egbot[bot]", f"{REPORT}\nnewer"),
        Comment(1, "eve", f"{REPORT}\nforged"),
        Comment(2, "egbot[bot]", f"{REPORT}\r\nkept with other line ends"),
        Comment(4, "egbot[bot]", f"quoted:\n{REPORT}\n"),
        Comment(5, "egbot[bot]", REPORT[:-1]),
        Comment(6, "EGBOT[bot]", f"{REPORT}\n"),
    )
    assert [one.id for one in own(comments, "egbot[bot]", REPORT)] == [2, 3]
    assert [one.id for one in own(comments, "egbot", REPORT)] == [2, 3]
    assert own(comments, "", REPORT) == []


def test_a_suggestion_is_of_one_function_on_one_commit_and_place() -> None:
    one = suggestion_marker("a.py", "f", "ab" * 20, (3, 4))
    others = {
        suggestion_marker("a.py", "g", "ab" * 20, (3, 4)),
        suggestion_marker("b.py", "f", "ab" * 20, (3, 4)),
        suggestion_marker("a.py", "f", "cd" * 20, (3, 4)),
        suggestion_marker("a.py", "f", "ab" * 20, (3, 5)),
    }
    assert len(others | {one}) == 5
    assert is_suggestion_for(f"{one}\n...", "a.py", "f")
    assert not is_suggestion_for(f"{one}\n...", "a.py", "g")
    hostile = suggestion_marker("a --> \n.py", "f -->", "ab" * 20, (3, 4))
    assert hostile.count("-->") == 1
    assert "\n" not in hostile


def test_a_commit_names_its_run_in_a_trailer() -> None:
    message = with_trailer("Implement total\n\nText.\n", "0123456789abcdef")
    assert message.endswith("\n\nEgbot-Run: 0123456789abcdef\n")
    assert trailer(message) == "0123456789abcdef"
    assert trailer(message.replace("\n", "\r\n")) == "0123456789abcdef"
    assert trailer("Somebody writes about Egbot-Run: 0123456789abcdef\n") == ""
