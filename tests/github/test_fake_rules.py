"""Who may do what on the fake GitHub, and what a client without the right is told."""

from __future__ import annotations

import pytest
import requests
from github import BadCredentialsException, GithubException, UnknownObjectException

from tests.github.conftest import Scene
from tests.github.nouns import Access, Token

_HEADER = "x-accepted-github-permissions"


def test_a_missing_permission_is_named(scene: Scene) -> None:
    """The 403 carries the header from which a bot can say what to add to ``permissions:``."""
    scene.fake.token("reader", issues="read", pull_requests="read")
    with pytest.raises(GithubException) as error:
        scene.remote_pull("reader").create_issue_comment("hello")
    assert error.value.status == 403
    assert error.value.data["message"] == "Resource not accessible by integration"
    assert (error.value.headers or {})[_HEADER] == "issues=write; pull_requests=write"
    assert scene.pull.issue.comments == []


@pytest.mark.parametrize(
    ("permissions", "on_pull", "on_issue"),
    [
        ({"issues": "write"}, True, True),
        ({"pull_requests": "write"}, True, False),
        ({"contents": "write"}, False, False),
    ],
)
def test_pull_requests_permission_is_not_for_issues(
    scene: Scene, permissions: dict[str, Access], on_pull: bool, on_issue: bool
) -> None:
    issue = scene.shop.open_issue("A bug")
    bot = scene.fake.user("some[bot]")
    scene.fake.world.tokens["some"] = Token("some", bot, {"metadata": "read", **permissions})
    for number, expected in ((scene.pull.number, on_pull), (issue.number, on_issue)):
        address = f"{scene.fake.url}/repos/octo/shop/issues/{number}/comments"
        headers = {"Authorization": "token some"}
        answer = requests.post(address, json={"body": "hi"}, headers=headers, timeout=60)
        assert answer.status_code == (201 if expected else 403)


def test_the_token_of_a_fork_only_reads(scene: Scene) -> None:
    """What is asked for in the workflow file does not matter when the pull request is a fork's."""
    fork = scene.shop.fork("eve/shop")
    fork.push("patch", {"a.py": "1\n"}, author="eve")
    pull = scene.shop.open_pull("patch", fork=fork, author="eve")
    scene.fake.token_of_run("fork", pull, contents="write", issues="write", pull_requests="write")
    scene.fake.token_of_run("own", scene.pull, pull_requests="write")
    with pytest.raises(GithubException) as error:
        scene.remote("fork").get_pull(pull.number).create_issue_comment("x")
    assert error.value.status == 403
    scene.remote_pull("own").create_issue_comment("x")


def test_a_private_repository_is_hidden(scene: Scene) -> None:
    """A token of another repository is told 404, not 403."""
    scene.fake.repository("octo/secret", private=True)
    scene.fake.token("shop", repositories=("octo/shop",), contents="write")
    with pytest.raises(UnknownObjectException):
        scene.client("shop").get_repo("octo/secret")
    assert scene.client("all").get_repo("octo/secret").private is True


def test_the_permission_of_a_person_is_asked(scene: Scene) -> None:
    scene.shop.grant("alice", "write")
    scene.fake.user("mallory")
    remote = scene.remote()
    scene.shop.grant("bob", "maintain")
    scene.shop.grant("carol", "triage")
    logins = ("octo", "alice", "bob", "carol", "mallory")
    asked = [remote.get_collaborator_permission(login) for login in logins]
    assert asked == ["admin", "write", "write", "read", "read"]
    assert remote.get_collaborator_role_name("bob") == "maintain"
    with pytest.raises(UnknownObjectException):
        remote.get_collaborator_permission("nobody")


def test_an_unknown_token_is_refused(scene: Scene) -> None:
    with pytest.raises(BadCredentialsException):
        scene.remote("guessed")


def test_an_archived_repository_only_reads(scene: Scene) -> None:
    scene.shop.archived = True
    with pytest.raises(GithubException, match="archived so is read-only"):
        scene.remote_pull().create_issue_comment("x")


def test_the_permissions_in_use_are_listed(scene: Scene) -> None:
    """The list is what a workflow's ``permissions:`` is compared with."""
    scene.remote_pull().create_issue_comment("x")
    assert scene.fake.permissions_used() == {"metadata=read", "pull_requests=read", "issues=write"}
    assert [entry.accepted for entry in scene.fake.mutations()] == [
        ("issues=write", "pull_requests=write")
    ]


def test_the_hourly_limit_counts_down(scene: Scene) -> None:
    """Every answer says what is left; beyond it the primary limit answers."""
    scene.fake.hourly_limit = 2
    client = scene.client()
    repository = client.get_repo("octo/shop")
    assert client.rate_limiting == (1, 2)
    repository.get_pull(1)
    with pytest.raises(GithubException, match="API rate limit exceeded"):
        repository.get_pull(1)


def test_too_much_content_in_a_minute_is_slowed_down(scene: Scene) -> None:
    """The secondary limit says how long to wait, and counts only what creates something."""
    scene.fake.content_per_minute = 2
    pull = scene.remote_pull()
    pull.create_issue_comment("1")
    pull.create_issue_comment("2")
    with pytest.raises(GithubException, match="secondary rate limit") as error:
        pull.create_issue_comment("3")
    assert 1 <= int((error.value.headers or {})["retry-after"]) <= 60
    assert len(list(pull.get_issue_comments())) == 2
