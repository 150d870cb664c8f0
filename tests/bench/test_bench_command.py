"""``egbot bench run`` and ``bench repo`` on the command line: options, messages and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from egbot.cli import cli
from tests.bench.sets import ADD, CODECONTESTS, HUMANEVAL, adders, jsonl


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["bench", *map(str, arguments)])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--shard", "2"), "--shard 2 is not I/N"),
        (("--shard", "1/0"), "--shard 1/0 is not I/N"),
        (("--shard", "3/2"), "there is no shard 3/2"),
        (("--shard", "5/5"), "shard 5/5 is empty"),
        (("--format", "humaneval"), "it looks like mbpp"),
        (("--judge", "gone.jsonl"), "there is no file gone.jsonl"),
        (("--limit", "0"), "0 is not in the range"),
        (("--method", "magic"), "guidance.method"),
        (("--agents", "magic:3"), "magic"),
        (("--method", "paper", "--agents", "greedy"), "described otherwise"),
    ],
)
def test_wrong_options_end_with_2_and_say_why(
    tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    tasks = jsonl(tmp_path / "t.jsonl", adders(2))
    found = bench("run", tasks, "--output", tmp_path / "out", *options)
    assert found.exit_code == 2
    assert told in found.output
    assert not (tmp_path / "out").exists()


def test_a_wrong_model_ends_with_3_and_leaves_a_run_to_resume(tmp_path: Path) -> None:
    tasks = jsonl(tmp_path / "t.jsonl", [HUMANEVAL])
    found = bench("run", tasks, "--output", tmp_path / "out", "--model", tmp_path / "no-model")
    assert found.exit_code == 3
    assert "--resume" in found.output
    assert json.loads((tmp_path / "out" / "bench.json").read_text())["format"] == "humaneval"


def test_method_agents_and_budgets_become_settings(tmp_path: Path) -> None:
    tasks = jsonl(tmp_path / "t.jsonl", [HUMANEVAL])
    common = ("run", tasks, "--model", tmp_path / "no-model", "--seed", 7)
    budgets = ("--max-seconds-per-task", 9, "--max-tokens-per-task", 99)
    bench(*common, "--output", tmp_path / "a", "--method", "samples:8", *budgets)
    bench(*common, "--output", tmp_path / "b", "--agents", "greedy,samples:4")
    first, second = (
        json.loads((tmp_path / one / "bench.json").read_text())["settings"] for one in "ab"
    )
    assert (first["guidance"]["method"], second["guidance"]["agents"]) == (
        "samples:8",
        "greedy,samples:4",
    )
    assert (first["seed"], first["max_seconds"], first["max_tokens"]) == (7, 9.0, 99)


def test_a_task_file_is_no_list_of_packages(tmp_path: Path) -> None:
    tasks = jsonl(tmp_path / "t.jsonl", [CODECONTESTS])
    found = bench("repo", tasks, "--find-only", "--output", tmp_path / "out")
    assert found.exit_code == 2
    assert "it looks like codecontests" in found.output


def test_find_only_of_a_folder_prints_its_summary(tmp_path: Path) -> None:
    """The one way through everything but the model: a folder, a real pytest, the pipeline."""
    repository = tmp_path / "calc"
    repository.mkdir()
    for path, text in ADD.items():
        (repository / path).write_text(text)
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    tasks = jsonl(tmp_path / "list.jsonl", [{"path": str(repository), "target": "calc.py::add"}])
    process = ("--sandbox", "process", "--python", sys.executable)
    found = bench("repo", tasks, "--find-only", "--output", tmp_path / "out", "--json", *process)
    assert found.exit_code == 0, found.output
    summary = json.loads(found.stdout)
    assert summary["by_status"] == {"found": 1}
    assert summary["schema"] == "egbot.bench.summary/1"
