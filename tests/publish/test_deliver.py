"""Every rung of the ladder over the wire, and each thing that can stand in its way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.errors import UsageError
from egbot.publish.deliver import deliver, deliver_at
from egbot.publish.place import look
from egbot.publish.said import Said
from egbot.records import Trigger
from tests.github.server import FakeGitHub
from tests.publish.scenes import (
    NODE_IDS,
    RIGHTS,
    STUB,
    TESTS_FILE,
    WRITTEN,
    Scene,
    issue_scene,
    outcome,
    pull_scene,
    run_of,
    unsolved,
    written,
)

AFTER = written(STUB.encode(), "total", WRITTEN).decode()
MARKER = "<!-- egbot:report -->"


@pytest.fixture
def github(tmp_path: Path) -> Iterator[FakeGitHub]:
    with FakeGitHub(tmp_path) as fake:
        yield fake


def publish(scene: Scene) -> Said:
    return deliver(scene.forge(), scene.run, scene.number)[0]


def reports(scene: Scene) -> list[str]:
    return [one.body for one in scene.shop.all_comments() if one.body.startswith(MARKER)]


def the_report(scene: Scene) -> str:
    (body,) = reports(scene)
    return body


def posted(scene: Scene) -> list[tuple[str, str]]:
    """Requests that made or changed something; the login is asked by POST, too."""
    return [
        (entry.method, entry.path)
        for entry in scene.github.mutations()
        if not (entry.path.endswith("/graphql") and "viewer" in str(entry.body))
    ]


# --- the rungs ----------------------------------------------------------------------------------


def test_what_fits_the_diff_becomes_a_suggestion(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=True)
    said = publish(scene)
    assert (said.route, said.is_delivered) == ("suggestion", True)
    (review,) = scene.shop.all_review_comments()
    assert review.place is not None
    assert (review.place.path, review.place.line, review.place.side) == ("shop.py", 12, "RIGHT")
    assert "```suggestion\n    result = 0\n" in review.body
    assert said.suggestion_urls[0] in the_report(scene)
    assert not scene.shop.verified


def test_a_suggestion_of_several_lines_names_them_all(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=True)
    longer = STUB.replace("    raise", "    todo = 'all of it'\n    raise")
    head = scene.shop.push("feature", {"shop.py": longer})
    assert scene.run.trigger is not None
    trigger = replace(scene.run.trigger, head_sha=head)
    scene.run = run_of(outcome(longer.encode()), trigger=trigger)
    assert publish(scene).route == "suggestion"
    (review,) = scene.shop.all_review_comments()
    assert review.place is not None
    assert (review.place.start_line, review.place.line) == (12, 13)


def test_what_lies_outside_the_diff_becomes_a_stacked_pull_request(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False)
    said = publish(scene)
    assert (said.route, said.branch, said.pull_number) == ("pull_request", "egbot/1-total", 2)
    stacked = scene.shop.pulls[2]
    assert (stacked.base_ref, stacked.issue.title) == ("feature", "Implement total")
    assert scene.shop.file("egbot/1-total", "shop.py") == AFTER
    assert said.commit_sha in scene.shop.verified  # signed by GitHub
    commit = scene.shop.store.commit(said.commit_sha)
    assert commit.parents == (scene.shop.head("feature"),)
    assert commit.message.startswith("Implement total\n\n2 failing tests pass")
    assert "\nEgbot-Run: " in commit.message
    assert "merge #2 into this branch" in the_report(scene)


def test_a_direct_commit_when_the_repository_wants_it(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False, delivery="commit")
    said = publish(scene)
    assert said.route == "commit"
    assert scene.shop.head("feature") == said.commit_sha
    assert scene.shop.file("feature", "shop.py") == AFTER
    assert f"commit {said.commit_sha}" in the_report(scene)


def test_a_fork_gets_a_patch_and_a_branch_that_holds_nothing_of_the_fork(
    github: FakeGitHub,
) -> None:
    """Code of a fork on a branch of this repository could run with its secrets."""
    scene = pull_scene(github, in_diff=False, fork=True)
    said = publish(scene)
    assert (said.route, said.branch) == ("branch", "egbot/1-total")
    assert scene.shop.file("egbot/1-total", "shop.py") == AFTER
    assert scene.shop.file("egbot/1-total", "tests/test_shop.py") is None
    assert scene.shop.store.commit(said.commit_sha).parents == (scene.shop.head("main"),)
    assert "```diff\ndiff --git a/shop.py" in the_report(scene)
    assert len(scene.shop.pulls) == 1


def test_a_fork_whose_file_is_not_the_base_s_gets_the_patch_only(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False, fork=True)
    scene.shop.push("main", {"shop.py": STUB + "\n\nX = 1\n"})
    said = publish(scene)
    assert (said.route, said.is_delivered) == ("comment", True)
    assert scene.shop.head("egbot/1-total") is None
    assert "git apply" in the_report(scene)


def test_a_fork_gets_a_suggestion_where_the_diff_allows_it(github: FakeGitHub) -> None:
    assert publish(pull_scene(github, in_diff=True, fork=True)).route == "suggestion"


def test_an_issue_gets_its_tests_and_the_function_in_a_pull_request(github: FakeGitHub) -> None:
    scene = issue_scene(github)
    said = publish(scene)
    assert (said.route, said.pull_number) == ("pull_request", 2)
    assert scene.shop.file(said.branch, "shop.py") == AFTER
    assert scene.shop.file(said.branch, "tests/test_from_issue.py") == TESTS_FILE
    pull = scene.shop.pulls[2]
    assert pull.base_ref == "main"
    assert "Closes #1." in (pull.issue.body or "")
    assert "How it came to be" in (pull.issue.body or "")
    assert "How it came to be" not in the_report(scene)  # it stands in the pull request
    assert len(scene.shop.verified) == 1


@pytest.mark.parametrize("delivery", ["comment", "suggestion"])
def test_only_the_comment_when_the_repository_wants_no_more(
    delivery: str, github: FakeGitHub
) -> None:
    scene = pull_scene(github, in_diff=False, delivery=delivery)
    assert publish(scene).route == "comment"
    assert "git apply" in the_report(scene)
    assert not scene.shop.verified


# --- the check, and what is not solved -----------------------------------------------------------


def test_a_check_of_our_own_with_a_remark_at_the_function(github: FakeGitHub) -> None:
    """Commits made with a workflow's token start no workflow: the new commit gets a check, too."""
    scene = pull_scene(github, in_diff=False)
    said = publish(scene)
    checks = {one.head_sha: one for one in scene.shop.checks.values()}
    assert set(checks) == {scene.shop.head("feature"), said.commit_sha}
    check = checks[scene.shop.head("feature") or ""]
    assert (check.name, check.conclusion) == ("egbot", "success")
    (remark,) = check.annotations
    assert (remark["path"], remark["start_line"], remark["end_line"]) == ("shop.py", 10, 12)
    assert remark["annotation_level"] == "notice"


