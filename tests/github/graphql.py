"""The GraphQL side: the mutation ``createCommitOnBranch`` and ``viewer``, nothing else.

It does not know HTTP. Requests are checked against GitHub's own schema before they are run by
graphql-core; a query of anything that is not served here is an error that the test sees.
"""

from __future__ import annotations

import base64
import binascii
import functools
from dataclasses import dataclass
from typing import Any

import graphql

from tests.fetched import kept
from tests.github.gitstore import GitFailedError, Person
from tests.github.nouns import Token
from tests.github.payloads_git import SIGNATURE
from tests.github.repository import Repository
from tests.github.routes_repository import WEB_FLOW
from tests.github.world import World

_INPUT = "CreateCommitOnBranchInput"


class RefusedError(Exception):
    """What GitHub answers under ``errors``; ``kind`` is its type field."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Root:
    """What the resolvers see: the world, the token, and the address of the pages."""

    world: World
    token: Token
    home: str

    def viewer(self, info: graphql.GraphQLResolveInfo[None]) -> dict[str, Any]:
        return {"login": self.token.actor.login, "__typename": "User"}

    def createCommitOnBranch(  # noqa: N802  (graphql-core looks the field up by its name)
        self,
        info: graphql.GraphQLResolveInfo[None],
        input: dict[str, Any],
    ) -> dict[str, Any]:
        home, branch = _branch(self, input["branch"])
        head = home.head(branch)
        expected = input["expectedHeadOid"]
        may = self.token.may("contents", "write") and self.token.covers(home)
        if not may or home.archived:
            raise RefusedError("FORBIDDEN", "Resource not accessible by integration")
        if head is None:
            raise RefusedError("NOT_FOUND", f"Could not resolve to a Ref with the name {branch!r}.")
        if head != expected:
            message = (
                f'Expected branch to point to "{expected}" but it did not.  Pull and try again.'
            )
            raise RefusedError("STALE_DATA", message)
        sha = _commit(self, home, head, input)
        home.set_branch(branch, sha)
        return {
            "clientMutationId": input.get("clientMutationId"),
            "commit": _shown(home, sha, self.home),
            "ref": {"id": f"REF_{home.id}_{branch}", "name": branch, "prefix": "refs/heads/"},
        }


def _branch(root: Root, given: dict[str, Any]) -> tuple[Repository, str]:
    if "id" in given:
        _, repository_id, name = given["id"].split("_", 2)
        found = [r for r in root.world.repositories.values() if str(r.id) == repository_id]
        branch = name.removeprefix("refs/heads/")
    else:
        full_name = given.get("repositoryNameWithOwner", "")
        found = [r for r in root.world.repositories.values() if r.full_name == full_name]
        branch = given.get("branchName", "").removeprefix("refs/heads/")
    if not found or not root.token.sees(found[0]):
        name = given.get("repositoryNameWithOwner", given.get("id"))
        message = f"Could not resolve to a Repository with the name '{name}'."
        raise RefusedError("NOT_FOUND", message)
    return found[0], branch


def _commit(root: Root, home: Repository, head: str, given: dict[str, Any]) -> str:
    changes = given.get("fileChanges") or {}
    added = [("100644", _blob(home, each), each["path"]) for each in changes.get("additions") or []]
    deleted = [each["path"] for each in changes.get("deletions") or []]
    paths = [path for _, _, path in added] + deleted
    if len(set(paths)) != len(paths):
        raise RefusedError("UNPROCESSABLE", "A path was given more than once")
    for path in deleted:
        if home.store.file(head, path) is None:
            raise RefusedError(
                "UNPROCESSABLE",
                f"A path was requested for deletion which does not exist as of commit oid `{head}`: {path}",
            )
    if any(p.startswith(".github/workflows/") for p in paths) and not root.token.may(
        "workflows", "write"
    ):
        message = "refusing to allow a GitHub App to create or update workflow without `workflows` permission"
        raise RefusedError("FORBIDDEN", message)
    rows: list[tuple[str, str | None, str]] = [*added, *(("0", None, path) for path in deleted)]
    try:
        tree = home.store.tree(head, rows)
    except GitFailedError as error:
        raise RefusedError("UNPROCESSABLE", str(error)) from None
    message = given["message"]["headline"]
    if given["message"].get("body"):
        message += "\n\n" + given["message"]["body"]
    actor = Person(root.token.actor.login, root.token.actor.email)
    when = root.world.tick()
    sha = home.store.commit_tree(tree, [head], message, (actor, WEB_FLOW), when)
    home.verified.add(sha)
    return sha


def _blob(home: Repository, addition: dict[str, Any]) -> str:
    try:
        return home.store.blob(base64.b64decode(addition["contents"], validate=True))
    except binascii.Error:
        message = f"The contents of {addition['path']} are not valid Base64"
        raise RefusedError("UNPROCESSABLE", message) from None


def _shown(home: Repository, sha: str, site: str) -> dict[str, Any]:
    record = home.store.commit(sha)
    url = f"{site}/{home.full_name}/commit/{sha}"
    return {
        "id": f"C_{sha}",
        "oid": sha,
        "abbreviatedOid": sha[:7],
        "url": url,
        "commitUrl": url,
        "message": record.message,
        "messageHeadline": record.message.split("\n")[0],
        "committedDate": record.committed_at,
        "authoredDate": record.authored_at,
        "author": {"name": record.author.name, "email": record.author.email},
        "committer": {"name": record.committer.name, "email": record.committer.email},
        "signature": {
            "__typename": "GpgSignature",
            "isValid": True,
            "state": "VALID",
            "wasSignedByGitHub": True,
            "email": record.committer.email,
            "payload": f"tree {record.tree}\n",
            "signature": SIGNATURE,
            "verifiedAt": record.committed_at,
        },
    }


@functools.cache
def schema() -> graphql.GraphQLSchema:
    text = kept("schema.graphql")
    document = graphql.parse(text, no_location=True)
    # GitHub deprecates fields that its interfaces keep, which the library's own check refuses.
    return graphql.build_ast_schema(document, assume_valid=True, assume_valid_sdl=True)


def named_branch(body: Any) -> tuple[str, str] | None:
    """The repository and branch in the variables of a request, for the faults."""
    try:
        given = body["variables"]["input"]["branch"]
        return given["repositoryNameWithOwner"], given["branchName"].removeprefix("refs/heads/")
    except (KeyError, TypeError, AttributeError):
        return None


def commits(body: Any) -> bool:
    """Whether the request asks for the mutation."""
    return isinstance(body, dict) and "createCommitOnBranch" in str(body.get("query"))


def _served(source: Any, info: graphql.GraphQLResolveInfo[None], **given: Any) -> Any:
    """A field that GitHub has and the fake has not is an error, not a silent null."""
    known = source.keys() if isinstance(source, dict) else dir(source)
    if info.field_name not in known:
        raise NotImplementedError(f"the fake does not serve {info.parent_type}.{info.field_name}")
    return graphql.default_field_resolver(source, info, **given)


def answer(root: Root, body: Any) -> tuple[dict[str, Any], list[str]]:
    """The answer's JSON, and what was wrong with the request or with the fake's own answer."""
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        message = "A query attribute must be specified and must be a string."
        return {"errors": [{"message": message}]}, [f"GraphQL: {message}"]
    try:
        document = graphql.parse(body["query"])
    except graphql.GraphQLSyntaxError as error:
        return {"errors": [error.formatted]}, [f"GraphQL: {error.message}"]
    faults = graphql.validate(schema(), document)
    if faults:
        return {"errors": [each.formatted for each in faults]}, [
            f"GraphQL: {each.message}" for each in faults
        ]
    result = graphql.execute_sync(
        schema(),
        document,
        root_value=root,
        variable_values=body.get("variables"),
        field_resolver=_served,
    )
    errors = result.errors or []
    shown = [_error(each) for each in errors]
    own = [
        f"GraphQL: {e.message}" for e in errors if not isinstance(e.original_error, RefusedError)
    ]
    data: dict[str, Any] = {"data": result.data}
    return ({**data, "errors": shown} if shown else data), own


def _error(error: graphql.GraphQLError) -> dict[str, Any]:
    shown: dict[str, Any] = dict(error.formatted)
    if isinstance(error.original_error, RefusedError):
        shown["type"] = error.original_error.kind
    return shown
