"""Owns the list of task formats: how each is told by its fields, and who reads it.

It does not know files or models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from egbot.bench import codecontests, ds1000, humaneval, mbpp, packages
from egbot.bench.reading import Source
from egbot.bench.tasks import BadRecordError, Fault, Function, Record, Task
from egbot.errors import UsageError


@dataclass(frozen=True, slots=True)
class Format:
    """``needs``: one field of each group must be there."""

    name: str
    needs: tuple[tuple[str, ...], ...]
    make: Callable[[Record], Task]


FORMATS: tuple[Format, ...] = (
    Format("mbpp", (("test_list",), ("text", "prompt")), mbpp.make_task),
    Format("ds1000", (("prompt",), ("code_context",)), ds1000.make_task),
    Format(
        "humaneval",
        (("prompt",), ("entry_point",), ("test", "test_case_list")),
        humaneval.make_task,
    ),
    Format(
        "codecontests",
        (("description",), ("public_tests", "private_tests", "generated_tests")),
        codecontests.make_task,
    ),
    Format("repo", (("target",), ("package", "path")), packages.make_task),
)
NAMES = tuple(sorted(one.name for one in FORMATS))


@dataclass(frozen=True, slots=True)
class TaskSet:
    """The usable tasks of a source in its order, and the records that are none."""

    source: Source
    format_name: str
    tasks: tuple[Task, ...]
    faults: tuple[Fault, ...]


def load_tasks(source: Source, format_name: str | None) -> TaskSet:
    """Read every record. One that is no task, or has another's id, is a fault; the others count.

    Without a name the format is what most of the first records look like. Raises UsageError when
    that cannot be told or no task is left.
    """
    name = format_name or _guessed(source)
    chosen = next(one for one in FORMATS if one.name == name)
    tasks: dict[str, Task] = {}
    faults = list(source.faults)
    for record in source.records:
        try:
            task = _make(chosen, record)
        except BadRecordError as error:
            faults.append(Fault(record.place, str(error)))
            continue
        if task.task_id in tasks:
            first = tasks[task.task_id].place
            why = f"its id {task.task_id} is taken: the first one stands in {first}"
            faults.append(Fault(record.place, why))
            continue
        tasks[task.task_id] = task
    if not tasks:
        raise UsageError(
            f"{source.name} holds no task of the format {name}: {_told(faults)}",
            hint="give the right file or --format",
        )
    return TaskSet(source, name, tuple(tasks.values()), tuple(faults))


def with_judges(tasks: TaskSet, judges: TaskSet) -> TaskSet:
    """The same tasks, judged by the tests of another set (an ET edition) where it has them.

    A task that the other set lacks, or that writes another function there, is a fault. The result's
    digest is of both files.
    """
    others = {one.task_id: one for one in judges.tasks}
    kept, faults = [], [*tasks.faults, *judges.faults]
    for task in tasks.tasks:
        other = others.get(task.task_id)
        if other is None:
            faults.append(Fault(task.place, f"{judges.source.name} has no task {task.task_id}"))
        elif not isinstance(task.work, Function) or not isinstance(other.work, Function):
            faults.append(Fault(task.place, "a package's own tests are its judges"))
        elif task.work.qualname != other.work.qualname:
            why = f"in {other.place} its function is {other.work.qualname}"
            faults.append(Fault(task.place, f"{why}, not {task.work.qualname}"))
        else:
            work = replace(task.work, hidden=other.work.hidden, judges=other.work.judges)
            kept.append(replace(task, work=work))
    if not kept:
        raise UsageError(f"no task has judges: {_told(faults)}", hint="give the set's ET edition")
    both = hashlib.sha256(f"{tasks.source.sha256} {judges.source.sha256}".encode()).hexdigest()
    source = replace(tasks.source, sha256=both)
    return replace(tasks, source=source, tasks=tuple(kept), faults=tuple(faults))


def looks_like(record: Record) -> str:
    """The format whose fields the record has, or ""."""
    for one in FORMATS:
        if all(any(name in record.fields for name in group) for group in one.needs):
            return one.name
    return ""


def _make(chosen: Format, record: Record) -> Task:
    lacking = [group for group in chosen.needs if not any(name in record.fields for name in group)]
    if lacking:
        other = looks_like(record)
        hint = f"; it looks like {other}" if other else ""
        names = ", ".join(" or ".join(group) for group in lacking)
        raise BadRecordError(f"it has no {names}, which {chosen.name} needs{hint}")
    return chosen.make(record)


def _guessed(source: Source) -> str:
    for record in source.records[:20]:
        name = looks_like(record)
        if name:
            return name
    seen = ", ".join(sorted(source.records[0].fields)[:8]) if source.records else ""
    raise UsageError(
        f"{source.name} is of no known format: "
        + (f"{source.records[0].place} has the fields {seen}" if seen else _told(source.faults)),
        hint=f"known formats: {', '.join(NAMES)}",
    )


def _told(faults: Iterable[Fault]) -> str:
    listed = [f"{one.place}: {one.why}" for one in faults]
    more = f"; and {len(listed) - 3} more" if len(listed) > 3 else ""
    return "; ".join(listed[:3]) + more
