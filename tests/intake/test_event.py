"""Events with GitHub's own example payloads, and with payloads that nobody should send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbot.intake.event import EVENTS, MAX_PAYLOAD_BYTES, Ignored, read_event
from egbot.records import Trigger
from tests.fetched import kept

REPOSITORY = "octo/shop"
SHA = "a" * 40


@pytest.fixture(scope="module")
def examples() -> dict[str, list[dict[str, Any]]]:
    """The payloads that GitHub's webhooks really sent, by event."""
    return {event["name"]: event["examples"] for event in json.loads(kept("webhooks.json"))}


def read(name: str, payload: object, repository: str = REPOSITORY) -> Trigger | Ignored:
    return read_event(name, json.dumps(payload).encode(), repository)


def real(name: str, payload: dict[str, Any]) -> Trigger | Ignored:
    return read(name, payload, payload["repository"]["full_name"])


def asked(found: Trigger | Ignored) -> Trigger:
    assert isinstance(found, Trigger), found
    return found


def ignored(found: Trigger | Ignored) -> str:
    assert isinstance(found, Ignored), found
    return found.why


# --- GitHub's examples -------------------------------------------------------------------------


def test_real_pull_requests_ask_when_opened_pushed_to_or_labelled(
    examples: dict[str, list[dict[str, Any]]],
) -> None:
    seen = set()
    for payload in examples["pull_request"]:
        found = real("pull_request", payload)
        if payload["action"] not in {"opened", "synchronize", "reopened", "labeled"}:
            assert payload["action"] in ignored(found)
            continue
        if "label" not in payload and payload["action"] == "labeled":
            assert "no label" in ignored(found)
            continue
        trigger = asked(found)
        seen.add(payload["action"])
        assert trigger.number == payload["number"]
        assert trigger.head_sha == payload["pull_request"]["head"]["sha"]
        assert trigger.actor == payload["sender"]["login"]
        assert trigger.label == payload.get("label", {}).get("name", "")
        assert trigger.happened_at == payload["pull_request"]["updated_at"]
    assert {"opened", "synchronize", "labeled"} <= seen


def test_real_issues_ask_when_labelled(examples: dict[str, list[dict[str, Any]]]) -> None:
    labelled = 0
    for payload in examples["issues"]:
        found = real("issues", payload)
        if payload["action"] != "labeled":
            assert payload["action"] in ignored(found)
            continue
        trigger = asked(found)
        labelled += 1
        assert (trigger.kind, trigger.number) == ("issue", payload["issue"]["number"])
        assert trigger.text == (payload["issue"]["body"] or "")
        assert trigger.label == payload["label"]["name"]
    assert labelled


@pytest.mark.parametrize(
    ("name", "where"), [("issue_comment", "issue"), ("pull_request_review_comment", "review")]
)
def test_real_comments_ask_when_they_are_new_and_call_egbot(
    examples: dict[str, list[dict[str, Any]]], name: str, where: str
) -> None:
    created = 0
    for payload in examples[name]:
        assert isinstance(real(name, payload), Ignored)
        body = "Thank you!\n\n/egbot solve 'tests/a b.py' --seed 3"
        calling = {**payload, "comment": {**payload["comment"], "body": body}}
        found = real(name, calling)
        if payload["action"] != "created":
            assert "asks for nothing" in ignored(found)
            continue
        created += 1
        trigger = asked(found)
        assert trigger.comment == (where, payload["comment"]["id"])
        assert trigger.command == ("solve", "tests/a b.py", "--seed", "3")
        assert trigger.actor == payload["sender"]["login"]
        assert trigger.happened_at == payload["comment"]["created_at"]
    assert created


def test_real_workflow_runs_ask_when_they_failed_for_a_pull_request(
    examples: dict[str, list[dict[str, Any]]],
) -> None:
    for payload in examples["workflow_run"]:
        run = payload["workflow_run"]
        assert isinstance(real("workflow_run", payload), Ignored)
        failed = {
            **payload,
            "action": "completed",
            "workflow_run": {**run, "conclusion": "failure", "event": "pull_request"},
        }
        trigger = asked(real("workflow_run", failed))
        assert (trigger.workflow_run_id, trigger.head_sha) == (run["id"], run["head_sha"])


def test_real_dispatches_ask(examples: dict[str, list[dict[str, Any]]]) -> None:
    for payload in examples["workflow_dispatch"]:
        trigger = asked(real("workflow_dispatch", payload))
        assert trigger.kind == "manual"
        assert trigger.actor == payload["sender"]["login"]


