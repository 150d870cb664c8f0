"""A benchmark run: tasks in, results.jsonl and a summary out, resumable at any moment.

It brings the effects together (files, sandbox, model); how one task is solved and judged is
decided in `egbot.bench.solving` and `egbot.bench.corridor`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from egbot import __version__
from egbot.bench.corridor import check_package, solve_blanked
from egbot.bench.curve import curve_of
from egbot.bench.drawing import curves_svg
from egbot.bench.effects import Effects, make_tools
from egbot.bench.formats import TaskSet, load_tasks, with_judges
from egbot.bench.reading import read_source
from egbot.bench.results import COUNTED, SCHEMA, Result, Store, read_folder, read_head
from egbot.bench.solving import Tools, blank_result, solve_task
from egbot.bench.summary import Summary, counted, summarise, summary_json, summary_markdown
from egbot.bench.tasks import Function, Task
from egbot.config import Settings, load_settings
from egbot.errors import (
    EgbotError,
    InterruptedRunError,
    ModelError,
    SandboxError,
    SurroundingsError,
    UsageError,
)
from egbot.local import versions
from egbot.report.files import write_json, write_text
from egbot.synthesis.agents import schedule

_LEAST_FOR_ESTIMATE = 3
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for. ``shard`` is (i, n) with i from 1; ``limit`` counts before it."""

    tasks: str
    output: Path
    overrides: Mapping[str, object]
    format_name: str | None = None
    judge: str | None = None
    limit: int | None = None
    shard: tuple[int, int] = (1, 1)
    repeats: int = 1
    resume: bool = False
    find_only: bool = False
    oracle: bool = False
    baseline: Path | None = None


def run_bench(order: Order, say: Say, effects: Effects | None = None) -> Summary:
    """Run what is not done yet and write the summary; progress goes to ``say``.

    A task that cannot be run is a result of its own; a sandbox that is lost twice ends the run,
    which can be resumed. Raises UsageError, SurroundingsError, InterruptedRunError.
    """
    settings = load_settings(None, order.overrides)
    schedule(
        settings.guidance, settings.seed
    )  # first: agents that cannot be read are no task's fault
    found = _task_set(order)
    tasks = _shard(order, found.tasks)
    baseline = _baseline(order.baseline, found.source.sha256)
    for fault in found.faults:
        say(f"left out: {fault.place}: {fault.why}")
    head = _head(order, settings, found)
    store = Store(order.output, head, resume=order.resume)
    try:
        todo = _todo(tasks, order.repeats, store.results)
        if len(todo) < len(tasks) * order.repeats:
            say(f"resumed: {len(tasks) * order.repeats - len(todo)} results are there already")
        tools = make_tools(settings, say, effects, order.find_only, order.oracle)
        bench = _Bench(settings, tools, store, say)
        try:
            _work(bench, todo, found.source.sha256)
        finally:
            summary = _summary(order, store.results, found, len(tasks) * order.repeats, baseline)
            _write(order.output, summary, store.results)
    finally:
        store.close()
    return summary


# --- what is to be done ------------------------------------------------------------------------


def _task_set(order: Order) -> TaskSet:
    found = load_tasks(read_source(order.tasks), order.format_name)
    if order.judge is None:
        return found
    return with_judges(found, load_tasks(read_source(order.judge), found.format_name))