def test_an_unsolved_run_says_what_was_tried_in_the_same_comment(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False)
    trigger = scene.run.trigger
    scene.run = run_of(unsolved(), trigger=trigger)
    said = publish(scene)
    assert (said.route, said.is_delivered) == ("nothing", True)
    assert "assertion  total([1, 2]) == 3" in the_report(scene)
    (check,) = scene.shop.checks.values()
    assert check.conclusion == "neutral"
    assert NODE_IDS[0] in check.annotations[0]["message"]
    scene.run = run_of(outcome(STUB.encode()), trigger=trigger)
    assert publish(scene).route == "pull_request"
    assert "### egbot wrote `total`" in the_report(scene)


def test_no_check_where_it_is_not_wanted_and_no_name_under_the_post(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=True)
    text = "[tool.egbot.github]\ncheck_run = false\nidentity = false\n"
    scene.shop.push("main", {"pyproject.toml": text})
    publish(scene)
    assert not scene.shop.checks
    assert "is a bot" not in the_report(scene)


# --- idempotence ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["suggestion", "stacked", "commit", "fork", "issue"])
def test_published_twice_is_published_once(path: str, github: FakeGitHub) -> None:
    if path == "issue":
        scene = issue_scene(github)
    else:
        delivery = "commit" if path == "commit" else "auto"
        in_diff = path == "suggestion"
        scene = pull_scene(github, in_diff=in_diff, delivery=delivery, fork=path == "fork")
    first = publish(scene)
    body, num_posted = the_report(scene), len(posted(scene))
    again = publish(scene)
    assert (again.route, again.state, again.problems) == (first.route, "open", ())
    assert the_report(scene) == body
    later = posted(scene)[num_posted:]
    assert all("/check-runs/" in where for _, where in later), later