def test_no_other_real_event_is_listened_to(examples: dict[str, list[dict[str, Any]]]) -> None:
    others = [name for name in examples if name not in EVENTS]
    assert len(others) > 30
    for name in others:
        assert "does not listen" in ignored(read(name, examples[name][0]))


# --- the details -------------------------------------------------------------------------------


def test_a_schedule_asks_for_nobody() -> None:
    trigger = asked(read("schedule", {"schedule": "0 3 * * *"}))
    assert (trigger.kind, trigger.actor, trigger.repository) == ("manual", "", REPOSITORY)


def test_a_dispatch_s_inputs_are_words_of_a_command() -> None:
    inputs = {"pull-request": "#7", "tests": "tests/a.py::t tests/b.py", "targets": "a.py::f"}
    trigger = asked(read("workflow_dispatch", {"inputs": inputs, "sender": {"login": "ann"}}))
    assert (trigger.kind, trigger.number) == ("pull_request", 7)
    assert trigger.command == ("solve", "tests/a.py::t", "tests/b.py", "--target", "a.py::f")
    why = ignored(read("workflow_dispatch", {"inputs": {"issue": "seven"}}))
    assert "no number" in why


def workflow_run(**changed: object) -> dict[str, object]:
    run = {
        "id": 5,
        "event": "pull_request",
        "conclusion": "failure",
        "head_sha": SHA,
        "pull_requests": [],
        "actor": {"login": "ann"},
    }
    return {"action": "completed", "workflow_run": {**run, **changed}}


def test_a_workflow_run_of_a_fork_has_no_number_yet() -> None:
    assert asked(read("workflow_run", workflow_run())).number is None


def test_a_workflow_run_s_pull_request_must_have_its_head() -> None:
    """The list names every pull request of the branch, also one that has moved on."""
    pulls = [
        {"number": 3, "head": {"sha": "b" * 40}},
        {"number": 4, "head": {"sha": SHA}},
    ]
    assert asked(read("workflow_run", workflow_run(pull_requests=pulls))).number == 4


def test_who_started_a_workflow_run_again_is_who_asks() -> None:
    payload = workflow_run(triggering_actor={"login": "bob"})
    assert asked(read("workflow_run", payload)).actor == "bob"


@pytest.mark.parametrize("changed", [{"event": "push"}, {"conclusion": "success"}])
def test_other_workflow_runs_are_ignored(changed: dict[str, object]) -> None:
    assert ignored(read("workflow_run", workflow_run(**changed)))


def test_a_comment_of_our_own_is_no_request() -> None:
    """egbot offers `/egbot retry`; quoting itself must not start it."""
    comment = {"id": 1, "body": "<!-- egbot:pull -->\n/egbot retry", "created_at": ""}
    payload = {"action": "created", "issue": {"number": 1}, "comment": comment}
    assert "does not call" in ignored(read("issue_comment", payload))


def test_an_event_of_another_repository_is_ignored() -> None:
    payload = {"repository": {"full_name": "evil/other"}, "action": "labeled"}
    assert "evil/other" in ignored(read("issues", payload))


# --- what nobody should send -------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"number": ' + b"9" * 10_000 + b"}",
        b"\xff\xfe{}",
        b" " * (MAX_PAYLOAD_BYTES + 1),
    ],
)
def test_a_broken_payload_is_ignored_with_a_reason(data: bytes) -> None:
    assert ignored(read_event("pull_request", data, REPOSITORY))


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["labeled", "created", "completed", "failure", "pull_request", SHA])
    | st.just('/egbot solve "unclosed `x` \ud800 --seed nan')
)
KEYS = st.sampled_from(
    [
        "action",
        "number",
        "label",
        "name",
        "issue",
        "pull_request",
        "comment",
        "body",
        "id",
        "head",
        "sha",
        "sender",
        "login",
        "state",
        "workflow_run",
        "conclusion",
        "event",
        "head_sha",
        "pull_requests",
        "inputs",
        "created_at",
        "actor",
    ]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=8)
)


@given(st.sampled_from([*EVENTS, "push", ""]), st.dictionaries(KEYS, VALUES, max_size=12))
def test_whatever_a_payload_holds_it_is_read_or_ignored(name: str, payload: object) -> None:
    """A payload is data: it never crashes the reader, and never yields what cannot be written."""
    found = read(name, payload)
    if isinstance(found, Trigger):
        shown = json.dumps([found.text, found.command, found.actor, found.label])
        assert "\\ud800" not in shown
        assert found.number is None or found.number > 0
    else:
        assert found.why.encode()
