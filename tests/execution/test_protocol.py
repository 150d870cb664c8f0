"""The bot's side of the wire: strict in what it takes, exact in what it sends."""

from __future__ import annotations

import json
import operator
from contextlib import suppress
from dataclasses import asdict
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from egbot.execution.protocol import (
    MAX_FRAME_BYTES,
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


def test_a_broken_sandbox_is_its_message() -> None:
    line = b'{"type":"broken","kind":"killed","message":"no pytest"}'
    assert parse_opening(line) == Broken(kind="killed", message="no pytest")


def outcome(**changes: Any) -> dict[str, Any]:
    return result(outcomes=[asdict(OUTCOME) | changes])


ERROR = FailingTest("t.py", "collect", FAULT, "error")
FRAMES: dict[str, dict[str, Any]] = {
    "result": result(),
    "collected": {
        "type": "collected",
        "node_ids": ["t.py::a"],
        "unaskable": ["t.py::b"],
        "errors": [asdict(ERROR)],
        "python": "3.11.2",
        "pytest": "9.2.0",
        "switched_off": ["-n"],
    },
    "broken": {"type": "broken", "message": ""},
}
GONE = object()
NO_TEXT: tuple[object, ...] = (1, True, ["x"], {}, "\ud800")
NO_LIST: tuple[object, ...] = ("x", 1, {}, {"0": ["a", "b"]}, [None] * 30)
NO_COUNT = (-1, 1.0, "1", True, None)
NO_SECONDS = (-1, -0.5, 1e8, float("inf"), float("nan"), "1", True, None)
NO_PAIRS: tuple[object, ...] = (*NO_LIST, [["a"]], [["a", "b", "c"]], [["a", 1]], ["ab"], [{}])
LONG_PAIR = [["a", "x" * 8_193]]
HOSTILE: list[tuple[tuple[object, ...], str]] = [
    (("more", 1, None, GONE), "R.type R.status T.status E.kind C.type L.phase"),
    (("collect", 1, None), "T.phase L.status"),
    (("tired", 1, None), "B.kind"),
    (("7", 7.0, True, None, GONE), "R.id"),
    (NO_SECONDS, "R.wall_s T.duration_s"),
    ((*NO_COUNT, 10_000_001, 10**4000, GONE), "F.frames.0.line E.line G.frames.0.line"),
    ((*NO_COUNT, 1_000_001, GONE), "E.depth"),
    (NO_COUNT, "T.trace.num_dropped"),
    ((*NO_TEXT, None, GONE, "x" * 8_193), "T.node_id F.type_name F.frames.0.path E.function"),
    ((*NO_TEXT, None, GONE, "x" * 8_193), "F.frames.0.function L.node_id G.type_name"),
    ((*NO_TEXT, "x" * 8_193), "E.value C.node_ids.0"),
    ((*NO_TEXT, None, GONE, "x" * 65_537), "F.message G.message T.comparison.source B.message"),
    ((*NO_TEXT, "x" * 65_537), "R.detail T.comparison.left T.comparison.right"),
    ((*NO_TEXT, "x" * 65), "T.comparison.operator C.python C.pytest"),
    ((*NO_TEXT, None, "x" * 1_000_001), "T.output"),
    ((*NO_LIST, None, GONE), "R.outcomes T.trace.events C.node_ids"),
    (([{"node_id": "", "status": "passed"}] * 200_001,), "R.outcomes"),
    (([""] * 500_001,), "C.node_ids"),
    ((*NO_LIST, None, [""] * 2_001, [1], ["x" * 8_193]), "C.unaskable"),
    ((*NO_LIST, None, [""] * 101, [1], ["x" * 8_193]), "C.switched_off"),
    ((*NO_LIST, None, [asdict(FAULT)]), "C.errors"),
    ((*NO_LIST, None, [asdict(FAULT.frames[0])] * 1_001), "F.frames G.frames"),
    ((*NO_PAIRS, None, LONG_PAIR, [["a", "b"]] * 33), "F.attributes G.attributes"),
    ((*NO_PAIRS, None, LONG_PAIR, [["a", "b"]] * 10_001), "E.changes"),
    ((*NO_LIST, [-1], [1.0], [True], ["1"], [10**8], [1] * 100_001), "T.trace.lines"),
    ((1, "x", [], ["a"], [[]]), "R.outcomes.0 T.fault T.comparison T.trace E F.frames.0 L L.fault"),
    ((1, None), "R.more T.more F.more F.frames.0.more T.comparison.more T.trace.more E.more"),
    ((1, None), "C.more L.more G.more G.frames.0.more B.more"),
]
STARTS = {"R": "result", "T": "result.outcomes.0", "F": "result.outcomes.0.fault"}
STARTS |= {"E": "result.outcomes.0.trace.events.0", "C": "collected", "L": "collected.errors.0"}
STARTS |= {"G": "collected.errors.0.fault", "B": "broken"}
CASES = [(STARTS[at[0]] + at[1:], values) for values, places in HOSTILE for at in places.split()]


def parse_changed(place: str, value: object) -> None:
    """Read the frame that has ``value`` at ``place``."""
    name, *way, last = (int(part) if part.isdecimal() else part for part in place.split("."))
    message = json.loads(line(FRAMES[str(name)]))
    inner: Any = reduce(operator.getitem, way, message)
    inner[last] = value
    if value is GONE:
        del inner[last]
    if name == "result":
        parse_result(line(message), 7, JOB)
    else:
        parse_opening(line(message))


@pytest.mark.parametrize(("place", "values"), CASES)
def test_a_frame_that_is_not_as_agreed_is_refused(place: str, values: tuple[object, ...]) -> None:
    """An unknown, missing or ill-typed field, a text, list or number out of its bounds: named."""
    for value in values:
        with pytest.raises(ProtocolError) as caught:
            parse_changed(place, value)
        assert place.partition(".")[2] in str(caught.value), value
        found = caught.value.__context__
        assert isinstance(found, ValidationError)
        assert found.error_count() < 9, value  # not one for each item


def test_a_collection_becomes_the_records_it_was() -> None:
    whole = Collection(
        ("t.py::a",), (ERROR,), "3.11.2", "9.2.0", ("t.py::b",), switched_off=("-n",)
    )
    assert parse_opening(line(FRAMES["collected"])) == whole


def test_what_just_fits_is_taken() -> None:
    fault = Fault(
        type_name="x" * 8_192,
        message="\U0001f40d" * 65_536,
        frames=(Frame("", 10_000_000, ""),) * 1_000,
        attributes=(("a", "b"),) * 32,
    )
    event = TraceEvent("line", "f", 0, 1_000_000, (("a", "b"),) * 10_000, "")
    whole = TestOutcome(
        node_id=JOB.tests[0],
        status="error",
        duration_s=1e7,
        fault=fault,
        comparison=Comparison("x" * 65_536, "", "x" * 64, None),
        output="x" * 1_000_000,
        trace=Trace((event,), 10**30, (0,) * 100_000),
    )
    told = result(outcomes=[asdict(whole)], detail="x" * 65_536, wall_s=0)
    assert parse_result(line(told), 7, JOB) == Execution("ok", (whole,), "x" * 65_536, 0.0)
    few = result(outcomes=[{"node_id": "t.py::a", "status": "passed"}])
    assert parse_result(line(few), 7, JOB).outcomes == (TestOutcome("t.py::a", "passed"),)


LONG_TRACE = {"events": [{"kind": "line", "function": "", "line": 0, "depth": 0}] * 2001}


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (result(id=8), "an answer to job 8 came where 7 was asked"),
        (result(outcomes=[]), "not those of the tests"),
        (result(outcomes=[asdict(OUTCOME)] * 2), "not those of the tests"),
        (outcome(node_id="t.py::b"), "not those of the tests"),
        (outcome(trace=LONG_TRACE), "longer than was asked for"),
        (result(**{"x" * 100_000: 1}), "wrong at x{300,400}$"),
    ],
)
def test_a_result_that_was_not_asked_for_is_refused(message: dict[str, Any], why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        parse_result(line(message), 7, JOB)


NO_FRAMES = [b"", b"null", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"NaN"]
NO_VALUES = [b'"\xff"', b'"\xed\xa0\x80"', b'"', b"[" * 100_000]
NO_FRAMES += [line(result(detail="here")).replace(b'"here"', value) for value in NO_VALUES]


@pytest.mark.parametrize("raw", [*NO_FRAMES, b" " * (MAX_FRAME_BYTES + 1)])
def test_a_line_that_is_no_frame_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_result(raw, 7, JOB)
    with pytest.raises(ProtocolError):
        parse_opening(raw)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=20,
)


@given(place=st.sampled_from([place for place, _ in CASES]), value=json_values)
def test_a_hostile_value_never_raises_anything_else(place: str, value: object) -> None:
    with suppress(ProtocolError):
        parse_changed(place, value)


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
        "lessons": [],
    }
    opening = decode(
        render_open(
            work="/work",
            num_tar_bytes=9,
            project=Project({"a": "b"}, {}, ("src",), {}, {}),
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
        "project": {
            "site": {"a": "b"},
            "scripts": {},
            "roots": ["src"],
            "packages": {},
            "plugins": {},
        },
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
