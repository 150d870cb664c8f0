"""One step of a workflow in this process: the fake GitHub, a scripted model, no real sandbox.

It does not know what is asked of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from egbot.action.main import Effects, step
from egbot.action.runner import Runner
from egbot.forge import Forge
from egbot.local import Effects as LocalEffects
from egbot.ports import Decoder
from egbot.publish.github import connect
from egbot.publish.transport import Patience
from egbot.records import Run
from egbot.report.files import read_run
from egbot.testing import ReplaySandbox
from tests.github import events
from tests.github.nouns import Pull
from tests.github.repository import Repository
from tests.github.server import FakeGitHub
from tests.shelf import DOUBLE, STUB, decoder_of

CANARY = "ghs_canary7f3a"
QUICK = Patience(timeout_s=60, num_attempts=2, first_wait_s=0.01, pause_s=0.0)
ALL = {
    "contents": "write",
    "issues": "write",
    "pull_requests": "write",
    "checks": "write",
    "actions": "read",
}
READ = {"contents": "read", "pull_requests": "read"}
SETTINGS = '[tool.egbot.guidance]\nagents = "greedy"\n'
ISSUE = "Please.\n\n```python\nfrom calc import double\n\ndef test_it():\n    assert double(3) == 6\n```\n"


@dataclass(frozen=True)
class Done:
    code: int
    outputs: dict[str, str]
    log: str
    summary: str

    @property
    def outcome(self) -> str:
        return self.outputs["outcome"]


@dataclass
class Stage:
    """octo/shop with a stub on main, the fake's server, and a runner's folders."""

    github: FakeGitHub
    shop: Repository
    folder: Path
    capsys: pytest.CaptureFixture[str]
    environment: dict[str, str] = field(default_factory=dict)
    num_steps: int = 0
    run_id: str = "1"
    interrupts: bool = False

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    def run(self) -> Run:
        return read_run(self.workspace / "egbot-out" / "run.json")

    def step(
        self,
        mode: str,
        event: str,
        payload: Mapping[str, Any],
        permissions: Mapping[str, str] | None = None,
        **inputs: str,
    ) -> Done:
        """Run the action's step with a token of these permissions."""
        self.num_steps += 1
        place = self.folder / f"step-{self.num_steps}"
        place.mkdir()
        (place / "event.json").write_text(json.dumps(payload))
        self.workspace.mkdir(exist_ok=True)
        secret = f"{CANARY}{self.num_steps}"
        self.github.token(secret, **(ALL if permissions is None else permissions))  # type: ignore[arg-type]
        given = {
            "mode": mode,
            "token": secret,
            **{k.replace("_", "-"): v for k, v in inputs.items()},
        }
        environment = {
            "GITHUB_REPOSITORY": self.shop.full_name,
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(place / "event.json"),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(place),
            "GITHUB_SERVER_URL": f"file://{self.shop.world.folder}",
            "GITHUB_API_URL": self.github.url,
            "GITHUB_OUTPUT": str(place / "output"),
            "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
            "GITHUB_RUN_ID": self.run_id,
            "EGBOT_INPUTS": json.dumps(given),
        }
        self.capsys.readouterr()
        code = step(environment, self._effects())
        self.environment = environment
        out = self.capsys.readouterr()
        summary = place / "summary.md"
        return Done(
            code,
            _outputs(place / "output"),
            out.out + out.err,
            summary.read_text() if summary.exists() else "",
        )

    def _effects(self) -> Effects:
        def make(token: str, runner: Runner) -> Forge:
            return connect(runner.repository, token, api_url=runner.api_url, patience=QUICK)

        def load(*_: object) -> Decoder:
            if self.interrupts:
                raise KeyboardInterrupt
            return decoder_of({"double": DOUBLE})

        return Effects(make, LocalEffects(lambda *_: ReplaySandbox(), load))

    # --- scenes ---

    def pull(self, *, is_new_file: bool = True, fork: str = "") -> Pull:
        """A pull request with a failing test; the stub is in its diff, or on main already."""
        if not is_new_file:
            self.shop.push("main", {"calc.py": STUB["calc.py"]})
        home = self.shop.fork(fork) if fork else self.shop
        home.push("work", STUB, start="main")
        if fork:
            return self.shop.open_pull("work", fork=home, author=home.owner, labels=("egbot",))
        return self.shop.open_pull("work", author="alice", labels=("egbot",))

    def labelled(self, pull: Pull, sender: str = "alice") -> events.Payload:
        return events.pull_request(
            self.github.site, self.shop, pull, "labeled", sender=sender, label="egbot"
        )

    def issue(self, body: str = ISSUE) -> events.Payload:
        self.shop.push("main", {"calc.py": STUB["calc.py"]})
        issue = self.shop.open_issue("Add double", body, labels=("egbot",))
        return events.issues(
            self.github.site, self.shop, issue, "labeled", sender="alice", label="egbot"
        )

    def comment(self, number: int, body: str, author: str = "alice") -> events.Payload:
        made = self.shop.comment(number, body, author=author)
        return events.issue_comment(self.github.site, self.shop, made)

    def review(self, pull: Pull, body: str) -> events.Payload:
        """A comment on the first line of calc.py, which the pull request adds."""
        self.github.token("alice", actor="alice", contents="read", pull_requests="write")
        repository = self.github.client("alice").get_repo(self.shop.full_name)
        commit = repository.get_commit(pull.last_head)
        remote = repository.get_pull(pull.number)
        remote.create_review_comment(body, commit, "calc.py", line=1, side="RIGHT")
        return events.review_comment(self.github.site, self.shop, pull.review_comments[-1])


def stage_of(github: FakeGitHub, folder: Path, capsys: pytest.CaptureFixture[str]) -> Stage:
    shop = github.repository("octo/shop")
    shop.push("main", {"pyproject.toml": SETTINGS})
    shop.grant("alice", "write")
    return Stage(github, shop, folder, capsys)


def _outputs(path: Path) -> dict[str, str]:
    """As a runner reads them."""
    found: dict[str, str] = {}
    lines = path.read_text().split("\n") if path.exists() else []
    while len(lines) > 1:
        name, _, end = lines.pop(0).partition("<<")
        until = lines.index(end)
        found[name] = "\n".join(lines[:until])
        del lines[: until + 1]
    return found


def files_with(folder: Path, text: str) -> list[Path]:
    """The files below ``folder`` that hold ``text``."""
    return [
        Path(base, name)
        for base, _, names in os.walk(folder)
        for name in names
        if text.encode() in Path(base, name).read_bytes()
    ]
