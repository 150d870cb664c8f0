"""Owns commits through GitHub's interface: signed by GitHub, and only onto the head that was expected.

It does not know what is committed. The GraphQL mutation knows no file modes; where an executable file
changes, the commit is made through the Git data interface, whose reference moves forward only.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from egbot.errors import ForgeError, HeadMovedError
from egbot.forge import RefusedError
from egbot.publish import answers

if TYPE_CHECKING:
    from egbot.publish.transport import Api

_PLAIN, _LINK = "100644", "120000"
_MUTATION = """
mutation ($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid } }
}
"""
_AGAIN = "comment `/egbot retry` to have the function written for the branch as it is"


@dataclass(frozen=True, slots=True)
class NewCommit:
    """Whole files to be committed on ``branch``, whose head must be ``expected_head``."""

    branch: str
    expected_head: str
    message: str
    files: Mapping[str, bytes]


def commit(api: Api, repository: str, new: NewCommit) -> str:
    """Make the commit and return its SHA; after a lost answer it is found by parent and message.

    Raises HeadMovedError, with nothing changed, when the branch is elsewhere; ForgeError for a path
    that is a link.
    """
    root = f"/repos/{repository}"
    modes = _modes(api, root, new)
    links = [path for path, mode in modes.items() if mode == _LINK]
    if links:
        raise ForgeError(f"{links[0]} is a symbolic link; nothing was committed.", hint=_AGAIN)
    is_plain = all(mode == _PLAIN for mode in modes.values())

    def make() -> str:
        if is_plain:
            return _by_graphql(api, repository, new)
        return _by_git_data(api, root, new, modes)

    def there() -> str | None:
        return _found(api, root, new)

    return api.attempt(make, there)


def _by_graphql(api: Api, repository: str, new: NewCommit) -> str:
    headline, _, body = new.message.partition("\n")
    told = {
        "branch": {"repositoryNameWithOwner": repository, "branchName": new.branch},
        "expectedHeadOid": new.expected_head,
        "message": {"headline": headline, "body": body.strip("\n")},
        "fileChanges": {
            "additions": [
                {"path": path, "contents": base64.b64encode(data).decode()}
                for path, data in new.files.items()
            ]
        },
    }
    try:
        data = api.graphql(_MUTATION, {"input": told}, f"the commit on {new.branch}")
    except RefusedError as error:
        if "STALE_DATA" in error.message or "Expected branch to point to" in error.message:
            raise _moved(new) from error
        raise
    return answers.needed(data, "createCommitOnBranch", "commit", "oid")


def _by_git_data(api: Api, root: str, new: NewCommit, modes: Mapping[str, str]) -> str:
    """Blob, tree, commit, reference. Only the last step is seen by anyone."""
    entries = []
    for path, data in new.files.items():
        body = {"content": base64.b64encode(data).decode(), "encoding": "base64"}
        sha = answers.needed(api.send("POST", f"{root}/git/blobs", body=body)[1], "sha")
        entries.append({"path": path, "mode": modes[path], "type": "blob", "sha": sha})
    base = {"base_tree": _tree_of(api, root, new.expected_head), "tree": entries}
    tree = answers.needed(api.send("POST", f"{root}/git/trees", body=base)[1], "sha")
    told = {"message": new.message, "tree": tree, "parents": [new.expected_head]}
    made = answers.needed(api.send("POST", f"{root}/git/commits", body=told)[1], "sha")
    try:
        where = f"{root}/git/refs/heads/{quote(new.branch)}"
        api.send("PATCH", where, body={"sha": made, "force": False})
    except RefusedError as error:
        if "fast forward" in error.message.lower():
            raise _moved(new) from error
        raise
    return made


def _modes(api: Api, root: str, new: NewCommit) -> dict[str, str]:
    """Git's mode of every file to change, as the expected head has it; plain for a new file."""
    trees: dict[str, dict[str, tuple[str, str]]] = {"": {}}
    trees[""] = _entries(api, root, _tree_of(api, root, new.expected_head))
    found: dict[str, str] = {}
    for path in new.files:
        folder, parts = "", path.split("/")
        for part in parts[:-1]:
            inner = f"{folder}{part}/"
            if inner not in trees:
                mode, sha = trees[folder].get(part, ("", ""))
                if mode == _LINK:
                    raise ForgeError(f"{inner} is a symbolic link; nothing was committed.")
                trees[inner] = _entries(api, root, sha) if mode == "040000" else {}
            folder = inner
        found[path] = trees[folder].get(parts[-1], (_PLAIN, ""))[0]
    return found


def _tree_of(api: Api, root: str, sha: str) -> str:
    return answers.needed(api.get(f"{root}/git/commits/{sha}"), "tree", "sha")


def _entries(api: Api, root: str, sha: str) -> dict[str, tuple[str, str]]:
    """A folder's names with mode and SHA."""
    found = answers.dig(api.get(f"{root}/git/trees/{sha}"), "tree")
    entries = found if isinstance(found, list) else []
    return {
        answers.text(one, "path"): (answers.text(one, "mode"), answers.text(one, "sha"))
        for one in entries
    }


def _found(api: Api, root: str, new: NewCommit) -> str | None:
    """The branch's head where it is this very commit. Raises HeadMovedError where it is another."""
    answer = api.get(f"{root}/git/ref/heads/{quote(new.branch)}")
    head = answers.needed(answer, "object", "sha")
    if head == new.expected_head:
        return None
    data = api.get(f"{root}/git/commits/{head}")
    parents = answers.dig(data, "parents")
    shas = [answers.text(one, "sha") for one in parents] if isinstance(parents, list) else []
    if shas == [new.expected_head] and answers.text(data, "message").split() == new.message.split():
        return head
    raise _moved(new)


def _moved(new: NewCommit) -> HeadMovedError:
    return HeadMovedError(
        f"The branch {new.branch} is no longer at {new.expected_head[:12]}; nothing was committed.",
        hint=_AGAIN,
    )
