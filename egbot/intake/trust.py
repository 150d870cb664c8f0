"""Owns the decision whether an event counts: who asked, whether they may, and whether what they
saw is still what is there.

It asks the forge and never the payload. It runs nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from egbot.config import Settings, load_settings
from egbot.errors import ForgeError
from egbot.forge import Comment, Forge, PullRequest
from egbot.records import Trigger

_WRITERS = frozenset({"admin", "maintain", "write"})
_BOT = "[bot]"
_MAX_SETTINGS_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to go on. ``why`` is a sentence for a log or a comment.

    ``trigger`` is what is asked for with what the forge added: the number and the head commit.
    ``is_heard``: the actor may write here, so that an answer is due to them.
    """

    is_trusted: bool
    why: str
    trigger: Trigger
    pull: PullRequest | None = None
    is_heard: bool = False


def base_settings(trigger: Trigger, forge: Forge) -> Settings:
    """Settings of the base branch (of an issue: the default branch), asked from the forge.

    A pull request therefore cannot choose how it is judged. Raises UsageError when they do not
    fit, ForgeError when they cannot be had.
    """
    pull = _pull(trigger, forge)
    branch = pull.base_ref if pull is not None else forge.default_branch()
    data = forge.file("pyproject.toml", branch)
    where = f"pyproject.toml of {branch}"
    if data is not None and len(data) > _MAX_SETTINGS_BYTES:
        raise ForgeError(f"{where} is larger than {_MAX_SETTINGS_BYTES} bytes")
    return load_settings(
        None if data is None else data.decode("utf-8-sig", "replace"), {}, where=where
    )


def decide(trigger: Trigger, settings: Settings, forge: Forge) -> Decision:
    """Whether ``trigger`` counts now. Raises ForgeError when the forge cannot be asked."""
    if trigger.label and trigger.label.casefold() != settings.github.label.casefold():
        return Decision(False, f"the label is not {settings.github.label!r}", trigger)
    stranger = _why_not_heard(trigger, settings, forge)
    if stranger:
        return Decision(False, stranger, trigger)
    if trigger.kind == "manual":
        return Decision(True, "asked for from the repository itself", trigger, is_heard=True)
    if trigger.kind == "issue":
        return _issue(trigger, settings, forge)
    pull = _pull(trigger, forge)
    if pull is None:
        why = f"no open pull request has the head commit {trigger.head_sha[:12]}"
        return Decision(False, why, trigger, is_heard=True)
    begun = replace(trigger, number=pull.number)
    why = _why_not_pull(begun, pull, settings, forge)
    settled = replace(begun, head_sha=pull.head_sha)
    return Decision(not why, why or "the request counts", settled, pull, is_heard=True)


# --- who ---------------------------------------------------------------------------------------


def _why_not_heard(trigger: Trigger, settings: Settings, forge: Forge) -> str:
    """Why the actor's word does not count; "" when it does."""
    if trigger.event == "schedule":
        return ""
    if not trigger.actor:
        return "the event does not say who asked"
    if trigger.actor.endswith(_BOT):
        named = {bot.casefold().removesuffix(_BOT) for bot in settings.github.bots}
        if trigger.actor.casefold().removesuffix(_BOT) in named:
            return ""
        return f"{trigger.actor} is a bot that [tool.egbot.github] does not name in bots"
    permission = forge.permission(trigger.actor)
    if permission in _WRITERS:
        return ""
    return (
        f"{trigger.actor} has the permission {permission!r} in {trigger.repository}, and only "
        "those who may write can ask; a maintainer can put the label on or comment /egbot solve"
    )


# --- what --------------------------------------------------------------------------------------


def _issue(trigger: Trigger, settings: Settings, forge: Forge) -> Decision:
    issue = forge.issue(_known(trigger.number))
    why = ""
    if not issue.is_open:
        why = f"issue {issue.number} is closed"
    elif issue.is_pull_request:
        why = f"{issue.number} is a pull request, not an issue"
    elif trigger.event == "workflow_dispatch":
        trigger = replace(trigger, text=issue.body)
    elif issue.body.strip() != trigger.text.strip():
        why = "the issue's text was changed after the request; please ask again"
    elif trigger.label and not _has_label(issue.labels, settings):
        why = f"the label {settings.github.label!r} was taken off again"
    else:
        why = _why_comment_is_stale(trigger, forge)
    return Decision(not why, why or "the request counts", trigger, is_heard=True)


def _why_not_pull(trigger: Trigger, pull: PullRequest, settings: Settings, forge: Forge) -> str:
    if not pull.is_open:
        return f"pull request {pull.number} is closed"
    if trigger.head_sha and pull.head_sha != trigger.head_sha:
        return (
            f"the head of pull request {pull.number} moved from {trigger.head_sha[:12]} to "
            f"{pull.head_sha[:12]} after the request; please ask again"
        )
    if trigger.label and not _has_label(forge.issue(pull.number).labels, settings):
        return f"the label {settings.github.label!r} was taken off again"
    return _why_comment_is_stale(trigger, forge)


def _has_label(labels: Iterable[str], settings: Settings) -> bool:
    return settings.github.label.casefold() in {label.casefold() for label in labels}


def _why_comment_is_stale(trigger: Trigger, forge: Forge) -> str:
    """A comment that was edited or deleted after the event no longer says what it said."""
    if trigger.comment is None:
        return ""
    where, wanted = trigger.comment
    number = _known(trigger.number)
    found = forge.comments(number) if where == "issue" else forge.review_comments(number)
    comment = next((one for one in found if one.id == wanted), None)
    if comment is None:
        return "the comment was deleted after the request"
    if _is_edited(comment, trigger):
        return "the comment was changed after the request; please write a new one"
    return ""


def _is_edited(comment: Comment, trigger: Trigger) -> bool:
    """Whether the comment is younger than the event; a time that cannot be read counts as that."""
    told, now = _moment(trigger.happened_at), _moment(comment.updated_at)
    return told is None or now is None or now > told


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _pull(trigger: Trigger, forge: Forge) -> PullRequest | None:
    """The pull request of the trigger; one known only by its head commit must be open."""
    if trigger.kind != "pull_request":
        return None
    if trigger.number is not None:
        return forge.pull(trigger.number)
    found = [pull for pull in forge.pulls_at(trigger.head_sha) if pull.head_sha == trigger.head_sha]
    return found[0] if len(found) == 1 else None


def _known(number: int | None) -> int:
    if number is None:
        raise ForgeError("the request names no issue or pull request")
    return number
