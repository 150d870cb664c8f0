"""The JSON that GitHub shows for check runs, workflow runs and artifacts.

It does not know requests or rules.
"""

from __future__ import annotations

import hashlib
from typing import Any

from tests.github import payloads, payloads_git
from tests.github.exchange import Site
from tests.github.nouns import Artifact, CheckRun, WorkflowRun
from tests.github.repository import Repository


def check_run(site: Site, home: Repository, shown: CheckRun) -> dict[str, Any]:
    name = "check-run-example-of-in-progress-conclusion"
    made = site.example(name, **{"github/hello-world": home.full_name})
    api = f"{site.api}/repos/{home.full_name}/check-runs/{shown.id}"
    html = f"{site.home}/{home.full_name}/runs/{shown.id}"
    slug = shown.actor.login.removesuffix("[bot]")
    return {
        **made,
        "id": shown.id,
        "node_id": f"CR_{shown.id}",
        "url": api,
        "html_url": html,
        "details_url": shown.details_url or html,
        "external_id": shown.external_id,
        "name": shown.name,
        "head_sha": shown.head_sha,
        "status": shown.status,
        "conclusion": shown.conclusion,
        "started_at": shown.started_at,
        "completed_at": shown.completed_at,
        "output": {
            "title": shown.title,
            "summary": shown.summary,
            "text": shown.text,
            "annotations_count": len(shown.annotations),
            "annotations_url": f"{api}/annotations",
        },
        "app": {**made["app"], "slug": slug, "name": slug},
        "pull_requests": [],
    }


def annotation(site: Site, home: Repository, shown: dict[str, Any]) -> dict[str, Any]:
    optional = ("start_column", "end_column", "title", "raw_details")
    return {
        **{key: shown.get(key) for key in optional},
        **shown,
        "blob_href": f"{site.home}/{home.full_name}/blob/{shown['path']}",
    }


def artifact(site: Site, home: Repository, shown: Artifact) -> dict[str, Any]:
    api = f"{site.api}/repos/{home.full_name}/actions/artifacts/{shown.id}"
    run = home.runs[shown.run]
    return {
        "id": shown.id,
        "node_id": f"A_{shown.id}",
        "name": shown.name,
        "size_in_bytes": len(shown.archive),
        "url": api,
        "archive_download_url": f"{api}/zip",
        "expired": shown.expired,
        "created_at": shown.created_at,
        "updated_at": shown.created_at,
        "expires_at": shown.created_at.replace("2026", "2027"),
        "digest": f"sha256:{hashlib.sha256(shown.archive).hexdigest()}",
        "workflow_run": {
            "id": run.id,
            "repository_id": home.id,
            "head_repository_id": home.id,
            "head_branch": run.head_branch,
            "head_sha": run.head_sha,
        },
    }


def workflow_run(site: Site, home: Repository, shown: WorkflowRun) -> dict[str, Any]:
    replaced = {"octo-org/octo-repo": home.full_name, "30433642": str(shown.id)}
    made = site.example("workflow-run", **replaced, **{"https://github.com": site.home})
    source = home.world.repositories[shown.head_repository]
    commit = payloads_git.git_commit(site, home, home.store.commit(shown.head_sha))
    actor = payloads.user(site, shown.actor)
    author = {key: commit["author"][key] for key in ("name", "email")}
    return {
        **made,
        "name": shown.name,
        "path": f".github/workflows/{shown.name}.yml",
        "event": shown.event,
        "head_branch": shown.head_branch,
        "head_sha": shown.head_sha,
        "display_title": commit["message"].split("\n")[0],
        "status": shown.status,
        "conclusion": shown.conclusion,
        "created_at": shown.created_at,
        "updated_at": shown.created_at,
        "run_started_at": shown.created_at,
        "referenced_workflows": [],
        "previous_attempt_url": None,
        "actor": actor,
        "triggering_actor": actor,
        "pull_requests": [_linked(site, home, number) for number in shown.pulls],
        "repository": payloads.repository(site, home),
        "head_repository": payloads.repository(site, source),
        "head_commit": {
            "id": shown.head_sha,
            "tree_id": commit["tree"]["sha"],
            "message": commit["message"],
            "timestamp": commit["committer"]["date"],
            "author": author,
            "committer": author,
        },
    }


def _linked(site: Site, home: Repository, number: int) -> dict[str, Any]:
    pull = home.pulls[number]
    api = f"{site.api}/repos/{home.full_name}"
    end = {"id": home.id, "url": api, "name": home.name}
    return {
        "id": pull.id,
        "number": number,
        "url": f"{api}/pulls/{number}",
        "head": {"ref": pull.head_ref, "sha": pull.last_head, "repo": end},
        "base": {"ref": pull.base_ref, "sha": pull.last_base, "repo": end},
    }
