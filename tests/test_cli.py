"""The command line: exit codes and messages for people, options that reach the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from egbot import __version__
from egbot.cli import cli
from egbot.engine import catalog
from egbot.report.files import read_run
from tests.shelf import STUB

FINE = {"test_it.py": "def test_it():\n    assert 1\n"}
WRONG = {"test_it.py": "def test_it():\n    assert 1 == 2\n"}
CLASH = {
    "calc.py": "def f(x):\n    ...\n",
    "test_it.py": (
        "from calc import f\n\n"
        "def test_a():\n    assert f(1) == 1\n\ndef test_b():\n    assert f(1) == 2\n"
    ),
}
PROCESS = ("--sandbox", "process", "--python", sys.executable)


def lay_out(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir()
    for path, text in files.items():
        (folder / path).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def invoke(*arguments: object, env: Mapping[str, str] | None = None) -> Result:
    clean = dict.fromkeys(("CI", "EGBOT_MODEL", "EGBOT_SANDBOX", "EGBOT_IMAGE"))
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(cli, words, env={**clean, **(env or {})}, prog_name="egbot")


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command's words, groups included."""
    found = [path]
    for name in group.commands:
        inner, command = (*path, name), group.get_command(click.Context(group), name)
        found += commands(command, inner) if isinstance(command, click.Group) else [inner]
    return found


# --- words and codes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--version"], 0, __version__),
        (["--help"], 0, "First steps:"),
        (["-h"], 0, "Exit codes:"),
        (["solve", "--help"], 0, "egbot solve --tests"),
        (["demo", "-h"], 0, "--seed"),
        (["models", "list"], 0, "smollm2"),
        (["nope"], 2, "No such command"),
        (["solve", "--gama", "1"], 2, "--gamma"),
        (["solve", "/no/such/folder"], 2, "does not exist"),
        (["solve", "--gamma", "-1"], 2, "--gamma"),
        (["solve", "--candidates", "x"], 2, "--candidates"),
        (["solve", "--max-seconds", "0"], 2, "--max-seconds"),
        (["solve", "--sandbox", "none"], 2, "bubblewrap"),
        (["solve", "--junit", "/no/such/file.xml"], 2, "does not exist"),
        (["solve", "--issue-text", "/no/such/file.md"], 2, "does not exist"),
        (["models", "path", "nope"], 3, "no model is called 'nope'"),
        (["models", "pull", "nope"], 3, "smollm2"),
    ],
)
def test_words_and_exit_codes(arguments: list[str], code: int, words: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == code
    assert words in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words) or "egbot")
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    result = invoke(*words, "--help")
    assert result.exit_code == 0
    assert len(result.output.split("\n\n")) >= 3
    assert max(map(len, result.output.split("\n"))) <= 80


@pytest.mark.parametrize("name", cli.commands)
def test_a_command_s_line_in_the_help_is_its_own_first_sentence(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert cli.commands[name].get_short_help_str(99) == command.get_short_help_str(99)


def test_the_help_reads_no_package_but_click() -> None:
    """So it is shown at once; a command's packages are read when that command runs."""
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from egbot.cli import cli\n"
        "try:\n    cli(['--help'])\n"
        "finally:\n    print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    read = set(done.stdout.splitlines()[-1].split()) - sys.stdlib_module_names
    assert read == {"click", "egbot"}


@pytest.mark.parametrize("words", [(), ("solve",), ("demo",), ("models",)])
def test_the_help_of_what_people_start_with_shows_examples(words: tuple[str, ...]) -> None:
    shown = invoke(*words, "--help").output
    assert f"  egbot {' '.join(words)}" in shown


def test_a_model_that_is_not_in_the_cache_is_told_with_what_to_do(tmp_path: Path) -> None:
    result = invoke("models", "path", catalog.DEFAULT, env={"EGBOT_CACHE": str(tmp_path)})
    assert result.exit_code == 1
    assert f"egbot models pull {catalog.DEFAULT}" in result.stderr
    assert result.stdout == ""


def test_every_model_s_licence_is_listed() -> None:
    shown = " ".join(invoke("models", "list").output.split())
    for entry in catalog.CATALOG:
        assert entry.licence.split()[0] in shown


# --- runs that need no model -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "options", "code", "words"),
    [
        (FINE, (), 0, "every test that was looked at passes"),
        (WRONG, (), 1, "nothing that it uses is missing"),
        (CLASH, (), 1, "no function can pass both"),
        (STUB, ("--tests", "test_clac.py"), 2, "did you mean test_calc.py"),
        (STUB, ("--tests", "../else.py"), 2, "does not lie in the repository"),
        (STUB, ("--target", "calc.py::duoble"), 2, "double"),
        (STUB, ("--target", "calc"), 2, "PATH::NAME"),
        ({"calc.py": "x = 1\n"}, (), 2, "pytest found no tests"),
        ({**FINE, "pyproject.toml": "[tool.egbot]\nx = 1\n"}, (), 2, "'x'"),
        ({**FINE, "pyproject.toml": "[tool\n"}, (), 2, "not valid TOML"),
        (STUB, ("--model", "/no/such/model"), 3, "/no/such/model"),
        (FINE, ("--python", "/no/such/python"), 3, "--python PATH"),
    ],
)
def test_a_run_s_words_and_exit_codes(
    tmp_path: Path, files: Mapping[str, str], options: tuple[str, ...], code: int, words: str
) -> None:
    repository = lay_out(tmp_path / "repository", files)
    output = tmp_path / "out"
    result = invoke("solve", repository, *PROCESS, "--output", output, *options)
    assert (result.exit_code, words in " ".join(result.output.split())) == (code, True), (
        result.output
    )
    assert "Traceback" not in result.output
    if code >= 2:
        assert "error: " in result.stderr
        assert "  next: " in result.stderr


