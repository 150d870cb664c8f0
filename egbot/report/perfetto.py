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
    events = [
        _named("process_name", 0, f"egbot {one_line(run.egbot, 40)}"),
        _named("thread_name", _TARGETS, "targets, attempts, lines"),
        _named("thread_name", _CANDIDATES, "candidates"),
    ]
    first = timed[0].period.start_s if timed else 0.0
    if first > 0:
        events.append(_slice("looking for what fails", "run", _TARGETS, Period(0.0, first), {}))
    for outcome in timed:
        events += _outcome(outcome)
    return {
        "traceEvents": events,
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
            for number, each in enumerate(line.candidates, 1):
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
    name = f"candidate {number}: {candidate.num_passed}/{len(candidate.executions)}"
    return _slice(name, "candidate", _CANDIDATES, timed.period, arguments)


# --- events -----------------------------------------------------------------------------------


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
        "ph": "C",
        "ts": _microseconds(at_s),
        "pid": _PROCESS,
        "args": {"tests": value},
    }


def _named(what: str, thread: int, name: str) -> Json:
    found: Json = {"name": what, "ph": "M", "pid": _PROCESS, "args": {"name": name}}
    return {**found, "tid": thread} if thread else found


def _microseconds(value_s: float) -> int:
    return round(value_s * 1e6)
