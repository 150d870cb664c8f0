"""Owns what the forge says now about the place where a run is to be delivered. It changes nothing.

It does not know what will be done there. The commit, the branch names and the settings come from the
forge; the run's own word for them is only compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from egbot.config import GithubSettings, Settings, load_settings
from egbot.errors import UsageError
from egbot.forge import ChangedFile, Comment, Forge, Issue, PullRequest
from egbot.intake.issue import tests_in_issue
from egbot.publish.comment import Voice
from egbot.publish.load import fingerprint
from egbot.publish.markers import REPORT, is_by, own, trailer
from egbot.publish.paths import is_plain
from egbot.publish.recheck import Contents
from egbot.records import Run

_MAX_PATHS = 200
_MAX_NAMES = 9
_SLUG_CHARS = 40


@dataclass(frozen=True, slots=True)
class Place:
    """A pull request or an issue as it is now.

    ``sha`` is the commit that changes would stand on: the pull request's head, or the default
    branch's head for an issue. ``contents`` are the files there that the run speaks of,
    ``base_contents`` the same files on the base branch (for forks). ``branch`` is the name that
    egbot's own branch has or would have and ``branch_sha`` where it is; ``has_commit`` tells that
    it holds this very run already. ``head_trailer`` is the run that made the head commit, if
    egbot did. ``allow`` is what the base branch lets functions use, ``named`` are the functions
    (PATH::QUALNAME) that the request, as it reads now, names itself.
    """

    repository: str
    me: str
    issue: Issue
    pull: PullRequest | None
    settings: GithubSettings
    base_ref: str
    sha: str
    contents: Contents
    fingerprint: str
    branch: str
    branch_sha: str | None = None
    has_commit: bool = False
    base_contents: Contents = field(default_factory=dict)
    base_sha: str = ""
    files: tuple[ChangedFile, ...] = ()
    own_comments: tuple[Comment, ...] = ()
    own_reviews: tuple[Comment, ...] = ()
    own_pull: PullRequest | None = None
    tests_texts: frozenset[str] = frozenset()
    head_trailer: str = ""
    allow: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()

    @property
    def voice(self) -> Voice:
        """How egbot speaks here."""
        return Voice(self.settings.label, self.settings.identity)

    @property
    def is_open(self) -> bool:
        """Whether anybody still waits for an answer here."""
        return self.pull.is_open if self.pull is not None else self.issue.is_open

    @property
    def is_locked(self) -> bool:
        """Whether the conversation takes no comments."""
        return self.issue.is_locked


def look(forge: Forge, run: Run, number: int, settings: GithubSettings | None = None) -> Place:
    """Ask the forge for everything that a plan needs. Raises ForgeError, UsageError.

    Without ``settings`` those of the base branch hold.
    """
    me = forge.me()
    issue = forge.issue(number)
    pull = forge.pull(number) if issue.is_pull_request else None
    base_ref = pull.base_ref if pull is not None else forge.default_branch()
    base_sha = "" if pull is not None and not pull.is_fork else forge.branch_head(base_ref) or ""
    sha = pull.head_sha if pull is not None else base_sha
    paths = tuple(_paths(run))
    comments = tuple(forge.comments(number))
    reviews = tuple(forge.review_comments(number)) if pull is not None else ()
    found = _settings(forge, base_ref)
    settings = settings or found.github
    is_same = pull is not None and not pull.is_fork
    branch = _branch(forge, run, branch_name(run, settings.branch_prefix, number), (sha, base_sha))
    return Place(
        repository=forge.repository,
        me=me,
        issue=issue,
        pull=pull,
        settings=settings,
        allow=found.guard.allow,
        base_ref=base_ref,
        sha=sha,
        contents={path: forge.file(path, sha) for path in paths} if sha else {},
        fingerprint=fingerprint(run),
        branch=branch.name,
        branch_sha=branch.sha,
        has_commit=branch.has_commit,
        base_contents=(
            {path: forge.file(path, base_sha) for path in paths} if pull and pull.is_fork else {}
        ),
        base_sha=base_sha,
        files=forge.changed_files(number) if pull is not None else (),
        own_comments=tuple(own(comments, me, REPORT)),
        own_reviews=tuple(one for one in reviews if is_by(one, me)),
        own_pull=forge.open_pull(branch.name) if branch.sha else None,
        tests_texts=_tests_texts(issue, comments, run) if pull is None else frozenset(),
        named=_named(issue, comments, reviews, run),
        head_trailer=trailer(forge.commit_message(sha)) if is_same else "",
    )


def _settings(forge: Forge, base_ref: str) -> Settings:
    """``[tool.egbot.github]`` of the base branch, which whoever opens a pull request cannot edit."""
    data = forge.file("pyproject.toml", base_ref)
    text = None if data is None else data.decode("utf-8-sig", "replace")
    return load_settings(text, {}, where=f"pyproject.toml of {base_ref}")


def _paths(run: Run) -> Iterator[str]:
    """The files that the run speaks of, as far as their names are fit to be asked for."""
    found: dict[str, None] = {}
    for outcome in run.outcomes:
        if outcome.target is not None and is_plain(outcome.target.path):
            found.setdefault(outcome.target.path)
    for patch in run.tests_added:
        if is_plain(patch.path):
            found.setdefault(patch.path)
    if len(found) > _MAX_PATHS:
        raise UsageError(
            f"the run speaks of {len(found)} files; more than {_MAX_PATHS} are not looked at",
            hint="publish a run with fewer targets",
        )
    yield from found


def _named(
    issue: Issue, comments: Iterable[Comment], reviews: Iterable[Comment], run: Run
) -> frozenset[str]:
    """The run's functions whose names stand in the issue, or in the comment that asked."""
    kind, number = (run.trigger.comment if run.trigger is not None else None) or ("", 0)
    asked = [one.body for one in (reviews if kind == "review" else comments) if one.id == number]
    targets = [one.target for one in run.outcomes if one.target is not None]
    names = {f"{one.path}::{one.qualname}" for one in targets}
    return frozenset(name for name in names if any(name in text for text in (issue.body, *asked)))


