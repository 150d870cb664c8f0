"""Owns the reading of what a GitHub event asks for: its name and payload in, a `Trigger` out.

It asks nobody and believes nobody: labels, logins and commits of a payload are claims that
`egbot.intake.trust` checks. A payload may hold anything; it is data, and never an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from egbot.intake.command import find_command, split_words
from egbot.intake.issue import MAX_TEXT_CHARS
from egbot.records import Trigger

MAX_PAYLOAD_BYTES = 25 * 1024 * 1024
"""GitHub sends no larger payload."""
MAX_INPUT_CHARS = 4000
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})(?:\[bot\])?")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_MAX_NUMBER = 2**53
_OWN_MARK = "<!-- egbot"
_PULL_ACTIONS = frozenset({"opened", "synchronize", "reopened", "labeled"})
_DISPATCH_WORDS = (("tests", ""), ("targets", "--target"), ("seed", "--seed"))


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that asks for nothing, and why; the sentence is fit for a log."""

    why: str


@dataclass(frozen=True, slots=True)
class _Event:
    """An event's name, the repository that the runner names, and the payload as it came."""

    name: str
    repository: str
    payload: Mapping[str, object]

    @property
    def action(self) -> str:
        return _text(self.payload, "action", limit=60)


def read_event(name: str, payload: bytes, repository: str) -> Trigger | Ignored:
    """What the event ``name`` with the JSON ``payload`` asks for in ``owner/name``.

    ``repository`` is the runner's word for where it runs; a payload of another one is ignored.
    """
    reader = _READERS.get(name)
    if reader is None:
        return Ignored(f"egbot does not listen to the event {_shown(name)}")
    if not _REPOSITORY.fullmatch(repository):
        return Ignored(f"{_shown(repository)} is no repository's name (owner/name)")
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Ignored(f"the event's payload is larger than {MAX_PAYLOAD_BYTES} bytes")
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError):
        return Ignored("the event's payload is no JSON document")
    if not isinstance(data, dict):
        return Ignored("the event's payload is no JSON object")
    told = _text(data, "repository", "full_name", limit=201)
    if told and told.lower() != repository.lower():
        return Ignored(f"the event is of {_shown(told)}, but this is {repository}")
    return reader(_Event(name, repository, data))


# --- pull requests and issues ------------------------------------------------------------------


def _pull_request(event: _Event) -> Trigger | Ignored:
    if event.action not in _PULL_ACTIONS:
        return Ignored(f"nothing to do when a pull request is {_shown(event.action)}")
    number, head = _number(event.payload, "number"), _sha(event.payload, "pull_request", "head")
    if number is None or not head:
        return Ignored("the event names no pull request or no head commit")
    if _text(event.payload, "pull_request", "state") == "closed":
        return Ignored(f"pull request {number} is closed")
    label = _text(event.payload, "label", "name", limit=200) if event.action == "labeled" else ""
    if event.action == "labeled" and not label:
        return Ignored("the event names no label")
    return replace(
        _trigger(event, "pull_request"),
        number=number,
        head_sha=head,
        label=label,
        happened_at=_time(event.payload, "pull_request", "updated_at"),
    )


def _issues(event: _Event) -> Trigger | Ignored:
    if event.action != "labeled":
        return Ignored(f"nothing to do when an issue is {_shown(event.action)}")
    number, label = (
        _number(event.payload, "issue", "number"),
        _text(event.payload, "label", "name", limit=200),
    )
    if number is None or not label:
        return Ignored("the event names no issue or no label")
    if _text(event.payload, "issue", "state") == "closed":
        return Ignored(f"issue {number} is closed")
    is_pull = isinstance(_at(event.payload, "issue", "pull_request"), dict)
    return replace(
        _trigger(event, "pull_request" if is_pull else "issue"),
        number=number,
        label=label,
        text=_body(event.payload, "issue"),
        happened_at=_time(event.payload, "issue", "updated_at"),
    )


# --- comments ----------------------------------------------------------------------------------


def _issue_comment(event: _Event) -> Trigger | Ignored:
    number = _number(event.payload, "issue", "number")
    if number is None:
        return Ignored("the event names no issue")
    is_pull = isinstance(_at(event.payload, "issue", "pull_request"), dict)
    begun = replace(
        _trigger(event, "pull_request" if is_pull else "issue"),
        number=number,
        text="" if is_pull else _body(event.payload, "issue"),
    )
    return _commented(event, begun, "issue")


def _review_comment(event: _Event) -> Trigger | Ignored:
    number, head = (
        _number(event.payload, "pull_request", "number"),
        _sha(event.payload, "pull_request", "head"),
    )
    if number is None or not head:
        return Ignored("the event names no pull request or no head commit")
    begun = replace(_trigger(event, "pull_request"), number=number, head_sha=head)
    return _commented(event, begun, "review")


