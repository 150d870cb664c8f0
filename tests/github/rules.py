"""Which operation a path names, and whether the token may use it.

It does not know what operations do, nor sockets.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from urllib.parse import unquote

from tests.github import routes_ci, routes_pulls, routes_repository, routes_talk
from tests.github.exchange import ApiError, Route, missing
from tests.github.faults import MUTATING
from tests.github.nouns import Token
from tests.github.repository import Repository
from tests.github.world import World

# These parameters may hold slashes.
_DEEP = frozenset({"path", "ref", "branch", "name"})
ACCEPTED = "X-Accepted-GitHub-Permissions"
_NOT_ALLOWED = "Resource not accessible by integration"


@functools.cache
def _routes() -> tuple[tuple[re.Pattern[str], Route], ...]:
    """All operations, the most literal path first, so that ``/commits/{ref}`` comes last."""
    modules = (routes_ci, routes_pulls, routes_repository, routes_talk)
    found = [route for module in modules for route in module.ROUTES]
    found.sort(key=lambda route: -len(re.sub(r"\{\w+\}", "", route.template)))
    return tuple((_pattern(route.template), route) for route in found)


def _pattern(template: str) -> re.Pattern[str]:
    def group(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>{'.*' if match[1] in _DEEP else '[^/]+'})"

    return re.compile(re.sub(r"\\\{(\w+)\\\}", group, re.escape(template)))


def route_of(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    for pattern, route in _routes():
        match = pattern.fullmatch(path)
        if match and route.method == method:
            return route, {name: unquote(text) for name, text in match.groupdict().items()}
    return None


def token_of(world: World, headers: Mapping[str, str]) -> Token:
    if not headers.get("User-Agent"):
        raise ApiError(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        )
    given = headers.get("Authorization", "")
    kind, _, secret = given.partition(" ")
    if not given:
        raise ApiError(401, "Requires authentication")
    if kind.lower() not in ("token", "bearer") or secret not in world.tokens:
        raise ApiError(401, "Bad credentials")
    return world.tokens[secret]


def repository_of(world: World, token: Token, params: Mapping[str, str]) -> Repository:
    """The repository, or the 404 that hides a private one."""
    found = world.repositories.get(f"{params['owner']}/{params['repo']}")
    if found is None or not token.sees(found):
        raise missing()
    return found


def permit(route: Route, token: Token, home: Repository, params: Mapping[str, str]) -> str:
    """The permission that lets the request through; raises the 403 that names those accepted.

    Where issues or pull_requests would do, the latter counts only for a pull request.
    """
    accepted = list(route.accepted)
    number = conversation(home, route, params)
    if number is not None and number not in home.pulls and len(accepted) > 1:
        accepted = [each for each in accepted if not each.startswith("pull_requests")]
    writes = route.method in MUTATING
    inside = token.covers(home)
    for each in accepted:
        scope, access = each.split("=")
        if token.may(scope, access) and (inside or not writes):
            if writes and home.archived:
                raise ApiError(403, "Repository was archived so is read-only.")
            return each
    raise ApiError(403, _NOT_ALLOWED, headers={ACCEPTED: "; ".join(route.accepted)})


def conversation(home: Repository, route: Route, params: Mapping[str, str]) -> int | None:
    """The number of the issue or pull request that the path is about."""
    if "issue_number" in params and params["issue_number"].isdigit():
        return int(params["issue_number"])
    if "/issues/comments/" in route.template:
        ids = {str(comment.id): comment.number for comment in home.all_comments()}
        return ids.get(params["comment_id"])
    return None