def test_outside_of_git_is_the_person_s_mistake(tmp_path: Path) -> None:
    result = invoke("solve", tmp_path, *PROCESS)
    assert (result.exit_code, "not a git repository" in result.stderr) == (2, True)


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = invoke("--debug", "solve", tmp_path, *PROCESS)
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_json_is_the_whole_of_standard_output(tmp_path: Path) -> None:
    repository = lay_out(tmp_path / "repository", WRONG)
    result = invoke("solve", repository, *PROCESS, "--output", tmp_path / "out", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == json.loads((tmp_path / "out/run.json").read_text())


@pytest.mark.parametrize("name", ["true", "woodpecker"])
def test_any_value_of_ci_will_do(tmp_path: Path, name: str) -> None:
    """Some services set it to their own name, which once was refused as no boolean."""
    repository = lay_out(tmp_path / "repository", FINE)
    words = ("solve", repository, *PROCESS, "--output", tmp_path / "out")
    assert invoke(*words, env={"CI": name}).exit_code == 0


def test_an_output_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    repository = lay_out(tmp_path / "repository", FINE)
    (tmp_path / "file").write_text("")
    result = invoke("solve", repository, *PROCESS, "--output", tmp_path / "file" / "out")
    assert result.exit_code == 3
    assert "cannot be written" in result.stderr
    assert "Traceback" not in result.output


def test_the_environment_chooses_what_no_option_names(tmp_path: Path) -> None:
    repository = lay_out(tmp_path / "repository", FINE)
    words = ("solve", repository, "--python", sys.executable, "--output", tmp_path / "out")
    result = invoke(*words, env={"EGBOT_SANDBOX": "process"})
    assert result.exit_code == 0
    assert "isolates nothing" in result.output
    run = read_run(tmp_path / "out" / "run.json")
    assert run.versions["sandbox"] == "process"


def test_ctrl_c_ends_with_130_and_a_saved_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressed while a test runs in the sandbox; a terminal sends it to the whole group."""
    slow = {"test_it.py": "import time\n\ndef test_it():\n    time.sleep(600)\n"}
    repository = lay_out(tmp_path / "repository", slow)
    table = "[tool.egbot.sandbox]\ntest_s = 600\n"
    (repository / "pyproject.toml").write_text(table)
    monkeypatch.setenv("EGBOT_STATE", str(tmp_path / "state"))
    assert CliRunner().invoke(cli, ["trust", str(repository)]).exit_code == 0
    words = ["solve", str(repository), *PROCESS, "--output", str(tmp_path / "out")]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "egbot", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    while "running the tests" not in process.stdout.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "error: interrupted" in errors
    assert "Traceback" not in errors
    assert not read_run(tmp_path / "out" / "run.json").finished


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("solve test_a.py::test_gone", "tests/test_a.py has no test test_gone"),
        ("solve --tests test_a.py::test_gone", "tests/test_a.py has no test test_gone"),
        ("solve tests/test_a.py::test_gone", "tests/test_a.py has no test test_gone"),
        ("solve ../lib/test_b.py --tests test_gone.py", "there is no test file test_gone.py"),
        ("solve ../tests/test_gone.py::test_b", "there is no test file tests/test_gone.py"),
        ("solve test_a.py --target ../lib/test_b.py::gone", "lib/test_b.py has no function gone"),
        ("solve test_a.p", "test_a.p does not exist"),
        ("solve " + "x" * 300, "does not exist"),
        ("stubs test_a.py::test_gone", "tests/test_a.py has no test test_gone"),
        ("trace test_a.py::test_gone", "tests/test_a.py has no test test_gone"),
        (
            "trace test_a.py::test_a --target ../lib/test_b.py::gone",
            "lib/test_b.py has no function",
        ),
    ],
)
def test_tests_and_functions_are_named_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, told: str
) -> None:
    for path, name in (("tests/test_a.py", "test_a"), ("lib/test_b.py", "test_b")):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(f"def {name}():\n    pass\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path / "tests")
    result = invoke(*words.split())
    assert result.exit_code == 2
    assert told in result.output
