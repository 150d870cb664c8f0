"""Owns GitHub as a `Forge`: which request each question and each change is.

It does not know why anything is asked or posted. Requests themselves are `egbot.publish.transport`,
which needs the extra ``github``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from egbot.errors import ForgeError, HeadMovedError, UsageError
from egbot.forge import (
    ChangedFile,
    Check,
    Comment,
    Forge,
    Issue,
    Permission,
    PullRequest,
    Reaction,
    RefusedError,
    Suggestion,
)
from egbot.publish import answers, checkruns, commits

if TYPE_CHECKING:
    from egbot.publish.transport import Api, Json, Patience

DEFAULT_API_URL = "https://api.github.com"


def connect(
    repository: str,
    token: str,
    *,
    api_url: str = DEFAULT_API_URL,
    patience: Patience | None = None,
) -> Forge:
    """``repository`` (``owner/name``) as ``token`` sees it; nothing is sent yet.

    ``api_url`` is GITHUB_API_URL of GitHub Enterprise (``https://HOST/api/v3``). Raises UsageError
    without the extra ``github`` or for a name that is none.
    """
    owner, _, name = repository.partition("/")
    if not owner or not name or "/" in name or quote(repository) != repository:
        raise UsageError(f"{repository!r} is no repository", hint="give OWNER/NAME")
    if not token:
        raise UsageError("there is no token for GitHub", hint="set GITHUB_TOKEN (or GH_TOKEN)")
    try:
        from egbot.publish import transport
    except ImportError as error:
        raise UsageError(
            f"talking to GitHub needs a package that is missing: {error.name}",
            hint="pip install 'egbot[github]'",
        ) from error
    return GithubForge(repository, transport.Api(token, api_url, patience or transport.Patience()))


class GithubForge:
    """One repository on GitHub, seen with one token."""

    def __init__(self, repository: str, api: Api) -> None:
        self._repository = repository
        self._api = api
        self._root = f"/repos/{repository}"
        self._me = ""

    @property
    def repository(self) -> str:
        """``owner/name``."""
        return self._repository

    def me(self) -> str:
        """The login under which this token posts; asked for once.

        By GraphQL, because the token of a workflow run may not ask ``GET /user``.
        """
        if not self._me:
            query = "query { viewer { login } }"
            data = self._api.attempt(lambda: self._api.graphql(query, {}, "who the token is"))
            self._me = answers.needed(data, "viewer", "login")
        return self._me

    def default_branch(self) -> str:
        """The name of the default branch."""
        return answers.needed(self._api.get(self._root), "default_branch")

    def permission(self, login: str) -> Permission:
        """What ``login`` may do here now; "none" for whom GitHub does not know."""
        path = f"{self._root}/collaborators/{quote(login, safe='')}/permission"
        found = self._maybe(path)
        return "none" if found is None else answers.permission(found)

    def pull(self, number: int) -> PullRequest:
        """A pull request as it is now."""
        return answers.pull_request(self._api.get(f"{self._root}/pulls/{number}"))

    def issue(self, number: int) -> Issue:
        """An issue, or a pull request seen as one."""
        return answers.issue(self._api.get(f"{self._root}/issues/{number}"))

    def changed_files(self, number: int) -> tuple[ChangedFile, ...]:
        """The files of a pull request, all pages (GitHub lists at most 3,000)."""
        found = self._api.pages(f"{self._root}/pulls/{number}/files", {})
        return tuple(answers.changed_file(one) for one in found)

    def file(self, path: str, ref: str) -> bytes | None:
        """A file's content at a commit or branch; None for a folder, a link or nothing."""
        found = self._maybe(f"{self._root}/contents/{quote(path)}", {"ref": ref})
        if answers.text(found, "type") != "file":
            return None
        data = answers.content(found)
        if data is None:  # the contents of files over 1 MB come as a blob only
            sha = answers.needed(found, "sha")
            data = answers.content(self._api.get(f"{self._root}/git/blobs/{sha}"))
        if data is None:
            raise ForgeError(
                f"GitHub did not give the content of {path} at {ref}.", hint="run again"
            )
        return data

    # --- conversation ---

    def comments(self, number: int) -> Iterator[Comment]:
        """The conversation of an issue or pull request, oldest first, page by page."""
        path = f"{self._root}/issues/{number}/comments"
        return (answers.comment(one) for one in self._api.pages(path, {}))

    def post_comment(self, number: int, body: str) -> Comment:
        """Add a comment; after a lost answer one of ours with this very body is taken for it."""
        path = f"{self._root}/issues/{number}/comments"
        return self._api.attempt(
            lambda: answers.comment(self._api.send("POST", path, body={"body": body})[1]),
            lambda: self._mine(self.comments(number), body),
        )

    def edit_comment(self, comment_id: int, body: str) -> Comment:
        """Replace a comment's text."""
        path = f"{self._root}/issues/comments/{comment_id}"
        return answers.comment(self._change("PATCH", path, {"body": body}))

    def delete_comment(self, comment_id: int) -> None:
        """Remove a comment; one that is gone already is fine."""
        self._delete(f"{self._root}/issues/comments/{comment_id}")

    def review_comments(self, number: int) -> Iterator[Comment]:
        """The comments on the diff of a pull request, oldest first, page by page."""
        query = {"sort": "created", "direction": "asc"}
        found = self._api.pages(f"{self._root}/pulls/{number}/comments", query)
        return (answers.comment(one) for one in found)

    def suggest(self, number: int, head_sha: str, suggestion: Suggestion) -> Comment:
        """Add a review comment on the diff at ``head_sha``."""
        path = f"{self._root}/pulls/{number}/comments"
        body: Json = {
            "body": suggestion.body,
            "commit_id": head_sha,
            "path": suggestion.path,
            "line": suggestion.line,
            "side": "RIGHT",
        }
        if suggestion.start_line is not None and suggestion.start_line < suggestion.line:
            body |= {"start_line": suggestion.start_line, "start_side": "RIGHT"}
        return self._api.attempt(
            lambda: answers.comment(self._api.send("POST", path, body=body)[1]),
            lambda: self._mine(self.review_comments(number), suggestion.body),
        )

    def edit_review_comment(self, comment_id: int, body: str) -> Comment:
        """Replace a review comment's text."""
        path = f"{self._root}/pulls/comments/{comment_id}"
        return answers.comment(self._change("PATCH", path, {"body": body}))

    def delete_review_comment(self, comment_id: int) -> None:
        """Remove a review comment; one that is gone already is fine."""
        self._delete(f"{self._root}/pulls/comments/{comment_id}")

    def react(self, number: int, reaction: Reaction, comment: tuple[str, int] | None) -> None:
        """React to an issue or a comment; GitHub keeps one reaction of a kind from each login."""
        where = f"issues/{number}"
        if comment is not None:
            where = f"{'pulls' if comment[0] == 'review' else 'issues'}/comments/{comment[1]}"
        self._change("POST", f"{self._root}/{where}/reactions", {"content": reaction})

    # --- branches, commits, pull requests ---

    def branch_head(self, name: str) -> str | None:
        """The commit that a branch of this repository points to; None where it does not exist."""
        found = self._maybe(f"{self._root}/git/ref/heads/{quote(name)}")
        return None if found is None else answers.needed(found, "object", "sha")

    def create_branch(self, name: str, sha: str) -> None:
        """Make a branch; one that already points to ``sha`` is fine.

        Raises HeadMovedError where it exists and points elsewhere.
        """
        body = {"ref": f"refs/heads/{name}", "sha": sha}

        def make() -> str:
            try:
                self._api.send("POST", f"{self._root}/git/refs", body=body)
            except RefusedError as error:
                if error.status != 422 or self.branch_head(name) is None:
                    raise
            return name

        self._api.attempt(make)
        found = self.branch_head(name)
        if found != sha:
            raise HeadMovedError(
                f"The branch {name} is at {found}, not at {sha}.", hint="run again"
            )

    def commit_on_branch(
        self, branch: str, expected_head: str, message: str, files: Mapping[str, bytes]
    ) -> str:
        """Commit whole files, signed by GitHub; see `egbot.publish.commits`."""
        return commits.commit(
            self._api, self._repository, commits.NewCommit(branch, expected_head, message, files)
        )

    def commit_message(self, sha: str) -> str:
        """The message of a commit."""
        return answers.text(self._api.get(f"{self._root}/git/commits/{sha}"), "message")

    def open_pull(self, head: str) -> PullRequest | None:
        """The open pull request from the branch ``head`` of this repository, if any."""
        owner = self._repository.partition("/")[0]
        query = {"state": "open", "head": f"{owner}:{head}"}
        for one in self._api.pages(f"{self._root}/pulls", query):
            found = answers.pull_request(one)
            if found.head_ref == head and not found.is_fork:
                return found
        return None

    def pulls_at(self, sha: str) -> Sequence[PullRequest]:
        """The open pull requests whose head is at ``sha``, those of forks included."""
        query = {"state": "open", "sort": "updated", "direction": "desc"}
        found = (answers.pull_request(one) for one in self._api.pages(f"{self._root}/pulls", query))
        return tuple(pull for pull in found if pull.head_sha == sha)

    def create_pull(self, title: str, body: str, head: str, base: str) -> tuple[int, str]:
        """Open a pull request between branches of this repository; its number and address.

        One that is open already for ``head`` is taken for it.
        """
        told = {"title": title, "body": body, "head": head, "base": base}

        def there() -> tuple[int, str] | None:
            found = self.open_pull(head)
            return None if found is None else (found.number, found.url)

        def make() -> tuple[int, str]:
            try:
                data = self._api.send("POST", f"{self._root}/pulls", body=told)[1]
            except RefusedError as error:
                found = there() if error.status == 422 else None
                if found is None:
                    raise
                return found
            return answers.number(data, "number"), answers.text(data, "html_url")

        return self._api.attempt(make, there)

    def edit_pull(self, number: int, title: str, body: str) -> str:
        """Replace a pull request's title and description; its address."""
        path = f"{self._root}/pulls/{number}"
        return answers.text(self._change("PATCH", path, {"title": title, "body": body}), "html_url")

    # --- checks and artifacts ---

    def put_check(self, check: Check) -> str:
        """Create or update the check run with this name and external id; its address."""
        return checkruns.put(self._api, self._root, check)

    def workflow_artifacts(self, run_id: int) -> Sequence[tuple[str, int]]:
        """Names and ids of a workflow run's artifacts that are still kept."""
        path = f"{self._root}/actions/runs/{run_id}/artifacts"
        return tuple(
            (answers.text(one, "name"), answers.number(one, "id"))
            for one in self._api.pages(path, {}, "artifacts")
            if answers.dig(one, "expired") is not True
        )

    def artifact(self, artifact_id: int, max_bytes: int) -> bytes:
        """One artifact's zip archive. Raises ForgeError beyond ``max_bytes``."""
        path = f"{self._root}/actions/artifacts/{artifact_id}/zip"
        return self._api.download(path, max_bytes)

    # --- how ---

    def _maybe(self, path: str, query: Mapping[str, object] | None = None) -> object | None:
        """A GET's answer; None for 404."""
        try:
            return self._api.get(path, query)
        except RefusedError as error:
            if error.status != 404:
                raise
            return None

    def _change(self, verb: str, path: str, body: Mapping[str, object]) -> object:
        """A change that may be made twice without harm."""
        return self._api.attempt(lambda: self._api.send(verb, path, body=body)[1])

    def _delete(self, path: str) -> None:
        try:
            self._api.attempt(lambda: self._api.send("DELETE", path))
        except RefusedError as error:
            if error.status != 404:
                raise

    def _mine(self, found: Iterator[Comment], body: str) -> Comment | None:
        """Our own comment with this very text, the newest first."""
        plain, me = body.replace("\r\n", "\n").strip(), self.me()
        same = [
            one
            for one in found
            if one.author in (me, f"{me}[bot]") and one.body.replace("\r\n", "\n").strip() == plain
        ]
        return same[-1] if same else None
