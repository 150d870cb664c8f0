"""The trace events are what Chrome's and Perfetto's viewers read: known phases, nested slices."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from egbot.records import Outcome, Run
from egbot.report.perfetto import perfetto_document
from tests.fetched import node_modules
from tests.report.golden import check
from tests.report.samples import hidden, hostile, no_target, sample_run, solved, unsolved

COMMON = {"name", "cat", "ph", "ts", "pid", "tid", "args"}
KEYS = {"X": COMMON | {"dur"}, "C": COMMON, "M": COMMON}
"""What each phase must have; the format's description allows more."""
READER = {
    "@tracerbench/trace-model": "8.0.0",
    "@tracerbench/trace-event": "8.0.0",
    "debug": "4.4.3",
    "ms": "2.1.3",
}
"""An independent reader of Chrome's traces, with what it needs."""
READ = """
const { buildModel } = require('@tracerbench/trace-model');
const found = JSON.parse(require('fs').readFileSync(0, 'utf-8'));
const model = buildModel(found.traceEvents);
const told = model.processes.flatMap((process) => process.threads.map((thread) => [
  process.name, thread.name, thread.events.length]));
process.stdout.write(JSON.stringify(told));
"""


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


def test_every_text_of_hostile_events_is_visible() -> None:
    """No control, bidirectional or lone character is left in any name or argument."""
    assert hidden(document(sample_run(hostile(), hostile(3_000)))) == []


def test_candidates_that_ran_at_the_same_time_lie_in_lanes() -> None:
    """Slices that overlap without nesting would be dropped, so each gets a thread that is free."""
    attempt = solved().attempts[1]
    line = attempt.lines[0]
    times = ((0.9, 0.5, 2), (1.0, 0.4, 1), (1.1, 0.1, 0), (0.3, 0.2, 1))
    together = tuple(
        replace(
            line.candidates[0],
            ended_s=ended_s,
            num_passed=passed,
            executions=(replace(line.candidates[0].executions[0], duration_s=ran_s),),
        )
        for ended_s, ran_s, passed in times
    )
    lines = (replace(line, candidates=together), *attempt.lines[1:])
    outcome = replace(solved(), attempts=(replace(attempt, lines=lines),))
    found = document(sample_run(outcome))
    assert faults(found) == []
    events = found["traceEvents"]
    slices = [event for event in events if event["cat"] == "candidate"]
    assert len({event["tid"] for event in slices}) == 2
    best = [event["args"]["tests"] for event in events if event["ph"] == "C"]
    assert best == sorted(best)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_somebody_elses_reader_builds_its_model(tmp_path: Path) -> None:
    """A published reader of Chrome's traces takes every event; one that lacks a key it does not."""
    modules = node_modules(READER, tmp_path)

    def read(found: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["node", "-e", READ],
            input=json.dumps(found),
            env={**os.environ, "NODE_PATH": str(modules)},
            capture_output=True,
            text=True,
            check=False,
        )

    found = document(sample_run(solved(), unsolved(), hostile(3_000)))
    done = read(found)
    assert done.returncode == 0, done.stderr
    threads = json.loads(done.stdout)
    assert [name for _, name, _ in threads[-2:]] == ["targets, attempts, lines", "candidates"]
    own = [event for event in found["traceEvents"] if event["name"] != "process_name"]
    assert sum(num for _, name, num in threads if name) >= len(own)
    del found["traceEvents"][-1]["cat"]
    assert read(found).returncode != 0


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
