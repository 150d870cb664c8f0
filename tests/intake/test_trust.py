"""Whose word counts, asked from a GitHub that really answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.config import Settings
from egbot.errors import ForgeError, UsageError
from egbot.forge import Forge
from egbot.intake.event import read_event
from egbot.intake.trust import Decision, base_settings, decide
from egbot.publish.github import connect
from egbot.publish.transport import Patience
from egbot.records import Trigger
from tests.github.nouns import Pull
from tests.github.repository import Repository
from tests.github.server import FakeGitHub

QUICK = Patience(timeout_s=60, num_attempts=2, first_wait_s=0.01, pause_s=0.0)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[FakeGitHub]:
    with FakeGitHub(tmp_path) as github:
        yield github


@pytest.fixture
def shop(github: FakeGitHub) -> Repository:
    shop = github.repository("octo/shop")
    shop.push("main", {"shop.py": "def price(): ...\n"})
    shop.push("work", {"test_shop.py": "def test(): ...\n"})
    shop.grant("alice", "write")
    return shop


@pytest.fixture
def forge(github: FakeGitHub) -> Forge:
    """With the rights of the job that may only read."""
    read = dict.fromkeys(("contents", "issues", "pull_requests", "actions"), "read")
    token = github.token("read", **read)  # type: ignore[arg-type]
    return connect("octo/shop", token, api_url=github.url, patience=QUICK)


def pull_of(shop: Repository, **options: object) -> Pull:
    return shop.open_pull("work", **options)  # type: ignore[arg-type]


def labelled(pull: Pull, actor: str = "alice", label: str = "egbot") -> Trigger:
    return Trigger(
        "pull_request",
        "pull_request",
        "octo/shop",
        actor,
        number=pull.number,
        head_sha=pull.last_head,
        label=label,
    )


def refused(decision: Decision) -> str:
    assert not decision.is_trusted
    return decision.why


# --- who ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "is_trusted"), [("admin", True), ("write", True), ("read", False), ("none", False)]
)
def test_only_who_may_write_now_is_heard(
    shop: Repository, forge: Forge, role: str, *, is_trusted: bool
) -> None:
    """The label is there either way: in GitHub, who may triage can put it on as well."""
    shop.grant("bob", role)  # type: ignore[arg-type]
    decision = decide(labelled(pull_of(shop, labels=("egbot",)), "bob"), Settings(), forge)
    assert decision.is_trusted == is_trusted
    assert decision.is_heard == is_trusted
    assert is_trusted or "only those who may write" in decision.why


def test_rights_that_were_taken_away_since_do_not_count(shop: Repository, forge: Forge) -> None:
    trigger = labelled(pull_of(shop, labels=("egbot",)))
    assert decide(trigger, Settings(), forge).is_trusted
    shop.grant("alice", "read")
    assert "'read'" in refused(decide(trigger, Settings(), forge))


def test_a_stranger_that_github_does_not_know_is_refused(shop: Repository, forge: Forge) -> None:
    trigger = labelled(pull_of(shop, labels=("egbot",)), "nobody-at-all")
    assert refused(decide(trigger, Settings(), forge))
    assert "does not say who" in refused(decide(replace(trigger, actor=""), Settings(), forge))


@pytest.mark.parametrize("bot", ["evil[bot]", "github-actions[bot]", "renovate-x[bot]"])
def test_a_bot_counts_only_by_name(shop: Repository, forge: Forge, bot: str) -> None:
    """To trust whatever ends in [bot] has been exploited elsewhere; even rights do not help."""
    shop.grant(bot, "write")
    trigger = labelled(pull_of(shop, labels=("egbot",)), bot)
    named = Settings.model_validate({"github": {"bots": ["Renovate[bot]"]}})
    assert "is a bot" in refused(decide(trigger, named, forge))
    renovate = replace(trigger, actor="renovate[bot]")
    assert decide(renovate, named, forge).is_trusted
    assert "is a bot" in refused(decide(renovate, Settings(), forge))


def test_a_person_with_a_bot_s_name_is_no_bot(shop: Repository, forge: Forge) -> None:
    named = Settings.model_validate({"github": {"bots": ["renovate[bot]"]}})
    shop.grant("renovate", "read")
    trigger = labelled(pull_of(shop, labels=("egbot",)), "renovate")
    assert "'read'" in refused(decide(trigger, named, forge))


# --- what --------------------------------------------------------------------------------------


def test_another_label_asks_for_nothing_and_no_question_is_asked(
    github: FakeGitHub, shop: Repository, forge: Forge
) -> None:
    pull = pull_of(shop, labels=("bug",))
    assert "not 'egbot'" in refused(decide(labelled(pull, label="bug"), Settings(), forge))
    assert not github.log


def test_a_label_that_was_taken_off_again_does_not_count(shop: Repository, forge: Forge) -> None:
    pull = pull_of(shop, labels=("EGBOT",))
    assert decide(labelled(pull), Settings(), forge).is_trusted
    pull.issue.labels.clear()
    assert "taken off" in refused(decide(labelled(pull), Settings(), forge))


def test_a_head_that_moved_does_not_count(shop: Repository, forge: Forge) -> None:
    """What the maintainer looked at before putting the label on is not what would run."""
    pull = pull_of(shop, labels=("egbot",))
    trigger = labelled(pull)
    shop.push("work", {"evil.py": ""})
    why = refused(decide(trigger, Settings(), forge))
    assert trigger.head_sha[:12] in why
    assert "moved" in why


def test_a_closed_pull_request_does_not_count(shop: Repository, forge: Forge) -> None:
    pull = pull_of(shop, labels=("egbot",))
    pull.issue.state = "closed"
    assert "closed" in refused(decide(labelled(pull), Settings(), forge))


def test_a_push_of_who_may_write_counts_and_a_stranger_s_does_not(
    shop: Repository, forge: Forge
) -> None:
    fork = shop.fork("eve/shop")
    fork.push("patch", {"x.py": ""})
    pull = shop.open_pull("patch", fork=fork, author="eve")
    pushed = replace(labelled(pull, "eve"), label="")
    assert "a maintainer can" in refused(decide(pushed, Settings(), forge))
    assert decide(replace(pushed, actor="alice"), Settings(), forge).is_trusted


# --- comments ----------------------------------------------------------------------------------


def commented(number: int, comment_id: int, when: str, kind: str = "pull_request") -> Trigger:
    return Trigger(
        "issue_comment",
        kind,  # type: ignore[arg-type]
        "octo/shop",
        "alice",
        number=number,
        comment=("issue", comment_id),
        command=("solve",),
        happened_at=when,
    )


def test_a_comment_counts_until_it_is_edited_or_deleted(shop: Repository, forge: Forge) -> None:
    pull = pull_of(shop)
    comment = shop.comment(pull.number, "/egbot solve", author="alice")
    trigger = commented(pull.number, comment.id, comment.created_at)
    decision = decide(trigger, Settings(), forge)
    assert decision.is_trusted, decision.why
    assert decision.trigger.head_sha == pull.last_head
    shop.edit(comment, "/egbot solve --seed 1")
    assert "changed after" in refused(decide(trigger, Settings(), forge))
    pull.issue.comments.clear()
    assert "deleted" in refused(decide(trigger, Settings(), forge))


@pytest.mark.parametrize("when", ["", "yesterday", "9999-99-99T00:00:00Z"])
def test_a_time_that_cannot_be_read_counts_as_edited(
    shop: Repository, forge: Forge, when: str
) -> None:
    comment = shop.comment(pull_of(shop).number, "/egbot solve", author="alice")
    assert "changed after" in refused(decide(commented(1, comment.id, when), Settings(), forge))


# --- issues ------------------------------------------------------------------------------------


def issue_trigger(number: int, text: str, **changed: object) -> Trigger:
    trigger = Trigger(
        "issues", "issue", "octo/shop", "alice", number=number, label="egbot", text=text
    )
    return replace(trigger, **changed)  # type: ignore[arg-type]


def test_an_issue_s_text_counts_as_it_was_when_it_was_labelled(
    shop: Repository, forge: Forge
) -> None:
    issue = shop.open_issue("Add f", "the tests\r\n", labels=("egbot",))
    assert decide(issue_trigger(issue.number, "the tests\r\n"), Settings(), forge).is_trusted
    shop.comment(issue.number, "by the way")  # moves updated_at, and changes no word of the issue
    assert decide(issue_trigger(issue.number, "the tests\r\n"), Settings(), forge).is_trusted
    shop.edit(issue, "other tests")
    decision = decide(issue_trigger(issue.number, "the tests\r\n"), Settings(), forge)
    assert "changed after" in refused(decision)
    issue.state = "closed"
    assert "closed" in refused(decide(issue_trigger(issue.number, ""), Settings(), forge))


def test_a_dispatch_takes_the_issue_as_it_is(shop: Repository, forge: Forge) -> None:
    """Who starts a workflow by hand names an issue's number and no text."""
    issue = shop.open_issue("Add f", "the tests")
    trigger = issue_trigger(issue.number, "", event="workflow_dispatch", label="")
    assert decide(trigger, Settings(), forge).trigger.text == "the tests"


