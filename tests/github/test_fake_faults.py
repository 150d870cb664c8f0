"""Every way in which the fake GitHub fails on demand, seen from PyGithub."""

from __future__ import annotations

import time

import pytest
import requests
from github import GithubException, RateLimitExceededException

from tests.github.conftest import Scene
from tests.github.faults import Kind

_LOST = requests.exceptions.RequestException


def comment(scene: Scene, timeout_s: int = 60) -> None:
    """Three requests, the last of which changes something."""
    client = scene.fake.client("all", timeout_s=timeout_s)
    issue = client.get_repo("octo/shop").get_issue(1)
    issue.create_comment("hello")


def bodies(scene: Scene) -> list[str]:
    return [each.body for each in scene.pull.issue.comments]


@pytest.mark.parametrize(
    ("kind", "status"), [("500", 500), ("502", 502), ("422", 422), ("429", 429)]
)
def test_a_refusal_changes_nothing(scene: Scene, kind: Kind, status: int) -> None:
    scene.fake.faults.at(1, kind, mutating=True)
    with pytest.raises(GithubException) as error:
        comment(scene)
    assert (error.value.status, bodies(scene)) == (status, [])
    comment(scene)
    assert bodies(scene) == ["hello"]


@pytest.mark.parametrize(("kind", "done"), [("reset_before", []), ("reset_after", ["hello"])])
def test_a_lost_connection_may_hide_work(scene: Scene, kind: Kind, done: list[str]) -> None:
    """The client sees the same error; only the server knows whether the comment was made."""
    scene.fake.faults.at(1, kind, mutating=True)
    with pytest.raises(_LOST):
        comment(scene)
    assert bodies(scene) == done


@pytest.mark.parametrize(("kind", "done"), [("timeout", []), ("timeout_after", ["hello"])])
def test_a_time_out_may_hide_work(scene: Scene, kind: Kind, done: list[str]) -> None:
    """The server holds the connection until the client gives up."""
    scene.fake.faults.hang_s = 600
    scene.fake.faults.at(3, kind)
    with pytest.raises(requests.exceptions.ReadTimeout):
        comment(scene, timeout_s=5)
    assert bodies(scene) == done


def test_a_secondary_limit_says_how_long_to_wait(scene: Scene) -> None:
    scene.fake.faults.retry_after_s = 7
    scene.fake.faults.on("POST /repos/*/issues/*/comments", "403_secondary", times=2)
    for _ in range(2):
        with pytest.raises(RateLimitExceededException) as error:
            comment(scene)
        assert (error.value.headers or {})["retry-after"] == "7"
    comment(scene)
    assert bodies(scene) == ["hello"]


def test_a_primary_limit_says_when_it_ends(scene: Scene) -> None:
    scene.fake.faults.at(1, "403_primary")
    before_s = int(time.time())
    with pytest.raises(RateLimitExceededException) as error:
        comment(scene)
    headers = error.value.headers or {}
    assert headers["x-ratelimit-remaining"] == "0"
    reset_s = int(headers["x-ratelimit-reset"]) - scene.fake.faults.retry_after_s
    assert before_s <= reset_s <= time.time()


@pytest.mark.parametrize("kind", ["stale_head", "deleted_branch", "closed_pull"])
def test_somebody_else_was_faster(scene: Scene, kind: Kind) -> None:
    """The world changes just before the request; the request itself is served."""
    before = scene.shop.head("work")
    scene.fake.faults.at(3, kind)
    comment(scene)
    assert bodies(scene) == ["hello"]
    head, state = scene.shop.head("work"), scene.pull.issue.state
    assert (head != before, head is None, state) == {
        "stale_head": (True, False, "open"),
        "deleted_branch": (True, True, "closed"),
        "closed_pull": (False, False, "closed"),
    }[kind]


def test_a_stale_head_meets_the_commit(scene: Scene) -> None:
    """For a commit it is the branch named in the mutation that moves."""
    head = scene.shop.push("egbot/1", {"a.py": "1\n"}, start="work")
    scene.fake.faults.at(1, "stale_head")
    given = {
        "branch": {"repositoryNameWithOwner": "octo/shop", "branchName": "egbot/1"},
        "expectedHeadOid": head,
        "message": {"headline": "x"},
    }
    with pytest.raises(GithubException) as error:
        scene.client().requester.graphql_named_mutation("createCommitOnBranch", given, "ref { id }")
    assert error.value.data["errors"][0]["type"] == "STALE_DATA"
    assert scene.shop.file("egbot/1", "MOVED.md") is not None


def test_requests_are_counted_from_the_order(scene: Scene) -> None:
    """``at(1)`` means the next request, whatever came before; the log shows which one failed."""
    comment(scene)
    scene.fake.faults.at(2, "500", mutating=True)
    comment(scene)
    with pytest.raises(GithubException):
        comment(scene)
    assert [entry.fault for entry in scene.fake.mutations()] == [None, None, "500"]
    assert [entry.status for entry in scene.fake.mutations()] == [201, 201, 500]
