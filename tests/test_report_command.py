"""``egbot report``: reports again, exports and comparisons, with exit codes and words for people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from egbot.cli import cli
from egbot.report.files import write_run
from tests.report.samples import sample_run, solved, unsolved


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, ["report", *map(str, words)], prog_name="egbot")


@pytest.fixture
def run_json(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "run.json"
    write_run(path, sample_run(solved(), unsolved()))
    return path


def test_reports_are_rendered_again_beside_the_run(run_json: Path) -> None:
    """The same files that the run itself left, the run.json untouched."""
    before = run_json.read_bytes()
    result = invoke(run_json)
    assert result.exit_code == 0
    assert "1 of 2 targets solved" in result.output
    assert run_json.read_bytes() == before
    folders = sorted(path.name for path in run_json.parent.iterdir())
    assert folders == ["01-running_total", "02-running_total", "run.json"]
    page = (run_json.parent / "01-running_total" / "report.html").read_text()
    assert invoke(run_json, "--output", run_json.parent / "other").exit_code == 0
    again = run_json.parent / "other" / "01-running_total" / "report.html"
    assert again.read_text() == page


def test_exports_are_written_alone_unless_output_is_given(run_json: Path, tmp_path: Path) -> None:
    events, log = tmp_path / "run.trace", tmp_path / "sub" / "egbot.sarif"
    result = invoke(run_json, "--perfetto", events, "--sarif", log)
    assert result.exit_code == 0
    assert json.loads(events.read_text())["traceEvents"]
    assert len(json.loads(log.read_text())["runs"][0]["results"]) == 1
    assert [path.name for path in run_json.parent.iterdir()] == ["run.json"]
    assert invoke(run_json, "--sarif", log, "--output", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "01-running_total").is_dir()


def test_runs_that_did_the_same_compare_with_0(run_json: Path) -> None:
    result = invoke("--compare", run_json, run_json)
    assert (result.exit_code, "both runs did the same" in result.output) == (0, True)


def test_runs_that_differ_compare_with_1(tmp_path: Path) -> None:
    """As text for people, as JSON for programs."""
    run, other = tmp_path / "one.json", tmp_path / "other.json"
    write_run(run, sample_run(solved()))
    changed = replace(solved(), attempts=solved().attempts[:1])
    write_run(other, sample_run(changed))
    result = invoke("--compare", run, other)
    assert (result.exit_code, "they part at attempt 2" in result.output) == (1, True)
    found = json.loads(invoke("--compare", run, other, "--json").stdout)
    assert found["schema"] == "egbot.comparison/1"
    assert found["functions"][0]["parting"]["what"] == "attempts"
    assert not found["same"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give one RUN.json"),
        (("RUN", "--compare", "RUN", "RUN"), "give one RUN.json"),
        (("RUN", "--json"), "--json is for --compare"),
        (("--compare", "RUN", "RUN", "--sarif", "x"), "--compare writes no files"),
        (("--compare", "RUN"), "--compare"),
        (("gone.json",), "gone.json cannot be read"),
        (("BROKEN",), "its schema is"),
    ],
)
def test_wrong_words_are_told(
    run_json: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    """Exit code 2, one clear line, no traceback."""
    (tmp_path / "broken.json").write_text("{}")
    places = {"RUN": run_json, "BROKEN": tmp_path / "broken.json"}
    result = invoke(*(places.get(word, word) for word in words))
    assert (result.exit_code, told in result.output) == (2, True), result.output
    assert "Traceback" not in result.output


def test_a_folder_that_cannot_be_written_is_told(run_json: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = invoke(run_json, "--output", tmp_path / "file" / "out")
    assert (result.exit_code, "cannot be written" in result.stderr) == (3, True)
