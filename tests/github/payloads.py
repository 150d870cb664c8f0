"""The JSON that GitHub shows for users, repositories, issues, comments and pull requests.

It does not know requests or rules. Whatever the fake has no value of its own for comes from the
examples of GitHub's description, so every object has its full shape.
"""

from __future__ import annotations

from typing import Any

from tests.github.diffs import ChangedFile
from tests.github.exchange import Site
from tests.github.nouns import Comment, Issue, Place, Pull, Reaction, User
from tests.github.repository import Repository

_EMOJI = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")
_EXAMPLE = "octocat/Hello-World"


def user(site: Site, shown: User) -> dict[str, Any]:
    api = f"{site.api}/users/{shown.login}"
    return {
        "login": shown.login,
        "id": shown.id,
        "node_id": f"U_{shown.id}",
        "avatar_url": f"{site.home}/avatars/{shown.id}",
        "gravatar_id": "",
        "url": api,
        "html_url": f"{site.home}/{shown.login}",
        "followers_url": f"{api}/followers",
        "following_url": f"{api}/following{{/other_user}}",
        "gists_url": f"{api}/gists{{/gist_id}}",
        "starred_url": f"{api}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{api}/subscriptions",
        "organizations_url": f"{api}/orgs",
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events{{/privacy}}",
        "received_events_url": f"{api}/received_events",
        "type": shown.kind,
        "site_admin": False,
    }


def repository(site: Site, shown: Repository) -> dict[str, Any]:
    name = "full-repository-default-response"
    example = site.example(name, **{_EXAMPLE: shown.full_name, "https://github.com": site.home})
    for key in ("source", "parent", "template_repository", "organization"):
        example.pop(key)
    return {
        **example,
        "id": shown.id,
        "node_id": f"R_{shown.id}",
        "name": shown.name,
        "full_name": shown.full_name,
        "owner": user(site, shown.world.user(shown.owner)),
        "private": shown.private,
        "visibility": "private" if shown.private else "public",
        "fork": shown.parent is not None,
        "archived": shown.archived,
        "default_branch": shown.default_branch,
        "language": "Python",
        "mirror_url": None,
        "git_url": f"git://127.0.0.1/{shown.full_name}.git",
        "has_issues": True,
        "open_issues_count": sum(each.state == "open" for each in shown.issues.values()),
        "html_url": f"{site.home}/{shown.full_name}",
        "clone_url": shown.path.as_uri(),
    }


def label(site: Site, shown: Repository, name: str) -> dict[str, Any]:
    return {
        "id": shown.labels[name],
        "node_id": f"LA_{shown.labels[name]}",
        "url": f"{_api(site, shown)}/labels/{name}",
        "name": name,
        "description": "",
        "color": "ededed",
        "default": False,
    }


def reaction(site: Site, shown: Reaction) -> dict[str, Any]:
    return {
        "id": shown.id,
        "node_id": f"REA_{shown.id}",
        "user": user(site, shown.author),
        "content": shown.content,
        "created_at": shown.created_at,
    }


def _reactions(url: str, shown: list[Reaction]) -> dict[str, Any]:
    counts = {each: sum(r.content == each for r in shown) for each in _EMOJI}
    return {"url": f"{url}/reactions", "total_count": len(shown), **counts}


def issue(site: Site, home: Repository, shown: Issue) -> dict[str, Any]:
    api = f"{_api(site, home)}/issues/{shown.number}"
    is_pull = shown.number in home.pulls
    html = f"{site.home}/{home.full_name}/{'pull' if is_pull else 'issues'}/{shown.number}"
    pull_url = f"{_api(site, home)}/pulls/{shown.number}"
    linked = {"url": pull_url, "html_url": html, "diff_url": html + ".diff"}
    extra = {"pull_request": {**linked, "patch_url": html + ".patch"}} if is_pull else {}
    return {
        "id": shown.id,
        "node_id": f"I_{shown.id}",
        "url": api,
        "repository_url": _api(site, home),
        "labels_url": f"{api}/labels{{/name}}",
        "comments_url": f"{api}/comments",
        "events_url": f"{api}/events",
        "html_url": html,
        "number": shown.number,
        "state": shown.state,
        "state_reason": "completed" if shown.state == "closed" else None,
        "title": shown.title,
        "body": shown.body,
        "user": user(site, shown.author),
        "labels": [label(site, home, name) for name in shown.labels],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "locked": shown.locked,
        "active_lock_reason": "off-topic" if shown.locked else None,
        "comments": len(shown.comments),
        "closed_at": shown.updated_at if shown.state == "closed" else None,
        "created_at": shown.created_at,
        "updated_at": shown.updated_at,
        "author_association": association(home, shown.author),
        "reactions": _reactions(api, shown.reactions),
        "performed_via_github_app": None,
        **extra,
    }


def association(home: Repository, author: User) -> str:
    if author.login == home.owner:
        return "OWNER"
    return "COLLABORATOR" if home.role(author.login) in ("admin", "maintain", "write") else "NONE"


