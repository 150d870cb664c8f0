"""Runs side by side: pairs, equal budgets, the drawing, and what cannot be compared."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from egbot.bench.comparing import compare_folders, comparison_json, comparison_markdown
from egbot.bench.curve import Curve, budgets, curve_of, level_from
from egbot.bench.drawing import curves_svg
from egbot.bench.results import SCHEMA, Result, Status, Try
from egbot.bench.solving import blank_result
from egbot.bench.tasks import BlankedFunction, Task
from egbot.cli import cli
from egbot.errors import UsageError

NO_WORK = BlankedFunction("", "", "", "", "")


def result(task: str, tokens: int, status: Status = "solved", agent: int = 1) -> Result:
    blank = blank_result(Task(task, f"t.jsonl:{task}", NO_WORK), 0, status)
    tries = (Try(agent, {"gamma": 0.0, "candidates": 0}, "solved", 1, tokens, 1.0),)
    return replace(
        blank,
        agent=agent if status == "solved" else 0,
        num_tokens_forwarded=tokens,
        wall_s=1.0,
        attempts=tries,
        dataset_sha256="d" * 64,
    )


def folder(path: Path, results: Iterable[Result]) -> Path:
    path.mkdir(parents=True)
    (path / "bench.json").write_text(json.dumps({"schema": SCHEMA}))
    (path / "results.jsonl").write_text("".join(json.dumps(asdict(one)) + "\n" for one in results))
    return path


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    greedy = [
        result("1", 100),
        result("2", 200, "wrong"),
        result("3", 300, "no_patch"),
        result("9", 5),
    ]
    egbot = [result("1", 90), result("2", 2000, agent=2), result("3", 40_000), result("8", 7)]
    return folder(tmp_path / "greedy", greedy), folder(tmp_path / "egbot", egbot)


def test_pairs_are_counted_on_the_common_tasks(runs: tuple[Path, Path]) -> None:
    found = compare_folders(runs)
    assert (found.num_tasks, found.num_left_out) == (3, 2)
    assert [(one.name, one.solved, one.tokens) for one in found.sides] == [
        ("greedy", 1, 600),
        ("egbot", 3, 42_090),
    ]
    pair = found.pairs[0]
    assert (pair.both, pair.only_a, pair.only_b, pair.neither) == (1, 0, 2, 0)
    assert (pair.p_value, pair.times, pair.relative, pair.level_from) == (0.5, 3.0, 1.0, 0)


def test_budgets_count_what_was_solved_within_them(runs: tuple[Path, Path]) -> None:
    found = compare_folders(runs)
    assert found.at_budgets == {
        100: (1, 1),
        200: (1, 1),
        500: (1, 1),
        1000: (1, 1),
        2000: (1, 2),
        5000: (1, 2),
        10_000: (1, 2),
        20_000: (1, 2),
        50_000: (1, 3),
    }


def test_a_reference_that_fails_is_in_no_comparison(tmp_path: Path) -> None:
    one = folder(tmp_path / "a", [result("1", 1), result("2", 1, "bad_reference")])
    other = folder(tmp_path / "b", [result("1", 1), result("2", 1, "bad_reference")])
    assert compare_folders([one, other]).num_tasks == 1


def test_the_folders_of_shards_count_as_one_run(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    folder(tmp_path / "parts" / "1", [result("1", 90)])
    folder(tmp_path / "parts" / "2", [result("2", 90), result("3", 90, "wrong")])
    found = compare_folders([runs[0], tmp_path / "parts"])
    assert [one.solved for one in found.sides] == [1, 2]
    folder(tmp_path / "parts" / "3", [result("3", 90)])
    with pytest.raises(UsageError, match="holds the task 3, and so does another shard"):
        compare_folders([runs[0], tmp_path / "parts"])


def test_runs_of_other_tasks_are_refused(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    other = folder(tmp_path / "x", [replace(result("1", 1), dataset_sha256="e" * 64)])
    with pytest.raises(UsageError, match="not of the same task file"):
        compare_folders([runs[0], other])
    apart = folder(tmp_path / "y", [result("77", 1)])
    with pytest.raises(UsageError, match="no task in common"):
        compare_folders([runs[0], apart])


def test_a_folder_without_a_run_is_named(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty has no bench\.json"):
        compare_folders([runs[0], tmp_path / "empty"])


def test_the_command_prints_tables_or_json_and_draws(
    tmp_path: Path, runs: tuple[Path, Path]
) -> None:
    names = [str(one) for one in runs]
    plot = tmp_path / "curves.svg"
    told = CliRunner().invoke(cli, ["bench", "compare", *names, "--plot", str(plot)])
    assert told.exit_code == 0
    assert "| greedy, egbot | 1 | 0 | 2 | 0 | 0.5000 | 3.00 | 100.0% |" in told.output
    assert "| 50,000 | 1 | 3 |" in told.output
    assert "greedy: 1 of 3; egbot: 3 of 3" in plot.read_text()
    machine = CliRunner().invoke(cli, ["bench", "compare", *names, "--json"])
    document = json.loads(machine.stdout)
    assert document == json.loads(json.dumps(comparison_json(compare_folders(runs))))
    assert document["at_budgets"][-1] == {"tokens": 50_000, "solved": [1, 3]}
    alone = CliRunner().invoke(cli, ["bench", "compare", names[0]])
    assert (alone.exit_code, "cannot be compared" in alone.output) == (2, True)


# --- the curve ----------------------------------------------------------------------------------


def test_a_curve_counts_the_attempt_that_solved_not_what_came_after() -> None:
    curve = curve_of("x", [result("1", 30), result("2", 10), result("3", 99, "wrong")])
    assert (curve.costs, curve.num_tasks) == ((10, 30), 3)
    assert [curve.solved(budget) for budget in (9, 10, 29, 30, 1e9)] == [0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("first", "second", "tokens"),
    [
        ((), (), 0),
        ((50,), (50,), 0),
        ((50,), (40, 90), 0),
        ((50, 60), (55, 60), 55),
        ((50, 60, 70), (40, 65, 66), 65),
        ((50, 60), (55,), None),
        ((50,), (), None),
    ],
)
def test_a_run_is_level_from_where_it_never_falls_behind_again(
    first: tuple[int, ...], second: tuple[int, ...], tokens: int | None
) -> None:
    assert level_from(Curve("a", 9, first), Curve("b", 9, second)) == tokens


@pytest.mark.parametrize(
    ("costs", "rows"),
    [((), ()), ((1,), (1,)), ((7, 60), (10, 20, 50, 100)), ((100, 100), (100,)), ((3,), (5,))],
)
def test_budgets_reach_from_the_first_solution_to_the_last(
    costs: tuple[int, ...], rows: tuple[int, ...]
) -> None:
    assert budgets([Curve("x", 9, costs)]) == rows


@pytest.mark.parametrize("costs", [(), (1,), (100, 100), (5, 900, 123_456, 4_000_000)])
def test_the_drawing_is_well_formed_and_stays_inside(costs: tuple[int, ...]) -> None:
    text = curves_svg([Curve("a <b> & c", 12, costs), Curve("d", 12, ())])
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    assert "a <b> & c" in "".join(root.itertext())
    for points in re.findall(r'points="([^"]+)"', text):
        for pair in points.split():
            x, y = map(float, pair.split(","))
            assert 56 <= x <= 696
            assert 40 <= y <= 356


def test_a_name_with_a_bar_stays_in_its_cell(tmp_path: Path) -> None:
    one = folder(tmp_path / "a|b", [result("1", 1)])
    other = folder(tmp_path / "c", [result("1", 1)])
    assert "| a\\|b | 1 (100.0%)" in comparison_markdown(compare_folders([one, other]))
