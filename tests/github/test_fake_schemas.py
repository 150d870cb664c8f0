"""The fake GitHub's own judge: what does not fit GitHub's descriptions is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.github import events
from tests.github.conftest import Scene
from tests.github.server import FakeGitHub

_HEADERS = {"Authorization": "Bearer all"}


def test_a_wrong_answer_fails_the_test(tmp_path: Path) -> None:
    """A title that is a number makes the server's close an assertion error."""
    fake = FakeGitHub(tmp_path)
    shop = fake.repository("octo/shop")
    issue = shop.open_issue("A bug")
    issue.title = 7  # type: ignore[assignment]
    fake.token("all", issues="write")
    requests.get(f"{fake.url}/repos/octo/shop/issues/1", headers=_HEADERS, timeout=60)
    with pytest.raises(AssertionError, match="title: 7 is not of type 'string'"):
        fake.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "issues/1/comments", {"body": 5}, "body: body: 5 is not of type 'string'"),
        ("POST", "issues/1/comments", {"text": "x"}, "'body' is a required property"),
        ("POST", "issues/1/comments", {"body": "x", "colour": 1}, "unknown body field colour"),
        ("POST", "issues/1/comments", None, "the body is missing"),
        ("GET", "pulls?state=reopened", None, "query state: (top): 'reopened' is not one of"),
        ("GET", "pulls?colour=red", None, "unknown query parameter colour"),
        ("GET", "issues/1/comments?page=two", None, "query page: (top): 'two' is not of type"),
        ("GET", "pulls/1/merge", None, "the fake does not serve this"),
    ],
)
def test_a_wrong_request_is_noticed(
    scene: Scene, method: str, path: str, body: Any, words: str
) -> None:
    url = f"{scene.fake.url}/repos/octo/shop/{path}"
    answer = requests.request(method, url, json=body, headers=_HEADERS, timeout=60)
    assert answer.status_code in (200, 201, 404, 422)
    assert any(words in violation for violation in scene.fake.take_violations())


def test_a_defect_of_the_fake_is_noticed(scene: Scene) -> None:
    """An exception in the server is a violation with its traceback, not a lost answer."""
    scene.pull.last_head = "no sha"
    scene.pull.issue.state = "closed"
    url = f"{scene.fake.url}/repos/octo/shop/pulls/1"
    assert requests.get(url, headers=_HEADERS, timeout=60).status_code == 500
    (violation,) = scene.fake.take_violations()
    assert "the fake failed: Traceback" in violation


def test_a_token_in_a_text_is_noticed(scene: Scene) -> None:
    """A secret that leaks into a comment fails the test that let it happen."""
    secret = scene.fake.token("canary-1f0d9e", pull_requests="write")
    scene.remote_pull(secret).create_issue_comment(f"the token is {secret}")
    (violation,) = scene.fake.take_violations()
    assert "a token is in the address or the body" in violation
    assert secret not in violation


def all_events(scene: Scene) -> dict[str, dict[str, Any]]:
    site, shop, pull = scene.fake.site, scene.shop, scene.pull
    issue = shop.open_issue("A bug", "```python\n```", author="alice", labels=("egbot",))
    comment = shop.comment(pull.number, "/egbot solve", author="alice")
    url = f"{scene.fake.url}/repos/octo/shop/pulls/1/comments"
    body: dict[str, Any] = {"body": "x", "commit_id": pull.last_head, "path": "shop.py", "line": 5}
    requests.post(url, json=body, headers=_HEADERS, timeout=60).raise_for_status()
    run = shop.run(pull.last_head, "work", pull=pull, artifacts={"junit": {"a.xml": ""}})
    return {
        "pull-request-opened": events.pull_request(site, shop, pull),
        "pull-request-labeled": events.pull_request(site, shop, pull, "labeled", label="egbot"),
        "pull-request-synchronize": events.pull_request(site, shop, pull, "synchronize"),
        "issues-labeled": events.issues(site, shop, issue, "labeled", label="egbot"),
        "issue-comment-created": events.issue_comment(site, shop, comment),
        "pull-request-review-comment-created": events.review_comment(
            site, shop, pull.review_comments[0]
        ),
        "workflow-dispatch": events.workflow_dispatch(site, shop, {"tests": "test_shop.py"}),
        "workflow-run-completed": events.workflow_run(site, shop, run),
    }


def test_event_payloads_fit_their_description(scene: Scene) -> None:
    """Every payload that the helpers make passes GitHub's description of the webhook."""
    wrong = {
        name: faults
        for name, payload in all_events(scene).items()
        if (faults := scene.fake.description.event_faults(name, payload))
    }
    assert wrong == {}


def test_event_payloads_tell_of_the_scene(scene: Scene) -> None:
    """Numbers, shas, names and texts are the scene's; nothing of the recorded ones is left."""
    made = all_events(scene)
    opened, commented = made["pull-request-labeled"], made["issue-comment-created"]
    assert opened["pull_request"]["head"]["sha"] == scene.pull.last_head
    assert (opened["number"], opened["label"]["name"]) == (1, "egbot")
    assert (commented["issue"]["number"], "pull_request" in commented["issue"]) == (1, True)
    assert commented["comment"]["body"] == "/egbot solve"
    assert commented["sender"]["login"] == "alice"
    assert all(each["repository"]["full_name"] == "octo/shop" for each in made.values())
    assert "Codertocat" not in str(made)
    assert events.schedule(scene.fake.site, scene.shop)["schedule"] == "0 3 * * *"
