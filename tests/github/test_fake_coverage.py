"""Every operation that the fake GitHub serves: described by GitHub, answered in full shape."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import requests

from tests.github import rules, server
from tests.github.conftest import Scene

_HEADERS = {"Authorization": "Bearer all"}


def ask(scene: Scene, method: str, path: str, body: Any = None) -> Any:
    url = f"{scene.fake.url}/repos/octo/shop{path}"
    answer = requests.request(
        method, url, json=body, headers=_HEADERS, timeout=60, allow_redirects=False
    )
    assert answer.status_code in (200, 201, 204, 302), f"{method} {path}: {answer.text}"
    return answer.json() if answer.content else None


def furnish(scene: Scene) -> dict[str, int]:
    """One of everything, made over the wire where it can be; the ids by name."""
    pull, sha = scene.pull, scene.pull.last_head
    run = scene.shop.run(sha, "work", pull=pull, artifacts={"junit": {"a.xml": ""}})
    place = {"commit_id": sha, "path": "shop.py", "line": 5, "body": "why?"}
    note = ask(scene, "POST", "/pulls/1/comments", place)["id"]
    reply = ask(scene, "POST", f"/pulls/1/comments/{note}/replies", {"body": "because"})["id"]
    talk = ask(scene, "POST", "/issues/1/comments", {"body": "hello"})["id"]
    check = ask(scene, "POST", "/check-runs", {"name": "egbot", "head_sha": sha})["id"]
    row = {"path": "a.py", "start_line": 1, "end_line": 1}
    noted = [{**row, "annotation_level": "notice", "message": "m"}]
    output = {"title": "t", "summary": "s", "annotations": noted}
    ask(scene, "PATCH", f"/check-runs/{check}", {"output": output})
    ask(scene, "POST", "/labels", {"name": "egbot", "color": "ededed"})
    ask(scene, "POST", "/issues/1/labels", {"labels": ["egbot", "bug"]})
    for path in ("issues/1", f"issues/comments/{talk}", f"pulls/comments/{note}"):
        ask(scene, "POST", f"/{path}/reactions", {"content": "eyes"})
    blob = ask(scene, "POST", "/git/blobs", {"content": "x"})["sha"]
    rows = [{"path": "x.txt", "mode": "100644", "type": "blob", "sha": blob}]
    tree = ask(scene, "POST", "/git/trees", {"base_tree": sha, "tree": rows})["sha"]
    given = {"message": "m", "tree": tree, "parents": [sha]}
    commit = ask(scene, "POST", "/git/commits", given)["sha"]
    ask(scene, "POST", "/git/refs", {"ref": "refs/heads/new", "sha": sha})
    ask(scene, "PATCH", "/git/refs/heads/new", {"sha": commit})
    ask(scene, "POST", "/pulls", {"head": "new", "base": "work", "title": "t"})
    artifact = run.artifacts[0].id
    return {
        "note": note,
        "reply": reply,
        "talk": talk,
        "check": check,
        "run": run.id,
        "zip": artifact,
    }


def change_and_remove(scene: Scene, ids: dict[str, int]) -> None:
    ask(scene, "PATCH", "/pulls/2", {"title": "new", "state": "closed"})
    ask(scene, "PATCH", "/issues/1", {"body": "new", "labels": ["bug"]})
    ask(scene, "PATCH", f"/issues/comments/{ids['talk']}", {"body": "new"})
    ask(scene, "PATCH", f"/pulls/comments/{ids['note']}", {"body": "new"})
    ask(scene, "DELETE", f"/pulls/comments/{ids['reply']}")
    ask(scene, "DELETE", f"/issues/comments/{ids['talk']}")
    ask(scene, "DELETE", "/issues/1/labels/bug")
    ask(scene, "DELETE", "/git/refs/heads/new")


def test_every_operation_is_served_in_its_full_shape(scene: Scene) -> None:
    """No operation is left out here, and none breaks its description (checked at the close)."""
    ids, sha = furnish(scene), scene.pull.last_head
    tree = scene.shop.store.commit(sha).tree
    blob = next(row.sha for row in scene.shop.store.entries(tree))
    talk, note = f"/issues/comments/{ids['talk']}", f"/pulls/comments/{ids['note']}"
    run, artifact = f"/actions/runs/{ids['run']}", f"/actions/artifacts/{ids['zip']}"
    check = f"/check-runs/{ids['check']}"
    for path in (
        *("", "/collaborators/alice/permission", "/branches/work", "/labels"),
        *(f"/commits/{sha}", f"/commits/{sha}/check-runs", f"/commits/{sha}/pulls"),
        *("/contents/", "/contents/shop.py?ref=work", "/git/ref/heads/work"),
        *("/git/matching-refs/heads/", f"/git/blobs/{blob}", f"/git/commits/{sha}"),
        *(f"/git/trees/{tree}", "/git/trees/work?recursive=1"),
        *("/pulls?state=all", "/pulls/1", "/pulls/1/files", "/pulls/1/commits"),
        *("/pulls/1/comments", note, f"{note}/reactions"),
        *("/issues/1", "/issues/1/comments", "/issues/1/labels", "/issues/1/reactions"),
        *(talk, f"{talk}/reactions", check, f"{check}/annotations"),
        *(run, f"{run}/artifacts", "/actions/artifacts", artifact, f"{artifact}/zip"),
    ):
        ask(scene, "GET", path)
    change_and_remove(scene, ids)
    served = {f"{route.method} {route.template}" for _, route in rules._routes()}
    assert {entry.operation for entry in scene.fake.log} == served


def test_every_operation_is_one_of_github(scene: Scene) -> None:
    described = scene.fake.description
    routes = [route for _, route in rules._routes()]
    assert [r for r in routes if described.operation(r.method, r.template) is None] == []


def test_the_example_of_the_module_works(tmp_path: Path) -> None:
    """What the docstring tells the reader to write is a test that passes."""
    text = (server.__doc__ or "").split("::\n", 1)[1].split("\n\nLeaving")[0]
    names: dict[str, Any] = {}
    exec(textwrap.dedent(text), names)
    names["test_a_comment"](tmp_path)
