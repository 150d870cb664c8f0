"""Check runs, workflow runs and artifacts on the fake GitHub, over the wire."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
import requests
from github import GithubException

from tests.github.conftest import Scene


def noted(count: int) -> list[dict[str, Any]]:
    row = {"path": "shop.py", "annotation_level": "notice", "message": "here"}
    return [{**row, "start_line": i + 1, "end_line": i + 1} for i in range(count)]


def output(count: int = 0) -> dict[str, Any]:
    return {"title": "egbot", "summary": "done", "annotations": noted(count)}


def test_a_check_run_collects_annotations(scene: Scene) -> None:
    """Fifty a request, appended by an update; the conclusion completes the run."""
    sha = scene.pull.last_head
    made = scene.remote().create_check_run("egbot", head_sha=sha, status="in_progress")
    made.edit(output=output(50))
    made.edit(output=output(1), conclusion="success")
    (kept,) = scene.shop.checks.values()
    assert (kept.status, kept.conclusion, len(kept.annotations)) == ("completed", "success", 51)
    client = scene.client()
    client.per_page = 50
    (found,) = client.get_repo("octo/shop").get_commit(sha).get_check_runs(check_name="egbot")
    assert found.output.annotations_count == 51
    assert [each.start_line for each in found.get_annotations()] == [*range(1, 51), 1]


def test_fifty_one_annotations_are_refused(scene: Scene) -> None:
    """The request is answered with 422, and counts as one that does not fit the description."""
    with pytest.raises(GithubException) as error:
        scene.remote().create_check_run("egbot", head_sha=scene.pull.last_head, output=output(51))
    assert error.value.status == 422
    assert "No more than 50 items are allowed; 51 were supplied." in str(error.value.data)
    (violation,) = scene.fake.take_violations()
    assert "body: output/annotations:" in violation
    assert scene.shop.checks == {}


@pytest.mark.parametrize("name", ["summary", "text"])
def test_a_long_output_is_refused(scene: Scene, name: str) -> None:
    long = {**output(), name: "x" * 65_536}
    with pytest.raises(GithubException) as error:
        scene.remote().create_check_run("egbot", head_sha=scene.pull.last_head, output=long)
    assert "Only 65535 characters are allowed; 65536 were supplied." in str(error.value.data)
    assert len(scene.fake.take_violations()) == 1


@pytest.mark.parametrize(("name", "size"), [("message", 65_537), ("title", 256)])
def test_a_long_annotation_is_refused(scene: Scene, name: str, size: int) -> None:
    long = {**output(), "annotations": [{**noted(1)[0], name: "x" * size}]}
    with pytest.raises(GithubException, match=f"annotations: {name} is too long"):
        scene.remote().create_check_run("egbot", head_sha=scene.pull.last_head, output=long)


def test_a_person_may_not_make_check_runs(scene: Scene) -> None:
    scene.fake.token("person", actor="octo", checks="write")
    with pytest.raises(GithubException, match="authenticate via a GitHub App"):
        scene.remote("person").create_check_run("egbot", head_sha=scene.pull.last_head)


def test_a_check_run_needs_a_known_commit(scene: Scene) -> None:
    with pytest.raises(GithubException, match="No commit found for SHA"):
        scene.remote().create_check_run("egbot", head_sha="0" * 40)


def test_a_report_is_downloaded_from_a_workflow_run(scene: Scene) -> None:
    """Run -> artifacts -> redirect -> zip, as a workflow_run job fetches another job's JUnit."""
    files = {"junit": {"report.xml": "<testsuite/>"}, "other": {"a": "b"}}
    run = scene.shop.run(scene.pull.last_head, "work", pull=scene.pull, artifacts=files)
    remote = scene.remote().get_workflow_run(run.id)
    assert (remote.conclusion, [each.number for each in remote.pull_requests]) == ("failure", [1])
    named = {each.name: each for each in remote.get_artifacts()}
    headers = {"Authorization": "Bearer all"}
    answer = requests.get(named["junit"].archive_download_url, headers=headers, timeout=60)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read("report.xml") == b"<testsuite/>"
    run.artifacts[0].expired = True
    answer = requests.get(named["junit"].archive_download_url, headers=headers, timeout=60)
    assert answer.status_code == 410


def test_a_run_of_a_fork_names_no_pull_request(scene: Scene) -> None:
    """GitHub leaves the list empty there: the pull request must be found by its commit."""
    fork = scene.shop.fork("eve/shop")
    sha = fork.push("patch", {"a.py": "1\n"}, author="eve")
    pull = scene.shop.open_pull("patch", fork=fork, author="eve")
    run = scene.shop.run(sha, "patch", pull=pull)
    remote = scene.remote().get_workflow_run(run.id)
    assert (remote.pull_requests, remote.head_repository.full_name) == ([], "eve/shop")
    found = scene.remote().get_commit(sha).get_pulls()
    assert [each.number for each in found] == [pull.number]
