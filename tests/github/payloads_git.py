"""The JSON that GitHub shows for commits, branches, refs, trees and files.

It does not know requests or rules.
"""

from __future__ import annotations

import base64
import posixpath
import textwrap
from typing import Any

from tests.github import payloads
from tests.github.diffs import changed_files
from tests.github.exchange import Site
from tests.github.gitstore import EMPTY_TREE, CommitRecord, Entry, Person
from tests.github.repository import Repository

# docs.github.com, "Get repository content": larger files come without their content.
MAX_CONTENT_BYTES = 1_000_000
LINK = "120000"
_KINDS = {"blob": "file", "tree": "dir", "commit": "submodule"}
SIGNATURE = "-----BEGIN PGP SIGNATURE-----\n\nby the fake\n-----END PGP SIGNATURE-----"


def _api(site: Site, home: Repository) -> str:
    return f"{site.api}/repos/{home.full_name}"


def verification(home: Repository, shown: CommitRecord) -> dict[str, Any]:
    verified = shown.sha in home.verified
    return {
        "verified": verified,
        "reason": "valid" if verified else "unsigned",
        "signature": SIGNATURE if verified else None,
        "payload": f"tree {shown.tree}\n" if verified else None,
        "verified_at": shown.committed_at if verified else None,
    }


def _person(person: Person, date: str) -> dict[str, str]:
    return {"name": person.name, "email": person.email, "date": date}


def git_commit(site: Site, home: Repository, shown: CommitRecord) -> dict[str, Any]:
    """A commit as the Git data API shows it."""
    html = f"{site.home}/{home.full_name}/commit"
    return {
        "sha": shown.sha,
        "node_id": f"C_{shown.sha}",
        "url": f"{_api(site, home)}/git/commits/{shown.sha}",
        "html_url": f"{html}/{shown.sha}",
        "author": _person(shown.author, shown.authored_at),
        "committer": _person(shown.committer, shown.committed_at),
        "message": shown.message,
        "tree": {"sha": shown.tree, "url": f"{_api(site, home)}/git/trees/{shown.tree}"},
        "parents": [
            {
                "sha": sha,
                "url": f"{_api(site, home)}/git/commits/{sha}",
                "html_url": f"{html}/{sha}",
            }
            for sha in shown.parents
        ],
        "verification": verification(home, shown),
    }


def commit(site: Site, home: Repository, sha: str, *, files: bool = True) -> dict[str, Any]:
    """A commit as the repository's history shows it, with its files when asked."""
    shown = home.store.commit(sha)
    plain = git_commit(site, home, shown)
    api = f"{_api(site, home)}/commits/{sha}"
    inner = ("author", "committer", "message", "tree", "verification", "url")
    made: dict[str, Any] = {
        "url": api,
        "sha": sha,
        "node_id": plain["node_id"],
        "html_url": plain["html_url"],
        "comments_url": f"{api}/comments",
        "commit": {**{key: plain[key] for key in inner}, "comment_count": 0},
        "author": _account(site, home, shown.author),
        "committer": _account(site, home, shown.committer),
        "parents": plain["parents"],
    }
    if files:
        parent = shown.parents[0] if shown.parents else EMPTY_TREE
        changed = changed_files(home.store, parent, sha)
        added = sum(each.num_added for each in changed)
        removed = sum(each.num_removed for each in changed)
        made["stats"] = {"additions": added, "deletions": removed, "total": added + removed}
        made["files"] = [payloads.changed_file(site, home, each, sha) for each in changed]
    return made


def _account(site: Site, home: Repository, person: Person) -> dict[str, Any] | None:
    known = (user for user in home.world.users.values() if user.email == person.email)
    found = next(known, None)
    return payloads.user(site, found) if found else None


