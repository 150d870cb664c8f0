"""The whole program with the real model and a real sandbox, as a person would start it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from egbot.report.files import read_run
from tests.machine import IMAGE, need, need_model

LEAST_SOLVED = 4


def egbot(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line; only 0 and 1 are the exit codes of a run that went well."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-m", "egbot", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done


def run_backend(folder: Path) -> str:
    return read_run(folder / "out" / "run.json").versions["sandbox"]


@pytest.mark.weights
@pytest.mark.docker
def test_the_demo_solves_most_of_its_functions(tmp_path: Path) -> None:
    """Real decoding, real runs: patches that git applies, tests that then pass, reports."""
    need_model()
    need("docker")
    options = ("--sandbox", "docker", "--image", IMAGE)
    done = egbot(tmp_path, "demo", "--plain", *options, "--output", "out")
    assert run_backend(tmp_path) == "docker"
    run = read_run(tmp_path / "out" / "run.json")
    solved = [outcome for outcome in run.outcomes if outcome.reason == "patched"]
    assert len(run.outcomes) == 6, done.stdout
    assert len(solved) >= LEAST_SOLVED, done.stdout
    assert run.finished
    assert (done.returncode == 0) == (len(solved) == 6)
    repository = tmp_path / "out" / "repository"
    for number, outcome in enumerate(run.outcomes, 1):
        assert outcome.target is not None
        (folder,) = (tmp_path / "out").glob(f"{number:02d}-*")
        assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
        assert outcome.target.qualname in (folder / "report.md").read_text(encoding="utf-8")
        assert json.loads((folder / "trace.json").read_text())["schema"].startswith("egbot.trace/")
        if outcome.reason == "patched":
            assert outcome.verdict is not None
            assert outcome.verdict.accepted
            subprocess.run(["git", "apply", str(folder / "patch.diff")], cwd=repository, check=True)
    passed = {test for one in solved if one.verdict for test in one.verdict.target_passed}
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *sorted(passed)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(rf"\b{len(passed)} passed", told.stdout), told.stdout


@pytest.mark.weights
def test_one_function_in_the_process_sandbox_is_committed(tmp_path: Path) -> None:
    """The shortest way from a failing test to a commit; the same seed gives the same function."""
    need_model()
    (tmp_path / "text.py").write_text(
        'def shout(text):\n    """Return text in upper case."""\n    ...\n'
    )
    (tmp_path / "test_text.py").write_text(
        "from text import shout\n\ndef test_shout():\n    assert shout('abc') == 'ABC'\n"
    )
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.invalid")
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "Begin"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    subprocess.run(["git", "config", "user.name", "t"], cwd=tmp_path, check=True)
    subprocess.run(["git", "config", "user.email", "t@example.invalid"], cwd=tmp_path, check=True)
    options = ("--sandbox", "process", "--python", sys.executable, "--plain")
    first = egbot(tmp_path, "solve", *options, "--output", "../out1")
    assert first.returncode == 0, first.stdout
    second = egbot(tmp_path, "solve", *options, "--output", "../out2", "--commit")
    assert second.returncode == 0, second.stdout
    runs = [read_run(tmp_path.parent / out / "run.json") for out in ("out1", "out2")]
    patches = [run.outcomes[0].patch for run in runs]
    assert patches[0] is not None
    assert patches[0] == patches[1]
    assert "upper()" in (tmp_path / "text.py").read_text()
    subject = subprocess.run(
        ["git", "log", "-1", "--format=%s"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert subject.stdout == "Implement shout\n"
