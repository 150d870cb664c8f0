"""A benchmark run: what it writes, how it goes on after it was killed, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from egbot.bench.odds import pass_at_k
from egbot.bench.results import read_results
from egbot.bench.runs import run_bench
from egbot.bench.summary import summarise, summary_markdown
from egbot.config import Settings
from egbot.errors import InterruptedRunError, ModelError, SandboxError, UsageError
from egbot.ports import Decoder, Sandbox
from egbot.records import Limits, Probe, Prompt, Tree
from egbot.testing import ReplaySandbox, Script, ScriptedDecoder
from egbot.testing.replay import ReplayExecutor
from tests.bench.sets import HUMANEVAL, MBPP, Shelf, adders, in_process, jsonl, order_of


def adding(prompt: Prompt, again: int) -> Script:
    """A model that can add even numbers only."""
    found = re.search(r"def add_(\d+)\((\w+)", prompt.response_prefix)
    assert found
    return Script(
        f"\n    return {found[2]} + {found[1]}\n" if int(found[1]) % 2 == 0 else "\n    return 0\n"
    )


def shelf() -> Shelf:
    return Shelf(ScriptedDecoder(adding))


def test_a_run_writes_a_line_a_task_and_the_figures(tmp_path: Path) -> None:
    bench = shelf()
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(5)), tmp_path / "out")
    summary = run_bench(order, bench.say, bench.effects())
    assert (summary.solved, summary.total, summary.num_waiting) == (3, 5, 0)
    assert summary.by_agent == {"1 greedy": 3}
    assert summary.by_status == {"solved": 3, "no_patch": 2}
    assert summary.pass_at == {"1": 0.6}
    results = read_results(tmp_path / "out" / "results.jsonl")
    assert [(one.task, one.solved) for one in results] == [
        ("0", True),
        ("1", False),
        ("2", True),
        ("3", False),
        ("4", True),
    ]
    first = results[0]
    assert first.place == "t.jsonl:1"
    assert first.code.endswith("+ 0\n")
    assert first.dataset_sha256 == summary.run["dataset_sha256"]
    assert {"egbot", "python", "sandbox"} <= set(first.versions)
    assert first.num_tokens_generated > 0
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (written["solved"], written["total"]) == (3, 5)
    assert "| solved | 3 of 5 (60.0%) |" in (tmp_path / "out" / "summary.md").read_text()
    assert (tmp_path / "out" / "curve.svg").read_text().startswith("<svg")
    assert bench.num_loads == 1


def test_a_relation_to_greedy_needs_no_second_run_where_greedy_came_first(tmp_path: Path) -> None:
    bench = shelf()
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(4)), tmp_path / "out")
    relative = run_bench(order, bench.say, bench.effects()).relative
    assert relative is not None
    assert (relative.num_baseline, relative.num_solved, relative.num_tasks) == (2, 2, 4)
    assert (relative.times, relative.rate) == (1.0, 0.0)


def test_a_greedy_runs_folder_is_the_baseline(tmp_path: Path) -> None:
    tasks = jsonl(tmp_path / "t.jsonl", adders(4))
    bench = shelf()
    run_bench(order_of(tasks, tmp_path / "greedy"), bench.say, bench.effects())
    better = Shelf(
        ScriptedDecoder(
            lambda prompt, again: Script(
                re.sub(
                    r".*def add_(\d+)\((\w+).*",
                    r"\n    return \2 + \1\n",
                    prompt.response_prefix,
                    flags=re.DOTALL,
                )
            )
        )
    )
    order = order_of(tasks, tmp_path / "out", baseline=tmp_path / "greedy")
    relative = run_bench(order, better.say, better.effects()).relative
    assert relative is not None
    assert (relative.baseline, relative.times, relative.rate) == ("greedy", 2.0, 1.0)


def test_shards_part_the_set_and_an_empty_one_is_refused(tmp_path: Path) -> None:
    tasks = jsonl(tmp_path / "t.jsonl", adders(5))
    seen = []
    for index in (1, 2):
        out = tmp_path / f"out{index}"
        run_bench(order_of(tasks, out, shard=(index, 2)), shelf().say, shelf().effects())
        seen += [one.task for one in read_results(out / "results.jsonl")]
    assert sorted(seen) == ["0", "1", "2", "3", "4"]
    with pytest.raises(UsageError, match="shard 6/6 is empty: there are only 5 tasks"):
        run_bench(order_of(tasks, tmp_path / "o", shard=(6, 6)), shelf().say, shelf().effects())
    with pytest.raises(UsageError, match="there is no shard 3/2"):
        run_bench(order_of(tasks, tmp_path / "o", shard=(3, 2)), shelf().say, shelf().effects())


def test_repeats_give_pass_at_k(tmp_path: Path) -> None:
    bench = shelf()
    tasks = jsonl(tmp_path / "t.jsonl", adders(2))
    summary = run_bench(order_of(tasks, tmp_path / "out", repeats=3), bench.say, bench.effects())
    assert summary.pass_at == {"1": 0.5, "2": 0.5, "3": 0.5}
    assert (summary.solved, summary.total, summary.num_repeats) == (1, 2, 3)


def test_pass_at_k_is_averaged_over_the_tasks(tmp_path: Path) -> None:
    bench = shelf()
    tasks = jsonl(tmp_path / "t.jsonl", adders(1))
    run_bench(order_of(tasks, tmp_path / "out"), bench.say, bench.effects())
    one = read_results(tmp_path / "out" / "results.jsonl")[0]
    runs = [
        replace(one, repeat=n, solved=n < 2, status="solved" if n < 2 else "wrong")
        for n in range(4)
    ]
    assert summarise("x", runs).pass_at == {str(k): pass_at_k(4, 2, k) for k in range(1, 5)}


def test_the_share_of_foretold_tokens_is_that_of_guided_ones(tmp_path: Path) -> None:
    """Greedy decoding writes none, and then there is no such share."""
    bench = shelf()
    tasks = jsonl(tmp_path / "t.jsonl", adders(2))
    greedy = run_bench(order_of(tasks, tmp_path / "greedy"), bench.say, bench.effects())
    assert greedy.draft_share is None
    overrides = {"guidance": {"gamma": 1.0, "candidates": 0}}
    guided = order_of(tasks, tmp_path / "out", overrides=overrides)
    assert run_bench(guided, bench.say, bench.effects()).draft_share == 0.0
    one, other = read_results(tmp_path / "out" / "results.jsonl")
    assert one.num_guided_tokens > 0
    runs = [
        replace(one, num_guided_tokens=30, num_draft_tokens_accepted=21),
        replace(other, num_guided_tokens=10, num_draft_tokens_accepted=0),
    ]
    assert summarise("x", runs).draft_share == 21 / 40
    assert "| guided tokens without a step | 52.5% |" in summary_markdown(summarise("x", runs))


def test_bad_lines_are_told_and_kept_in_the_summary(tmp_path: Path) -> None:
    bench = shelf()
    path = Path(jsonl(tmp_path / "t.jsonl", adders(2)))
    path.write_text(path.read_text() + "{torn\n")
    summary = run_bench(order_of(str(path), tmp_path / "out"), bench.say, bench.effects())
    assert summary.total == 2
    assert [one.place for one in summary.faults] == ["t.jsonl:3"]
    assert any(line.startswith("left out: t.jsonl:3: it is no JSON") for line in bench.said)
    assert "- t.jsonl:3: it is no JSON" in (tmp_path / "out" / "summary.md").read_text()


def test_bad_references_are_listed_and_not_counted(tmp_path: Path) -> None:
    rows = [HUMANEVAL, {**HUMANEVAL, "task_id": "Test/1", "canonical_solution": "    return 0\n"}]
    bench = Shelf(
        ScriptedDecoder(Script("\n    return [helper(x) for x in numbers]\n")), in_process
    )
    summary = run_bench(
        order_of(jsonl(tmp_path / "t.jsonl", rows), tmp_path / "out"), bench.say, bench.effects()
    )
    assert (summary.solved, summary.total) == (1, 1)
    assert len(summary.bad_references) == 1
    assert summary.bad_references[0].startswith(
        "t.jsonl:2 Test/1: the set's own solution fails 1 of 1"
    )


# --- going on -----------------------------------------------------------------------------------


def test_a_torn_last_line_is_dropped_and_its_task_runs_again(tmp_path: Path) -> None:
    bench = shelf()
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(4)), tmp_path / "out")
    run_bench(order, bench.say, bench.effects())
    path = tmp_path / "out" / "results.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    again = shelf()
    summary = run_bench(replace(order, resume=True), again.say, again.effects())
    assert (summary.solved, summary.total) == (2, 4)
    assert path.read_bytes().count(b"\n") == 4
    assert path.read_bytes().startswith(whole[: whole.rfind(b"\n", 0, -1) + 1])
    assert len([line for line in again.said if line.startswith("[")]) == 1


def test_resuming_what_is_complete_loads_no_model(tmp_path: Path) -> None:
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(2)), tmp_path / "out")
    run_bench(order, shelf().say, shelf().effects())
    again = shelf()
    summary = run_bench(replace(order, resume=True), again.say, again.effects())
    assert (summary.solved, again.num_loads) == (1, 0)


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(2)), tmp_path / "out")
    run_bench(order, shelf().say, shelf().effects())
    with pytest.raises(UsageError, match="holds this very run already") as told:
        run_bench(order, shelf().say, shelf().effects())
    assert "--resume" in told.value.hint
    with pytest.raises(
        UsageError, match=r"holds another run: it differs in limit \(null there, 1 here\)"
    ):
        run_bench(replace(order, limit=1, resume=True), shelf().say, shelf().effects())


def test_a_task_file_that_changed_is_another_run(tmp_path: Path) -> None:
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(2)), tmp_path / "out")
    run_bench(order, shelf().say, shelf().effects())
    jsonl(tmp_path / "t.jsonl", adders(3))
    with pytest.raises(UsageError, match="differs in dataset_sha256"):
        run_bench(replace(order, resume=True), shelf().say, shelf().effects())


def test_other_judges_are_another_run(tmp_path: Path) -> None:
    """Edited judges would else give one file of results with two meanings."""
    judge = tmp_path / "judge.jsonl"
    jsonl(judge, adders(2))
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(2)), tmp_path / "out", judge=str(judge))
    run_bench(order, shelf().say, shelf().effects())
    jsonl(judge, adders(3))
    with pytest.raises(UsageError, match="differs in dataset_sha256"):
        run_bench(replace(order, resume=True), shelf().say, shelf().effects())


def test_a_baseline_of_other_tasks_is_refused(tmp_path: Path) -> None:
    other = order_of(jsonl(tmp_path / "other.jsonl", adders(3)), tmp_path / "greedy")
    run_bench(other, shelf().say, shelf().effects())
    order = order_of(
        jsonl(tmp_path / "t.jsonl", adders(2)), tmp_path / "out", baseline=tmp_path / "greedy"
    )
    with pytest.raises(UsageError, match="is of another task file"):
        run_bench(order, shelf().say, shelf().effects())


def test_a_bad_line_among_the_results_is_named(tmp_path: Path) -> None:
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(2)), tmp_path / "out")
    run_bench(order, shelf().say, shelf().effects())
    path = tmp_path / "out" / "results.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace('"solved"', '"sold"')]) + "\n")
    with pytest.raises(UsageError, match=r"results\.jsonl:2: "):
        run_bench(replace(order, resume=True), shelf().say, shelf().effects())


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path) -> None:
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(1)), tmp_path / "out")

    def nested(settings: Settings, tree: Tree, say: object) -> Sandbox:
        with pytest.raises(UsageError, match="another process writes"):
            run_bench(replace(order, resume=True), shelf().say, shelf().effects())
        return ReplaySandbox()

    bench = Shelf(ScriptedDecoder(adding), nested)
    assert run_bench(order, bench.say, bench.effects()).solved == 1


def test_an_interrupted_run_keeps_what_it_has_and_says_how_to_go_on(tmp_path: Path) -> None:
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(3)), tmp_path / "out")

    def stop(prompt: Prompt, again: int) -> Script:
        if "def add_1(" in prompt.response_prefix:
            raise KeyboardInterrupt
        return adding(prompt, again)

    bench = Shelf(ScriptedDecoder(stop))
    with pytest.raises(InterruptedRunError) as told:
        run_bench(order, bench.say, bench.effects())
    assert "--resume" in told.value.hint
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (written["solved"], written["total"], written["num_waiting"]) == (1, 1, 2)
    assert run_bench(replace(order, resume=True), shelf().say, shelf().effects()).total == 3


KILLED = """
import sys, time
from pathlib import Path
from egbot.bench.runs import run_bench
from egbot.testing import ScriptedDecoder
from tests.bench.sets import Shelf, order_of
from tests.bench.test_bench_runs import adding
tasks, out, begun, last = sys.argv[1:]
def slow(prompt, again):
    with open(begun, "a") as file:
        file.write(prompt.response_prefix.split("def ")[1].split("(")[0] + "\\n")
    with open(begun) as file:
        time.sleep(9999 if len(file.readlines()) > int(last) else 0.03)
    return adding(prompt, again)
