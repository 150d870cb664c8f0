"""The step as a workflow runs it, from the event to what stands on GitHub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.action.steps import READ, SETTINGS, Stage
from tests.github import events
from tests.shelf import STUB


def test_a_label_leads_to_a_suggestion_by_two_jobs(stage: Stage) -> None:
    """The first may only read and runs the code; the second may write and runs none of it."""
    pull = stage.pull()
    event = stage.labelled(pull)
    first = stage.step("synthesize", "pull_request", event, READ)
    assert (first.code, first.outcome, first.outputs["patched"]) == (0, "patched", "1"), first.log
    assert not stage.github.mutations()
    run = stage.run()
    assert run.trigger is not None
    assert (run.trigger.number, run.trigger.head_sha) == (pull.number, pull.last_head)
    assert Path(first.outputs["report-path"]).exists()
    assert "double" in first.summary
    request = json.loads((stage.workspace / "egbot-out" / "request.json").read_text())
    assert request["trigger"]["actor"] == "alice"

    second = stage.step("publish", "pull_request", event)
    assert (second.code, second.outcome) == (0, "patched"), second.log
    (suggestion,) = pull.review_comments
    assert "return x * 2" in suggestion.body
    assert second.outputs["comment-url"]
    assert len(pull.issue.comments) == 1


def test_a_stub_outside_of_the_diff_leads_to_a_stacked_pull_request(stage: Stage) -> None:
    event = stage.labelled(stage.pull(is_new_file=False))
    done = stage.step("all", "pull_request", event)
    assert (done.code, done.outcome) == (0, "patched"), done.log
    stacked = max(stage.shop.pulls.values(), key=lambda one: one.number)
    assert done.outputs["pull-request-url"].endswith(f"/{stacked.number}")
    assert "return x * 2" in (stage.shop.file(stacked.head_ref, "calc.py") or "")


def test_the_workflow_s_inputs_win_over_the_base_branch_when_it_comes_to_posting(
    stage: Stage,
) -> None:
    pull = stage.pull()
    event = stage.labelled(pull)
    done = stage.step(
        "all",
        "pull_request",
        event,
        github_delivery="comment",
        github_check_run="false",
        github_identity="false",
    )
    assert done.outcome == "patched", done.log
    assert not pull.review_comments
    assert not stage.shop.checks
    (comment,) = pull.issue.comments
    assert "return x * 2" in comment.body
    assert "is a bot and wrote this" not in comment.body


def test_a_fork_is_fetched_by_number_and_judged_by_the_base_branch(stage: Stage) -> None:
    """The fork's own settings would make its tests run without a sandbox."""
    pull = stage.pull(fork="eve/shop")
    evil = '[tool.egbot.sandbox]\nbackend = "process"\n'
    pull.head_repository.push("work", {"pyproject.toml": evil})
    done = stage.step("synthesize", "pull_request", stage.labelled(pull), READ)
    assert done.outcome == "patched", done.log
    settings = stage.run().settings
    assert isinstance(settings["sandbox"], dict)
    assert settings["sandbox"]["backend"] == "auto"


@pytest.mark.parametrize(
    ("table", "inputs", "code"),
    [
        ('backend = "process"', {}, 2),
        ('python = ".venv/bin/python"', {}, 2),
        ('backend = "process"', {"sandbox_backend": "process"}, 0),
        ('image = "octo/tests"\nsetup = ["true"]', {}, 0),
    ],
)
def test_a_base_branch_is_trusted_with_what_runs_inside_the_sandbox_alone(
    stage: Stage, table: str, inputs: dict[str, str], code: int
) -> None:
    stage.shop.push("main", {"pyproject.toml": f"{SETTINGS}[tool.egbot.sandbox]\n{table}\n"})
    done = stage.step("synthesize", "pull_request", stage.labelled(stage.pull()), READ, **inputs)
    assert done.code == code, done.log
    assert ("may not choose" in done.log) == bool(code)


def test_an_output_is_not_written_through_a_link_in_the_workspace(stage: Stage) -> None:
    """With the input path, the workspace may hold what the pull request brought."""
    stage.workspace.mkdir()
    far = stage.folder / "far"
    far.mkdir()
    (far / "run.json").write_text("mine")
    (stage.workspace / "egbot-out").symlink_to(far)
    done = stage.step("synthesize", "pull_request", stage.labelled(stage.pull()), READ)
    assert (done.code, "writes through none" in done.log) == (2, True), done.log
    assert [path.read_text() for path in far.iterdir()] == ["mine"]


def test_a_stranger_starts_nothing(stage: Stage) -> None:
    pull = stage.pull(fork="eve/shop")
    done = stage.step("synthesize", "pull_request", stage.labelled(pull, "eve"), READ)
    assert (done.code, done.outcome) == (0, "refused")
    assert "only those who may write" in done.log
    assert not (stage.workspace / "egbot-out").exists()


