"""The step when things go wrong; stubs; and secrets, which must show up nowhere."""

from __future__ import annotations

import json
import subprocess

from tests.action.steps import CANARY, READ, Stage, files_with


def test_a_head_that_moves_during_the_run_gets_no_function(stage: Stage) -> None:
    pull = stage.pull()
    event = stage.labelled(pull)
    stage.step("synthesize", "pull_request", event, READ)
    stage.shop.push("work", {"calc.py": "def double(x):\n    return x + x\n"})
    done = stage.step("publish", "pull_request", event)
    assert done.code == 4
    assert not pull.review_comments
    (comment,) = pull.issue.comments
    assert "/egbot retry" in comment.body


def test_a_failed_run_says_so_in_the_artifact_and_in_the_pull_request(stage: Stage) -> None:
    pull = stage.pull()
    event = stage.comment(pull.number, "/egbot solve tests/test_clac.py")
    done = stage.step("synthesize", "issue_comment", event, READ)
    assert (done.code, done.outcome) == (2, "failed")
    assert "there is no test file tests/test_clac.py" in done.summary
    assert "there is no test file" in stage.run().detail
    stage.step("publish", "issue_comment", event)
    assert "there is no test file" in pull.issue.comments[-1].body


def test_an_earlier_run_s_evidence_is_not_taken_for_this_one_s(stage: Stage) -> None:
    """A self-hosted runner may keep its workspace."""
    pull = stage.pull()
    stage.step("synthesize", "pull_request", stage.labelled(pull), READ)
    event = stage.comment(pull.number, "/egbot solve tests/test_clac.py")
    stage.step("synthesize", "issue_comment", event, READ)
    assert not stage.run().outcomes
    assert "there is no test file" in stage.run().detail


def test_another_workflow_run_s_results_are_not_published(stage: Stage) -> None:
    """The job that acknowledges may find what an earlier workflow run left on the same runner."""
    pull = stage.pull()
    stage.step("synthesize", "pull_request", stage.labelled(pull), READ)
    stage.run_id = "2"
    event = stage.comment(pull.number, "/egbot retry")
    assert stage.step("publish", "issue_comment", event).outcome == "acknowledged"
    assert not pull.review_comments


def test_a_publisher_believes_the_event_and_not_the_artifact(stage: Stage) -> None:
    """An artifact that names another pull request, or nobody, is delivered nowhere."""
    pull, other = stage.pull(), stage.shop.open_issue("Other")
    event = stage.labelled(pull)
    stage.step("synthesize", "pull_request", event, READ)
    path = stage.workspace / "egbot-out" / "run.json"
    document = json.loads(path.read_text())
    document["trigger"]["number"] = other.number
    path.write_text(json.dumps(document))
    done = stage.step("publish", "pull_request", event)
    assert (done.code, done.outcome) == (2, "failed")
    path.write_text(json.dumps({**document, "trigger": None}))
    assert stage.step("publish", "pull_request", event).code == 2
    path.write_text("{" * 100)
    assert stage.step("publish", "pull_request", event).code == 2
    assert not stage.github.mutations()


def test_missing_rights_are_named_and_nothing_is_lost(stage: Stage) -> None:
    pull = stage.pull()
    event = stage.labelled(pull)
    stage.step("synthesize", "pull_request", event, READ)
    done = stage.step("publish", "pull_request", event, READ)
    assert done.code == 4
    assert "pull-requests: write" in done.log
    assert "return x * 2" in done.summary
    assert (stage.workspace / "egbot-out" / "run.json").exists()


def test_a_run_that_is_stopped_leaves_what_it_had(stage: Stage) -> None:
    stage.interrupts = True
    done = stage.step("synthesize", "pull_request", stage.labelled(stage.pull()), READ)
    assert (done.code, done.outcome) == (130, "failed"), done.log
    assert not stage.run().finished
    assert stage.run().trigger is not None


def test_a_reaction_that_fails_stops_nothing(stage: Stage) -> None:
    pull = stage.pull()
    stage.github.faults.on("POST /repos/*/issues/*/reactions", "500", times=None)
    done = stage.step("all", "pull_request", stage.labelled(pull))
    assert (done.code, done.outcome) == (0, "patched"), done.log
    assert "no reaction was left" in done.log


def test_without_a_token_or_a_workflow_it_says_so(stage: Stage) -> None:
    event = stage.labelled(stage.pull())
    done = stage.step("synthesize", "pull_request", event, token="")
    assert done.code == 2
    assert "token is empty" in done.log


def test_events_that_ask_for_nothing_end_green(stage: Stage) -> None:
    done = stage.step("synthesize", "push", {})
    assert (done.code, done.outcome) == (0, "ignored")
    assert not stage.github.log


# --- stubs -------------------------------------------------------------------------------------


def test_stubs_are_found_without_running_or_asking_anything(stage: Stage) -> None:
    stage.workspace.mkdir()
    for path, text in {
        "test_new.py": "from new import f\n\ndef test_f():\n    assert f(1) == 2\n"
    }.items():
        (stage.workspace / path).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=stage.workspace, check=True)
    done = stage.step("stubs", "pull_request", {}, {}, tests="test_new.py")
    assert (done.code, done.outcome, done.outputs["patched"]) == (0, "stubs_missing", "1"), done.log
    assert "def f(" in (stage.workspace / "egbot-out" / "stubs.diff").read_text()
    assert "def f(" in done.summary
    subprocess.run(["git", "apply", "egbot-out/stubs.diff"], cwd=stage.workspace, check=True)
    assert stage.step("stubs", "pull_request", {}, {}, tests="test_new.py").outcome == "complete"
    assert not stage.github.log


# --- secrets -----------------------------------------------------------------------------------


def test_the_token_shows_up_nowhere(stage: Stage) -> None:
    """Not in the log (but for the mask), an artifact, a post, the checkout or the environment."""
    pull = stage.pull()
    event = stage.labelled(pull)
    logs = [stage.step("all", "pull_request", event).log]
    event = stage.comment(pull.number, "/egbot solve nowhere.py")
    logs.append(stage.step("all", "issue_comment", event).log)
    stage.github.faults.on("GET /repos/*/pulls/*", "500", times=None)
    logs.append(stage.step("all", "pull_request", stage.labelled(pull)).log)
    for log in logs:
        shown = [line for line in log.splitlines() if CANARY in line]
        assert all(line.startswith("::add-mask::") for line in shown)
        assert shown
    assert not files_with(stage.folder, CANARY)
    posted = json.dumps([entry.body for entry in stage.github.log], default=str)
    assert CANARY not in posted
    assert CANARY not in json.dumps(stage.environment)
