"""Owns the reading of GitHub's answers into the forge's records. It sends nothing.

Answers are strangers' data: what is missing or of another type becomes "" or a ForgeError, never a
crash.
"""

from __future__ import annotations

import base64
import binascii
from typing import cast, get_args

from egbot.errors import ForgeError
from egbot.forge import ChangedFile, Comment, Issue, Permission, PullRequest

GHOST = "ghost"  # whom GitHub shows where an account is gone


def dig(data: object, *keys: str) -> object:
    """The value below ``keys``; None where any of them is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def text(data: object, *keys: str) -> str:
    """The string below ``keys``, or ""."""
    found = dig(data, *keys)
    return found if isinstance(found, str) else ""


def number(data: object, *keys: str) -> int:
    """The integer below ``keys``. Raises ForgeError where there is none."""
    found = dig(data, *keys)
    if isinstance(found, bool) or not isinstance(found, int):
        raise _lacking(keys)
    return found


def needed(data: object, *keys: str) -> str:
    """The string below ``keys``. Raises ForgeError where there is none."""
    found = text(data, *keys)
    if not found:
        raise _lacking(keys)
    return found


def _lacking(keys: tuple[str, ...]) -> ForgeError:
    return ForgeError(
        f"GitHub's answer lacks {'.'.join(keys)}.",
        hint="check the API address (GITHUB_API_URL), then run again",
    )


def pull_request(data: object) -> PullRequest:
    """``GET /repos/{owner}/{repo}/pulls/{number}``. A head whose fork is gone counts as a fork."""
    head, base = text(data, "head", "repo", "full_name"), text(data, "base", "repo", "full_name")
    return PullRequest(
        number=number(data, "number"),
        title=text(data, "title"),
        author=text(data, "user", "login") or GHOST,
        head_ref=needed(data, "head", "ref"),
        head_sha=needed(data, "head", "sha"),
        head_repository=head,
        base_ref=needed(data, "base", "ref"),
        base_sha=needed(data, "base", "sha"),
        is_open=text(data, "state") == "open",
        is_locked=dig(data, "locked") is True,
        is_fork=head.lower() != base.lower(),
        maintainer_can_modify=dig(data, "maintainer_can_modify") is True,
        url=text(data, "html_url"),
    )


def issue(data: object) -> Issue:
    """``GET /repos/{owner}/{repo}/issues/{number}``."""
    labels = dig(data, "labels")
    names = [text(one, "name") or (one if isinstance(one, str) else "") for one in _list(labels)]
    return Issue(
        number=number(data, "number"),
        title=text(data, "title"),
        body=text(data, "body"),
        author=text(data, "user", "login") or GHOST,
        is_open=text(data, "state") == "open",
        is_locked=dig(data, "locked") is True,
        is_pull_request=isinstance(dig(data, "pull_request"), dict),
        labels=tuple(name for name in names if name),
        updated_at=text(data, "updated_at"),
        url=text(data, "html_url"),
    )


def comment(data: object) -> Comment:
    """A comment in a conversation or on a diff."""
    return Comment(
        id=number(data, "id"),
        author=text(data, "user", "login") or GHOST,
        body=text(data, "body"),
        url=text(data, "html_url"),
        created_at=text(data, "created_at"),
        updated_at=text(data, "updated_at"),
    )


def changed_file(data: object) -> ChangedFile:
    """One entry of ``GET /repos/{owner}/{repo}/pulls/{number}/files``."""
    return ChangedFile(text(data, "filename"), text(data, "status"), text(data, "patch"))


def permission(data: object) -> Permission:
    """The finer role where GitHub tells it, else the coarse permission; "none" for anything odd."""
    for key in ("role_name", "permission"):
        if text(data, key) in get_args(Permission):
            return cast("Permission", text(data, key))
    return "none"


def content(data: object) -> bytes | None:
    """A file's bytes; None where the answer does not carry them (larger than 1 MB)."""
    if text(data, "encoding") != "base64":
        return None
    try:
        return base64.b64decode(text(data, "content"))
    except (binascii.Error, ValueError):
        return None


def _list(data: object) -> list[object]:
    return data if isinstance(data, list) else []
