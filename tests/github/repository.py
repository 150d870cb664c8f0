"""One repository of the fake GitHub and the helpers that build scenes in it.

It does not know HTTP, tokens or payloads: what is done here is done by people and by git.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.github.diffs import ChangedFile, changed_files
from tests.github.gitstore import EMPTY_TREE, BareRepository, Person
from tests.github.nouns import (
    Artifact,
    CheckRun,
    Comment,
    Issue,
    Pull,
    User,
    WorkflowRun,
)

if TYPE_CHECKING:
    from tests.github.world import World

Role = Literal["admin", "maintain", "write", "triage", "read", "none"]
Content = str | bytes | tuple[str, str] | None


@dataclass(slots=True)
class Repository:
    world: World
    id: int
    full_name: str
    store: BareRepository
    private: bool = False
    archived: bool = False
    default_branch: str = "main"
    actions_may_open_pulls: bool = True
    parent: Repository | None = None
    roles: dict[str, Role] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    checks: dict[int, CheckRun] = field(default_factory=dict)
    runs: dict[int, WorkflowRun] = field(default_factory=dict)
    verified: set[str] = field(default_factory=set)

    @property
    def owner(self) -> str:
        return self.full_name.split("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.split("/")[1]

    @property
    def path(self) -> Path:
        """The bare repository's folder: a remote that git can clone, fetch and push."""
        return self.store.path

    def role(self, login: str) -> Role:
        return self.roles.get(login, "none" if self.private else "read")

    def grant(self, login: str, role: Role) -> User:
        self.roles[login] = role
        return self.world.user(login)

    def head(self, branch: str) -> str | None:
        return self.store.ref(f"refs/heads/{branch}")

    def push(
        self,
        branch: str,
        files: Mapping[str, Content],
        *,
        message: str = "A commit",
        start: str | None = None,
        author: str = "octo",
    ) -> str:
        """Commit files on a branch: text, bytes, (mode, text) or None to delete; the new head.

        A branch that is new starts at ``start``, or at the default branch.
        """
        parent = self.head(branch) or self.store.resolve(start or self.default_branch)
        rows = [self._row(path, data) for path, data in files.items()]
        tree = self.store.tree(parent, rows)
        user = self.world.user(author)
        person = Person(user.login, user.email)
        when = self.world.tick()
        parents = [parent] if parent else []
        sha = self.store.commit_tree(tree, parents, message, (person, person), when)
        self.set_branch(branch, sha)
        return sha

    def _row(self, path: str, data: Content) -> tuple[str, str | None, str]:
        mode, content = data if isinstance(data, tuple) else ("100644", data)
        if content is None:
            return mode, None, path
        raw = content.encode() if isinstance(content, str) else content
        return mode, self.store.blob(raw), path

    def set_branch(self, branch: str, sha: str) -> None:
        self.store.set_ref(f"refs/heads/{branch}", sha)
        self.world.refresh()

    def delete_branch(self, branch: str) -> None:
        self.world.refresh()
        self.store.delete_ref(f"refs/heads/{branch}")
        self.world.refresh()

    def file(self, ref: str, path: str) -> str | None:
        data = self.store.file(ref, path)
        return None if data is None else data.decode()

    def label(self, name: str) -> str:
        self.labels.setdefault(name, self.world.new_id())
        return name

    def open_issue(
        self,
        title: str = "An issue",
        body: str | None = "",
        *,
        author: str = "octo",
        labels: tuple[str, ...] = (),
    ) -> Issue:
        number = 1 + max(self.issues, default=0)
        now = self.world.tick()
        author_ = self.world.user(author)
        issue = Issue(self.world.new_id(), number, author_, title, body, now, now)
        issue.labels.extend(self.label(name) for name in labels)
        self.issues[number] = issue
        return issue

    def open_pull(  # noqa: PLR0913  (a scene names only what it needs)
        self,
        head: str,
        base: str = "main",
        *,
        title: str = "A pull request",
        body: str | None = "",
        author: str = "octo",
        fork: Repository | None = None,
        draft: bool = False,
        labels: tuple[str, ...] = (),
    ) -> Pull:
        """Open a pull request from branch ``head`` of this repository, or of a fork."""
        source = fork or self
        head_sha, base_sha = source.head(head), self.head(base)
        assert head_sha, f"branch {head} is missing"
        assert base_sha, f"branch {base} is missing"
        issue = self.open_issue(title, body, author=author, labels=labels)
        pull = Pull(self.world.new_id(), issue, base, source, head, base_sha, head_sha, draft)
        self.pulls[issue.number] = pull
        self._follow(pull, head_sha)
        return pull

    def refresh(self) -> None:
        """Let every open pull request follow its branches (also after a plain git push).

        One whose head or base branch was deleted is closed, as GitHub does it.
        """
        for pull in self.pulls.values():
            if pull.issue.state != "open":
                continue
            base, head = self.head(pull.base_ref), pull.head_repository.head(pull.head_ref)
            if base is None or head is None:
                pull.issue.state = "closed"
                pull.issue.updated_at = self.world.tick()
                continue
            pull.last_base = base
            if head != pull.last_head:
                self._follow(pull, head)

    def _follow(self, pull: Pull, head: str) -> None:
        self.store.bring(pull.head_repository.store, head)
        self.store.set_ref(f"refs/pull/{pull.number}/head", head)
        pull.last_head = head

    def diff_base(self, pull: Pull) -> str:
        """The commit that the pull request's diff starts from."""
        return self.store.merge_base(pull.last_base, pull.last_head) or EMPTY_TREE

    def pull_files(self, pull: Pull, head: str | None = None) -> tuple[ChangedFile, ...]:
        return changed_files(self.store, self.diff_base(pull), head or pull.last_head)

    def comment(self, number: int, body: str, *, author: str = "octo") -> Comment:
        now = self.world.tick()
        author_ = self.world.user(author)
        comment = Comment(self.world.new_id(), number, author_, body, now, now)
        self.issues[number].comments.append(comment)
        return comment

    def edit(self, edited: Comment | Issue, body: str) -> None:
        edited.body = body
        edited.updated_at = self.world.tick()

    def fork(self, full_name: str) -> Repository:
        """A fork with all branches, owned by somebody else."""
        copy = self.world.repository(full_name, parent=self)
        for ref, sha in self.store.refs("refs/heads/"):
            copy.store.bring(self.store, sha)
            copy.store.set_ref(ref, sha)
        return copy

    def run(  # noqa: PLR0913  (a scene names only what it needs)
        self,
        sha: str,
        branch: str,
        *,
        name: str = "tests",
        event: str = "pull_request",
        conclusion: str = "failure",
        pull: Pull | None = None,
        artifacts: Mapping[str, Mapping[str, str]] | None = None,
    ) -> WorkflowRun:
        """A finished workflow run with artifacts: name -> file name -> text."""
        now = self.world.tick()
        actor = self.world.user("octo")
        run = WorkflowRun(self.world.new_id(), name, event, branch, sha, actor, now)
        run.conclusion = conclusion
        source = pull.head_repository if pull else self
        run.head_repository = source.full_name
        # GitHub leaves the list empty for a pull request from a fork.
        run.pulls = [pull.number] if pull and source is self else []
        for each, files in (artifacts or {}).items():
            data = _zipped(files)
            run.artifacts.append(Artifact(self.world.new_id(), run.id, each, data, now))
        self.runs[run.id] = run
        return run

    def all_comments(self) -> list[Comment]:
        return [comment for issue in self.issues.values() for comment in issue.comments]

    def all_review_comments(self) -> list[Comment]:
        return [comment for pull in self.pulls.values() for comment in pull.review_comments]


def _zipped(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()
