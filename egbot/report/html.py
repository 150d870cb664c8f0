"""One outcome as a single HTML page that needs no network and steps through the run.

It does not know where the page is kept. Outside text reaches the page in two ways only: through
the template's automatic escaping, and as JSON in a data block that the page's script turns into
text nodes; what does not show is made visible before either.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import math
from collections.abc import Iterable
from textwrap import dedent

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from egbot.records import (
    Attempt,
    CandidateRun,
    LineStep,
    Outcome,
    Run,
    TestOutcome,
    TraceEvent,
)
from egbot.report import story
from egbot.report.folding import comparison_lines, trace_lines
from egbot.report.highlight import diff_lines, python_lines
from egbot.report.text import CODE_CHARS, block, count, one_line, percent, seconds, test_name

MAX_TESTS = 100
MAX_EVENTS = 20_000
"""Events on one page, all tests together; the rest is in trace.json."""

_MAX_CHANGES = 50
_MAX_CANDIDATES = 12
_STATIC_LINES = 200
_VALUE_CHARS = 500

View = dict[str, object]


def render_html(outcome: Outcome, *, run: Run | None = None) -> str:
    """The page. It holds no lone surrogates; ``run`` adds settings."""
    css, script = _asset("report.css"), _asset("report.js")
    environment = Environment(
        loader=PackageLoader("egbot.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    seen = story.shown(outcome)
    tests = seen.tests[:MAX_TESTS]
    return environment.get_template(
        "report.html.j2"
    ).render(
        # Our own two files and the escaped data block are the only text not escaped again.
        css=Markup(css),  # noqa: S704
        script=Markup(script),  # noqa: S704
        data=Markup(_data_block(seen.first_line, tests)),  # noqa: S704
        policy=_policy(css, script),
        head=_head(outcome),
        code=_code_rows(seen),
        is_final=seen.is_final,
        tests=[_test_view(index, seen, test) for index, test in enumerate(tests)],
        num_tests_left_out=len(seen.tests) - len(tests),
        attempts=[_attempt_view(number, each) for number, each in enumerate(outcome.attempts, 1)],
        diff=diff_lines(block(outcome.patch.unified_diff, CODE_CHARS)) if outcome.patch else [],
        faults=_faults(outcome),
        unchecked=story.not_checked(outcome),
        left=[(one_line(each.node_id), one_line(each.why)) for each in outcome.left[:50]],
        cost=story.cost(outcome),
        settings=_pairs(run.settings.items()) if run else [],
        versions=_pairs([("egbot", run.egbot), *run.versions.items()]) if run else [],
    )


def _asset(name: str) -> str:
    folder = importlib.resources.files("egbot.report").joinpath("templates")
    return folder.joinpath(name).read_text(encoding="utf-8").strip()


def _policy(css: str, script: str) -> str:
    """A content security policy that lets nothing run or load but our own two texts."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")

    return (
        f"default-src 'none'; style-src 'sha256-{digest(css)}'; "
        f"script-src 'sha256-{digest(script)}'; base-uri 'none'; form-action 'none'"
    )


# --- the data block ---------------------------------------------------------------------------


def _data_block(first_line: int, tests: tuple[TestOutcome, ...]) -> str:
    """The runs as JSON that can stand inside a script element: ASCII, without ``<``, ``>``, ``&``.

    An event is ``[kind, function, line, depth, [[name, value], ...], value or null]``.
    """
    left, found = MAX_EVENTS, list[View]()
    for test in tests:
        events = test.trace.events[:left] if test.trace else ()
        left -= len(events)
        dropped = test.trace.num_dropped + len(test.trace.events) - len(events) if test.trace else 0
        found.append({"events": [_event(event) for event in events], "dropped": dropped})
    text = json.dumps({"first": first_line, "tests": found}, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _event(event: TraceEvent) -> list[object]:
    changes = [
        [one_line(name, 80), one_line(value, _VALUE_CHARS)]
        for name, value in event.changes[:_MAX_CHANGES]
    ]
    value = None if event.value is None else one_line(event.value, _VALUE_CHARS)
    return [event.kind, one_line(event.function, 80), event.line, event.depth, changes, value]


# --- the views that the template draws --------------------------------------------------------


def _head(outcome: Outcome) -> View:
    passed, total = story.score(outcome)
    return {
        "name": story.name(outcome),
        "path": story.path(outcome),
        "verdict": story.VERDICTS[outcome.reason],
        "is_good": outcome.reason in ("patched", "nothing_to_do"),
        "words": story.verdict_words(outcome),
        "detail": block(outcome.detail, 2_000),
        "tests": f"{passed} of {total}",
        "time": seconds(outcome.stats.wall_s),
        "tokens": f"{story.num_tokens(outcome):,}",
        "attempts": f"{len(outcome.attempts):,}",
        "runs": f"{outcome.stats.num_executions:,}",
    }


def _code_rows(seen: story.Shown) -> list[View]:
    lines = python_lines(block(seen.code, CODE_CHARS).expandtabs(4))
    return [
        {"number": number, "pieces": pieces} for number, pieces in enumerate(lines, seen.first_line)
    ]


def _test_view(index: int, seen: story.Shown, test: TestOutcome) -> View:
    trace = test.trace
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
        "num_events": len(trace.events) if trace else 0,
        "static": trace_lines(seen, trace, limit_lines=_STATIC_LINES) if trace else [],
    }


def _comparison(test: TestOutcome) -> list[tuple[str, str]]:
    rows = (line.split(maxsplit=1) for line in comparison_lines(test, 2_000))
    return [(row[0], row[1] if len(row) > 1 else "") for row in rows]


def _attempt_view(number: int, attempt: Attempt) -> View:
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


def _faults(outcome: Outcome) -> list[tuple[str, str]]:
    verdict = outcome.verdict
    if verdict is None:
        return []
    named = (
        ("passed before, fails now", verdict.regressions),
        ("vetoed", verdict.vetoes),
        ("flaky", verdict.flaky),
    )
    return [(title, one_line(text, 300)) for title, found in named for text in found[:50]]


def _pairs(items: Iterable[tuple[str, object]]) -> list[tuple[str, str]]:
    return [(one_line(name), one_line(str(value), 300)) for name, value in items]