def test_a_forged_marker_is_nobody_s_comment(github: FakeGitHub) -> None:
    """Somebody else's comment is never edited, and quoting ours is no comment of ours."""
    scene = pull_scene(github, in_diff=True)
    scene.shop.comment(scene.number, f"{MARKER}\nI am the bot", author="eve")
    publish(scene)
    bodies = reports(scene)
    assert len(bodies) == 2
    assert bodies[0].endswith("I am the bot")


def test_comments_beyond_the_first_page_are_found(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=True)
    for number in range(120):
        scene.shop.comment(scene.number, f"talk {number}", author="alice")
    publish(scene)
    publish(scene)
    assert len(reports(scene)) == 1


def test_doubles_that_a_broken_delivery_left_are_removed(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=True)
    publish(scene)
    scene.shop.comment(scene.number, f"{MARKER}\ndouble", author="github-actions[bot]")
    publish(scene)
    assert "### egbot wrote" in the_report(scene)


def test_a_newer_suggestion_makes_the_older_one_step_back(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=True)
    publish(scene)
    head = scene.shop.push("feature", {"README.md": "more\n"})
    assert scene.run.trigger is not None
    scene.run = replace(scene.run, trigger=replace(scene.run.trigger, head_sha=head))
    publish(scene)
    older, newer = scene.shop.all_review_comments()
    assert "out of date" in older.body
    assert "```suggestion" not in older.body
    assert "```suggestion" in newer.body


def test_a_branch_of_somebody_else_is_left_alone(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False)
    scene.shop.push("egbot/1-total", {"theirs.py": ""}, start="main")
    said = publish(scene)
    assert said.branch == "egbot/1-total-2"
    assert scene.shop.file("egbot/1-total", "shop.py") == STUB


def test_a_newer_function_goes_on_top_of_egbot_s_own_branch(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False)
    first = publish(scene)
    better = WRITTEN.replace("result", "amount")
    scene.run = run_of(outcome(STUB.encode(), code=better), trigger=scene.run.trigger)
    second = publish(scene)
    assert (second.branch, second.pull_number) == (first.branch, first.pull_number)
    assert scene.shop.store.commit(second.commit_sha).parents == (first.commit_sha,)
    assert "amount" in (scene.shop.file(second.branch, "shop.py") or "")


# --- what stands in the way ------------------------------------------------------------------------


@pytest.mark.parametrize("in_diff", [True, False])
def test_a_head_that_moved_gets_nothing_but_an_offer(in_diff: bool, github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=in_diff)
    scene.shop.push("feature", {"README.md": "more\n"})
    said = publish(scene)
    assert (said.state, said.is_delivered) == ("moved", False)
    assert "/egbot retry" in the_report(scene)
    assert not scene.shop.verified
    assert not scene.shop.all_review_comments()