def comment(site: Site, home: Repository, shown: Comment) -> dict[str, Any]:
    api = f"{_api(site, home)}/issues/comments/{shown.id}"
    kind = "pull" if shown.number in home.pulls else "issues"
    anchor = f"{site.home}/{home.full_name}/{kind}/{shown.number}#issuecomment-{shown.id}"
    return {
        "id": shown.id,
        "node_id": f"IC_{shown.id}",
        "url": api,
        "html_url": anchor,
        "body": shown.body,
        "user": user(site, shown.author),
        "created_at": shown.created_at,
        "updated_at": shown.updated_at,
        "issue_url": f"{_api(site, home)}/issues/{shown.number}",
        "author_association": association(home, shown.author),
        "reactions": _reactions(api, shown.reactions),
        "performed_via_github_app": None,
    }


def review_comment(site: Site, home: Repository, shown: Comment) -> dict[str, Any]:
    assert shown.place is not None
    api = f"{_api(site, home)}/pulls/comments/{shown.id}"
    html = f"{site.home}/{home.full_name}/pull/{shown.number}#discussion_r{shown.id}"
    pull_api = f"{_api(site, home)}/pulls/{shown.number}"
    ends = {"self": api, "html": html, "pull_request": pull_api}
    reply = {} if shown.in_reply_to is None else {"in_reply_to_id": shown.in_reply_to}
    return {
        "id": shown.id,
        "node_id": f"PRRC_{shown.id}",
        "url": api,
        "html_url": html,
        "pull_request_url": pull_api,
        "pull_request_review_id": shown.review,
        "body": shown.body,
        "user": user(site, shown.author),
        "created_at": shown.created_at,
        "updated_at": shown.updated_at,
        "author_association": association(home, shown.author),
        "reactions": _reactions(api, shown.reactions),
        "_links": {name: {"href": link} for name, link in ends.items()},
        **_place(shown.place),
        **reply,
    }


def _place(shown: Place) -> dict[str, Any]:
    return {
        "path": shown.path,
        "diff_hunk": shown.hunk,
        "commit_id": shown.commit,
        "original_commit_id": shown.commit,
        "line": shown.line,
        "original_line": shown.line,
        "side": shown.side,
        "start_line": shown.start_line,
        "original_start_line": shown.start_line,
        "start_side": shown.start_side,
        "position": 1,
        "original_position": 1,
        "subject_type": "file" if shown.line is None else "line",
    }


def pull(site: Site, home: Repository, shown: Pull, *, simple: bool = False) -> dict[str, Any]:
    """A pull request; ``simple`` is the shape in lists."""
    name = "pull-request-simple-items" if simple else "pull-request"
    replaced = {_EXAMPLE: home.full_name, "1347": str(shown.number)}
    example = site.example(name, **replaced, **{"https://github.com": site.home})
    base = example[0] if simple else example
    linked = issue(site, home, shown.issue)
    taken = ("number", "state", "title", "body", "user", "labels", "locked", "active_lock_reason")
    times = ("created_at", "updated_at", "closed_at", "author_association")
    return {
        **base,
        **{key: linked[key] for key in (*taken, *times)},
        "id": shown.id,
        "node_id": f"PR_{shown.id}",
        "draft": shown.draft,
        "head": _end(site, shown.head_repository, shown.head_ref, shown.last_head),
        "base": _end(site, home, shown.base_ref, shown.last_base),
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "requested_reviewers": [],
        "requested_teams": [],
        "auto_merge": None,
        "merged_at": None,
        "merge_commit_sha": None,
        **({} if simple else _counts(home, shown)),
    }


def _end(site: Site, end: Repository, ref: str, sha: str) -> dict[str, Any]:
    owner = end.world.user(end.owner)
    return {
        "label": f"{end.owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(site, owner),
        "repo": repository(site, end),
    }


def _counts(home: Repository, shown: Pull) -> dict[str, Any]:
    files = home.pull_files(shown)
    base = home.diff_base(shown)
    return {
        "merged": False,
        "merged_by": None,
        "mergeable": True,
        "rebaseable": True,
        "mergeable_state": "clean",
        "maintainer_can_modify": False,
        "comments": len(shown.issue.comments),
        "review_comments": len(shown.review_comments),
        "commits": len(home.store.log(base, shown.last_head)),
        "additions": sum(file.num_added for file in files),
        "deletions": sum(file.num_removed for file in files),
        "changed_files": len(files),
    }


def changed_file(site: Site, home: Repository, shown: ChangedFile, head: str) -> dict[str, Any]:
    optional = {"patch": shown.patch, "previous_filename": shown.previous_path}
    return {
        "sha": shown.blob,
        "filename": shown.path,
        "status": shown.status,
        "additions": shown.num_added,
        "deletions": shown.num_removed,
        "changes": shown.num_added + shown.num_removed,
        "blob_url": f"{site.home}/{home.full_name}/blob/{head}/{shown.path}",
        "raw_url": f"{site.home}/{home.full_name}/raw/{head}/{shown.path}",
        "contents_url": f"{_api(site, home)}/contents/{shown.path}?ref={head}",
        **{key: value for key, value in optional.items() if value is not None},
    }


def _api(site: Site, shown: Repository) -> str:
    return f"{site.api}/repos/{shown.full_name}"
