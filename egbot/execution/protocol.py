"""The frames between bot and sandbox as values: it writes ours and reads theirs, strictly.

It knows nothing of processes and pipes. Whatever the sandbox sends is data: a frame that is not
exactly as agreed becomes a ProtocolError, whose message says what was wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from egbot.projects import Project
from egbot.records import (
    Collection,
    Comparison,
    Execution,
    FailingTest,
    Fault,
    Frame,
    Job,
    Limits,
    Status,
    TestOutcome,
    Trace,
    TraceEvent,
)

MAX_FRAME_BYTES = 64 * 1024 * 1024
_ENDLESS_S = 1e7

_Short = Annotated[str, Field(max_length=8_192)]
_Long = Annotated[str, Field(max_length=65_536)]
_Seconds = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
_Line = Annotated[int, Field(ge=0, le=10_000_000)]
_Phase = Literal["setup", "call", "teardown"]


class ProtocolError(Exception):
    """The sandbox sent what it must not send."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Frame(_Model):
    path: _Short
    line: _Line
    function: _Short


class _Fault(_Model):
    type_name: _Short
    message: _Long
    frames: Annotated[list[_Frame], Field(max_length=1_000)] = []
    attributes: Annotated[
        list[Annotated[list[_Short], Field(min_length=2, max_length=2)]], Field(max_length=32)
    ] = []

    def record(self) -> Fault:
        return Fault(
            type_name=self.type_name,
            message=self.message,
            frames=tuple(Frame(one.path, one.line, one.function) for one in self.frames),
            attributes=tuple((key, value) for key, value in self.attributes),
        )


class _FailingTest(_Model):
    node_id: _Short
    phase: Literal["collect", "setup", "call", "teardown"]
    fault: _Fault
    status: Status = "failed"

    def record(self) -> FailingTest:
        return FailingTest(self.node_id, self.phase, self.fault.record(), self.status)


class _Comparison(_Model):
    source: _Long
    left: _Long | None = None
    operator: Annotated[str, Field(max_length=64)] | None = None
    right: _Long | None = None

    def record(self) -> Comparison:
        return Comparison(self.source, self.left, self.operator, self.right)


class _TraceEvent(_Model):
    kind: Literal["call", "line", "return", "exception"]
    function: _Short
    line: _Line
    depth: Annotated[int, Field(ge=0, le=1_000_000)]
    changes: Annotated[
        list[Annotated[list[_Short], Field(min_length=2, max_length=2)]], Field(max_length=10_000)
    ] = []
    value: _Short | None = None

    def record(self) -> TraceEvent:
        return TraceEvent(
            kind=self.kind,
            function=self.function,
            line=self.line,
            depth=self.depth,
            changes=tuple((name, text) for name, text in self.changes),
            value=self.value,
        )


class _Trace(_Model):
    events: Annotated[list[_TraceEvent], Field(max_length=1_000_000)]
    num_dropped: Annotated[int, Field(ge=0)] = 0
    lines: Annotated[list[_Line], Field(max_length=100_000)] | None = None

    def record(self) -> Trace:
        return Trace(
            events=tuple(event.record() for event in self.events),
            num_dropped=self.num_dropped,
            lines=None if self.lines is None else tuple(self.lines),
        )


class _TestOutcome(_Model):
    node_id: _Short
    status: Status
    phase: _Phase = "call"
    duration_s: _Seconds = 0.0
    fault: _Fault | None = None
    comparison: _Comparison | None = None
    output: Annotated[str, Field(max_length=1_000_000)] = ""
    trace: _Trace | None = None

    def record(self) -> TestOutcome:
        return TestOutcome(
            node_id=self.node_id,
            status=self.status,
            phase=self.phase,
            duration_s=self.duration_s,
            fault=self.fault.record() if self.fault else None,
            comparison=self.comparison.record() if self.comparison else None,
            output=self.output,
            trace=self.trace.record() if self.trace else None,
        )


class _Result(_Model):
    type: Literal["result"]
    id: int
    status: Literal["ok", "timeout", "oom", "crash", "invalid", "protocol_error"]
    detail: _Long = ""
    wall_s: _Seconds = 0.0
    outcomes: Annotated[list[_TestOutcome], Field(max_length=200_000)]