def test_a_run_that_another_one_has_overtaken_is_silent(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False, delivery="commit")
    publish(scene)
    body = the_report(scene)
    other = WRITTEN.replace("result", "amount")
    scene.run = run_of(outcome(STUB.encode(), code=other), trigger=scene.run.trigger)
    said = publish(scene)
    assert (said.state, said.is_delivered) == ("superseded", True)
    assert the_report(scene) == body


@pytest.mark.parametrize("delivery", ["auto", "commit"])
def test_of_two_different_runs_at_once_the_quicker_one_wins(
    delivery: str, github: FakeGitHub
) -> None:
    """Both have looked before either pushed: one commit, one report, no failure."""
    scene = pull_scene(github, in_diff=False, delivery=delivery)
    other = WRITTEN.replace("result", "amount")
    slower = run_of(outcome(STUB.encode(), code=other), trigger=scene.run.trigger)
    seen = look(scene.forge(), slower, scene.number)
    publish(scene)
    body = the_report(scene)
    said, _ = deliver_at(scene.forge(), slower, seen)
    assert (said.state, said.is_delivered) == ("superseded", True)
    assert len(scene.shop.verified) == 1
    assert the_report(scene) == body


def test_a_function_that_was_merged_meanwhile_is_noticed(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=True)
    publish(scene)
    scene.shop.push("feature", {"shop.py": AFTER})  # the suggestion was committed
    said = publish(scene)
    assert (said.state, said.is_delivered) == ("there", True)
    assert "on the branch already" in the_report(scene)


def test_a_closed_pull_request_hears_nothing(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=True)
    assert scene.pull is not None
    scene.pull.issue.state = "closed"
    said = publish(scene)
    assert (said.state, said.is_delivered) == ("closed", False)
    assert posted(scene) == []
    assert "is closed" in said.problems[0]


def test_a_locked_conversation_gets_the_pull_request_but_no_comment(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=True)
    assert scene.pull is not None
    scene.pull.issue.locked = True
    said = publish(scene)
    assert (said.route, said.is_delivered) == ("pull_request", True)
    assert reports(scene) == []
    scene.run = run_of(unsolved(), trigger=scene.run.trigger)
    said = publish(scene)
    assert "is locked" in said.problems[0]


def test_a_head_branch_that_is_deleted_closes_the_pull_request(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False)
    scene.shop.delete_branch("feature")
    said = publish(scene)
    assert (said.state, said.is_delivered) == ("closed", False)
    assert posted(scene) == []


def test_a_missing_permission_is_named_where_people_see_it(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False, rights={**RIGHTS, "contents": "read"})
    said = publish(scene)
    assert (said.route, said.is_delivered) == ("comment", False)
    assert "contents: write" in said.problems[0]
    assert "contents: write" in the_report(scene)
    assert "```diff" in the_report(scene)


def test_without_the_right_to_comment_the_rest_is_still_done(github: FakeGitHub) -> None:
    rights = {**RIGHTS, "issues": "read", "pull_requests": "read"}
    scene = pull_scene(github, in_diff=False, rights=rights, delivery="commit")
    said = publish(scene)
    assert (said.route, said.is_delivered) == ("commit", False)
    assert scene.shop.file("feature", "shop.py") == AFTER
    assert "pull-requests: write" in said.problems[0]
    assert scene.shop.checks


def test_a_repository_where_actions_open_no_pull_requests_gets_a_link(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False)
    scene.shop.actions_may_open_pulls = False
    said = publish(scene)
    assert (said.route, said.is_delivered) == ("pull_request", False)
    assert scene.shop.file("egbot/1-total", "shop.py") == AFTER
    assert "/compare/feature...egbot/1-total?expand=1" in the_report(scene)