def _tests_texts(issue: Issue, comments: tuple[Comment, ...], run: Run) -> frozenset[str]:
    """The test files that the issue, or the comment that asked, would make as they read now."""
    texts = [issue.body]
    asked = run.trigger.comment if run.trigger is not None else None
    if asked is not None and asked[0] == "issue":
        texts += [one.body for one in comments if one.id == asked[1]]
    texts += ["\n\n".join(texts)] if len(texts) > 1 else []
    return frozenset("\n\n".join(tests_in_issue(text).blocks) for text in texts) - {""}


# --- egbot's own branch -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Branch:
    name: str
    sha: str | None
    has_commit: bool


def _branch(forge: Forge, run: Run, stem: str, untouched: tuple[str, str]) -> _Branch:
    """The branch of this run: one that egbot made for it before, or a name that nobody has taken.

    A branch that is still at one of ``untouched`` is one that was made and not yet filled.
    """
    if all(one.patch is None for one in run.outcomes):
        return _Branch(stem, None, has_commit=False)
    for attempt in range(1, _MAX_NAMES + 1):
        name = stem if attempt == 1 else f"{stem}-{attempt}"
        sha = forge.branch_head(name)
        if sha is None or sha in untouched:
            return _Branch(name, sha, has_commit=False)
        made_by = trailer(forge.commit_message(sha))
        if made_by:
            return _Branch(name, sha, has_commit=made_by == fingerprint(run))
    return _Branch(f"{stem}-{fingerprint(run)}", None, has_commit=False)


def branch_name(run: Run, prefix: str, number: int) -> str:
    """``egbot/12-running_total``, of characters that every git takes."""
    names = [one.target.qualname for one in run.outcomes if one.patch is not None and one.target]
    slug = re.sub(r"[^a-z0-9_]+", "-", (names[0] if names else "").lower())[:_SLUG_CHARS]
    return f"{prefix}{number}-{slug.strip('-') or 'functions'}"
