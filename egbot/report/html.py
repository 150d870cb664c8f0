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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from egbot.records import Outcome, Run, Target, TestOutcome, Trace, TraceEvent
from egbot.report import story
from egbot.report.compare import flat
from egbot.report.highlight import diff_lines
from egbot.report.kept import OUTCOME_BYTES, bounded
from egbot.report.plot import HEIGHT, plot
from egbot.report.text import CODE_CHARS, WHY_CHARS, block, count, one_line, seconds
from egbot.report.timeline import timed_outcome
from egbot.report.views import View, attempt_view, code_rows, panels

PAGE_BYTES = 2_900_000
MAX_TESTS = 100
MAX_EVENTS = 100_000
MAX_EVENT_CHARS = 10_000_000
"""What one page holds of all tests together; the rest is in trace.json."""

_MAX_CHANGES = 50
_VALUE_CHARS = 500
_INDEX_CHARS = 5  # a text's number in the data block, about


def render_html(outcome: Outcome, *, run: Run | None = None) -> str:
    """The page. It holds no lone surrogates; ``run`` adds settings.

    Where it would be longer than ``PAGE_BYTES``, the outcome is cut down for it.
    """
    page, max_bytes = _outcome_page(outcome, run), OUTCOME_BYTES
    while len(page.encode()) > PAGE_BYTES and max_bytes > 0:
        page = _outcome_page(bounded(outcome, max_bytes), run)
        max_bytes //= 4
    return page


def _outcome_page(outcome: Outcome, run: Run | None) -> str:
    seen = story.shown(outcome)
    return _page(
        seen,
        head=_head(outcome),
        attempts=[
            attempt_view(number, attempt, story.score(outcome)[1])
            for number, attempt in enumerate(outcome.attempts, 1)
        ],
        plot=plot(timed_outcome(outcome, load_s=_load_s(outcome, run))),
        diff=diff_lines(block(outcome.patch.unified_diff, CODE_CHARS)) if outcome.patch else [],
        faults=_faults(outcome),
        unchecked=(*story.cautions(outcome), *story.not_checked(outcome)),
        left=[
            (one_line(each.node_id), one_line(each.why, WHY_CHARS)) for each in outcome.left[:50]
        ],
        cost=story.cost(outcome, run),
        settings=_pairs(flat(run.settings).items()) if run else [],
        versions=_pairs([("egbot", run.egbot), *run.versions.items()]) if run else [],
    )


def render_trace_html(
    seen: story.Shown, target: Target, versions: Mapping[str, str] | None = None
) -> str:
    """The page of a function that was only traced: ``seen.tests`` are the runs of its code."""
    passed = sum(test.status == "passed" for test in seen.tests)
    is_good = passed == len(seen.tests)
    num_events = sum(len(test.trace.events) for test in seen.tests if test.trace)
    head: View = {
        "brand": "egbot traced",
        "name": one_line(target.qualname),
        "path": one_line(target.path, 300),
        "verdict": "Passed" if is_good else "Failed",
        "is_good": is_good,
        "words": "What this function did while the test below ran."
        if len(seen.tests) == 1
        else "What this function did while the tests below ran.",
        "detail": "",
        "facts": [
            ("Tests", f"{passed} of {len(seen.tests)}"),
            ("Time", seconds(sum(test.duration_s for test in seen.tests))),
            ("Steps", f"{num_events:,}"),
        ],
    }
    return _page(seen, head=head, versions=_pairs((versions or {}).items()))


