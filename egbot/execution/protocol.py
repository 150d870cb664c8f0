"""The frames between bot and sandbox as values: it writes ours and reads theirs, strictly.

What the sandbox sends is data: a frame that is not exactly as agreed becomes a ProtocolError.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, StrictInt, TypeAdapter, ValidationError

from egbot.projects import Project
from egbot.records import (
    Collection,
    Evidence,
    Execution,
    FailingTest,
    Items,
    Job,
    Limits,
    Probe,
    Seconds,
    TestOutcome,
    Text,
)

MAX_FRAME_BYTES = 64 * 1024 * 1024
_ENDLESS_S = 1e7

_T = TypeVar("_T")


class ProtocolError(Exception):
    """The sandbox sent what it must not send."""


class _Frame(BaseModel, extra="forbid", frozen=True, str_max_length=8_192, allow_inf_nan=False):
    """Arrays become tuples and objects records, so it is not ``strict``; each number is, itself."""


class _Result(_Frame):
    type: Literal["result"]
    id: StrictInt
    status: Literal["ok", "timeout", "oom", "crash", "invalid", "protocol_error"]
    detail: Text = ""
    wall_s: Seconds = 0.0
    outcomes: Annotated[tuple[TestOutcome, ...], Items(max_length=200_000)]


class _Collected(_Frame):
    type: Literal["collected"]
    node_ids: Annotated[tuple[str, ...], Items(max_length=500_000)]
    unaskable: Annotated[tuple[str, ...], Items(max_length=2_000)] = ()
    renamed: Annotated[tuple[str, ...], Items(max_length=500_000)] = ()
    errors: Annotated[tuple[FailingTest, ...], Items(max_length=100_000)] = ()
    python: Annotated[str, Field(max_length=64)] = ""
    pytest: Annotated[str, Field(max_length=64)] = ""
    switched_off: Annotated[tuple[str, ...], Items(max_length=100)] = ()
    evidence: Evidence | None = None


class Broken(_Frame):
    """The sandbox's word on why it serves no job, and what it lacks: pytest, walls, its life."""

    type: Literal["broken"] = "broken"
    kind: Literal["pytest", "walls", "killed"] = "pytest"
    message: Text


_RESULT = TypeAdapter(_Result)
_OPENING: TypeAdapter[_Collected | Broken] = TypeAdapter(
    Annotated[_Collected | Broken, Field(discriminator="type")]
)


def render_open(**parts: object) -> bytes:
    """Write the frame that precedes the tree's bytes; the runner looks for its ``walls`` first."""
    return _render({"type": "open", **parts})


def render_run(number: int, job: Job, left_s: float = _ENDLESS_S) -> bytes:
    """Ask for one job within ``left_s`` seconds. Raises ProtocolError when it is too large."""
    frame = _render({"type": "run", "id": number, "left_s": min(left_s, _ENDLESS_S), **_plain(job)})
    if len(frame) > MAX_FRAME_BYTES:
        raise ProtocolError(f"a job of {len(frame)} bytes is larger than a frame may be")
    return frame


def _render(message: dict[str, object]) -> bytes:
    return json.dumps(message, allow_nan=False, default=_plain).encode("ascii") + b"\n"


def _plain(record: Project | Limits | Job | Probe) -> dict[str, object]:
    """A record as JSON. Its deadline is on a clock of ours and travels as what is left."""
    return asdict(record, dict_factory=lambda pairs: {k: v for k, v in pairs if k != "deadline_s"})


def parse_opening(line: bytes) -> Collection | Broken:
    """Read the answer to ``open``. Raises ProtocolError when it is neither of them."""
    found = _parsed(_OPENING, line)
    if isinstance(found, Broken):
        return found
    known = (found.node_ids, found.errors, found.python, found.pytest)
    return Collection(*known, found.unaskable, found.renamed, found.switched_off, found.evidence)


def parse_result(line: bytes, number: int, job: Job) -> Execution:
    """Read the answer to job ``number``. Raises ProtocolError when it is not that job's answer."""
    result = _parsed(_RESULT, line)
    if result.id != number:
        raise ProtocolError(f"an answer to job {result.id} came where {number} was asked")
    if tuple(outcome.node_id for outcome in result.outcomes) != job.tests:
        raise ProtocolError("the outcomes are not those of the tests that were asked for")
    for outcome in result.outcomes:
        if outcome.trace and len(outcome.trace.events) > job.limits.max_events:
            raise ProtocolError(f"the trace of {outcome.node_id} is longer than was asked for")
    return Execution(result.status, result.outcomes, result.detail, result.wall_s)


def _parsed(kind: TypeAdapter[_T], line: bytes) -> _T:
    if len(line) > MAX_FRAME_BYTES:
        raise ProtocolError(f"a frame of {len(line)} bytes is too long")
    try:
        return kind.validate_python(json.loads(line))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "its top"
        raise ProtocolError(f"a frame is wrong at {where}: {first['msg']}"[:400]) from None
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a line is not JSON: {error}") from None
