"""Owns the results of a benchmark run on disk: one JSON line a task, appended and synced.

It does not know how a result comes about. A run that was killed while it wrote leaves a torn last
line, which is dropped when the file is opened again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from egbot.errors import SpaceError, UsageError
from egbot.report.files import write_json

RESULTS = "results.jsonl"
HEAD = "bench.json"
SCHEMA = "egbot.bench.run/1"

Status = Literal[
    "solved",
    "wrong",
    "no_patch",
    "over_budget",
    "bad_reference",
    "no_target",
    "wrong_target",
    "not_needed",
    "found",
    "error",
]
"""How a task ended. ``wrong``: it passes the tests that the model was given, but not the judges'.

``bad_reference``: the set's own solution fails the judges. For packages also: ``no_target``,
``wrong_target`` (another function than the blanked one was taken), ``not_needed`` (no test fails
without it), ``found`` (the right one, and nothing more was asked for).
"""
COUNTED: tuple[Status, ...] = (
    "solved",
    "wrong",
    "no_patch",
    "over_budget",
    "no_target",
    "wrong_target",
    "error",
)
"""The statuses of tasks that could have been solved; the others are listed apart."""


@dataclass(frozen=True, slots=True)
class Try:
    """One agent's attempt. Tokens and seconds are the task's so far, at the attempt's end."""

    agent: int
    guidance: Mapping[str, object]
    finish: str
    num_passed: int
    num_tokens_forwarded: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """One line of results.jsonl. ``agent`` counts from 1, 0 where none solved the task.

    ``num_judged`` and ``num_judged_passed`` count the tests that judge; ``num_visible`` those that
    the model was given, without ``num_dropped`` that the set's own solution fails. Of the
    ``num_guided_tokens`` that guided agents wrote, ``num_draft_tokens_accepted`` came without a
    step of their own. ``targets`` are the functions of a package that egbot took for missing;
    ``form`` is what was done to it, and ``fits`` whether the header took every call of it.
    """

    task: str
    repeat: int
    place: str
    status: Status
    solved: bool
    agent: int
    code: str
    detail: str
    num_visible: int
    num_dropped: int
    num_judged: int
    num_judged_passed: int
    num_tokens_forwarded: int
    num_tokens_generated: int
    wall_s: float
    attempts: tuple[Try, ...]
    num_guided_tokens: int = 0
    num_draft_tokens_accepted: int = 0
    targets: tuple[str, ...] = ()
    form: str = ""
    fits: bool = False
    dataset_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """What no two lines of a run share."""
        return self.task, self.repeat


class _Line(BaseModel):
    """Lends its strictness about unknown keys to the plain dataclasses inside."""

    model_config = ConfigDict(extra="forbid")
    result: Result


class Store:
    """The results in a folder, open for appending; one process at a time."""

    def __init__(self, folder: Path, head: Mapping[str, object], *, resume: bool) -> None:
        """Open ``folder`` for a run that ``head`` describes.

        Raises UsageError when it holds another run, or the same one and ``resume`` is not set, or
        another process is at work in it; SpaceError when it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(
                folder / RESULTS, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
            )
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            self._lock(folder)
            _check_head(folder, head, resume=resume)
            _drop_torn_line(folder / RESULTS)
            self.results = read_results(folder / RESULTS)
        except BaseException:
            os.close(self._handle)
            raise
        self._folder = folder

    def append(self, result: Result) -> None:
        """Write one line and wait until it is on the disk. Raises SpaceError."""
        line = json.dumps(asdict(result), allow_nan=False).encode() + b"\n"
        try:
            is_whole = os.write(self._handle, line) == len(line)
            os.fsync(self._handle)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        if not is_whole:  # the torn line goes at the next start
            raise _unwritable(self._folder, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self.results = (*self.results, result)

    def close(self) -> None:
        """Close the file, which lets other processes in."""
        os.close(self._handle)

    def _lock(self, folder: Path) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another process writes to {folder}", hint="wait for it, or use another --output"
            ) from error


def read_results(path: Path) -> tuple[Result, ...]:
    """All lines of a results file. Raises UsageError that names file and line for a bad one."""
    return tuple(_parsed(path, number, line) for number, line in _lines(path))


def read_folder(folder: Path) -> tuple[Result, ...]:
    """The results in a run's folder, or of all shards in the folders right below it.

    A torn last line of a run that goes on or was killed is passed over. Raises UsageError when
    there are none, or two shards hold the same task.
    """
    own = folder / RESULTS
    found = [own] if own.is_file() else sorted(folder.glob(f"*/{RESULTS}"))
    results: dict[tuple[str, int], Result] = {}
    for path in found:
        for result in read_results(path):
            if result.key in results:
                raise UsageError(
                    f"{path} holds the task {result.task}, and so does another shard",
                    hint="compare single runs, or remove the shard that is too much",
                )
            results[result.key] = result
    if not results:
        raise UsageError(
            f"{folder} holds no results", hint="give the --output folder of egbot bench run"
        )
    return tuple(results.values())


def read_head(folder: Path) -> dict[str, object]:
    """What bench.json says of a run; of the first shard where the folder holds shards."""
    places = [folder / HEAD, *sorted(folder.glob(f"*/{HEAD}"))]
    place = next((one for one in places if one.is_file()), None)
    if place is None:
        raise UsageError(f"{folder} has no {HEAD}", hint="give a folder of egbot bench run")
    try:
        head = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{place} cannot be read: {error}", hint="use another folder") from error
    if not isinstance(head, dict) or head.get("schema") != SCHEMA:
        raise UsageError(f"{place} is not of the schema {SCHEMA}", hint="use another folder")
    return head


def _check_head(folder: Path, head: Mapping[str, object], *, resume: bool) -> None:
    """Write bench.json, or compare it with the one that is there."""
    if not (folder / HEAD).exists():
        if (folder / RESULTS).stat().st_size:
            raise UsageError(f"{folder} has {RESULTS} but no {HEAD}", hint="use another --output")
        write_json(folder / HEAD, dict(head))
        return
    there = read_head(folder)
    here = json.loads(json.dumps(head))
    changed = [
        f"{name} ({_short(there.get(name))} there, {_short(here.get(name))} here)"
        for name in dict.fromkeys([*there, *here])
        if there.get(name) != here.get(name)
    ]
    if changed:
        raise UsageError(
            f"{folder} holds another run: it differs in {'; '.join(changed)}",
            hint="use another --output, or the same options",
        )
    if not resume:
        raise UsageError(
            f"{folder} holds this very run already", hint="add --resume, or use another --output"
        )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _drop_torn_line(path: Path) -> None:
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end != len(data):
        os.truncate(path, end)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The complete lines of the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="check it") from error
    complete = data[: data.rfind(b"\n") + 1].decode("utf-8", "replace")
    yield from enumerate(complete.split("\n")[:-1], 1)


def _parsed(path: Path, number: int, line: str) -> Result:
    try:
        return _Line.model_validate({"result": json.loads(line)}).result
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        why = f"{where}: {first['msg']}"
    except (ValueError, RecursionError) as error:
        why = f"it is no JSON: {error}"
    raise UsageError(f"{path}:{number}: {why}", hint="remove that line; its task then runs again")


def _unwritable(folder: Path, error: OSError) -> SpaceError:
    return SpaceError(
        f"{folder} cannot be written: {error.strerror or error}",
        hint="free some space, or use another --output; what is written stays",
    )
