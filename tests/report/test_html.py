"""The page is self-contained, inert against what it shows, and complete without its script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from typing_extensions import override

from egbot.records import Outcome, Trace, TraceEvent
from egbot.report.html import render_html, render_trace_html
from egbot.report.story import shown
from egbot.report.text import visible
from tests.report.golden import check
from tests.report.samples import (
    EVIL,
    fib_seen,
    fib_target,
    hostile,
    loop_trace,
    no_target,
    passing,
    sample_run,
    solved,
    unsolved,
)

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "a", "header", "p", "div", "h1", "h2"),
    *("h3", "code", "span", "dl", "dt", "dd", "main", "section", "button", "table", "caption"),
    *("tbody", "tr", "th", "td", "aside", "input", "kbd", "pre", "details", "summary"),
    *("ol", "ul", "li", "svg", "rect", "footer", "script"),
    *("thead", "mark", "figure", "figcaption", "desc", "circle", "path", "line", "text"),
}


class Page(HTMLParser):
    """Collects the tags with their attributes and the texts of the script elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    @override
    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    @override
    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside == "style":
            self.styles.append(data)
        else:
            self.words.append(data)


def page(outcome: Outcome) -> tuple[str, Page]:
    text = render_html(outcome, run=sample_run(outcome))
    return text, Page(text)


@pytest.mark.parametrize("name", ["solved", "unsolved", "no_target"])
def test_golden_page(name: str) -> None:
    """The pages of the samples, without style and script, are reviewed when they change."""
    text, _ = page({"solved": solved, "unsolved": unsolved, "no_target": no_target}[name]())
    check(f"{name}.report.html", bare(text))


@pytest.mark.parametrize("build", [solved, unsolved, no_target, hostile])
def test_page_loads_nothing(build: Callable[[], Outcome]) -> None:
    """Only known elements, no event attribute, no inline style, no address but the skip link."""
    text, found = page(build())
    assert {tag for tag, _ in found.tags} <= TAGS
    for tag, attributes in found.tags:
        names = attributes.keys()
        assert not [name for name in names if name.startswith("on") or name in ("src", "style")]
        assert attributes.get("href", "#run") == "#run", tag
    assert len(found.scripts) == 2
    text.encode("utf-8")


def test_policy_names_exactly_our_style_and_script() -> None:
    """The content security policy allows nothing but the two texts in the page, by hash."""
    _, found = page(hostile(3_000))
    policy = next(a["content"] for t, a in found.tags if a.get("http-equiv")) or ""
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (found.styles[0], found.scripts[1])
    ]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_script_builds_text_only() -> None:
    """The page's own script has no way to turn text into markup or code."""
    _, found = page(solved())
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function"):
        assert word not in found.scripts[1]


def test_data_block_cannot_end_its_element() -> None:
    """The JSON has no character that HTML or an old script parser would take for its own."""
    _, found = page(hostile(3_000))
    block = found.scripts[0]
    assert block.isascii()
    assert not set("<>&") & set(block)
    data = json.loads(block)
    event = data["tests"][0]["events"][0]
    assert data["texts"][event[0]] == "call"
    assert data["texts"][event[4][0]].startswith("<script>alert(1)</script>")


def test_hostile_text_is_shown_visibly() -> None:
    """Markup arrives as text, controls and bidirectional overrides as escapes."""
    text, found = page(hostile(3_000))
    shown = "".join(found.words)
    assert visible(EVIL[:80]) in shown
    assert "\\u202e" in shown
    assert "{{ 7 * 7 }}" in shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]", text)


def bare(text: str) -> str:
    """The page without its style and script, and without their digests."""
    short = re.sub(r"<(style|script)>.*?</\1>", r"<\1>…</\1>", text, flags=re.DOTALL)
    return re.sub(r"sha256-[\w+/=]+", "sha256-…", short)


def test_golden_trace_page() -> None:
    """The page of a traced function: its calls as a tree, both sides marked, no empty sections."""
    text = render_trace_html(fib_seen(3), fib_target(), {"egbot": "0.1.0", "python": "3.11.9"})
    assert "How it was written" not in text
    assert "What was not checked" not in text
    check("traced.report.html", bare(text))


