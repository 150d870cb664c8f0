"""What travels to and from the forge (GitHub), and the protocol through which it does.

No room but `egbot.publish` knows which library or which address is behind it. Everything that a
forge answers is a claim by strangers: texts, logins and file contents are data, never code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from egbot.errors import ForgeError

Permission = Literal["admin", "maintain", "write", "triage", "read", "none"]
Reaction = Literal["eyes", "rocket", "confused", "+1"]
Conclusion = Literal["success", "neutral", "failure", "action_required"]

MAX_BODY_CHARS = 65_536
"""Comments and descriptions; GitHub answers 422 "Body is too long" beyond it."""
MAX_CHECK_CHARS = 65_535
"""A check run's summary and its text, each."""
MAX_ANNOTATIONS = 50
"""Annotations in one request; more are appended by further updates."""


class RefusedError(ForgeError):
    """The forge understood a request and said no; ``status`` is HTTP's (0: said inside GraphQL)."""

    def __init__(self, message: str, *, hint: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as the forge tells it now."""

    number: int
    title: str
    author: str
    head_ref: str
    head_sha: str
    head_repository: str
    base_ref: str
    base_sha: str
    is_open: bool
    is_locked: bool
    is_fork: bool
    maintainer_can_modify: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue as the forge tells it now; ``updated_at`` is ISO 8601 in UTC."""

    number: int
    title: str
    body: str
    author: str
    is_open: bool
    is_locked: bool
    is_pull_request: bool
    labels: tuple[str, ...] = ()
    updated_at: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment in a conversation. ``author`` is a login; a bot's ends in ``[bot]``."""

    id: int
    author: str
    body: str
    url: str = ""
    created_at: str = ""
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One file of a pull request; ``patch`` holds its hunks, "" where the forge omits them."""

    path: str
    status: str
    patch: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A review comment on lines ``start_line`` .. ``line`` (both included) of the new side."""

    path: str
    line: int
    body: str
    start_line: int | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """A remark at lines of a file, in a check run."""

    path: str
    start_line: int
    end_line: int
    level: Literal["notice", "warning", "failure"]
    title: str
    message: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check run's visible state; ``external_id`` finds it again. No conclusion: in progress."""

    name: str
    head_sha: str
    external_id: str
    title: str
    summary: str
    text: str = ""
    conclusion: Conclusion | None = None
    annotations: tuple[Annotation, ...] = ()
    details_url: str = ""


class Forge(Protocol):
    """One repository on a forge, seen with one token.

    Every call raises ForgeError with a message fit for a log: what was tried, what the forge said
    and what to do next. Failures that pass (5xx, connection, rate limits) were retried by then.
    """

    @property
    def repository(self) -> str:
        """``owner/name``."""
        ...

    def me(self) -> str:
        """The login under which this token posts."""
        ...

    def default_branch(self) -> str:
        """The name of the branch whose settings count for issues."""
        ...

    def permission(self, login: str) -> Permission:
        """What ``login`` may do in this repository now."""
        ...

    def pull(self, number: int) -> PullRequest:
        """A pull request as it is now."""
        ...

    def issue(self, number: int) -> Issue:
        """An issue, or a pull request seen as one."""
        ...

    def changed_files(self, number: int) -> tuple[ChangedFile, ...]:
        """The files of a pull request, all pages."""
        ...

    def file(self, path: str, ref: str) -> bytes | None:
        """A file's content at a commit or branch; None where there is none."""
        ...

    def comments(self, number: int) -> Iterable[Comment]:
        """The conversation of an issue or pull request, oldest first, page by page."""
        ...

    def post_comment(self, number: int, body: str) -> Comment:
        """Add a comment."""
        ...

    def edit_comment(self, comment_id: int, body: str) -> Comment:
        """Replace a comment's text."""
        ...

    def delete_comment(self, comment_id: int) -> None:
        """Remove a comment; one that is gone already is fine."""
        ...

    def review_comments(self, number: int) -> Iterable[Comment]:
        """The comments on the diff of a pull request, oldest first, page by page."""
        ...

    def suggest(self, number: int, head_sha: str, suggestion: Suggestion) -> Comment:
        """Add a review comment on the diff at ``head_sha``."""
        ...

    def edit_review_comment(self, comment_id: int, body: str) -> Comment:
        """Replace a review comment's text."""
        ...

    def delete_review_comment(self, comment_id: int) -> None:
        """Remove a review comment; one that is gone already is fine."""
        ...

    def react(self, number: int, reaction: Reaction, comment: tuple[str, int] | None) -> None:
        """React to an issue, or to a comment given as ``("issue" | "review", id)``. Idempotent."""
        ...

    def branch_head(self, name: str) -> str | None:
        """The commit that a branch of this repository points to; None where it does not exist."""
        ...

    def create_branch(self, name: str, sha: str) -> None:
        """Make a branch; one that already points to ``sha`` is fine."""
        ...

    def commit_on_branch(
        self, branch: str, expected_head: str, message: str, files: Mapping[str, bytes]
    ) -> str:
        """Commit whole files, signed by the forge, and return the commit's SHA.

        Raises HeadMovedError, and changes nothing, when the branch is not at ``expected_head``.
        """
        ...

    def commit_message(self, sha: str) -> str:
        """The message of a commit."""
        ...

    def open_pull(self, head: str) -> PullRequest | None:
        """The open pull request from the branch ``head`` of this repository, if any."""
        ...

    def pulls_at(self, sha: str) -> Sequence[PullRequest]:
        """The open pull requests whose head is at ``sha``, those of forks included."""
        ...

    def create_pull(self, title: str, body: str, head: str, base: str) -> tuple[int, str]:
        """Open a pull request between branches of this repository; its number and address."""
        ...

    def edit_pull(self, number: int, title: str, body: str) -> str:
        """Replace a pull request's title and description; its address."""
        ...

    def put_check(self, check: Check) -> str:
        """Create or update the check run with this name and external id; its address."""
        ...

    def workflow_artifacts(self, run_id: int) -> Sequence[tuple[str, int]]:
        """Names and ids of a workflow run's artifacts."""
        ...

    def artifact(self, artifact_id: int, max_bytes: int) -> bytes:
        """One artifact's zip archive. Raises ForgeError beyond ``max_bytes``."""
        ...
