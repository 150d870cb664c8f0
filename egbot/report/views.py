"""Tests, attempts, lines and candidates as the plain values that the page's template draws.

It does not know the template. All outside text is made visible and bounded here; escaping is the
template's affair.
"""

from __future__ import annotations

import math
from textwrap import dedent

from egbot.records import Attempt, CandidateRun, LineStep, TestOutcome
from egbot.report import story
from egbot.report.folding import comparison_lines, trace_lines
from egbot.report.highlight import python_lines
from egbot.report.sides import Pieces, sides
from egbot.report.steps import calls, loops
from egbot.report.text import CODE_CHARS, block, count, one_line, percent, seconds, test_name

View = dict[str, object]

_MAX_CANDIDATES = 12
_STATIC_LINES = 200


def code_rows(seen: story.Shown) -> list[View]:
    """The lines of the code with their numbers in the traced file."""
    lines = python_lines(block(seen.code, CODE_CHARS).expandtabs(4))
    return [
        {"number": number, "pieces": pieces} for number, pieces in enumerate(lines, seen.first_line)
    ]


def test_view(index: int, seen: story.Shown, test: TestOutcome) -> View:
    """What one test's panel shows."""
    trace = test.trace
    events = trace.events if trace else ()
    return {
        "index": index,
        "node_id": one_line(test.node_id, 400),
        "name": one_line(test_name(test.node_id), 70),
        "status": test.status.replace("_", " "),
        "is_good": test.status == "passed",
        "time": seconds(test.duration_s),
        "fault": "" if test.fault is None else story.fault_words(test),
        "comparison": _comparison(test),
        "output": block(test.output),
        "has_trace": trace is not None and bool(trace.events or trace.num_dropped),
        "loops": loops(seen.code, seen.first_line, events),
        "calls": calls(events),
        "static": trace_lines(seen, trace, limit_lines=_STATIC_LINES) if trace else [],
    }


def _comparison(test: TestOutcome) -> list[tuple[str, Pieces]]:
    found: dict[str, str] = {}
    for line in comparison_lines(test, 2_000):
        title, _, value = line.partition(" ")
        found[title] = value.lstrip()
    left, right = sides(found.get("left", ""), found.get("right", ""))
    marked = {"left": left, "right": right} if {"left", "right"} <= found.keys() else {}
    return [(title, marked.get(title, [("", value)])) for title, value in found.items()]


def attempt_view(number: int, attempt: Attempt) -> View:
    """One attempt, line by line."""
    return {
        "number": number,
        "finish": story.FINISHES[attempt.finish],
        "is_good": attempt.finish in ("solved", "candidate"),
        "passed": count(attempt.num_passed, "test"),
        "time": seconds(attempt.wall_s),
        "guidance": story.guidance_words(attempt),
        "lines": [_line_view(index, step) for index, step in enumerate(attempt.lines, 1)],
    }


def _line_view(number: int, step: LineStep) -> View:
    return {
        "number": number,
        "lines": python_lines(block(step.text.strip("\n"), 2_000)),
        "why": story.why_line(step),
        "time": seconds(step.wall_s),
        "tokens": count(len(step.tokens), "token"),
        "candidates": [_candidate_view(each) for each in step.candidates[:_MAX_CANDIDATES]],
        "num_candidates_left_out": max(len(step.candidates) - _MAX_CANDIDATES, 0),
        "signal": block(step.signal),
        "parted": _parted(step),
    }


def _candidate_view(candidate: CandidateRun) -> View:
    total = len(candidate.executions)
    return {
        "lines": python_lines(block(dedent(candidate.text.strip("\n")), 2_000)),
        "score": f"{candidate.num_passed}/{total}",
        "is_good": total > 0 and candidate.num_passed == total,
        "words": story.run_words(candidate),
        "tests": [
            (one_line(test_name(test.node_id), 70), test.status, story.fault_words(test))
            for test in candidate.executions[:20]
        ],
    }


def _parted(step: LineStep) -> View | None:
    found = story.divergence(step)
    if found is None:
        return None
    token = found[1]
    return {
        "text": one_line(token.text, 60),
        "instead": one_line(token.plain_choice, 60),
        "sides": [
            ("plain", percent(token.logp_plain), _bar(token.logp_plain)),
            ("with the signal", percent(token.logp_conditioned), _bar(token.logp_conditioned)),
        ],
    }


def _bar(logp: float) -> int:
    """The length of a bar out of 100."""
    return 0 if math.isnan(logp) else round(math.exp(min(logp, 0.0)) * 100)