def test_a_comment_is_acknowledged_solved_and_answered(stage: Stage) -> None:
    """Three jobs: eyes at once, then the work, then the suggestion."""
    pull = stage.pull(fork="eve/shop")
    event = stage.comment(pull.number, "/egbot solve test_calc.py --seed 3")
    done = stage.step("publish", "issue_comment", event)
    assert (done.code, done.outcome) == (0, "acknowledged"), done.log
    (comment,) = pull.issue.comments
    assert [one.content for one in comment.reactions] == ["eyes"]
    done = stage.step("synthesize", "issue_comment", event, READ)
    assert done.outcome == "patched", done.log
    assert stage.run().settings["seed"] == 3
    done = stage.step("publish", "issue_comment", event)
    assert done.code == 0, done.log
    assert len(pull.review_comments) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("/egbot help", "| `/egbot solve` |"),
        ("/egbot solve --image evil", "cannot be given in a comment"),
        ("/egbot slove", "there is no command `slove`"),
        ("/egbot explain", "There is none here yet."),
        ("/egbot solve --candidates 999", "candidates"),
    ],
)
def test_what_needs_no_run_is_answered_once(stage: Stage, body: str, said: str) -> None:
    pull = stage.pull()
    event = stage.comment(pull.number, body)
    urls = set()
    for _ in range(2):
        done = stage.step("publish", "issue_comment", event)
        assert (done.code, done.outcome) == (0, "answered"), done.log
        urls.add(done.outputs["comment-url"])
    _asked, answer = pull.issue.comments
    assert said in answer.body
    assert answer.body.startswith("<!-- egbot:answer:issue-")
    assert len(urls) == 1
    assert stage.step("synthesize", "issue_comment", event, READ).outcome == "answered"


def test_a_stranger_s_comment_is_not_even_answered(stage: Stage) -> None:
    """Else anybody could make the bot write."""
    pull = stage.pull()
    event = stage.comment(pull.number, "/egbot help", author="eve")
    assert stage.step("publish", "issue_comment", event).outcome == "refused"
    assert not stage.github.mutations()


def test_a_comment_on_a_line_is_a_comment_like_all_others(stage: Stage) -> None:
    pull = stage.pull()
    event = stage.review(pull, "/egbot solve --target calc.py::double")
    name = "pull_request_review_comment"
    assert stage.step("publish", name, event).outcome == "acknowledged"
    assert [one.content for one in pull.review_comments[0].reactions] == ["eyes"]
    assert stage.step("synthesize", name, event, READ).outcome == "patched"
    stage.shop.edit(pull.review_comments[0], "/egbot solve --target os.py::system")
    done = stage.step("synthesize", name, event, READ)
    assert done.outcome == "refused"
    assert "changed after the request" in done.log


def test_a_request_that_came_too_late_is_answered(stage: Stage) -> None:
    pull = stage.pull()
    event = stage.comment(pull.number, "/egbot solve")
    pull.issue.state = "closed"
    assert stage.step("publish", "issue_comment", event).outcome == "refused"
    assert "pull request 1 is closed." in pull.issue.comments[-1].body


def test_explain_leads_to_the_last_report(stage: Stage) -> None:
    pull = stage.pull()
    stage.step("all", "pull_request", stage.labelled(pull))
    (report,) = pull.issue.comments
    event = stage.comment(pull.number, "/egbot explain")
    (stage.workspace / "egbot-out" / "run.json").unlink()
    stage.step("publish", "issue_comment", event)
    assert f"issuecomment-{report.id})" in pull.issue.comments[-1].body


def test_a_retry_takes_other_samples(stage: Stage) -> None:
    pull = stage.pull()
    event = stage.comment(pull.number, "/egbot retry")
    stage.step("synthesize", "issue_comment", event, READ)
    assert stage.run().settings["seed"] == pull.issue.comments[0].id


def test_an_issue_with_tests_gets_a_pull_request_that_closes_it(stage: Stage) -> None:
    event = stage.issue()
    read = {"contents": "read", "issues": "read"}
    done = stage.step("synthesize", "issues", event, read)
    assert done.outcome == "patched", done.log
    assert stage.run().tests_added[0].path == "tests/test_from_issue.py"
    done = stage.step("publish", "issues", event)
    assert done.code == 0, done.log
    (pull,) = stage.shop.pulls.values()
    assert f"Closes #{event['issue']['number']}." in (pull.issue.body or "")
    assert "return x * 2" in (stage.shop.file(pull.head_ref, "calc.py") or "")
    assert "double(3) == 6" in (stage.shop.file(pull.head_ref, "tests/test_from_issue.py") or "")


def test_an_issue_without_tests_gets_one_comment_that_says_how(stage: Stage) -> None:
    event = stage.issue("Please write double.")
    for _ in range(2):
        assert stage.step("publish", "issues", event).outcome == "answered"
    (issue,) = stage.shop.issues.values()
    (comment,) = issue.comments
    assert "```python" in comment.body
    assert "/egbot solve" in comment.body


def test_another_workflow_s_junit_names_the_tests(stage: Stage) -> None:
    pull = stage.pull(fork="eve/shop")
    report = (
        '<testsuites><testsuite><testcase classname="test_calc" name="test_double">'
        '<failure message="NotImplementedError">x</failure></testcase></testsuite></testsuites>'
    )
    run = stage.shop.run(pull.last_head, "work", pull=pull, artifacts={"junit": {"r.xml": report}})
    stage.shop.grant(run.actor.login, "admin")
    event = events.workflow_run(stage.github.site, stage.shop, run)
    rights = {**READ, "actions": "read"}
    done = stage.step("synthesize", "workflow_run", event, rights, junit_artifact="junit")
    assert done.outcome == "patched", done.log
    done = stage.step("publish", "workflow_run", event)
    assert done.code == 0, done.log
    assert len(pull.review_comments) == 1


def test_a_schedule_leaves_its_patches_in_the_artifact(stage: Stage) -> None:
    stage.shop.push("main", STUB)
    event = events.schedule(stage.github.site, stage.shop)
    done = stage.step("all", "schedule", event)
    assert (done.code, done.outcome) == (0, "patched"), done.log
    assert "patches lie in the output folder" in done.log
    assert not stage.github.mutations()
