"""The machine-readable trace of one outcome, schema ``egbot.trace/1`` (docs/trace.md).

It does not know where the document is written or how it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from egbot.records import (
    SCHEMA_TRACE,
    Attempt,
    CandidateRun,
    Comparison,
    Fault,
    LineStep,
    Outcome,
    Run,
    Target,
    TestOutcome,
    TokenChoice,
    Trace,
)
from egbot.report.story import Shown, shown

Json = dict[str, object]


def trace_document(outcome: Outcome, run: Run | None = None) -> Json:
    """The document as plain dicts, lists, strings, finite numbers, booleans and None.

    ``run`` adds egbot's own version and those of its surroundings. Text is as it was recorded: a
    reader must escape it. Write it with ``ensure_ascii=True``, since it may hold lone surrogates.
    """
    seen = shown(outcome)
    return {
        "schema": SCHEMA_TRACE,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "target": _target(outcome.target, outcome.num_dropped("tests")) if outcome.target else None,
        "code": {
            "text": seen.code,
            "first_line": seen.first_line,
            "delivered": seen.is_final,
        },
        "tests": [_test(test, with_trace=True) for test in seen.tests],
        "num_dropped": seen.num_dropped,
        "attempts": [_attempt(attempt) for attempt in outcome.attempts],
        "egbot": run.egbot if run else "",
        "versions": dict(run.versions) if run else {},
    }


def traced_document(seen: Shown, target: Target, versions: Mapping[str, str] | None = None) -> Json:
    """The same document for a function that was only traced: ``reason`` is "traced"."""
    versions = dict(versions or {})
    return {
        "schema": SCHEMA_TRACE,
        "reason": "traced",
        "detail": "",
        "target": _target(target),
        "code": {"text": seen.code, "first_line": seen.first_line, "delivered": seen.is_final},
        "tests": [_test(test, with_trace=True) for test in seen.tests],
        "num_dropped": 0,
        "attempts": [],
        "egbot": versions.pop("egbot", ""),
        "versions": versions,
    }


def _target(target: Target, num_dropped: int = 0) -> Json:
    return {
        "path": target.path,
        "qualname": target.qualname,
        "origin": target.origin,
        "header": target.header,
        "docstring": target.docstring,
        "start_line": target.span.start_line,
        "end_line": target.span.end_line,
        "tests": list(target.tests),
        "num_dropped": num_dropped,
    }


def _test(test: TestOutcome, *, with_trace: bool) -> Json:
    found: Json = {
        "node_id": test.node_id,
        "status": test.status,
        "phase": test.phase,
        "duration_s": number(test.duration_s),
        "fault": _fault(test.fault) if test.fault else None,
        "comparison": _comparison(test.comparison) if test.comparison else None,
    }
    if with_trace:
        found["output"] = test.output
        found["trace"] = _trace(test.trace) if test.trace else None
    return found


def _fault(fault: Fault) -> Json:
    return {
        "type": fault.type_name,
        "message": fault.message,
        "frames": [
            {"path": frame.path, "line": frame.line, "function": frame.function}
            for frame in fault.frames
        ],
    }


def _comparison(comparison: Comparison) -> Json:
    return {
        "source": comparison.source,
        "left": comparison.left,
        "operator": comparison.operator,
        "right": comparison.right,
    }


def _trace(trace: Trace) -> Json:
    return {
        "events": [
            {
                "kind": event.kind,
                "function": event.function,
                "line": event.line,
                "depth": event.depth,
                "changes": [list(change) for change in event.changes],
                "value": event.value,
            }
            for event in trace.events
        ],
        "num_dropped": trace.num_dropped,
    }


def _attempt(attempt: Attempt) -> Json:
    g = attempt.guidance
    return {
        "guidance": {
            "gamma": number(g.gamma),
            "candidates": g.candidates,
            "horizon_lines": g.horizon_lines,
            "temperature": number(g.temperature),
            "top_p": number(g.top_p),
            "max_lines": g.max_lines,
            "seed": g.seed,
            "style": g.style,
            "method": g.method,
            "trace": g.trace,
            "signal_tokens": g.signal_tokens,
            "tell": g.tell,
        },
        "finish": attempt.finish,
        "num_passed": attempt.num_passed,
        "wall_s": number(attempt.wall_s),
        "code": attempt.code,
        "lines": [_line(step) for step in attempt.lines],
        "num_dropped": attempt.num_dropped,
    }


def _line(step: LineStep) -> Json:
    return {
        "text": step.text,
        "candidates": [_candidate(candidate) for candidate in step.candidates],
        "num_dropped": step.num_dropped,
        "signal": step.signal,
        "tokens": [_token(token) for token in step.tokens],
        "wall_s": number(step.wall_s),
    }


def _candidate(candidate: CandidateRun) -> Json:
    return {
        "text": candidate.text,
        "program": candidate.program,
        "num_passed": candidate.num_passed,
        "detail": candidate.detail,
        "ended_s": number(candidate.ended_s),
        "complete": candidate.complete,
        "tests": [_test(test, with_trace=False) for test in candidate.executions],
        "num_dropped": candidate.num_dropped,
    }


def _token(token: TokenChoice) -> Json:
    return {
        "text": token.text,
        "logp_plain": number(token.logp_plain),
        "logp_conditioned": number(token.logp_conditioned),
        "plain_choice": token.plain_choice,
    }


def number(value: float) -> float | None:
    """A number that JSON can hold; None for an infinity or a NaN."""
    return value if math.isfinite(value) else None