def ref(site: Site, home: Repository, name: str, sha: str) -> dict[str, Any]:
    kind = home.store.kind_of(sha) or "commit"
    return {
        "ref": name,
        "node_id": f"REF_{home.id}_{name}",
        "url": f"{_api(site, home)}/git/{name}",
        "object": {"type": kind, "sha": sha, "url": f"{_api(site, home)}/git/{kind}s/{sha}"},
    }


def branch(site: Site, home: Repository, name: str, sha: str) -> dict[str, Any]:
    replaced = {"octocat/Hello-World": home.full_name, "/branches/main": f"/branches/{name}"}
    made: dict[str, Any] = site.example("branch-get", **replaced)
    return {
        **made,
        "name": name,
        "commit": commit(site, home, sha, files=False),
        "protected": False,
    }


def tree(site: Site, home: Repository, sha: str, rows: list[Entry]) -> dict[str, Any]:
    return {
        "sha": sha,
        "url": f"{_api(site, home)}/git/trees/{sha}",
        "tree": [_row(site, home, row) for row in rows],
        "truncated": False,
    }


def _row(site: Site, home: Repository, row: Entry) -> dict[str, Any]:
    size = {} if row.size_bytes is None else {"size": row.size_bytes}
    url = f"{_api(site, home)}/git/{row.kind}s/{row.sha}"
    return {
        "path": row.path,
        "mode": row.mode,
        "type": row.kind,
        "sha": row.sha,
        "url": url,
        **size,
    }


def blob(site: Site, home: Repository, sha: str) -> dict[str, Any]:
    data = home.store.read(sha)
    return {
        "sha": sha,
        "node_id": f"B_{sha}",
        "size": len(data),
        "url": f"{_api(site, home)}/git/blobs/{sha}",
        "content": _encoded(data),
        "encoding": "base64",
    }


def content(site: Site, home: Repository, entry: Entry, at: str) -> dict[str, Any]:
    """A row of a directory; ``entry.path`` is the full path, ``at`` the commit."""
    api = f"{_api(site, home)}/contents/{entry.path}?ref={at}"
    git = f"{_api(site, home)}/git/{entry.kind}s/{entry.sha}"
    html = f"{site.home}/{home.full_name}/blob/{at}/{entry.path}"
    is_file = entry.kind == "blob"
    kind = "symlink" if entry.mode == LINK else _KINDS[entry.kind]
    return {
        "type": kind,
        "size": entry.size_bytes or 0,
        "name": entry.path.rsplit("/", 1)[-1],
        "path": entry.path,
        "sha": entry.sha,
        "url": api,
        "git_url": git,
        "html_url": html,
        "download_url": f"{site.home}/{home.full_name}/raw/{at}/{entry.path}" if is_file else None,
        "_links": {"self": api, "git": git, "html": html},
    }


def file_content(site: Site, home: Repository, entry: Entry, at: str) -> dict[str, Any]:
    data = home.store.read(entry.sha)
    whole = len(data) <= MAX_CONTENT_BYTES
    made = content(site, home, entry, at)
    return {
        **made,
        "encoding": "base64" if whole else "none",
        "content": _encoded(data) if whole else "",
    }


def single_content(
    site: Site, home: Repository, rows: list[Entry], entry: Entry, at: str
) -> dict[str, Any]:
    """A file; a link shows the file it leads to, or itself where that is none of the repository."""
    if entry.kind == "commit":
        return {**content(site, home, entry, at), "submodule_git_url": f"git://{entry.path}"}
    if entry.mode != LINK:
        return file_content(site, home, entry, at)
    target = home.store.read(entry.sha).decode("utf-8", "replace")
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), target))
    for row in rows:
        if row.path == wanted and row.mode in ("100644", "100755"):
            return file_content(site, home, row, at)
    return {**content(site, home, entry, at), "target": target}


def _encoded(data: bytes) -> str:
    """Base64 in lines of 60 characters, as GitHub sends it."""
    return "".join(f"{row}\n" for row in textwrap.wrap(base64.b64encode(data).decode(), 60))
