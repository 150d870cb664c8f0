"""Owns posts of which there must be one: the report in a conversation, a suggestion in a diff.

It does not know what they say. Whoever posts looks again afterwards: of two that were posted at once
the older one stays, and it gets the text of whoever came later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from egbot.forge import Comment, Forge, Suggestion
from egbot.publish.comment import superseded_body
from egbot.publish.markers import is_marked, is_suggestion_for, own
from egbot.publish.place import Place

Change = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class Put:
    """A post that is there now, and what was done for it."""

    url: str
    change: Change


def put_comment(forge: Forge, place: Place, marker: str, body: str) -> Put:
    """The one comment with ``marker`` says ``body`` now. Raises ForgeError."""
    number = place.issue.number
    mine = [one for one in place.own_comments if is_marked(one.body, marker)]
    if mine:
        return _keep(mine, body, forge.edit_comment, forge.delete_comment)
    posted = forge.post_comment(number, body)
    now = own(forge.comments(number), place.me, marker)
    if not now or now[0].id == posted.id:
        return Put(posted.url, "created")
    forge.edit_comment(now[0].id, body)
    forge.delete_comment(posted.id)
    return Put(now[0].url, "updated")


def _keep(
    mine: list[Comment],
    body: str,
    edit: Callable[[int, str], Comment],
    delete: Callable[[int], None],
) -> Put:
    """The first of ``mine`` says ``body``; the others go."""
    for extra in mine[1:]:
        delete(extra.id)
    if _plain(mine[0].body) == _plain(body):
        return Put(mine[0].url, "unchanged")
    edit(mine[0].id, body)
    return Put(mine[0].url, "updated")


def put_suggestion(
    forge: Forge, place: Place, marker: str, suggestion: Suggestion, qualname: str
) -> Put:
    """The one suggestion with ``marker`` is there; older ones of the function step back.

    Raises ForgeError; RefusedError with status 422 where the diff has no such lines.
    """
    mine = [one for one in place.own_reviews if is_marked(one.body, marker)]
    if mine:
        put = _keep(mine, suggestion.body, forge.edit_review_comment, forge.delete_review_comment)
    else:
        put = _post_review(forge, place, marker, suggestion)
    for old in place.own_reviews:
        if is_suggestion_for(old.body, suggestion.path, qualname) and old not in mine:
            gone = superseded_body(old.body.replace("\r\n", "\n").partition("\n")[0])
            if _plain(old.body) != _plain(gone):
                forge.edit_review_comment(old.id, gone)
    return put


def _post_review(forge: Forge, place: Place, marker: str, suggestion: Suggestion) -> Put:
    number = place.issue.number
    posted = forge.suggest(number, place.sha, suggestion)
    now = own(forge.review_comments(number), place.me, marker)
    if not now or now[0].id == posted.id:
        return Put(posted.url, "created")
    forge.delete_review_comment(posted.id)
    return Put(now[0].url, "unchanged")


def _plain(body: str) -> str:
    """A body as it compares: a forge may keep line ends and outer blanks otherwise."""
    return body.replace("\r\n", "\n").strip()
