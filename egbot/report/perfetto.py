"""A run as trace events, the JSON format that Chrome's and Perfetto's trace viewers open.

It does not know where the document is written. Format: Chrome's "Trace Event Format", complete
events (``X``), counters (``C``) and metadata (``M``), times in whole microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator

from egbot.records import Run
from egbot.report import story
from egbot.report.text import one_line
from egbot.report.timeline import Period, TimedCandidate, TimedLine, TimedOutcome, timed_run

Json = dict[str, object]

_PROCESS = 1
_TARGETS, _CANDIDATES = 1, 2  # threads: candidates overlap the line that they are for
_NOTE = (
    "Durations are measured, and what follows is put end to end. A candidate stands where its run "
    "was known; without that in the record, a line's candidates are spread evenly over it."
)


def perfetto_document(run: Run) -> Json:
    """Targets, attempts, lines and candidates over time, and how many tests passed by then."""
    timed = timed_run(run)
    events: list[Json] = []
    first = timed[0].period.start_s if timed else 0.0
    if first > 0:
        events.append(_slice("looking for what fails", "run", _TARGETS, Period(0.0, first), {}))
    for outcome in timed:
        events += _outcome(outcome)
    candidates = [event for event in events if event["cat"] == "candidate"]
    lanes = _in_lanes([(int(str(one["ts"])), int(str(one["dur"]))) for one in candidates])
    for candidate, lane in zip(candidates, lanes, strict=True):
        candidate["tid"] = _CANDIDATES + lane
    threads = {_TARGETS: "targets, attempts, lines"}
    threads |= {_CANDIDATES + lane: "candidates" for lane in {0, *lanes}}
    names = [_named("process_name", 0, f"egbot {one_line(run.egbot, 40)}")]
    names += [_named("thread_name", thread, name) for thread, name in threads.items()]
    return {
        "traceEvents": [*names, *events],
        "displayTimeUnit": "ms",
        "otherData": {"note": _NOTE, "schema": run.schema},
    }


def _outcome(timed: TimedOutcome) -> Iterator[Json]:
    outcome = timed.outcome
    passed, total = story.score(outcome)
    told: Json = {
        "reason": outcome.reason,
        "tests": f"{passed} of {total}",
        "file": story.path(outcome),
    }
    name = story.name(outcome) if outcome.target else story.VERDICTS[outcome.reason]
    yield _slice(name, "target", _TARGETS, timed.period, told)
    yield _counter(timed.period.start_s, 0)
    best = 0
    for attempt in timed.attempts:
        arguments: Json = {
            "finish": story.FINISHES[attempt.attempt.finish],
            "passed": attempt.attempt.num_passed,
            "guidance": story.guidance_words(attempt.attempt),
        }
        yield _slice(f"attempt {attempt.number}", "attempt", _TARGETS, attempt.period, arguments)
        for line in attempt.lines:
            yield _line(line)
            candidates = sorted(enumerate(line.candidates, 1), key=lambda one: one[1].period.end_s)
            for number, each in candidates:
                yield _candidate(number, each)
                if each.candidate.num_passed > best:
                    best = each.candidate.num_passed
                    yield _counter(each.period.end_s, best)
        if attempt.attempt.num_passed > best:
            best = attempt.attempt.num_passed
            yield _counter(attempt.period.end_s, best)


def _line(line: TimedLine) -> Json:
    arguments: Json = {
        "why": story.why_line(line.step),
        "tokens": len(line.step.tokens),
        "candidates": len(line.candidates),
    }
    name = one_line(line.step.text.strip(), 80) or f"line {line.number}"
    return _slice(name, "line", _TARGETS, line.period, arguments)


def _candidate(number: int, timed: TimedCandidate) -> Json:
    candidate = timed.candidate
    arguments: Json = {
        "text": one_line(candidate.text.strip(), 400),
        "result": story.run_words(candidate),
    }
    name = f"candidate {number}: {candidate.num_passed}/{candidate.num_tests}"
    return _slice(name, "candidate", _CANDIDATES, timed.period, arguments)


def _in_lanes(slices: list[tuple[int, int]]) -> list[int]:
    """A lane for each (start, length): slices that ran at the same time cannot share one."""
    ends: list[int] = []
    found = [0] * len(slices)
    for index in sorted(range(len(slices)), key=slices.__getitem__):
        start, length = slices[index]
        free = (lane for lane, end in enumerate(ends) if end <= start)
        found[index] = next(free, len(ends))
        ends[found[index] : found[index] + 1] = [start + length]
    return found


# --- events: all have all of the common keys, as Chrome's own have --------------------------------


def _slice(name: str, kind: str, thread: int, period: Period, arguments: Json) -> Json:
    # both ends are rounded, not the length, so that what was inside stays inside
    start, end = _microseconds(period.start_s), _microseconds(period.end_s)
    return {
        "name": name,
        "cat": kind,
        "ph": "X",
        "ts": start,
        "dur": end - start,
        "pid": _PROCESS,
        "tid": thread,
        "args": arguments,
    }


def _counter(at_s: float, value: int) -> Json:
    return {
        "name": "tests passed, best so far",
        "cat": "tests",
        "ph": "C",
        "ts": _microseconds(at_s),
        "pid": _PROCESS,
        "tid": _TARGETS,
        "args": {"tests": value},
    }


def _named(what: str, thread: int, name: str) -> Json:
    common: Json = {"cat": "__metadata", "ph": "M", "ts": 0, "pid": _PROCESS, "tid": thread}
    return {"name": what, **common, "args": {"name": name}}


def _microseconds(value_s: float) -> int:
    return round(value_s * 1e6)