bench = Shelf(ScriptedDecoder(slow))
run_bench(order_of(tasks, Path(out), resume=True), bench.say, bench.effects())
"""


def test_killed_at_any_moment_nothing_is_lost_and_nothing_runs_twice(tmp_path: Path) -> None:
    """SIGKILL again and again: a task that has a line is never begun again."""
    tasks, out = jsonl(tmp_path / "t.jsonl", adders(12)), tmp_path / "out"
    begun = tmp_path / "begun"
    begun.touch()
    num_kills, is_done = 0, False
    while not is_done:
        before = set(_tasks(out))
        begun.write_text("")
        wanted = len(before) + 3 if num_kills < 3 else 99  # and it does not outrun us
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, tasks, str(out), str(begun), str(wanted - len(before))],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        while child.poll() is None:
            if len(begun.read_text().splitlines()) + len(before) >= wanted:
                time.sleep(0.001 + 0.011 * num_kills)
                child.send_signal(signal.SIGKILL)
                num_kills += 1
                break
            time.sleep(0.005)
        is_done = child.wait() == 0
        assert is_done or num_kills <= 3
        assert before <= set(_tasks(out))
        assert not {name.removeprefix("add_") for name in begun.read_text().splitlines()} & before
    assert num_kills == 3
    assert sorted(map(int, _tasks(out))) == list(range(12))


def _tasks(out: Path) -> list[str]:
    path = out / "results.jsonl"
    return [one.task for one in read_results(path)] if path.exists() else []


# --- what breaks --------------------------------------------------------------------------------


def test_without_a_model_no_task_is_tried(tmp_path: Path) -> None:
    class Unloadable(Shelf):
        @override
        def load(self, settings: Settings, say: object) -> Decoder:
            raise ModelError("there is no such model")

    bench = Unloadable()
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(2)), tmp_path / "out")
    with pytest.raises(ModelError):
        run_bench(order, bench.say, bench.effects())
    assert (tmp_path / "out" / "results.jsonl").read_text() == ""


def test_a_lost_sandbox_gets_a_second_chance_and_ends_the_run_when_lost_again(
    tmp_path: Path,
) -> None:
    failures = iter([True, False, True, True])

    class Fragile(ReplaySandbox):
        @override
        def open(
            self, tree: Tree, tests: Iterable[str], limits: Limits, probe: Probe | None = None
        ) -> ReplayExecutor:
            if self.executors and len(self.executors) % 3 == 0 and next(failures, False):
                raise SandboxError("the sandbox is gone")
            return super().open(tree, tests, limits, probe)

    sandbox = Fragile()
    bench = Shelf(ScriptedDecoder(adding), lambda settings, tree, say: sandbox)
    order = order_of(jsonl(tmp_path / "t.jsonl", adders(5)), tmp_path / "out")
    with pytest.raises(SandboxError) as told:
        run_bench(order, bench.say, bench.effects())
    assert "--resume" in told.value.hint
    assert any("trying once more" in line for line in bench.said)
    summary = run_bench(replace(order, resume=True), shelf().say, shelf().effects())
    assert (summary.solved, summary.total) == (3, 5)


def test_a_prompt_beyond_the_context_is_that_tasks_own_error(tmp_path: Path) -> None:
    rows = adders(3)
    rows[1]["text"] = "long " * 4000
    bench = Shelf(ScriptedDecoder(adding, context_tokens=2000))
    summary = run_bench(
        order_of(jsonl(tmp_path / "t.jsonl", rows), tmp_path / "out"), bench.say, bench.effects()
    )
    assert summary.by_status == {"solved": 2, "error": 1}
    assert (summary.solved, summary.total) == (2, 3)


def test_progress_has_an_estimate_once_it_is_worth_one(tmp_path: Path) -> None:
    bench = shelf()
    run_bench(
        order_of(jsonl(tmp_path / "t.jsonl", adders(5)), tmp_path / "out"),
        bench.say,
        bench.effects(),
    )
    lines = [line for line in bench.said if line.startswith("[")]
    assert [("estimate" in line) for line in lines] == [False, False, True, True, False]
    assert lines[-1].endswith("3 of 5 solved")


def test_mbpp_runs_in_a_real_process(tmp_path: Path) -> None:
    """The whole way once with pytest itself."""
    bench = Shelf(ScriptedDecoder(Script("\n    return ()\n")), in_process)
    summary = run_bench(
        order_of(jsonl(tmp_path / "t.jsonl", [MBPP]), tmp_path / "out"), bench.say, bench.effects()
    )
    assert summary.by_status == {"no_patch": 1}
