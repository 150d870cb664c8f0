"""Commits, refs and files on the fake GitHub: GraphQL and the Git data API over the wire."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from github import GithubException, InputGitTreeElement, UnknownObjectException
from github.ContentFile import ContentFile

from tests.github.conftest import MODULE, Scene

_ASKED = (
    "commit { oid url messageBody: message signature { isValid wasSignedByGitHub } } ref { name }"
)


def commit_input(branch: str, head: str | None, **files: str) -> dict[str, Any]:
    added = [
        {"path": path.replace("_py", ".py"), "contents": base64.b64encode(text.encode()).decode()}
        for path, text in files.items()
    ]
    return {
        "branch": {"repositoryNameWithOwner": "octo/shop", "branchName": branch},
        "expectedHeadOid": head,
        "message": {"headline": "Write it", "body": "Because"},
        "fileChanges": {"additions": added},
    }


def commit(scene: Scene, given: dict[str, Any], secret: str = "all") -> dict[str, Any]:
    requester = scene.client(secret).requester
    _, data = requester.graphql_named_mutation("createCommitOnBranch", given, _ASKED)
    return data


def test_a_commit_on_the_branch_is_real_and_signed(scene: Scene) -> None:
    """The commit is in the bare repository on the old head, and REST calls it verified."""
    head = scene.shop.head("work")
    made = commit(scene, commit_input("work", head, new_py="x = 1\n"))
    sha = made["commit"]["oid"]
    assert (made["ref"]["name"], made["commit"]["signature"]["isValid"]) == ("work", True)
    assert (scene.shop.head("work"), scene.shop.file("work", "new.py")) == (sha, "x = 1\n")
    record = scene.shop.store.commit(sha)
    assert (record.parents, record.message) == ((head,), "Write it\n\nBecause")
    assert record.author.name == "github-actions[bot]"
    verification = scene.remote().get_commit(sha).commit.raw_data["verification"]
    assert (verification["verified"], verification["reason"]) == (True, "valid")
    assert scene.fake.log[0].used == "contents=write"


def test_a_stale_head_commits_nothing(scene: Scene) -> None:
    old = scene.shop.head("work")
    new = scene.shop.push("work", {"other.py": "1\n"})
    with pytest.raises(GithubException) as error:
        commit(scene, commit_input("work", old, new_py="x = 1\n"))
    (told,) = error.value.data["errors"]
    assert (told["type"], told["path"]) == ("STALE_DATA", ["createCommitOnBranch"])
    assert f'Expected branch to point to "{old}" but it did not' in told["message"]
    assert scene.shop.head("work") == new


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"branch": {"repositoryNameWithOwner": "octo/shop", "branchName": "no"}}, "NOT_FOUND"),
        ({"branch": {"repositoryNameWithOwner": "octo/none", "branchName": "no"}}, "NOT_FOUND"),
        ({"fileChanges": {"additions": [{"path": "a", "contents": "%%"}]}}, "UNPROCESSABLE"),
        ({"fileChanges": {"deletions": [{"path": "missing.py"}]}}, "UNPROCESSABLE"),
        (
            {"fileChanges": {"additions": [{"path": ".github/workflows/a.yml", "contents": ""}]}},
            "FORBIDDEN",
        ),
    ],
)
def test_a_commit_that_cannot_be_made_says_why(
    scene: Scene, change: dict[str, Any], kind: str
) -> None:
    head = scene.shop.head("work")
    with pytest.raises(GithubException) as error:
        commit(scene, {**commit_input("work", head), **change})
    assert error.value.data["errors"][0]["type"] == kind
    assert scene.shop.head("work") == head


def test_a_commit_needs_the_permission(scene: Scene) -> None:
    scene.fake.token("reader", contents="read")
    with pytest.raises(GithubException) as error:
        commit(scene, commit_input("work", scene.shop.head("work"), a_py="1\n"), "reader")
    assert error.value.data["errors"][0]["message"] == "Resource not accessible by integration"


def test_a_fork_takes_no_commit(scene: Scene) -> None:
    """A workflow's token ends at its repository, whatever the fork's branch is called."""
    fork = scene.shop.fork("eve/shop")
    given = commit_input("work", fork.head("work"), a_py="1\n")
    given["branch"]["repositoryNameWithOwner"] = "eve/shop"
    with pytest.raises(GithubException) as error:
        commit(scene, given)
    assert error.value.data["errors"][0]["type"] == "FORBIDDEN"
    with pytest.raises(GithubException) as error:
        scene.client().get_repo("eve/shop").create_git_ref("refs/heads/x", str(fork.head("work")))
    assert error.value.status == 403


def test_a_query_outside_the_schema_is_noticed(scene: Scene) -> None:
    """GitHub's own GraphQL schema judges the request, not this fake's taste."""
    requester = scene.client().requester
    with pytest.raises(GithubException):
        requester.graphql_query("query { viewer { shoeSize } }", {})
    (violation,) = scene.fake.take_violations()
    assert "Cannot query field 'shoeSize' on type 'User'" in violation


def test_the_git_data_api_builds_a_commit(scene: Scene) -> None:
    """Blob, tree with a file mode, commit, ref: the way for what the mutation cannot carry."""
    remote, head = scene.remote(), scene.shop.head("work")
    assert head is not None
    blob = remote.create_git_blob("#!/bin/sh\n", "utf-8")
    parent = remote.get_git_commit(head)
    row = InputGitTreeElement("run.sh", "100755", "blob", sha=blob.sha)
    tree = remote.create_git_tree([row], base_tree=parent.tree)
    made = remote.create_git_commit("Add a script", tree, [parent])
    remote.create_git_ref("refs/heads/egbot/x", made.sha)
    assert scene.shop.head("egbot/x") == made.sha
    modes = {entry.path: entry.mode for entry in scene.shop.store.entries(made.sha)}
    assert modes == {"run.sh": "100755", "shop.py": "100644", "test_shop.py": "100644"}
    assert made.raw_data["verification"]["verified"] is True


def test_a_ref_moves_only_forward(scene: Scene) -> None:
    remote = scene.remote()
    first, second = scene.shop.head("main"), scene.shop.head("work")
    assert first
    assert second
    remote.create_git_ref("refs/heads/tip", first)
    ref = remote.get_git_ref("heads/tip")
    ref.edit(second)
    with pytest.raises(GithubException, match="not a fast forward"):
        ref.edit(first)
    assert scene.shop.head("tip") == second
    ref.edit(first, force=True)
    assert scene.shop.head("tip") == first
    with pytest.raises(GithubException, match="Reference already exists"):
        remote.create_git_ref("refs/heads/tip", first)
    ref.delete()
    with pytest.raises(UnknownObjectException):
        remote.get_git_ref("heads/tip")


def test_files_are_read_at_a_ref(scene: Scene) -> None:
    remote = scene.remote()
    file = remote.get_contents("shop.py", ref="main")
    assert isinstance(file, ContentFile)
    assert file.decoded_content.decode() == MODULE
    listed = remote.get_contents("", ref="work")
    assert isinstance(listed, list)
    assert [each.path for each in listed] == ["shop.py", "test_shop.py"]
    with pytest.raises(UnknownObjectException):
        remote.get_contents("test_shop.py", ref="main")


def test_links_and_large_files_are_no_plain_files(scene: Scene) -> None:
    """A link that leads out of the repository shows itself; over 1 MB the content is left out."""
    big = "x" * 1_000_001
    links = {"in": ("120000", "shop.py"), "out": ("120000", "/etc/passwd")}
    scene.shop.push("main", {"big.txt": big, **links})
    remote = scene.remote()
    shown = {path: remote.get_contents(path) for path in ("big.txt", "in", "out")}
    files = {path: one for path, one in shown.items() if isinstance(one, ContentFile)}
    assert (files["big.txt"].type, files["big.txt"].encoding) == ("file", "none")
    assert (files["in"].type, files["in"].path) == ("file", "shop.py")
    assert (files["out"].type, files["out"].target) == ("symlink", "/etc/passwd")
    assert len(remote.get_git_blob(files["big.txt"].sha).content) > len(big)


def test_a_path_that_git_refuses_is_refused(scene: Scene) -> None:
    given = commit_input("work", scene.shop.head("work"))
    given["fileChanges"] = {"additions": [{"path": "../up.py", "contents": ""}]}
    with pytest.raises(GithubException) as error:
        commit(scene, given)
    assert error.value.data["errors"][0]["type"] == "UNPROCESSABLE"


def test_a_field_that_is_not_served_is_noticed(scene: Scene) -> None:
    """What GitHub has and the fake has not is never answered with a silent null."""
    with pytest.raises(GithubException):
        scene.client().requester.graphql_query("query { viewer { bio } }", {})
    (violation,) = scene.fake.take_violations()
    assert "the fake does not serve User.bio" in violation


def test_an_empty_repository_takes_no_git_data(scene: Scene) -> None:
    scene.fake.repository("octo/empty")
    with pytest.raises(GithubException) as error:
        scene.client().get_repo("octo/empty").create_git_blob("x", "utf-8")
    assert (error.value.status, error.value.data["message"]) == (409, "Git Repository is empty.")
