"""One request and its answer as values, and the errors that GitHub answers with.

It does not know sockets, nor which operations there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.github.nouns import Token
from tests.github.repository import Repository
from tests.github.schemas import Description
from tests.github.world import World

DOCS = "https://docs.github.com/rest"


class ApiError(Exception):
    """An answer other than success; ``errors`` is the list under the message."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: list[dict[str, Any]] | list[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = dict(headers or {})

    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "message": self.message,
            "documentation_url": DOCS,
            "status": str(self.status),
        }
        return data if self.errors is None else {**data, "errors": self.errors}


def invalid(resource: str, field_name: str, code: str, message: str = "") -> ApiError:
    """The usual 422 answer, naming the field."""
    error = {"resource": resource, "field": field_name, "code": code}
    if message:
        error["message"] = message
    return ApiError(422, "Validation Failed", [error])


def missing() -> ApiError:
    return ApiError(404, "Not Found")


@dataclass(frozen=True, slots=True)
class Site:
    """The addresses of this fake and the description whose examples fill its answers."""

    api: str
    home: str
    description: Description

    def example(self, name: str, **replaced: str) -> Any:
        return self.description.example(name, self.api, replaced)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, matched to an operation and a repository that the token may see."""

    world: World
    site: Site
    token: Token
    repository: Repository
    params: dict[str, str]
    query: dict[str, str]
    body: Any

    def number(self, name: str) -> int:
        try:
            return int(self.params[name])
        except ValueError:
            raise missing() from None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """An operation: ``accepted`` lists permissions, any one of which is enough."""

    method: str
    template: str
    accepted: tuple[str, ...]
    handler: Callable[[Call], Answer]


def page_of(call: Call, items: list[Any]) -> tuple[list[Any], dict[str, str]]:
    """The asked page and its Link header; at most 100 a page, 30 unless told."""
    size = min(100, max(1, int(call.query.get("per_page", "30"))))
    page = max(1, int(call.query.get("page", "1")))
    last = max(1, -(-len(items) // size))
    targets: dict[str, int] = {}
    if page > 1:
        targets |= {"prev": page - 1, "first": 1}
    if page < last:
        targets |= {"next": page + 1, "last": last}
    kept = "".join(f"&{k}={v}" for k, v in call.query.items() if k not in ("page", "per_page"))
    links = [
        f'<{call.site.api}{_path(call)}?per_page={size}&page={to}{kept}>; rel="{name}"'
        for name, to in targets.items()
    ]
    headers = {"Link": ", ".join(links)} if links else {}
    return items[(page - 1) * size : page * size], headers


def _path(call: Call) -> str:
    return call.params["_path"]


def paged(call: Call, items: list[Any]) -> Answer:
    shown, headers = page_of(call, items)
    return Answer(200, shown, headers)


def counted(call: Call, name: str, items: list[Any]) -> Answer:
    """A page of a list that GitHub wraps in an object with its total."""
    shown, headers = page_of(call, items)
    return Answer(200, {"total_count": len(items), name: shown}, headers)
