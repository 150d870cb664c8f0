"""``[tool.egbot.sandbox]``: what a repository may ask of its image, and what it may not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from egbot.cli import cli
from egbot.config import SandboxSettings, load_settings
from egbot.errors import UsageError

TABLE = "[tool.egbot.sandbox]\n"


def sandbox(text: str) -> SandboxSettings:
    return load_settings(TABLE + text, {}).sandbox


def test_image_settings_are_read() -> None:
    found = sandbox(
        "dockerfile = 'ci/Docker file'\nsetup = ['make', 'x \"y\"']\nenv = {A_1 = '', b = '$x'}\n"
    )
    assert found.dockerfile == "ci/Docker file"
    assert found.setup == ("make", 'x "y"')
    assert found.env == {"A_1": "", "b": "$x"}
    assert sandbox("").dockerfile is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dockerfile = '/etc/passwd'", "inside the repository"),
        ("dockerfile = '../Dockerfile'", "inside the repository"),
        ("dockerfile = 'ci/../../Dockerfile'", "inside the repository"),
        ("dockerfile = './Dockerfile'", "inside the repository"),
        ("dockerfile = ''", "inside the repository"),
        ('dockerfile = "a\\nb"', "inside the repository"),
        ("setup = 'make'", "sandbox.setup"),
        ("setup = ['']", "sandbox.setup.0"),
        ('setup = ["a\\u0000"]', "NUL"),
        ("env = {'A-B' = ''}", "letters, digits"),
        ("env = {'A=B' = ''}", "letters, digits"),
        ("env = {'' = ''}", "letters, digits"),
        ("env = {A = 1}", "sandbox.env.A"),
        ("env = {TMPDIR = '/'}", "the sandbox's own"),
        ("env = {EGBOT_SCRATCH = '/'}", "the sandbox's own"),
        ('env = {A = "\\u0000"}', "NUL"),
    ],
)
def test_what_leaves_the_repository_or_makes_no_sense_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        sandbox(text)
    assert words in caught.value.message
    assert "Value error" not in caught.value.message


@given(st.text("./\\ab\0\n", max_size=12))
def test_a_path_that_is_taken_stays_inside(text: str) -> None:
    try:
        path = SandboxSettings(dockerfile=text).dockerfile
    except ValueError:
        return
    assert path is not None
    assert all(part not in ("", ".", "..") for part in path.split("/"))


def solve(folder: Path, settings: str) -> tuple[int, str]:
    """A run of a repository that is trusted and whose only test wants GREETING to be hi."""
    repository = folder / "repository"
    repository.mkdir()
    (repository / "pyproject.toml").write_text(TABLE + settings)
    test = "import os\n\ndef test_it():\n    assert os.environ['GREETING'] == 'hi'\n"
    (repository / "test_it.py").write_text(test)
    subprocess.run(["git", "init", "--quiet"], cwd=repository, check=True)
    words = ["solve", str(repository), "--sandbox", "process", "--plain"]
    words += ["--python", sys.executable, "--output", str(folder / "out")]
    state = {"EGBOT_STATE": str(folder / "state")}
    CliRunner().invoke(cli, ["trust", str(repository)], env=state)
    result = CliRunner().invoke(cli, words, env=state)
    return result.exit_code, result.output


def test_a_repositorys_variables_reach_its_tests(tmp_path: Path) -> None:
    assert solve(tmp_path, "env = {GREETING = 'hi'}\n")[0] == 0


def test_a_bad_setting_ends_a_run_before_any_test(tmp_path: Path) -> None:
    code, output = solve(tmp_path, "dockerfile = '../../etc/passwd'\n")
    assert code == 2
    assert "a plain path inside the repository" in output