def test_settings_are_told_one_by_one() -> None:
    """A table of settings is not shown as Python's repr of it."""
    run = replace(sample_run(solved()), settings={"sandbox": {"test_s": 5.0}})
    text = render_html(solved(), run=run)
    assert "<dt>sandbox.test_s</dt><dd>5.0</dd>" in text


def test_the_head_says_what_came_of_it() -> None:
    """Who reads no further knows what was written and why to believe it, or what fails."""
    assert "All 3 tests that asked for it pass: a fresh sandbox accepted it" in page(solved())[0]
    told = page(unsolved())[0]
    assert "egbot tried to write" in told
    assert "The nearest try passes 2 of 3 tests. Nothing was changed." in told


def test_hostile_trace_page_is_inert() -> None:
    """A traced function whose every text is an attack makes no element of its own."""
    outcome = hostile(3_000)
    assert outcome.target is not None
    found = Page(render_trace_html(shown(outcome), outcome.target, {EVIL: EVIL}))
    assert {tag for tag, _ in found.tags} <= TAGS
    assert visible(EVIL[:60]) in "".join(found.words)


def test_loops_are_tables_and_lead_to_their_steps() -> None:
    """Each iteration is a row with the values that it left and the step where it begins."""
    _, found = page(solved())
    steps = [a["data-step"] for tag, a in found.tags if tag == "th" and "data-step" in a]
    assert steps == ["3", "6", "9", "12", "15", "18", "21", "3", "6"]


def test_page_without_script_tells_the_run() -> None:
    """With scripts off the rows of code, every test and its steps are in the page."""
    text, _ = page(solved())
    static = "".join(re.findall(r'<pre class="listing".*?</pre>', text, flags=re.DOTALL))
    assert static.count("call running_total(") == 3
    assert "return → [3, 2, 6, 16, 21, 30, 32]" in static
    assert 'id="tabs" role="tablist" aria-label="Tests" hidden' in text


def test_thousands_of_events_stay_quick_and_bounded() -> None:
    """Sixty tests of two thousand events each make a page below 3 MB; what it lacks is counted."""
    trace = Trace(loop_trace([index % 5 for index in range(660)]).events[:1_000] * 2)
    tests = tuple(replace(passing()[0], trace=trace) for _ in range(60))
    text, found = page(replace(solved(), evidence=tests))
    data = json.loads(found.scripts[0])
    told = [len(test["events"]) + test["dropped"] for test in data["tests"]]
    assert told == [2_000] * len(told)
    assert len(data["tests"][0]["events"]) > 500
    assert len(text) < 3_000_000


def test_wide_events_are_bounded_by_their_length_too() -> None:
    """Thousands of events of fifty long values each do not make a page of fifty megabytes."""
    trace = Trace(
        tuple(
            TraceEvent("line", "f", 14, 0, tuple((f"v{n}", f"{step}.{n} " * 90) for n in range(60)))
            for step in range(2_000)
        )
    )
    text, found = page(replace(solved(), evidence=(replace(passing()[0], trace=trace),)))
    (test,) = json.loads(found.scripts[0])["tests"]
    assert 0 < len(test["events"]) < 2_000
    assert len(test["events"]) + test["dropped"] == 2_000
    assert len(text) < 3_000_000


def test_megabyte_strings_are_cut() -> None:
    """A hostile outcome of many megabytes makes a page of less than one."""
    assert len(page(hostile())[0]) < 1_000_000


def test_empty_trace_and_missing_code_are_fine() -> None:
    """A trace without events, or a function without a target, draws a page all the same."""
    tests = (replace(passing()[0], trace=Trace(())), replace(passing()[1], trace=None))
    text, _ = page(replace(solved(), evidence=tests))
    assert "The function was not called in this test." in text
    assert text.count("No trace was recorded") == 1
    event = TraceEvent("return", "other", 1, 0)
    page(replace(no_target(), evidence=(replace(tests[0], trace=Trace((event,))),)))
