"""The trace events are what Chrome's and Perfetto's viewers read: known phases, nested slices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from egbot.records import Outcome, Run
from egbot.report.perfetto import perfetto_document
from tests.report.golden import check
from tests.report.samples import hostile, no_target, sample_run, solved, unsolved

KEYS = {
    "X": {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"},
    "C": {"name", "ph", "ts", "pid", "args"},
    "M": {"name", "ph", "pid", "args"},
}
"""What each phase must have; the format's description allows more."""


def document(run: Run) -> dict[str, Any]:
    text = json.dumps(perfetto_document(run), allow_nan=False)
    assert text.isascii()
    found: dict[str, Any] = json.loads(text)
    return found


def faults(found: dict[str, Any]) -> list[str]:
    """What a viewer would not understand; the format has no published JSON Schema."""
    told = [] if isinstance(found.get("traceEvents"), list) else ["no traceEvents"]
    told += [] if found.get("displayTimeUnit") in ("ms", "ns") else ["displayTimeUnit"]
    for event in found.get("traceEvents", []):
        if event.get("ph") not in KEYS or not KEYS[event["ph"]] <= event.keys():
            told.append(f"keys of {event}")
        times = [event[key] for key in ("ts", "dur") if key in event]
        if not all(type(each) is int and each >= 0 for each in times):
            told.append(f"times of {event}")
        if event.get("ph") == "C" and not all(
            type(value) in (int, float) for value in event["args"].values()
        ):
            told.append(f"counter of {event}")
    return told + overlaps(found.get("traceEvents", []))


def overlaps(events: list[dict[str, Any]]) -> list[str]:
    """Slices of one thread that are neither apart nor inside one another."""
    told = []
    slices = sorted(
        (event for event in events if event.get("ph") == "X" and "dur" in event),
        key=lambda event: (event.get("tid", 0), event["ts"], -event["dur"]),
    )
    open_ends: dict[int, list[int]] = {}
    for event in slices:
        ends = open_ends.setdefault(event.get("tid", 0), [])
        while ends and ends[-1] <= event["ts"]:
            ends.pop()
        end = event["ts"] + event["dur"]
        if ends and end > ends[-1]:
            told.append(f"{event['name']} leaves the slice that it begins in")
        ends.append(end)
    return told


@pytest.mark.parametrize(
    "outcomes",
    [(), (solved(),), (no_target(), unsolved(), solved()), (hostile(), hostile(3_000))],
    ids=["empty", "solved", "three", "hostile"],
)
def test_viewers_can_read_it(outcomes: tuple[Outcome, ...]) -> None:
    """Every event has the keys of its phase, whole non-negative times and a proper place."""
    found = document(sample_run(*outcomes))
    assert faults(found) == []
    assert len(json.dumps(found)) < 200_000


def test_the_check_finds_faults() -> None:
    """The structural check is not blind."""
    found = document(sample_run(solved()))
    lines = [event for event in found["traceEvents"] if event.get("cat") == "line"]
    lines[0]["dur"] = 10**9
    lines[1]["ts"] = -1
    del lines[2]["tid"]
    lines[3]["ph"] = "?"
    assert len(faults(found)) >= 4


def test_everything_that_happened_is_there() -> None:
    """One slice for each target, attempt, line and candidate, and a rising count of passes."""
    events = document(sample_run(solved()))["traceEvents"]
    kinds = [event.get("cat") for event in events]
    assert [kinds.count(each) for each in ("target", "attempt", "line", "candidate")] == [
        *(1, 2, 12, 3)
    ]
    passes = [event["args"]["tests"] for event in events if event["ph"] == "C"]
    assert passes == [0, 2, 3]


def test_golden_trace_events() -> None:
    run = sample_run(solved(), unsolved())
    check("run.perfetto.json", json.dumps(perfetto_document(run), indent=1) + "\n")