# --- workflow runs, schedules ------------------------------------------------------------------


def test_a_fork_s_pull_request_is_found_by_its_head(shop: Repository, forge: Forge) -> None:
    fork = shop.fork("eve/shop")
    head = fork.push("patch", {"x.py": ""})
    trigger = Trigger(
        "workflow_run", "pull_request", "octo/shop", "alice", head_sha=head, workflow_run_id=7
    )
    assert "no open pull request" in refused(decide(trigger, Settings(), forge))
    pull = shop.open_pull("patch", fork=fork, author="eve")
    decision = decide(trigger, Settings(), forge)
    assert decision.is_trusted
    assert decision.trigger.number == pull.number
    assert decision.pull is not None
    assert decision.pull.is_fork


def test_a_schedule_needs_nobody_and_a_dispatch_needs_a_writer(
    shop: Repository, forge: Forge
) -> None:
    schedule = Trigger("schedule", "manual", "octo/shop", "")
    assert decide(schedule, Settings(), forge).is_trusted
    dispatch = Trigger("workflow_dispatch", "manual", "octo/shop", "eve")
    assert refused(decide(dispatch, Settings(), forge))


# --- settings ----------------------------------------------------------------------------------


def test_settings_come_from_the_base_branch_and_not_from_the_pull_request(
    shop: Repository, forge: Forge
) -> None:
    shop.push("main", {"pyproject.toml": "[tool.egbot]\nseed = 5\n"})
    shop.push("work", {"pyproject.toml": '[tool.egbot.sandbox]\nbackend = "process"\n'})
    pull = pull_of(shop)
    settings = base_settings(labelled(pull), forge)
    assert settings.seed == 5
    assert settings.sandbox.backend == "auto"
    assert base_settings(issue_trigger(1, ""), forge).seed == 5