def _page(seen: story.Shown, **views: object) -> str:
    """The template with ``views``; a section whose view is missing is left out."""
    css, script = _asset("report.css"), _asset("report.js")
    environment = Environment(
        loader=PackageLoader("egbot.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tests = tuple(_bounded(seen.tests[:MAX_TESTS]))
    nothing = dict.fromkeys(
        ("attempts", "diff", "faults", "unchecked", "left", "cost", "settings", "versions"), ()
    )
    return environment.get_template("report.html.j2").render(
        # Our own two files and the escaped data block are the only text not escaped again.
        css=Markup(css),  # noqa: S704
        script=Markup(script),  # noqa: S704
        data=Markup(_data_block(seen.first_line, tests)),  # noqa: S704
        policy=_policy(css, script),
        code=code_rows(seen),
        is_final=seen.is_final,
        tests=panels(seen, tests),
        num_tests_left_out=len(seen.tests) - len(tests) + seen.num_dropped,
        **{**nothing, "plot": None, "plot_height": HEIGHT, **views},
    )


def _load_s(outcome: Outcome, run: Run | None) -> float:
    """The time that loading the model took out of this outcome's: the first one with an attempt."""
    first = next((each for each in run.outcomes if each.attempts), None) if run else None
    return run.stats.load_s if run is not None and first is outcome else 0.0


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

    An event is ``[kind, function, line, depth, [name, value, name, ...], value or -1]``; every
    text is its index in ``texts``, because a loop repeats the same few thousands of times.
    """
    places: dict[str, int] = {}

    def place(text: str, limit_chars: int) -> int:
        return places.setdefault(one_line(text, limit_chars), len(places))

    def packed(event: TraceEvent) -> list[object]:
        changes = [
            index
            for name, value in event.changes[:_MAX_CHANGES]
            for index in (place(name, 80), place(value, _VALUE_CHARS))
        ]
        value = -1 if event.value is None else place(event.value, _VALUE_CHARS)
        own = (place(event.kind, 80), place(event.function, 80))
        return [*own, event.line, event.depth, changes, value]

    found: list[View] = [
        {
            "events": [packed(event) for event in test.trace.events] if test.trace else [],
            "dropped": test.trace.num_dropped if test.trace else 0,
        }
        for test in tests
    ]
    data = {"first": first_line, "texts": list(places), "tests": found}
    text = json.dumps(data, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _bounded(tests: tuple[TestOutcome, ...]) -> Iterator[TestOutcome]:
    """The tests with the events that one page holds; the others count as dropped."""
    events_left, chars_left = MAX_EVENTS, MAX_EVENT_CHARS
    known: set[str] = set()  # the page holds a text once
    for test in tests:
        trace = test.trace
        if trace is None:
            yield test
            continue
        kept = 0
        for event in trace.events[:events_left]:
            chars_left -= _num_chars(event, known)
            if chars_left < 0:
                break
            kept += 1
        events_left = events_left - kept if chars_left >= 0 else 0
        num_dropped = trace.num_dropped + len(trace.events) - kept
        yield replace(test, trace=Trace(trace.events[:kept], num_dropped))


def _num_chars(event: TraceEvent, known: set[str]) -> int:
    """About as many as the event adds to the page; its texts are ``known`` from now on."""
    changed = [text for change in event.changes[:_MAX_CHANGES] for text in change]
    new = {*changed, event.value or ""} - known
    known |= new
    return _INDEX_CHARS * len(changed) + sum(min(len(text), _VALUE_CHARS) for text in new)


# --- the head and the foot ----------------------------------------------------------------------


def _head(outcome: Outcome) -> View:
    passed, total = story.score(outcome)
    return {
        "brand": _brand(outcome),
        "name": story.name(outcome),
        "path": story.path(outcome),
        "verdict": story.VERDICTS[outcome.reason],
        "is_good": outcome.reason in ("patched", "nothing_to_do"),
        "words": _lead(outcome, passed, total),
        "detail": block(outcome.detail, 2_000),
        "facts": story.facts(outcome),
    }


def _brand(outcome: Outcome) -> str:
    if outcome.reason == "patched":
        return "egbot wrote"
    return "egbot tried to write" if outcome.attempts else "egbot"


def _lead(outcome: Outcome, passed: int, total: int) -> str:
    """What came of it and why that can be believed, in a sentence or three."""
    if outcome.reason == "patched":
        asked = f"Of the {count(total, 'test')} that asked for it {passed:,} pass"
        if passed == total:
            one = "The test that asked for it passes"
            all_of = "Both" if total == 2 else f"All {total:,}"
            asked = one if total == 1 else f"{all_of} tests that asked for it pass"
        return f"{asked}: {story.verdict_words(outcome)}."
    words = story.verdict_words(outcome)
    lead = f"{words[:1].upper()}{words[1:]}."
    found = (lead, story.nearest_words(outcome), "Nothing was changed." if outcome.target else "")
    return " ".join(one for one in found if one)


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
