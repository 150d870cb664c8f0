"""What a fault does before the request is served: an answer instead, or a change of the world.

It does not know sockets, nor when a fault is due.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from tests.github.exchange import DOCS
from tests.github.faults import Faults, Kind
from tests.github.repository import Repository
from tests.github.world import World

Refused = tuple[int, dict[str, str], bytes]
SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)
_JSON = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Aim:
    """What the request is about: the repository, the branch and the pull request it names."""

    repository: str
    branch: str | None
    number: str | None


def before(world: World, faults: Faults, kind: Kind | None, aim: Aim) -> Refused | None:
    """The answer that the fault gives, or None when the request is to be served."""
    home = world.repositories.get(aim.repository)
    if home is not None and kind in ("stale_head", "deleted_branch", "closed_pull"):
        _meddle(home, kind, aim)
    return _refusal(faults, kind)


def _refusal(faults: Faults, kind: Kind | None) -> Refused | None:
    wait = {"Retry-After": str(faults.retry_after_s)}
    reset = {
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(time.time()) + faults.retry_after_s),
    }
    match kind:
        case "500":
            return _json(500, "Server Error", {})
        case "502":
            page = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
            return 502, {"Content-Type": "text/html"}, page
        case "403_secondary":
            return _json(403, SECONDARY, wait)
        case "403_primary":
            return _json(403, "API rate limit exceeded for installation ID 1.", reset)
        case "429":
            return _json(429, SECONDARY, wait)
        case "422":
            return _json(422, "Validation Failed", {}, errors=True)
        case _:
            return None


def _json(status: int, message: str, headers: dict[str, str], *, errors: bool = False) -> Refused:
    data: dict[str, object] = {
        "message": message,
        "documentation_url": DOCS,
        "status": str(status),
    }
    if errors:
        data["errors"] = [{"resource": "Fake", "field": "fault", "code": "custom"}]
    return status, {**_JSON, **headers}, json.dumps(data).encode()


def _meddle(home: Repository, kind: Kind, aim: Aim) -> None:
    pulls = [
        pull
        for pull in home.pulls.values()
        if pull.issue.state == "open" and aim.number in (None, str(pull.number))
    ]
    if kind == "closed_pull":
        for pull in pulls:
            pull.issue.state = "closed"
            pull.issue.updated_at = home.world.tick()
        return
    named = [(home, aim.branch)] if aim.branch else []
    for place, branch in named or [(p.head_repository, p.head_ref) for p in pulls]:
        if place.head(branch) is None:
            continue
        if kind == "stale_head":
            place.push(branch, {"MOVED.md": home.world.tick()}, message="Somebody else's push")
        else:
            place.delete_branch(branch)
