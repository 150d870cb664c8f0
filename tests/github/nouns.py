"""What a repository on the fake GitHub consists of, as plain mutable records.

It does not know how they are shown over HTTP, nor who may change them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tests.github.diffs import Side

if TYPE_CHECKING:
    from tests.github.repository import Repository

Access = Literal["none", "read", "write"]
SCOPES = ("actions", "checks", "contents", "issues", "metadata", "pull_requests", "workflows")


@dataclass(slots=True)
class User:
    login: str
    id: int

    @property
    def kind(self) -> str:
        return "Bot" if self.login.endswith("[bot]") else "User"

    @property
    def email(self) -> str:
        return f"{self.id}+{self.login}@users.noreply.github.com"


@dataclass(frozen=True, slots=True)
class Token:
    """A secret's meaning: who it acts as, what it may do, and where (None: not in forks)."""

    secret: str = field(repr=False)
    actor: User
    permissions: dict[str, Access]
    repositories: frozenset[str] | None = None

    def may(self, scope: str, access: str) -> bool:
        held = self.permissions.get(scope, "none")
        return held == "write" or held == access

    def covers(self, home: Repository) -> bool:
        """Whether the permissions hold there; elsewhere public repositories can be read."""
        if self.repositories is None:
            return home.parent is None
        return home.full_name in self.repositories

    def sees(self, home: Repository) -> bool:
        return not home.private or self.covers(home)


@dataclass(slots=True)
class Reaction:
    id: int
    author: User
    content: str
    created_at: str


@dataclass(slots=True)
class Place:
    """Where in the diff a review comment stands; ``line`` is None for a whole file."""

    path: str
    commit: str
    hunk: str
    line: int | None
    side: Side
    start_line: int | None = None
    start_side: Side | None = None


@dataclass(slots=True)
class Comment:
    """An issue comment, or (with a place) a review comment; ``number`` is its conversation's."""

    id: int
    number: int
    author: User
    body: str
    created_at: str
    updated_at: str
    place: Place | None = None
    in_reply_to: int | None = None
    review: int | None = None
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True)
class Issue:
    """An issue, or the conversation of a pull request (which has the same number)."""

    id: int
    number: int
    author: User
    title: str
    body: str | None
    created_at: str
    updated_at: str
    state: Literal["open", "closed"] = "open"
    locked: bool = False
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True)
class Pull:
    """A pull request; ``last_head`` and ``last_base`` are what is known after a branch is gone."""

    id: int
    issue: Issue
    base_ref: str
    head_repository: Repository
    head_ref: str
    last_base: str
    last_head: str
    draft: bool = False
    review_comments: list[Comment] = field(default_factory=list)

    @property
    def number(self) -> int:
        return self.issue.number


@dataclass(slots=True)
class CheckRun:
    id: int
    name: str
    head_sha: str
    actor: User
    started_at: str
    status: str = "queued"
    conclusion: str | None = None
    completed_at: str | None = None
    details_url: str | None = None
    external_id: str = ""
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Artifact:
    id: int
    run: int
    name: str
    archive: bytes
    created_at: str
    expired: bool = False


@dataclass(slots=True)
class WorkflowRun:
    id: int
    name: str
    event: str
    head_branch: str
    head_sha: str
    actor: User
    created_at: str
    status: str = "completed"
    conclusion: str | None = "success"
    head_repository: str = ""
    pulls: list[int] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
