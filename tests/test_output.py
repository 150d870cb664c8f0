"""What a command prints: it never ends a run, and nothing of it acts on a terminal or a runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.report.files import write_run
from tests.report.samples import no_target, sample_run, solved, unsolved
from tests.test_cli import lay_out

COMMAND = "::add-mask::x"
FORGED = [
    COMMAND,
    f"a\n{COMMAND}",
    f"a\r{COMMAND}",
    f"a\r\n  {COMMAND}",
    f"a\x0b\t{COMMAND}",
    f"a\x85{COMMAND}\u2028{COMMAND}",
    "a ##[add-mask]x",
    "\x1b]0;title\x07\x1b[2J\x9b31m",
]


def egbot(
    *arguments: object, env: Mapping[str, str] | None = None, shell: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own; ``shell`` stands behind it, a pipe for instance."""
    words = [sys.executable, "-m", "egbot", *map(str, arguments)]
    own = {name: text for name, text in os.environ.items() if name not in ("LC_ALL", "LANG")}
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {shell}', "bash", *words],
        env={**own, "COLUMNS": "80", **(env or {})},
        capture_output=True,
        check=False,
    )


@pytest.fixture
def run_json(tmp_path: Path) -> Path:
    """A run with a diff that is wider than a terminal."""
    patch = solved().patch
    assert patch is not None
    wide = replace(patch, unified_diff=patch.unified_diff + "+" + "long " * 60 + "\n")
    path = tmp_path / "run.json"
    write_run(path, sample_run(replace(solved(), patch=wide), unsolved()))
    return path


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "utf-16"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_an_encoding_that_lacks_a_character_ends_nothing(
    run_json: Path, env: dict[str, str]
) -> None:
    done = egbot("report", run_json, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"1 of 2 targets solved" in done.stdout.replace(b"\0", b"")
    assert (run_json.parent / "02-running_total" / "report.html").is_file()


@pytest.mark.parametrize("shell", ["| true", "| head -c 10", ">&-", ">&- 2>&-", "> /dev/full"])
def test_an_output_that_nobody_takes_ends_nothing(run_json: Path, shell: str) -> None:
    """No traceback and no other exit code; the files are written."""
    done = egbot("report", run_json, shell=shell)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (run_json.parent / "02-running_total" / "report.html").is_file()


def test_a_diff_in_a_pipe_has_whole_lines(run_json: Path) -> None:
    assert b"+" + b"long " * 60 in egbot("report", run_json).stdout


@pytest.mark.parametrize("text", FORGED)
def test_a_forged_run_commands_neither_runner_nor_terminal(tmp_path: Path, text: str) -> None:
    patch = solved().patch
    target = solved().target
    assert patch is not None
    assert target is not None
    outcomes = (
        replace(no_target(), detail=text),
        replace(unsolved(), detail=text, target=replace(target, qualname=text, path=text)),
        replace(solved(), patch=replace(patch, unified_diff=f"{text}\n {text}\n")),
    )
    run = replace(sample_run(*outcomes), detail=text, finished=False)
    write_run(tmp_path / "run.json", run)
    for arguments in (["report", tmp_path / "run.json"], ["report", tmp_path / text.strip()]):
        done = egbot(*[str(one).replace("\0", "") for one in arguments])
        told = (done.stdout + done.stderr).decode()
        assert told
        assert not [line for line in told.splitlines() if line.strip().startswith("::")]
        assert "##[" not in told
        assert not {char for char in told if not char.isprintable()} - {"\n"}


def test_a_hostile_repository_commands_no_runner(tmp_path: Path) -> None:
    """Names of files, tests and messages are shown as text by the commands that read them."""
    files = {"test_it.py": f"import nothing\n\ndef test_it():\n    raise ValueError({COMMAND!r})\n"}
    repository = lay_out(tmp_path / "repository", files)
    (repository / "::stop.py").write_text("x = 1\n")
    for words in (["stubs", "test_it.py"], ["stubs", "\r::x"], ["solve", ".", "--tests", "\n::x"]):
        done = subprocess.run(
            [sys.executable, "-m", "egbot", *words],
            cwd=repository,
            capture_output=True,
            check=False,
        )
        told = (done.stdout + done.stderr).decode()
        assert not [line for line in told.splitlines() if line.strip().startswith("::")]


def test_a_patch_and_json_reach_programs_unaltered(tmp_path: Path) -> None:
    """What a pipe takes is what was meant, though a line of it looks like a command."""
    code = '"""Text::\n\n::\n    ##[x]\n"""\n'
    files = {
        "app.py": code,
        "test_app.py": "import app\n\ndef test_f():\n    assert app.f(1) == 2\n",
    }
    repository = lay_out(tmp_path / "repository", files)
    made = egbot("stubs", "test_app.py", "--repo", repository, env={"GITHUB_ACTIONS": ""})
    assert b"\n ::\n" in made.stdout
    shown = egbot("stubs", "test_app.py", "--repo", repository, env={"GITHUB_ACTIONS": "true"})
    assert b"\n ::" not in shown.stdout
    document = json.loads(egbot("stubs", "test_app.py", "--json", "--repo", repository).stdout)
    assert "##[x]" in document["diff"]
