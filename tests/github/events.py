"""Event payloads as a workflow finds them, for things that happened in a scene.

It does not know what a bot makes of them. Each starts from a recorded example of GitHub, in which
everything that the scene has is put in place of what was recorded.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from tests.fetched import kept
from tests.github import payloads, payloads_ci
from tests.github.exchange import Site
from tests.github.nouns import Comment, Issue, Pull, WorkflowRun
from tests.github.repository import Repository

_RECORDED = "Codertocat/Hello-World"

Payload = dict[str, Any]


def pull_request(
    site: Site,
    home: Repository,
    pull: Pull,
    action: str = "opened",
    *,
    sender: str = "octo",
    label: str | None = None,
) -> Payload:
    """``labeled`` needs the label; ``synchronize`` says that the head is new."""
    shown = payloads.pull(site, home, pull)
    known: Payload = {"number": pull.number, "pull_request": shown}
    if label is not None:
        known["label"] = payloads.label(site, home, home.label(label))
    if action == "synchronize":
        parents = home.store.commit(pull.last_head).parents
        known |= {"before": parents[0] if parents else "0" * 40, "after": pull.last_head}
    return _payload(site, home, f"pull_request.{action}", sender, known)


def issues(
    site: Site,
    home: Repository,
    issue: Issue,
    action: str = "opened",
    *,
    sender: str = "octo",
    label: str | None = None,
) -> Payload:
    known: Payload = {"issue": payloads.issue(site, home, issue)}
    if label is not None:
        known["label"] = payloads.label(site, home, home.label(label))
    return _payload(site, home, f"issues.{action}", sender, known)


def issue_comment(
    site: Site, home: Repository, comment: Comment, action: str = "created"
) -> Payload:
    known = {
        "issue": payloads.issue(site, home, home.issues[comment.number]),
        "comment": payloads.comment(site, home, comment),
    }
    return _payload(site, home, f"issue_comment.{action}", comment.author.login, known)


def review_comment(
    site: Site, home: Repository, comment: Comment, action: str = "created"
) -> Payload:
    known = {
        "pull_request": payloads.pull(site, home, home.pulls[comment.number], simple=True),
        "comment": payloads.review_comment(site, home, comment),
    }
    name = f"pull_request_review_comment.{action}"
    return _payload(site, home, name, comment.author.login, known)


def workflow_dispatch(
    site: Site,
    home: Repository,
    inputs: dict[str, str] | None = None,
    *,
    ref: str = "refs/heads/main",
    workflow: str = ".github/workflows/egbot.yml",
    sender: str = "octo",
) -> Payload:
    known = {"inputs": inputs or {}, "ref": ref, "workflow": workflow}
    return {**_payload(site, home, "workflow_dispatch", sender, {}), **known}


def workflow_run(
    site: Site, home: Repository, run: WorkflowRun, action: str = "completed"
) -> Payload:
    known = {"workflow_run": payloads_ci.workflow_run(site, home, run)}
    return _payload(site, home, f"workflow_run.{action}", run.actor.login, known)


def schedule(site: Site, home: Repository, cron: str = "0 3 * * *") -> Payload:
    """No webhook: the runner writes the schedule beside the repository."""
    made = payloads.repository(site, home)
    return {"schedule": cron, "repository": made, "workflow": ".github/workflows/egbot.yml"}


def _payload(site: Site, home: Repository, name: str, sender: str, known: Payload) -> Payload:
    text = _examples()[name]
    for old, new in (
        ("https://api.github.com", site.api),
        ("https://github.com", site.home),
        (_RECORDED, home.full_name),
    ):
        text = text.replace(old, new)
    example: Payload = json.loads(text)
    for outside in ("organization", "installation"):
        example.pop(outside, None)
    known["repository"] = payloads.repository(site, home)
    known["sender"] = payloads.user(site, home.world.user(sender))
    made = _filled(example, known)
    assert isinstance(made, dict)
    return made


def _filled(example: Any, known: Any) -> Any:
    """``known`` wherever it says something, the example elsewhere."""
    if not isinstance(example, dict) or not isinstance(known, dict):
        return known
    both = {key: _filled(example[key], known[key]) for key in example.keys() & known.keys()}
    return {**example, **known, **both}


@functools.cache
def _examples() -> dict[str, str]:
    """The JSON text of the first example of each event and action."""
    recorded = json.loads(kept("webhooks.json"))
    found: dict[str, str] = {}
    for event in recorded:
        for example in event["examples"]:
            action = f".{example['action']}" if "action" in example else ""
            found.setdefault(event["name"] + action, json.dumps(example))
    return found
