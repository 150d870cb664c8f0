"""Owns the hidden first line by which egbot finds its own posts again, and the trailers of commits.

It does not know what the posts say. A marker counts only as the first line of a post that the
token's own login wrote: texts that egbot quotes never stand there, so they cannot forge one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from egbot.forge import Comment

REPORT = "<!-- egbot:report -->"
_TRAILER = "Egbot-Run"
_TRAILER_LINE = re.compile(rf"^{_TRAILER}: ([0-9a-f]{{16}})$", re.MULTILINE)


def suggestion_marker(path: str, qualname: str, head_sha: str, lines: tuple[int, int]) -> str:
    """The marker of a function's suggestion for lines (first, last) of one head commit."""
    where = f"{head_sha[:12]}:{lines[0]}-{lines[1]}"
    return f"<!-- egbot:suggestion:{_key(path, qualname)}:{where} -->"


def is_suggestion_for(body: str, path: str, qualname: str) -> bool:
    """Whether a post is a suggestion for this function, on whatever commit."""
    return body.startswith(f"<!-- egbot:suggestion:{_key(path, qualname)}:")


def pull_marker(number: int) -> str:
    """The marker of the pull request that egbot opens for another one or for an issue."""
    return f"<!-- egbot:pull:{number} -->"


def is_marked(body: str, marker: str) -> bool:
    """Whether ``marker`` is the first line."""
    return body.replace("\r\n", "\n").startswith(f"{marker}\n")


def own(comments: Iterable[Comment], me: str, marker: str) -> list[Comment]:
    """The comments of ``me`` with ``marker``, the oldest first."""
    found = [one for one in comments if is_by(one, me) and is_marked(one.body, marker)]
    return sorted(found, key=lambda one: one.id)


def is_by(comment: Comment, me: str) -> bool:
    """Whether ``me`` wrote a comment; an app's login may be told with or without ``[bot]``."""
    return bool(me) and comment.author in (me, f"{me}[bot]")


def with_trailer(message: str, fingerprint: str) -> str:
    """A commit message that names the run which it delivers."""
    return f"{message.rstrip()}\n\n{_TRAILER}: {fingerprint}\n"


def trailer(message: str) -> str:
    """The fingerprint of the run that a commit delivers; "" for a commit that is not egbot's."""
    found = _TRAILER_LINE.findall(message.replace("\r\n", "\n"))
    return str(found[-1]) if found else ""


def _key(path: str, qualname: str) -> str:
    text = f"{path}::{qualname}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]
