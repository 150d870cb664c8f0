"""The bot's side of the wire: strict in what it takes, exact in what it sends."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbot.execution.protocol import (
    Broken,
    ProtocolError,
    parse_opening,
    parse_result,
    render_open,
    render_run,
)
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
    Program,
    TestOutcome,
    Trace,
    TraceEvent,
)
from sandbox.wire import decode

FAULT = Fault("KeyError", "'a'", (Frame("m.py", 3, "f"),), (("name", "x"),))
OUTCOME = TestOutcome(
    node_id="t.py::a",
    status="failed",
    duration_s=0.5,
    fault=FAULT,
    comparison=Comparison("assert a == b", "1", "==", "2"),
    output="text",
    trace=Trace((TraceEvent("line", "f", 2, 0, (("a", "1"),), None),), 4),
)
LIMITS = {name: value for name, value in asdict(Limits()).items() if name != "deadline_s"}
JOB = Job(("t.py::a",), Program("m.py", "f", "def f():\n    return '\u00e9'\n"))


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


def result(**changes: Any) -> dict[str, Any]:
    message = {
        "type": "result",
        "id": 7,
        "status": "ok",
        "detail": "",
        "wall_s": 0.25,
        "outcomes": [asdict(OUTCOME)],
    }
    return message | changes


def test_a_result_becomes_the_records_it_was() -> None:
    assert parse_result(line(result()), 7, JOB) == Execution("ok", (OUTCOME,), "", 0.25)


def test_a_collection_becomes_the_records_it_was() -> None:
    error = FailingTest("t.py", "collect", FAULT, "error")
    message = {
        "type": "collected",
        "node_ids": ["t.py::a"],
        "errors": [asdict(error)],
        "python": "3.11.2",
        "pytest": "9.2.0",
    }
    assert parse_opening(line(message)) == Collection(("t.py::a",), (error,), "3.11.2", "9.2.0")


def test_a_broken_sandbox_is_its_message() -> None:
    line = b'{"type":"broken","kind":"killed","message":"no pytest"}'
    assert parse_opening(line) == Broken(kind="killed", message="no pytest")


def outcome(**changes: Any) -> dict[str, Any]:
    return result(outcomes=[asdict(OUTCOME) | changes])


LONG_TRACE = {"events": [asdict(OUTCOME)["trace"]["events"][0]] * 3000, "num_dropped": 0}


@pytest.mark.parametrize(
    "message",
    [
        result(id=8),
        result(id="7"),
        result(extra=1),
        result(status="fine"),
        result(wall_s=-1),
        result(wall_s="0"),
        result(outcomes=[]),
        result(outcomes=None),
        result(type="collected"),
        result(detail="x" * 100_000),
        outcome(node_id="t.py::b"),
        outcome(status="ok"),
        outcome(phase="collect"),
        outcome(fault="text"),
        outcome(fault={"type_name": "A"}),
        outcome(fault={"type_name": "A", "message": "", "attributes": [["one"]]}),
        outcome(trace={"events": [{"kind": "jump"}]}),
        outcome(trace={"events": [], "num_dropped": -1}),
        outcome(trace=LONG_TRACE),
        outcome(output="x" * 2_000_000),
        outcome(unknown=1),
    ],
)
def test_a_result_that_is_not_as_agreed_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        parse_result(line(message), 7, JOB)


@pytest.mark.parametrize("raw", [b"", b"null", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000, b"NaN"])
def test_a_line_that_is_no_frame_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_result(raw, 7, JOB)
    with pytest.raises(ProtocolError):
        parse_opening(raw)


def test_infinite_seconds_are_refused() -> None:
    with pytest.raises(ProtocolError):
        parse_result(line(result(wall_s=float("inf"))), 7, JOB)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=20,
)


@given(field=st.sampled_from(sorted(result())), value=json_values)
def test_a_hostile_field_never_raises_anything_else(field: str, value: object) -> None:
    with suppress(ProtocolError):
        parse_result(line(result(**{field: value})), 7, JOB)


@given(field=st.sampled_from(sorted(asdict(OUTCOME))), value=json_values)
def test_a_hostile_outcome_never_raises_anything_else(field: str, value: object) -> None:
    with suppress(ProtocolError):
        parse_result(line(outcome(**{field: value})), 7, JOB)


def test_the_runner_reads_what_is_sent() -> None:
    run = decode(render_run(3, JOB).rstrip(b"\n"))
    assert run == {
        "type": "run",
        "id": 3,
        "program": asdict(JOB.program) if JOB.program else None,
        "tests": ["t.py::a"],
        "trace": True,
        "limits": LIMITS,
        "patient": True,
        "left_s": 1e7,
    }
    opening = decode(
        render_open(
            work="/work",
            num_tar_bytes=9,
            project=Project({"a": "b"}, {}, ("src",), {}),
            tests=["a"],
            options=["-q"],
            env={"A": "1"},
            limits=Limits(),
            walls=["seccomp"],
        ).rstrip(b"\n")
    )
    assert opening == {
        "type": "open",
        "work": "/work",
        "num_tar_bytes": 9,
        "project": {"site": {"a": "b"}, "scripts": {}, "roots": ["src"], "plugins": {}},
        "tests": ["a"],
        "options": ["-q"],
        "env": {"A": "1"},
        "limits": LIMITS,
        "walls": ["seccomp"],
    }


def test_a_job_larger_than_a_frame_is_refused() -> None:
    job = Job((), Program("m.py", "f", "x" * (64 * 1024 * 1024)))
    with pytest.raises(ProtocolError, match="larger"):
        render_run(1, job)
