"""Operations on the repository itself: who may do what, branches, commits, files, Git data.

It does not know pull requests or conversations.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from tests.github import payloads, payloads_git
from tests.github.exchange import Answer, ApiError, Call, Route, invalid, missing, paged
from tests.github.gitstore import Entry, Person

_REPO = "/repos/{owner}/{repo}"
_READ = ("contents=read",)
_WRITE = ("contents=write",)
WEB_FLOW = Person("GitHub", "noreply@github.com")


def _repository(call: Call) -> Answer:
    return Answer(200, payloads.repository(call.site, call.repository))


def _permission(call: Call) -> Answer:
    """The older field ``permission`` knows neither maintain nor triage; ``role_name`` does."""
    user = call.world.users.get(call.params["username"])
    if user is None:
        raise missing()
    role = call.repository.role(user.login)
    old = {"maintain": "write", "triage": "read"}.get(role, role)
    rights = ("none", "read", "triage", "write", "maintain", "admin")
    held = rights.index(role)
    names = {"pull": 1, "triage": 2, "push": 3, "maintain": 4, "admin": 5}
    shown = {
        **payloads.user(call.site, user),
        "permissions": {name: level <= held for name, level in names.items()},
        "role_name": role,
    }
    return Answer(200, {"permission": old, "role_name": role, "user": shown})


def _branch(call: Call) -> Answer:
    name = call.params["branch"]
    sha = call.repository.head(name)
    if sha is None:
        raise ApiError(404, "Branch not found")
    return Answer(200, payloads_git.branch(call.site, call.repository, name, sha))


def _commit(call: Call) -> Answer:
    sha = call.repository.store.resolve(call.params["ref"])
    if sha is None:
        message = f"No commit found for SHA: {call.params['ref']}"
        raise ApiError(422, message)
    return Answer(200, payloads_git.commit(call.site, call.repository, sha))


def _contents(call: Call) -> Answer:
    home = call.repository
    at = call.query.get("ref", home.default_branch)
    sha = home.store.resolve(at)
    if sha is None:
        raise ApiError(404, f"No commit found for the ref {at}")
    path = call.params["path"].strip("/")
    rows = home.store.entries(sha, recursive=True)
    found = next((row for row in rows if row.path == path), None)
    if found is not None and found.kind != "tree":
        return Answer(200, payloads_git.single_content(call.site, home, rows, found, at))
    if found is None and path:
        raise missing()
    start = f"{path}/" if path else ""
    inside = [r for r in rows if r.path.startswith(start) and "/" not in r.path[len(start) :]]
    return Answer(200, [payloads_git.content(call.site, home, row, at) for row in inside])


def _get_ref(call: Call) -> Answer:
    name = f"refs/{call.params['ref']}"
    sha = call.repository.store.ref(name)
    if sha is None:
        raise missing()
    return Answer(200, payloads_git.ref(call.site, call.repository, name, sha))


def _matching_refs(call: Call) -> Answer:
    rows = call.repository.store.refs(f"refs/{call.params['ref']}")
    return paged(call, [payloads_git.ref(call.site, call.repository, *row) for row in rows])


def _create_ref(call: Call) -> Answer:
    store, name, sha = call.repository.store, call.body["ref"], call.body["sha"]
    if not name.startswith("refs/") or name.count("/") < 2:
        raise ApiError(422, "Reference name must start with 'refs/' and have two slashes")
    if store.kind_of(sha) is None:
        raise ApiError(422, "Object does not exist")
    if store.ref(name) is not None:
        raise ApiError(422, "Reference already exists")
    if any(
        each.startswith(name + "/") or name.startswith(each + "/")
        for each, _ in store.refs("refs/")
    ):
        raise ApiError(422, "Reference already exists")
    store.set_ref(name, sha)
    call.world.refresh()
    return Answer(201, payloads_git.ref(call.site, call.repository, name, sha))


def _update_ref(call: Call) -> Answer:
    store, name, sha = call.repository.store, f"refs/{call.params['ref']}", call.body["sha"]
    old = store.ref(name)
    if old is None:
        raise ApiError(422, "Reference does not exist")
    if store.kind_of(sha) is None:
        raise ApiError(422, "Object does not exist")
    if not call.body.get("force", False) and not store.is_ancestor(old, sha):
        raise ApiError(422, "Update is not a fast forward")
    store.set_ref(name, sha)
    call.world.refresh()
    return Answer(200, payloads_git.ref(call.site, call.repository, name, sha))


def _delete_ref(call: Call) -> Answer:
    name = f"refs/{call.params['ref']}"
    if call.repository.store.ref(name) is None:
        raise ApiError(422, "Reference does not exist")
    call.world.refresh()
    call.repository.store.delete_ref(name)
    call.world.refresh()
    return Answer(204)


def _refuse_empty(call: Call) -> None:
    if not call.repository.store.refs("refs/heads/"):
        raise ApiError(409, "Git Repository is empty.")


def _create_blob(call: Call) -> Answer:
    _refuse_empty(call)
    content = call.body["content"]
    try:
        is_base64 = call.body.get("encoding", "utf-8") == "base64"
        data = base64.b64decode(content, validate=True) if is_base64 else content.encode()
    except binascii.Error:
        raise ApiError(422, "content is not valid Base64") from None
    sha = call.repository.store.blob(data)
    url = payloads_git.blob(call.site, call.repository, sha)["url"]
    return Answer(201, {"sha": sha, "url": url})


def _get_blob(call: Call) -> Answer:
    sha = call.params["file_sha"]
    if call.repository.store.kind_of(sha) != "blob":
        raise missing()
    return Answer(200, payloads_git.blob(call.site, call.repository, sha))


def _create_tree(call: Call) -> Answer:
    _refuse_empty(call)
    store = call.repository.store
    base = call.body.get("base_tree")
    if base is not None and store.kind_of(base) not in ("tree", "commit"):
        raise ApiError(422, "base_tree is not a valid tree")
    rows = [_tree_row(call, row) for row in call.body["tree"]]
    sha = store.tree(base, rows)
    made = payloads_git.tree(call.site, call.repository, sha, store.entries(sha))
    return Answer(201, made)


def _tree_row(call: Call, row: dict[str, Any]) -> tuple[str, str | None, str]:
    sha = row.get("sha")
    if "content" in row:
        sha = call.repository.store.blob(row["content"].encode())
    elif sha is not None and call.repository.store.kind_of(sha) is None:
        raise ApiError(422, f"tree.sha {sha} is not a valid blob")
    return row["mode"], sha, row["path"]


def _get_tree(call: Call) -> Answer:
    store, sha = call.repository.store, call.params["tree_sha"]
    commit = store.resolve(sha)
    tree = store.commit(commit).tree if commit else sha
    if store.kind_of(tree) != "tree":
        raise missing()
    rows: list[Entry] = store.entries(tree, recursive="recursive" in call.query)
    return Answer(200, payloads_git.tree(call.site, call.repository, tree, rows))


def _create_commit(call: Call) -> Answer:
    """A commit by an app with no author of its own choice is signed by GitHub (verified)."""
    store, body = call.repository.store, call.body
    _refuse_empty(call)
    if store.kind_of(body["tree"]) != "tree":
        raise ApiError(422, "Tree SHA does not exist")
    parents = body.get("parents", [])
    if any(store.kind_of(parent) != "commit" for parent in parents):
        raise ApiError(422, "Parent SHA does not exist or is not a commit object")
    chosen = "author" in body or "committer" in body
    actor = Person(call.token.actor.login, call.token.actor.email)
    by_app = call.token.actor.kind == "Bot" and not chosen
    author = _person(body["author"]) if "author" in body else actor
    committer = _person(body["committer"]) if "committer" in body else author
    people = (author, WEB_FLOW if by_app else committer)
    sha = store.commit_tree(body["tree"], parents, body["message"], people, call.world.tick())
    if by_app:
        call.repository.verified.add(sha)
    return Answer(201, payloads_git.git_commit(call.site, call.repository, store.commit(sha)))


def _person(given: dict[str, str]) -> Person:
    return Person(given["name"], given["email"])


def _get_commit(call: Call) -> Answer:
    store, sha = call.repository.store, call.params["commit_sha"]
    if store.kind_of(sha) != "commit":
        raise missing()
    return Answer(200, payloads_git.git_commit(call.site, call.repository, store.commit(sha)))


def _labels(call: Call) -> Answer:
    home = call.repository
    return paged(call, [payloads.label(call.site, home, name) for name in home.labels])


def _create_label(call: Call) -> Answer:
    name = call.body["name"]
    if name in call.repository.labels:
        raise invalid("Label", "name", "already_exists")
    call.repository.label(name)
    return Answer(201, payloads.label(call.site, call.repository, name))


_TALK = ("issues=write", "pull_requests=write")
ROUTES = (
    Route("GET", _REPO, ("metadata=read",), _repository),
    Route("GET", f"{_REPO}/collaborators/{{username}}/permission", ("metadata=read",), _permission),
    Route("GET", f"{_REPO}/branches/{{branch}}", _READ, _branch),
    Route("GET", f"{_REPO}/commits/{{ref}}", _READ, _commit),
    Route("GET", f"{_REPO}/contents/{{path}}", _READ, _contents),
    Route("GET", f"{_REPO}/git/ref/{{ref}}", _READ, _get_ref),
    Route("GET", f"{_REPO}/git/matching-refs/{{ref}}", _READ, _matching_refs),
    Route("POST", f"{_REPO}/git/refs", _WRITE, _create_ref),
    Route("PATCH", f"{_REPO}/git/refs/{{ref}}", _WRITE, _update_ref),
    Route("DELETE", f"{_REPO}/git/refs/{{ref}}", _WRITE, _delete_ref),
    Route("POST", f"{_REPO}/git/blobs", _WRITE, _create_blob),
    Route("GET", f"{_REPO}/git/blobs/{{file_sha}}", _READ, _get_blob),
    Route("POST", f"{_REPO}/git/trees", _WRITE, _create_tree),
    Route("GET", f"{_REPO}/git/trees/{{tree_sha}}", _READ, _get_tree),
    Route("POST", f"{_REPO}/git/commits", _WRITE, _create_commit),
    Route("GET", f"{_REPO}/git/commits/{{commit_sha}}", _READ, _get_commit),
    Route("GET", f"{_REPO}/labels", ("issues=read", "pull_requests=read"), _labels),
    Route("POST", f"{_REPO}/labels", _TALK, _create_label),
)
