"""What the "Commit suggestion" button does: a suggestion becomes a commit on the head branch.

It does not know who wrote the suggestion, nor HTTP.
"""

from __future__ import annotations

import re

from tests.github.nouns import Comment, Pull
from tests.github.repository import Repository

_FENCE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})suggestion[^\n]*\n(?P<text>.*?)^(?P=fence)\s*$",
    re.DOTALL | re.MULTILINE,
)


class NotApplicableError(Exception):
    """GitHub would not offer the button; the message says why."""


def applied(home: Repository, pull: Pull, comment: Comment) -> str:
    """Commit a suggestion; returns the new head of the pull request's branch."""
    place, found = comment.place, _FENCE.search(comment.body)
    if found is None or place is None or place.line is None:
        raise NotApplicableError("the comment holds no suggestion on a line")
    if place.side != "RIGHT" or place.start_side == "LEFT":
        raise NotApplicableError("deleted lines take no suggestion")
    if pull.issue.state != "open":
        raise NotApplicableError("the pull request is closed")
    source = pull.head_repository
    text = source.file(pull.head_ref, place.path)
    if text is None or text != home.file(place.commit, place.path):
        raise NotApplicableError("the comment is outdated")
    lines = text.splitlines(keepends=True)
    start = (place.start_line or place.line) - 1
    new = found["text"].splitlines(keepends=True)
    if lines[start : place.line] == new:
        raise NotApplicableError("the suggestion changes nothing")
    lines[start : place.line] = new
    changed = {place.path: "".join(lines)}
    return source.push(pull.head_ref, changed, message=f"Apply suggestion to {place.path}")
