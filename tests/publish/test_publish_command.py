"""The command: what it prints, writes and returns, and that the token is in none of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from egbot.cli import cli
from egbot.publish.comment import Voice
from egbot.publish.said import Said
from egbot.publish.summary import job_summary
from egbot.report.files import write_run
from tests.github.server import FakeGitHub
from tests.publish.scenes import CANARY, RIGHTS, Scene, issue_scene, pull_scene
from tests.report.samples import hostile, sample_run

MAX_SUMMARY_BYTES = 1024 * 1024


@pytest.fixture
def github(tmp_path: Path) -> Iterator[FakeGitHub]:
    with FakeGitHub(tmp_path / "github") as fake:
        yield fake


def publish(scene: Scene, folder: Path, *options: str, **environment: str) -> Result:
    write_run(folder / "run.json", scene.run)
    told = {
        "GITHUB_TOKEN": CANARY,
        "GH_TOKEN": "",
        "GITHUB_API_URL": scene.github.url,
        "GITHUB_REPOSITORY": "",
        **environment,
    }
    words = ["publish", str(folder / "run.json"), *options]
    result = CliRunner().invoke(cli, words, env=told)
    assert CANARY not in result.output
    return result


def changes(scene: Scene) -> list[str]:
    return [
        entry.path
        for entry in scene.github.mutations()
        if not (entry.path.endswith("/graphql") and "viewer" in str(entry.body))
    ]


def test_a_run_is_published_and_the_addresses_are_told(github: FakeGitHub, tmp_path: Path) -> None:
    scene = pull_scene(github, in_diff=True)
    result = publish(scene, tmp_path)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Suggested\n  http")
    assert "#issuecomment-" in result.output


def test_a_dry_run_prints_exactly_what_would_be_posted_and_posts_nothing(
    github: FakeGitHub, tmp_path: Path
) -> None:
    scene = pull_scene(github, in_diff=True)
    result = publish(scene, tmp_path, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    assert changes(scene) == []
    steps = json.loads(result.stdout)["steps"]
    assert [one["do"] for one in steps] == ["suggestion", "comment", "check run"]
    publish(scene, tmp_path)
    (review,) = scene.shop.all_review_comments()
    assert review.body.strip() == steps[0]["body"].strip()
    assert review.place is not None
    assert (review.place.path, review.place.line) == (steps[0]["path"], steps[0]["line"])
    (comment,) = scene.shop.all_comments()
    address = re.compile(r"\[the suggestion\]\([^)]+\)")  # known only once it is posted
    told = address.sub("the suggestion", comment.body)
    assert told.strip() == steps[1]["body"].strip()


def test_a_dry_run_for_people_shows_the_files_and_the_branch(
    github: FakeGitHub, tmp_path: Path
) -> None:
    scene = issue_scene(github)
    result = publish(scene, tmp_path, "--dry-run")
    assert result.exit_code == 0
    for text in (
        "Route: pull_request (open)",
        "1. commit (egbot/1-total)",
        "files: ['shop.py', 'tests/test_from_issue.py']",
        "2. pull request (egbot/1-total -> main)",
        "   | Closes #1.",
        "3. comment (#1)",
    ):
        assert text in result.output
    assert changes(scene) == []


def test_the_result_is_json_for_programs(github: FakeGitHub, tmp_path: Path) -> None:
    scene = pull_scene(github, in_diff=False)
    document = json.loads(publish(scene, tmp_path, "--json").stdout)
    assert document["route"] == "pull_request"
    assert document["delivered"] is True
    assert document["pull_request_url"].endswith("/octo/shop/pull/2")
    assert document["comment_url"]
    assert document["commit"] in scene.shop.verified


def test_the_summary_is_appended_and_tells_of_the_delivery(
    github: FakeGitHub, tmp_path: Path
) -> None:
    scene = pull_scene(github, in_diff=False)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    publish(scene, tmp_path, "--summary", str(summary))
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n### egbot wrote `total`")
    assert "- pull request: http" in text
    assert CANARY not in text


def test_what_is_not_delivered_is_told_by_the_exit_code_and_the_summary(
    github: FakeGitHub, tmp_path: Path
) -> None:
    """Nothing is lost: the summary holds the function even where nothing can be posted."""
    rights = {**RIGHTS, "contents": "read", "issues": "read", "pull_requests": "read"}
    scene = pull_scene(github, in_diff=False, rights=rights)
    summary = tmp_path / "summary.md"
    result = publish(scene, tmp_path, "--summary", str(summary))
    assert result.exit_code == 4
    assert "contents: write" in result.output
    text = summary.read_text(encoding="utf-8")
    assert "+    result = 0" in text
    assert "problem: " in text


def test_github_out_of_reach_is_exit_code_4(github: FakeGitHub, tmp_path: Path) -> None:
    scene = pull_scene(github, in_diff=False)
    github.faults.on("*", "422", times=None)
    summary = tmp_path / "summary.md"
    result = publish(scene, tmp_path, "--summary", str(summary))
    assert result.exit_code == 4
    assert "error: GitHub answered 422" in result.output
    assert "+    result = 0" in summary.read_text(encoding="utf-8")


def test_usage_faults_are_exit_code_2(github: FakeGitHub, tmp_path: Path) -> None:
    scene = pull_scene(github, in_diff=False)
    for options, environment in (
        ((), {"GITHUB_TOKEN": ""}),
        (("--repo", "octo/other"), {}),
        (("--number", "7"), {}),
        ((), {"GITHUB_REPOSITORY": "octo/other"}),
        (("--repo", "nonsense"), {}),
    ):
        result = publish(scene, tmp_path, *options, **environment)
        assert result.exit_code == 2, (options, environment, result.output)
    nameless = replace(scene, run=replace(scene.run, trigger=None))
    assert publish(nameless, tmp_path).exit_code == 2
    assert publish(nameless, tmp_path, "--repo", "octo/shop").exit_code == 2
    assert github.log == []


def test_a_run_without_a_trigger_is_published_where_the_options_say(
    github: FakeGitHub, tmp_path: Path
) -> None:
    scene = pull_scene(github, in_diff=True)
    nameless = replace(scene, run=replace(scene.run, trigger=None))
    assert publish(nameless, tmp_path, "--repo", "octo/shop", "--number", "1").exit_code == 0


def test_the_other_name_of_the_token_counts_too(github: FakeGitHub, tmp_path: Path) -> None:
    scene = pull_scene(github, in_diff=True)
    assert publish(scene, tmp_path, GITHUB_TOKEN="", GH_TOKEN=CANARY).exit_code == 0


def test_the_token_shows_nowhere(github: FakeGitHub, tmp_path: Path) -> None:
    """Not in what is posted, committed or printed, not even with --debug when all fails."""
    scene = pull_scene(github, in_diff=False)
    publish(scene, tmp_path)
    stored = [str(entry.body) for entry in github.log]
    stored += [one.body for one in scene.shop.all_comments()]
    assert all(CANARY not in text for text in stored)
    github.faults.on("*", "422", times=None)
    write_run(tmp_path / "run.json", scene.run)
    environment = {"GITHUB_TOKEN": CANARY, "GITHUB_API_URL": github.url}
    words = ["--debug", "publish", str(tmp_path / "run.json")]
    result = CliRunner().invoke(cli, words, env=environment)
    assert result.exit_code == 4
    assert "Traceback" in result.output
    assert CANARY not in result.output


def test_a_job_summary_is_never_longer_than_it_may_be() -> None:
    run = sample_run(*[hostile(200_000)] * 20)
    said = Said("comment", patch="+\u20ac" * 10_000, problems=("\u20ac" * 5_000,) * 50)
    text = job_summary(run, said, Voice())
    assert len(text.encode("utf-8")) <= MAX_SUMMARY_BYTES


def test_help_shows_examples_and_exit_codes() -> None:
    result = CliRunner().invoke(cli, ["publish", "--help"])
    assert result.exit_code == 0
    assert "--dry-run" in result.output
    assert "egbot publish egbot-out/run.json" in result.output
    assert "not delivered" in result.output
