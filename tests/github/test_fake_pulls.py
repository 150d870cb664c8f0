"""What a client sees of pull requests and their diff on the fake GitHub."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from github import GithubException

from tests.github.conftest import MODULE, Scene
from tests.github.suggestions import NotApplicableError, applied


def comment_on(scene: Scene, **place: Any) -> None:
    remote = scene.remote()
    commit = remote.get_commit(scene.pull.last_head)
    remote.get_pull(1).create_review_comment("why?", commit, **{"path": "shop.py", **place})


def test_files_are_the_real_diff(scene: Scene) -> None:
    """Status, counts and hunks come from git: two hunks in shop.py, one new file."""
    files = {file.filename: file for file in scene.remote_pull().get_files()}
    shop, added = files["shop.py"], files["test_shop.py"]
    assert (shop.status, shop.additions, shop.deletions) == ("modified", 1, 2)
    assert len(re.findall("^@@", shop.patch, re.MULTILINE)) == 2
    assert (added.status, added.patch) == ("added", "@@ -0,0 +1 @@\n+import shop")


@pytest.mark.parametrize(
    "place",
    [
        {"line": 5},
        {"line": 8, "side": "RIGHT"},
        {"line": 30, "side": "LEFT"},
        {"line": 8, "start_line": 2, "side": "RIGHT", "start_side": "RIGHT"},
    ],
)
def test_a_line_of_the_diff_takes_a_comment(scene: Scene, place: dict[str, Any]) -> None:
    comment_on(scene, **place)
    (kept,) = scene.pull.review_comments
    assert kept.place is not None
    assert (kept.place.line, kept.place.start_line) == (place["line"], place.get("start_line"))
    assert kept.place.hunk.startswith("@@ ")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"line": 15}, "line must be part of the diff"),
        ({"line": 5000}, "line must be part of the diff"),
        ({"line": 8, "side": "LEFT"}, "line must be part of the diff"),
        ({"line": 30, "start_line": 5}, "start_line must be part of the same hunk as the line"),
        ({"line": 5, "start_line": 5}, "start_line must precede the end line"),
        ({"line": 5, "start_line": 7}, "start_line must precede the end line"),
        ({"path": "other.py", "line": 1}, "path could not be resolved"),
    ],
)
def test_a_line_outside_the_diff_is_refused(
    scene: Scene, place: dict[str, Any], words: str
) -> None:
    """The mistakes that review bots make most are answered as GitHub answers them."""
    with pytest.raises(GithubException) as error:
        comment_on(scene, **place)
    assert error.value.status == 422
    assert words in str(error.value.data)
    assert scene.pull.review_comments == []


def test_a_comment_needs_a_commit_of_the_pull_request(scene: Scene) -> None:
    main = scene.shop.push("main", {"other.py": "1\n"})
    remote = scene.remote()
    with pytest.raises(GithubException) as error:
        remote.get_pull(1).create_review_comment("?", remote.get_commit(main), "shop.py", line=5)
    assert "commit_id is not part of the pull request" in str(error.value.data)


def test_a_suggestion_becomes_a_commit(scene: Scene) -> None:
    """Exactly the named lines are replaced; a second press of the button finds it outdated."""
    comment_on(scene, line=6, start_line=5, side="RIGHT", start_side="RIGHT")
    (comment,) = scene.pull.review_comments
    comment.body = "Better:\n```suggestion\nVALUE_5 = 5.5\n```\n"
    applied(scene.shop, scene.pull, comment)
    text = MODULE.replace("VALUE_30 = 30\n", "").replace("VALUE_6 = 6\n", "")
    assert scene.shop.file("work", "shop.py") == text.replace("VALUE_5 = 5\n", "VALUE_5 = 5.5\n")
    with pytest.raises(NotApplicableError):
        applied(scene.shop, scene.pull, comment)


def test_a_pull_request_is_opened_found_changed_and_closed(scene: Scene) -> None:
    scene.shop.push("egbot/1", {"new.py": "1\n"}, start="work")
    remote = scene.remote()
    made = remote.create_pull(base="work", head="egbot/1", title="Stacked", body="text")
    (found,) = remote.get_pulls(head="octo:egbot/1", state="open")
    assert (found.number, found.base.ref, found.head.sha) == (2, "work", scene.shop.head("egbot/1"))
    made.edit(title="Renamed", state="closed")
    assert list(remote.get_pulls(head="octo:egbot/1")) == []
    issue = scene.shop.issues[2]
    assert (issue.title, issue.state, issue.author.login) == (
        "Renamed",
        "closed",
        "github-actions[bot]",
    )


@pytest.mark.parametrize(
    ("head", "base", "words"),
    [
        ("work", "main", "A pull request already exists for octo:work."),
        ("work", "gone", "'field': 'base'"),
        ("gone", "main", "'field': 'head'"),
        ("main", "work", "No commits between work and main"),
    ],
)
def test_a_pull_request_that_makes_no_sense_is_refused(
    scene: Scene, head: str, base: str, words: str
) -> None:
    with pytest.raises(GithubException) as error:
        scene.remote().create_pull(base=base, head=head, title="t", body="b")
    assert error.value.status == 422
    assert words in str(error.value.data)


def test_a_long_title_is_refused(scene: Scene) -> None:
    with pytest.raises(GithubException) as error:
        scene.remote_pull().edit(title="x" * 257)
    assert "title is too long (maximum is 256 characters)" in str(error.value.data)
    assert scene.pull.issue.title == "A pull request"


def test_a_setting_forbids_actions_to_open_pull_requests(scene: Scene) -> None:
    scene.shop.actions_may_open_pulls = False
    with pytest.raises(GithubException) as error:
        scene.remote().create_pull(base="main", head="work", title="t", body="b")
    assert "not permitted to create or approve pull requests" in str(error.value.data)


def test_a_deleted_branch_closes_its_pull_request(scene: Scene) -> None:
    """The ref of the pull request keeps the last head, and the files can still be listed."""
    head = scene.pull.last_head
    scene.remote().get_git_ref("heads/work").delete()
    pull = scene.remote_pull()
    assert (pull.state, pull.head.sha, scene.shop.store.ref("refs/pull/1/head")) == (
        "closed",
        head,
        head,
    )
    assert len(list(pull.get_files())) == 2


def test_a_head_filter_without_an_owner_filters_nothing(scene: Scene) -> None:
    """The trap that lets a bot take a stranger's pull request for its own."""
    remote = scene.remote()
    assert [pull.number for pull in remote.get_pulls(head="no-such-branch")] == [1]
    assert list(remote.get_pulls(head="octo:no-such-branch")) == []


def test_the_head_of_a_fork_is_fetched_by_number(scene: Scene, tmp_path: Path) -> None:
    """refs/pull/N/head exists in the base repository, also after a plain git push to the fork."""
    fork = scene.shop.fork("eve/shop")
    fork.push("patch", {"evil.py": "1\n"}, author="eve")
    pull = scene.shop.open_pull("patch", fork=fork, author="eve")
    git(tmp_path, "clone", "-q", "-b", "patch", str(fork.path), "clone")
    clone = tmp_path / "clone"
    git(
        clone, "-c", "user.name=eve", "-c", "user.email=e@e", "commit", "-q", "--allow-empty", "-mx"
    )
    git(clone, "push", "-q", "origin", "patch")
    seen = scene.remote().get_pull(pull.number)
    assert (seen.head.repo.full_name, seen.head.sha) == ("eve/shop", fork.head("patch"))
    assert git(clone, "rev-parse", "HEAD") == seen.head.sha
    git(clone, "fetch", "-q", str(scene.shop.path), f"pull/{pull.number}/head")
    assert git(clone, "rev-parse", "FETCH_HEAD") == seen.head.sha


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
