"""Wrong, broken and hostile input through the command line: one clear message, the right exit
code, a truthful run.json, nothing left behind. No test here needs a model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from egbot.cli import cli
from egbot.records import Run
from egbot.report.files import read_run
from tests.machine import is_alive, wait_for

PROCESS = ("--sandbox", "process", "--python", sys.executable, "--plain")
CALC = {
    "calc.py": "def double(x):\n    return x * 2\n",
    "test_calc.py": "from calc import double\n\ndef test_it():\n    assert double(2) == 4\n",
}
STUB = {**CALC, "calc.py": 'def double(x):\n    """Twice."""\n    raise NotImplementedError\n'}
QUICK = "[tool.egbot.sandbox]\ntest_s = 0.5\n"
ENDLESS = "while True:\n    pass\n"
ENDLESS_TEST = "def test_{0}():\n    while True:\n        pass\n\n"
KILLER = (
    "import os, signal\n\n"
    "def test_kill():\n    os.kill(int(os.environ['RUNNER']), signal.SIGKILL)\n\n"
    "def test_wrong():\n    assert 1 == 2\n"
)
# the runner hides itself from the tests as well as it can; this finds it by its command
FIND_RUNNER = (
    "import os, pathlib\n"
    "pid = os.getpid()\n"
    "while pid > 1:\n"
    "    if b'sandbox.runner' in pathlib.Path(f'/proc/{pid}/cmdline').read_bytes():\n"
    "        os.environ['RUNNER'] = str(pid)\n"
    "    pid = int(pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])\n"
)


def lay_out(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def solve(tmp_path: Path, files: Mapping[str, str], *options: str) -> Result:
    repository = lay_out(tmp_path / "repository", files)
    words = ["solve", str(repository), *PROCESS, "--output", str(tmp_path / "out"), *options]
    result = CliRunner().invoke(cli, words, env={"CI": None, "TMPDIR": str(tmp_path)})
    assert "Traceback" not in result.output
    return result


def record(tmp_path: Path) -> Run:
    return read_run(tmp_path / "out" / "run.json")


def left(tmp_path: Path) -> dict[str, str]:
    return {one.node_id: one.why for outcome in record(tmp_path).outcomes for one in outcome.left}


# --- repositories and suites -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "test", "why"),
    [
        ({"test_bad.py": "def test(:\n"}, "test_bad.py", "(test_bad.py, line 1)"),
        ({"test_far.py": "import not_there\n"}, "test_far.py", "needs the package not_there"),
        ({"test_exit.py": "import sys\nsys.exit(0)\n"}, "test_exit.py", "SystemExit"),
        ({"test_end.py": ENDLESS, "pyproject.toml": QUICK}, "test_end.py", "took longer than 2 s"),
    ],
)
def test_a_broken_test_file_is_named_and_keeps_no_other_from_being_looked_at(
    tmp_path: Path, files: Mapping[str, str], test: str, why: str
) -> None:
    result = solve(tmp_path, {**CALC, **files, "test_x.py": "def test_x():\n    assert 0\n"})
    assert result.exit_code == 1
    assert why in " ".join(result.output.split())
    assert set(left(tmp_path)) == {test, "test_x.py::test_x"}
    assert why in left(tmp_path)[test]
    assert record(tmp_path).finished


def test_a_target_that_cannot_be_parsed_is_left_alone(tmp_path: Path) -> None:
    assert solve(tmp_path, {**CALC, "calc.py": "def double(x:\n"}).exit_code == 1
    why = left(tmp_path)["test_calc.py"]
    assert "SyntaxError: '(' was never closed (calc.py, line 1)" in why


def test_more_endless_tests_than_one_job_may_lose_are_all_looked_at(tmp_path: Path) -> None:
    """A job ends after its fourth lost process; that a test was not run must not look like a pass."""
    tests = "".join(ENDLESS_TEST.format(number) for number in range(5))
    files = {"pyproject.toml": QUICK, "test_end.py": f"{tests}def test_last():\n    assert 0\n"}
    assert solve(tmp_path, files).exit_code == 1
    assert [why.split(";")[0] for why in left(tmp_path).values()][:5] == [
        "the test ran into its time limit"
    ] * 5
    assert "test_end.py::test_last" in left(tmp_path)


def test_a_test_that_kills_the_sandbox_takes_no_other_test_s_result_with_it(tmp_path: Path) -> None:
    files = {"conftest.py": FIND_RUNNER, "test_kill.py": KILLER}
    assert solve(tmp_path, files).exit_code == 1
    assert set(left(tmp_path)) == {"test_kill.py::test_kill", "test_kill.py::test_wrong"}


def test_options_of_a_plugin_that_is_not_installed_are_told(tmp_path: Path) -> None:
    files = {**CALC, "pytest.ini": "[pytest]\naddopts = --no-such-plugin=auto\n"}
    result = solve(tmp_path, files)
    assert result.exit_code == 3
    assert "unrecognized arguments: --no-such-plugin=auto" in result.stderr
    assert "must be installed where the tests run" in result.stderr
    assert not record(tmp_path).finished
    assert "--no-such-plugin" in record(tmp_path).detail


# --- what was asked for ------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["test_calc.py::test_it[7]", "calc.py"])
def test_a_selection_that_pytest_does_not_know_is_no_success(tmp_path: Path, spec: str) -> None:
    result = solve(tmp_path, CALC, "--tests", spec)
    assert result.exit_code == 2
    assert f"pytest collects no test {spec}" in result.stderr


def test_of_a_selection_the_part_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = solve(tmp_path, CALC, "--tests", "test_calc.py", "--tests", "test_calc.py::test_it[7]")
    assert result.exit_code == 1
    assert left(tmp_path) == {"test_calc.py::test_it[7]": "pytest collects no such test"}


def test_a_broken_conftest_is_no_success_for_a_selection(tmp_path: Path) -> None:
    files = {**CALC, "conftest.py": "import not_there\n"}
    assert solve(tmp_path, files, "--tests", "test_calc.py::test_it").exit_code == 1
    assert "not_there" in left(tmp_path)["test_calc.py::test_it"]


def test_a_file_that_pytest_does_not_look_into_can_be_named(tmp_path: Path) -> None:
    files = {"calc.py": CALC["calc.py"], "src/checks.py": "def test_it():\n    assert 1 == 2\n"}
    assert solve(tmp_path, files, "--tests", "src/checks.py").exit_code == 1
    assert set(left(tmp_path)) == {"src/checks.py::test_it"}


def test_a_misspelt_target_is_told_before_any_test_runs(tmp_path: Path) -> None:
    result = solve(tmp_path, STUB, "--target", "calc.py::dubble")
    assert result.exit_code == 2
    assert "did you mean double?" in result.stderr
    assert "running the tests" not in result.output


# --- surroundings ------------------------------------------------------------------------------


def test_an_output_that_cannot_be_written_is_told_before_any_test_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = solve(tmp_path, CALC, "--output", str(tmp_path / "file" / "out"))
    assert result.exit_code == 3
    assert "cannot be written" in result.stderr
    assert "running the tests" not in result.output


def test_a_run_that_gets_no_sandbox_leaves_the_record_of_an_earlier_one(tmp_path: Path) -> None:
    assert solve(tmp_path, CALC).exit_code == 0
    before = record(tmp_path)
    assert solve(tmp_path, CALC, "--python", "/no/such/python").exit_code == 3
    assert record(tmp_path) == before


def test_git_does_not_list_the_reports(tmp_path: Path) -> None:
    """They would be part of the next run's snapshot, and of a careless commit."""
    repository = tmp_path / "repository"
    solve(tmp_path, CALC, "--output", str(repository / "egbot-out"))
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    told = subprocess.run(status, cwd=repository, capture_output=True, text=True, check=True)
    assert told.stdout == "?? calc.py\n?? test_calc.py\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_a_run_ends_its_sandbox(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted, the record says so; killed, it still says that the run was not finished."""
    mark = tmp_path / "pid"
    body = f"    open({str(mark)!r}, 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    files = {
        "pyproject.toml": "[tool.egbot.sandbox]\ntest_s = 600\n",
        "test_slow.py": f"import os, time\n\ndef test_slow():\n{body}",
    }
    repository = lay_out(tmp_path / "repository", files)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("EGBOT_STATE", str(tmp_path / "state"))
    assert CliRunner().invoke(cli, ["trust", str(repository)]).exit_code == 0
    command = ["solve", str(repository), *PROCESS, "--output", str(tmp_path / "out")]
    running = subprocess.Popen(
        [sys.executable, "-m", "egbot", *command],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TMPDIR": str(tmp_path / "tmp"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert wait_for(lambda: mark.exists() and mark.read_text() != "")
    running.send_signal(number)
    said = running.communicate()[1]
    assert wait_for(lambda: not is_alive(int(mark.read_text())))
    assert not record(tmp_path).finished
    assert "Traceback" not in said
    if number is not signal.SIGKILL:
        assert running.returncode == 130
        assert "interrupted; what was reached so far is saved" in said
        assert record(tmp_path).detail == "interrupted"
        assert list((tmp_path / "tmp").glob("egbot-*")) == []
