"""Tests, attempts, lines and candidates as the plain values that the page's template draws.

It does not know the template. All outside text is made visible and bounded here; escaping is the
template's affair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import dedent

from egbot.records import Attempt, CandidateRun, LineStep, TestOutcome
from egbot.report import story
from egbot.report.folding import comparison_lines, trace_lines
from egbot.report.highlight import python_lines
from egbot.report.sides import Pieces, sides
from egbot.report.steps import MAX_LOOPS, Call, calls, loops
from egbot.report.text import CODE_CHARS, block, count, one_line, percent, seconds, test_name

View = dict[str, object]

_MAX_CANDIDATES = 12
_MAX_TESTS = 20  # of one candidate
_STATIC_LINES = 200
MAX_ROWS = 1_000  # of tables and trees on one page
_MAX_CODE_LINES = 2_000
_MAX_HANG = 8
_LONG_SIDE_CHARS = 400


def code_rows(seen: story.Shown) -> list[View]:
    """The lines of the code with their numbers in the traced file.

    ``hang`` is how deep a line is indented, in steps of four, so that a wrapped line hangs below it.
    """
    text = block(seen.code, CODE_CHARS).expandtabs(4)
    indents = [len(line) - len(line.lstrip(" ")) for line in text.split("\n")]
    lines = python_lines(text)[:_MAX_CODE_LINES]
    return [
        {"number": number, "pieces": pieces, "hang": min(indent // 4, _MAX_HANG)}
        for number, (pieces, indent) in enumerate(
            zip(lines, indents, strict=False), seen.first_line
        )
    ]


def panels(
    seen: story.Shown, tests: Sequence[TestOutcome], *, max_rows: int = MAX_ROWS
) -> list[View]:
    """The tests' panels. Loops and calls are drawn until the page has ``max_rows`` of them."""
    found = []
    for index, test in enumerate(tests):
        events = test.trace.events if test.trace and max_rows > 0 else ()
        tables, tree = loops(seen.code, seen.first_line, events), calls(events)
        is_cut = max_rows <= 0 and test.trace is not None
        max_rows -= sum(len(table.rows) for table in tables) + _num_calls(tree)
        shown = _test_view(index, seen, test)
        found.append(
            {
                **shown,
                "loops": tables,
                "calls": tree,
                "is_cut": is_cut,
                "more_loops": len(tables) == MAX_LOOPS,
            }
        )
    return found


def _num_calls(tree: Sequence[Call]) -> int:
    return sum(1 + _num_calls(call.calls) for call in tree)


def _test_view(index: int, seen: story.Shown, test: TestOutcome) -> View:
    trace = test.trace
    has_sides = test.comparison is not None and test.comparison.left is not None
    return {
        "index": index,
        "node_id": one_line(test.node_id, 400),
        "name": one_line(test_name(test.node_id), 70),
        "status": test.status.replace("_", " "),
        "is_good": test.status == "passed",
        "time": seconds(test.duration_s),
        "fault": "" if test.fault is None or has_sides else story.fault_words(test),
        "comparison": _comparison(test),
        "output": block(test.output),
        "has_trace": trace is not None and bool(trace.events or trace.num_dropped),
        "no_trace": "No trace was recorded for this test."
        if trace is None
        else "The function was not called in this test.",
        "static": trace_lines(seen, trace, limit_lines=_STATIC_LINES) if trace else [],
    }


def _comparison(test: TestOutcome) -> list[tuple[str, Pieces, bool]]:
    """Each part's title, its pieces, and whether it is long."""
    found: dict[str, str] = {}
    for line in comparison_lines(test, 2_000):
        title, _, value = line.partition(" ")
        found[title] = value.lstrip()
    left, right = sides(found.get("left", ""), found.get("right", ""))
    marked = {"left": left, "right": right} if {"left", "right"} <= found.keys() else {}
    return [
        (title, marked.get(title, [("", value)]), len(value) > _LONG_SIDE_CHARS)
        for title, value in found.items()
    ]


def attempt_view(number: int, attempt: Attempt, num_tests: int) -> View:
    """One attempt at a function that ``num_tests`` tests ask for, line by line."""
    return {
        "number": number,
        "finish": story.FINISHES[attempt.finish],
        "is_good": attempt.finish in ("solved", "candidate"),
        "passed": f"{attempt.num_passed} of {count(num_tests, 'test')}",
        "time": seconds(attempt.wall_s),
        "guidance": story.guidance_words(attempt),
        "lines": [_line_view(index, step) for index, step in enumerate(attempt.lines, 1)],
        "left_out": count(attempt.num_dropped, "more line") if attempt.num_dropped else "",
    }


def _line_view(number: int, step: LineStep) -> View:
    return {
        "number": number,
        "lines": python_lines(block(step.text.strip("\n").rstrip(), 2_000)),
        "why": story.why_line(step),
        "time": seconds(step.wall_s),
        "tokens": count(len(step.tokens), "token") if step.tokens else "",
        "candidates": [_candidate_view(each) for each in step.candidates[:_MAX_CANDIDATES]],
        "num_candidates": count(len(step.candidates) + step.num_dropped, "candidate"),
        "num_candidates_left_out": max(len(step.candidates) - _MAX_CANDIDATES, 0)
        + step.num_dropped,
        "signal": block(step.signal),
        "parted": _parted(step),
    }


def _candidate_view(candidate: CandidateRun) -> View:
    total = candidate.num_tests
    return {
        "lines": python_lines(block(dedent(candidate.text.strip("\n")), 2_000)),
        "score": f"{candidate.num_passed}/{total}",
        "is_good": total > 0 and candidate.num_passed == total,
        "words": story.run_words(candidate),
        "tests": [
            (one_line(test_name(test.node_id), 70), test.status == "passed", _ending(test))
            for test in candidate.executions[:_MAX_TESTS]
        ],
    }


def _ending(test: TestOutcome) -> str:
    return "passed" if test.status == "passed" else story.fault_words(test)


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