def test_an_artifact_that_lies_is_refused_in_public(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False)
    (honest,) = scene.run.outcomes
    assert honest.patch is not None
    diff = honest.patch.unified_diff.replace("result = 0", "result = 1")
    lie = replace(honest, patch=replace(honest.patch, unified_diff=diff))
    scene.run = run_of(lie, trigger=scene.run.trigger)
    said = publish(scene)
    assert (said.state, said.is_delivered) == ("refused", False)
    assert "changes more than this one function" in the_report(scene)
    assert not scene.shop.verified


def test_settings_come_from_the_base_branch_alone(github: FakeGitHub) -> None:
    """A pull request cannot switch itself to direct commits."""
    scene = pull_scene(github, in_diff=False)
    text = '[tool.egbot.github]\ndelivery = "commit"\nbranch_prefix = "evil/"\n'
    head = scene.shop.push("feature", {"pyproject.toml": text})
    assert scene.run.trigger is not None
    scene.run = replace(
        scene.run, trigger=replace(scene.run.trigger, head_sha=head), settings={"github": text}
    )
    assert publish(scene).branch == "egbot/1-total"
    scene.shop.push("main", {"pyproject.toml": "[tool.egbot.github]\nnonsense = 1\n"})
    with pytest.raises(UsageError, match="nonsense"):
        publish(scene)


def test_an_issue_whose_tests_were_edited_meanwhile_is_refused(github: FakeGitHub) -> None:
    scene = issue_scene(github)
    scene.shop.edit(scene.shop.issues[1], "```python\ndef test_other():\n    assert 1\n```\n")
    said = publish(scene)
    assert said.state == "refused"
    assert "does not hold these tests" in the_report(scene)
    assert not scene.shop.verified


def test_a_commit_for_an_issue_never_starts_from_the_artifact_s_word(github: FakeGitHub) -> None:
    """A commit of a fork is reachable here, too; branching off it would bring its files in."""
    scene = issue_scene(github)
    fork = scene.shop.fork("eve/shop")
    evil = fork.push("x", {"evil.py": "1\n"}, start="main")
    trigger = Trigger("issues", "issue", "octo/shop", "eve", 1, evil)
    scene.run = replace(scene.run, trigger=trigger)
    said = publish(scene)
    assert scene.shop.store.commit(said.commit_sha).parents == (scene.shop.head("main"),)
    assert scene.shop.file(said.branch, "evil.py") is None


def test_an_executable_file_stays_executable(github: FakeGitHub) -> None:
    """The signed commit of the GraphQL interface knows no modes; the Git data interface does."""
    scene = pull_scene(github, in_diff=False, delivery="commit")
    make_mode(scene, "100755")
    said = publish(scene)
    assert said.route == "commit", said.problems
    assert scene.shop.file("feature", "shop.py") == AFTER
    assert mode_of(scene, "feature") == "100755"
    assert publish(scene).commit_sha == said.commit_sha


def test_a_symbolic_link_is_not_replaced_by_a_file(github: FakeGitHub) -> None:
    scene = pull_scene(github, in_diff=False, delivery="commit")
    make_mode(scene, "120000")
    said = publish(scene)
    assert not said.is_delivered
    assert mode_of(scene, "feature") == "120000"


def make_mode(scene: Scene, mode: str) -> None:
    shop = scene.shop
    git = ["git", "-C", str(shop.path)]

    def run(*words: str, text: str | None = None) -> str:
        done = subprocess.run(
            [*git, *words], input=text, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    head = shop.head("feature") or ""
    lines = run("ls-tree", head).splitlines()
    changed = [f"{mode}{line[6:]}" if line.endswith("\tshop.py") else line for line in lines]
    tree = run("mktree", text="\n".join(changed) + "\n")
    names = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    sha = run(*names, "commit-tree", tree, "-p", head, "-m", "mode")
    shop.set_branch("feature", sha)
    assert scene.run.trigger is not None
    scene.run = replace(scene.run, trigger=replace(scene.run.trigger, head_sha=sha))


def mode_of(scene: Scene, branch: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(scene.shop.path), "ls-tree", branch, "shop.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout[:6]