def test_without_a_file_the_defaults_hold_and_a_wrong_file_is_told(
    shop: Repository, forge: Forge
) -> None:
    pull = pull_of(shop)
    assert base_settings(labelled(pull), forge) == Settings()
    shop.push("main", {"pyproject.toml": "[tool.egbot]\nseeds = 5\n"})
    with pytest.raises(UsageError, match="seeds"):
        base_settings(labelled(pull), forge)


def test_a_forge_that_cannot_be_asked_is_an_error_and_no_decision(
    github: FakeGitHub, shop: Repository, forge: Forge
) -> None:
    pull = pull_of(shop, labels=("egbot",))
    github.faults.on("GET /repos/*/collaborators/*", "500", times=None)
    with pytest.raises(ForgeError, match="500"):
        decide(labelled(pull), Settings(), forge)


def test_a_payload_is_never_the_reason(shop: Repository, forge: Forge) -> None:
    """A forged payload may claim any rights and labels; only what the API says counts."""
    pull = pull_of(shop)
    payload = {
        "action": "labeled",
        "number": pull.number,
        "label": {"name": "egbot"},
        "sender": {"login": "eve", "permissions": {"admin": True}, "type": "User"},
        "pull_request": {
            "state": "open",
            "author_association": "OWNER",
            "labels": [{"name": "egbot"}],
            "head": {"sha": pull.last_head},
        },
    }
    trigger = read_event("pull_request", json.dumps(payload).encode(), "octo/shop")
    assert isinstance(trigger, Trigger)
    assert not decide(trigger, Settings(), forge).is_trusted
    as_alice = replace(trigger, actor="alice")
    assert "taken off" in refused(decide(as_alice, Settings(), forge))