def _shard(order: Order, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    """Every n-th task; so the shards of a set are of one size, whatever its order means."""
    index, num_shards = order.shard
    if not 1 <= index <= num_shards:
        raise UsageError(f"there is no shard {index}/{num_shards}", hint="count from 1: 1/4 to 4/4")
    chosen = tasks[: order.limit][index - 1 :: num_shards]
    if not chosen:
        num_tasks = len(tasks[: order.limit])
        raise UsageError(
            f"shard {index}/{num_shards} is empty: there are only {num_tasks} tasks",
            hint=f"use at most {num_tasks} shards",
        )
    return chosen


def _todo(tasks: Sequence[Task], repeats: int, results: Sequence[Result]) -> list[tuple[Task, int]]:
    done = {one.key for one in results}
    pairs = [(task, repeat) for repeat in range(repeats) for task in tasks]
    return [(task, repeat) for task, repeat in pairs if (task.task_id, repeat) not in done]


def _head(order: Order, settings: Settings, found: TaskSet) -> dict[str, object]:
    """What must be the same for two calls to be the same run."""
    return {
        "schema": SCHEMA,
        "tasks": order.tasks,
        "format": found.format_name,
        "dataset_sha256": found.source.sha256,
        "judge": order.judge,
        "limit": order.limit,
        "shard": list(order.shard),
        "repeats": order.repeats,
        "find_only": order.find_only,
        "oracle": order.oracle,
        "settings": settings.model_dump(mode="json"),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    return {"egbot": __version__, **versions()}


def _baseline(folder: Path | None, dataset_sha256: str) -> tuple[str, tuple[Result, ...]] | None:
    if folder is None:
        return None
    read_head(folder)
    results = read_folder(folder)
    if any(one.dataset_sha256 != dataset_sha256 for one in results):
        raise UsageError(
            f"the baseline {folder} is of another task file, or was judged by other tests",
            hint="make it with the same task file and the same --judge",
        )
    return folder.name, results


# --- the work ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Bench:
    settings: Settings
    tools: Tools
    store: Store
    say: Say


def _work(bench: _Bench, todo: Sequence[tuple[Task, int]], dataset_sha256: str) -> None:
    packages: dict[str, str] = {}
    try:
        if todo:
            bench.tools.decoder()  # first: without a model no task can be tried
        start_s = time.monotonic()
        for number, (task, repeat) in enumerate(todo, 1):
            result = _solved(bench, task, repeat, packages)
            known = {**_versions(), **result.versions}
            bench.store.append(replace(result, dataset_sha256=dataset_sha256, versions=known))
            spent_s = time.monotonic() - start_s
            bench.say(_progress(number, len(todo), result, bench.store.results, spent_s))
    except KeyboardInterrupt:
        raise InterruptedRunError(
            "interrupted; what was reached so far is saved", hint="go on with --resume"
        ) from None
    except SurroundingsError as error:
        error.hint = f"{error.hint}{'; ' if error.hint else ''}then go on with --resume"
        raise


def _solved(bench: _Bench, task: Task, repeat: int, packages: dict[str, str]) -> Result:
    """One result. A sandbox that was lost gets a second chance; what only this task meets is told."""
    settings = bench.settings.model_copy(update={"seed": bench.settings.seed + repeat})
    for is_last in (False, True):
        try:
            return _attempted(bench, task, repeat, settings, packages)
        except (UsageError, ModelError) as error:
            return blank_result(task, repeat, "error", error.message)
        except SandboxError as error:
            if is_last:
                raise
            bench.say(f"{task.task_id}: {error.message}; trying once more")
    raise EgbotError("no result")  # not reached: the last turn returns or raises


def _attempted(
    bench: _Bench, task: Task, repeat: int, settings: Settings, packages: dict[str, str]
) -> Result:
    if isinstance(task.work, Function):
        return solve_task(task, task.work, repeat, settings, bench.tools)
    tree = bench.tools.package(task.work)
    key = f"{task.work.package} {task.work.version} {task.work.path}"
    if key not in packages:
        bench.say(f"running the tests of {key.strip()}")
        packages[key] = check_package(tree, settings, bench.tools)
    if packages[key]:
        return blank_result(task, repeat, "bad_reference", packages[key])
    return solve_blanked(task, task.work, repeat, settings, bench.tools)


def _progress(
    number: int, total: int, result: Result, results: Sequence[Result], spent_s: float
) -> str:
    """One line. The estimate is the mean of this call's tasks times what is left of them."""
    first = [one for one in results if one.repeat == result.repeat and one.status in COUNTED]
    told = f"[{number}/{total}] {result.task}: {result.status}"
    told += f" in {result.wall_s:.1f} s, {result.num_tokens_forwarded:,} tokens"
    told += f"; {sum(one.solved for one in first)} of {len(first)} solved"
    left = total - number
    if left and number >= _LEAST_FOR_ESTIMATE:
        told += f"; about {_duration(spent_s / number * left)} left (estimate: mean of {number})"
    return told


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


# --- the summary -------------------------------------------------------------------------------


def _summary(
    order: Order,
    results: Sequence[Result],
    found: TaskSet,
    num_wanted: int,
    baseline: tuple[str, Sequence[Result]] | None,
) -> Summary:
    return summarise(
        order.output.name,
        results,
        num_waiting=num_wanted - len(results),
        faults=found.faults,
        baseline=baseline,
        run=read_head(order.output),
    )


def _write(folder: Path, summary: Summary, results: Sequence[Result]) -> None:
    write_json(folder / "summary.json", summary_json(summary))
    write_text(folder / "summary.md", summary_markdown(summary))
    curve = curve_of(summary.name, counted(results).values())
    write_text(folder / "curve.svg", curves_svg([curve]))
