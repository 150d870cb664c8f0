"""What a client sees of conversations on the fake GitHub, driven over the wire by PyGithub."""

from __future__ import annotations

import pytest
import requests
from github import GithubException

from tests.github.conftest import Scene


def refused(error: pytest.ExceptionInfo[GithubException]) -> str:
    """Everything the answer says, in one line."""
    return f"{error.value.status} {error.value.data}"


def test_a_comment_arrives_and_can_be_edited(scene: Scene) -> None:
    """A bot finds its own comment again and changes it, with a later time of change."""
    made = scene.remote_pull().create_issue_comment("first")
    made.edit("second")
    (kept,) = scene.pull.issue.comments
    assert (kept.body, kept.author.login) == ("second", "github-actions[bot]")
    assert kept.updated_at > kept.created_at


def test_two_hundred_and_fifty_comments_come_in_pages(scene: Scene) -> None:
    """Nothing beyond the first page is lost, and three pages of 100 are three requests."""
    for i in range(250):
        scene.shop.comment(scene.pull.number, f"comment {i}")
    client = scene.client()
    client.per_page = 100
    pull = client.get_repo("octo/shop").get_pull(scene.pull.number)
    assert [c.body for c in pull.get_issue_comments()] == [f"comment {i}" for i in range(250)]
    pages = [entry for entry in scene.fake.log if entry.path.endswith("/comments")]
    assert [entry.query.get("page", "1") for entry in pages] == ["1", "2", "3"]


def test_a_page_names_its_neighbours(scene: Scene) -> None:
    """The Link header leads to next and last, and from the last page back."""
    for i in range(5):
        scene.shop.comment(scene.pull.number, str(i))
    address = f"{scene.fake.url}/repos/octo/shop/issues/1/comments?per_page=2"
    headers = {"Authorization": "Bearer all"}
    first = requests.get(address, headers=headers, timeout=60)
    last = requests.get(first.links["last"]["url"], headers=headers, timeout=60)
    assert set(first.links) == {"next", "last"}
    assert set(last.links) == {"prev", "first"}
    assert [each["body"] for each in last.json()] == ["4"]


@pytest.mark.parametrize("num_characters", [65_536, 65_537])
def test_a_body_has_a_limit(scene: Scene, num_characters: int) -> None:
    """65,536 characters pass, one more is refused with GitHub's words."""
    pull = scene.remote_pull()
    if num_characters == 65_536:
        pull.create_issue_comment("x" * num_characters)
    else:
        with pytest.raises(GithubException) as error:
            pull.create_issue_comment("x" * num_characters)
        assert "Body is too long (maximum is 65536 characters)" in refused(error)
    assert len(scene.pull.issue.comments) == (num_characters == 65_536)


def test_a_locked_conversation_takes_no_comment(scene: Scene) -> None:
    scene.pull.issue.locked = True
    with pytest.raises(GithubException) as error:
        scene.remote_pull().create_issue_comment("hello")
    assert refused(error).startswith("403")
    assert "issue is locked" in refused(error)


def test_labels_and_reactions_change_the_issue(scene: Scene) -> None:
    """A label added twice is there once; a reaction given twice is one reaction."""
    issue = scene.remote().get_issue(scene.pull.number)
    issue.add_to_labels("egbot", "bug")
    issue.add_to_labels("bug")
    issue.remove_from_labels("egbot")
    issue.create_reaction("eyes")
    issue.create_reaction("eyes")
    comment = scene.shop.comment(scene.pull.number, "/egbot solve")
    issue.get_comment(comment.id).create_reaction("eyes")
    assert scene.pull.issue.labels == ["bug"]
    assert [each.content for each in scene.pull.issue.reactions] == ["eyes"]
    assert [each.author.login for each in comment.reactions] == ["github-actions[bot]"]
    with pytest.raises(GithubException) as error:
        issue.remove_from_labels("egbot")
    assert "Label does not exist" in refused(error)


def test_a_foreign_comment_is_not_the_bots_to_edit(scene: Scene) -> None:
    comment = scene.shop.comment(scene.pull.number, "mine", author="alice")
    remote = scene.remote().get_issue(1).get_comment(comment.id)
    with pytest.raises(GithubException) as error:
        remote.edit("yours")
    assert error.value.status == 403
    assert comment.body == "mine"