class _Collected(_Model):
    type: Literal["collected"]
    node_ids: Annotated[list[_Short], Field(max_length=500_000)]
    too_long: Annotated[list[_Short], Field(max_length=2_000)] = []
    errors: Annotated[list[_FailingTest], Field(max_length=100_000)] = []
    python: Annotated[str, Field(max_length=64)] = ""
    pytest: Annotated[str, Field(max_length=64)] = ""


class Broken(_Model):
    """The sandbox's word on why it serves no job, and what it lacks: pytest, walls, its life."""

    type: Literal["broken"] = "broken"
    kind: Literal["pytest", "walls", "killed"] = "pytest"
    message: _Long


_M = TypeVar("_M", bound=BaseModel)

# --- what we send -----------------------------------------------------------------------------


def render_open(  # noqa: PLR0913  each is a part of the frame
    *,
    work: str,
    num_tar_bytes: int,
    project: Project | None,
    tests: Iterable[str],
    options: Iterable[str],
    env: Mapping[str, str],
    limits: Limits,
    walls: Iterable[str] = (),
) -> bytes:
    """Write the frame that precedes the tree's ``num_tar_bytes`` raw bytes.

    The runner looks for ``walls`` (``egbot.execution.confinement``) before it does anything.
    """
    return _render(
        {
            "type": "open",
            "work": work,
            "num_tar_bytes": num_tar_bytes,
            "project": asdict(project) if project else None,
            "tests": list(tests),
            "options": list(options),
            "env": dict(env),
            "limits": _plain(limits),
            "walls": list(walls),
        }
    )


def render_run(number: int, job: Job, left_s: float = _ENDLESS_S) -> bytes:
    """Write the frame that asks for one job, which may take ``left_s`` seconds in all.

    Raises ProtocolError when it is too large to send.
    """
    frame = _render(
        {
            "type": "run",
            "id": number,
            "program": asdict(job.program) if job.program else None,
            "tests": list(job.tests),
            "trace": job.trace,
            "limits": _plain(job.limits),
            "patient": job.patient,
            "left_s": min(left_s, _ENDLESS_S),
        }
    )
    if len(frame) > MAX_FRAME_BYTES:
        raise ProtocolError(f"a job of {len(frame)} bytes is larger than a frame may be")
    return frame


def _plain(limits: Limits) -> dict[str, object]:
    """The limits of one test. The deadline is on a clock of ours and travels as what is left."""
    return {name: value for name, value in asdict(limits).items() if name != "deadline_s"}


def _render(message: dict[str, object]) -> bytes:
    return json.dumps(message, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


# --- what we read -----------------------------------------------------------------------------


def parse_opening(line: bytes) -> Collection | Broken:
    """Read the answer to ``open``: the collection, or the sandbox's word on why it cannot be.

    Raises ProtocolError when the line is neither.
    """
    message = _load(line)
    if message.get("type") == "broken":
        return _validated(Broken, message)
    collected = _validated(_Collected, message)
    return Collection(
        node_ids=tuple(collected.node_ids),
        too_long=tuple(collected.too_long),
        errors=tuple(error.record() for error in collected.errors),
        python_version=collected.python,
        pytest_version=collected.pytest,
    )


def parse_result(line: bytes, number: int, job: Job) -> Execution:
    """Read the answer to job ``number``. Raises ProtocolError when it is not that job's answer."""
    result = _validated(_Result, _load(line))
    if result.id != number:
        raise ProtocolError(f"an answer to job {result.id} came where {number} was asked")
    if tuple(outcome.node_id for outcome in result.outcomes) != job.tests:
        raise ProtocolError("the outcomes are not those of the tests that were asked for")
    for outcome in result.outcomes:
        if outcome.trace and len(outcome.trace.events) > job.limits.max_events:
            raise ProtocolError(f"the trace of {outcome.node_id} is longer than was asked for")
    return Execution(
        status=result.status,
        outcomes=tuple(outcome.record() for outcome in result.outcomes),
        detail=result.detail,
        wall_s=result.wall_s,
    )


def _load(line: bytes) -> dict[str, object]:
    if len(line) > MAX_FRAME_BYTES:
        raise ProtocolError(f"a frame of {len(line)} bytes is too long")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a line is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ProtocolError("a frame is not a JSON object")
    return message


def _validated(model: type[_M], message: dict[str, object]) -> _M:
    try:
        return model.model_validate(message)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProtocolError(f"a frame is wrong at {where or 'its top'}: {first['msg']}") from None