def _commented(
    event: _Event, begun: Trigger, where: Literal["issue", "review"]
) -> Trigger | Ignored:
    if event.action != "created":
        return Ignored(f"a comment that is {_shown(event.action)} asks for nothing")
    body = _body(event.payload, "comment")
    line = None if _OWN_MARK in body else find_command(body)
    if line is None:
        return Ignored("the comment does not call /egbot")
    comment = _number(event.payload, "comment", "id")
    if comment is None:
        return Ignored("the event names no comment")
    return replace(
        begun,
        comment=(where, comment),
        command=split_words(line) or ("help",),
        happened_at=_time(event.payload, "comment", "created_at"),
    )


# --- events without a person's text ------------------------------------------------------------


def _dispatch(event: _Event) -> Trigger | Ignored:
    """The inputs ``pull-request``, ``issue``, ``tests``, ``targets`` and ``seed``, all optional."""
    given: dict[str, str] = {}
    inputs = _at(event.payload, "inputs")
    for key, value in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(value, str | int) and not isinstance(value, bool):
            given[str(key).replace("_", "-")] = _clean(str(value))[:MAX_INPUT_CHARS].strip()
    words = ["solve"]
    for key, option in _DISPATCH_WORDS:
        for word in split_words(given.get(key, "")):
            words.extend([option, word] if option else [word])
    begun = replace(_trigger(event, "manual"), command=tuple(words))
    kinds: tuple[tuple[str, Literal["pull_request", "issue"]], ...] = (
        ("pull-request", "pull_request"),
        ("issue", "issue"),
    )
    for key, kind in kinds:
        if given.get(key):
            text = given[key].removeprefix("#")
            if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) < _MAX_NUMBER):
                return Ignored(f"the input {key} is {_shown(text)}, which is no number")
            return replace(begun, kind=kind, number=int(text))
    return begun


def _workflow_run(event: _Event) -> Trigger | Ignored:
    """A test workflow that failed; a fork's pull request is found by its head commit later."""
    if event.action != "completed":
        return Ignored("the other workflow is not completed")
    conclusion = _text(event.payload, "workflow_run", "conclusion")
    if conclusion != "failure":
        return Ignored(f"the other workflow ended with {_shown(conclusion)}, not with failure")
    if not _text(event.payload, "workflow_run", "event").startswith("pull_request"):
        return Ignored("the other workflow did not run for a pull request")
    run = _number(event.payload, "workflow_run", "id")
    head = _sha(event.payload, "workflow_run")
    if run is None or not head:
        return Ignored("the event names no workflow run or no head commit")
    pulls = _at(event.payload, "workflow_run", "pull_requests")
    numbers = [
        _number(pull, "number")
        for pull in (pulls if isinstance(pulls, list) else ())
        if isinstance(pull, dict) and _sha(pull, "head") == head
    ]
    return replace(
        _trigger(event, "pull_request"),
        actor=_login(event.payload, "workflow_run", "triggering_actor")
        or _login(event.payload, "workflow_run", "actor"),
        number=numbers[0] if numbers else None,
        head_sha=head,
        workflow_run_id=run,
        happened_at=_time(event.payload, "workflow_run", "updated_at"),
    )


def _schedule(event: _Event) -> Trigger | Ignored:
    return replace(_trigger(event, "manual"), actor="")


_READERS: Mapping[str, Callable[[_Event], Trigger | Ignored]] = {
    "pull_request": _pull_request,
    "issues": _issues,
    "issue_comment": _issue_comment,
    "pull_request_review_comment": _review_comment,
    "workflow_dispatch": _dispatch,
    "workflow_run": _workflow_run,
    "schedule": _schedule,
}
EVENTS = tuple(_READERS)
"""The names of the events that can ask for something."""


# --- careful reading ---------------------------------------------------------------------------


def _trigger(event: _Event, kind: Literal["pull_request", "issue", "manual"]) -> Trigger:
    return Trigger(
        event=event.name,
        kind=kind,
        repository=event.repository,
        actor=_login(event.payload, "sender"),
    )


def _at(data: object, *keys: str) -> object:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _text(data: object, *keys: str, limit: int = 100) -> str:
    found = _at(data, *keys)
    return _clean(found[:limit]) if isinstance(found, str) else ""


def _body(payload: object, owner: str) -> str:
    return _text(payload, owner, "body", limit=MAX_TEXT_CHARS)


def _number(data: object, *keys: str) -> int | None:
    found = _at(data, *keys)
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if 0 < found < _MAX_NUMBER else None


def _sha(data: object, *keys: str) -> str:
    found = _text(data, *keys, "sha" if keys[-1:] == ("head",) else "head_sha")
    return found if _SHA.fullmatch(found) else ""


def _login(data: object, *keys: str) -> str:
    found = _text(data, *keys, "login", limit=120)
    return found if _LOGIN.fullmatch(found) else ""


def _time(data: object, *keys: str) -> str:
    found = _text(data, *keys)
    return found if _TIME.fullmatch(found) else ""


def _clean(text: str) -> str:
    """Lone surrogates, which JSON can spell, cannot be written anywhere."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _shown(text: str) -> str:
    return repr(_clean(text[:60]))
