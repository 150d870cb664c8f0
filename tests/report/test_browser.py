"""The page in a real browser: keys step through the run, nothing loads, nothing runs but our script."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.records import Outcome, Trace, TraceEvent
from egbot.report.html import render_html, render_trace_html
from tests.report.chromium import Chromium, binary
from tests.report.samples import (
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

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(binary() is None, reason="Chromium is not installed"),
]

OPEN_LIST = "document.querySelector('#all').open = true"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    path = binary()
    assert path is not None
    with Chromium(path) as made:
        yield made


def write(folder: Path, outcome: Outcome) -> Path:
    path = folder / "report.html"
    path.write_text(render_html(outcome, run=sample_run(outcome)), encoding="utf-8")
    return path


def test_keys_step_through_the_run(browser: Chromium, tmp_path: Path) -> None:
    """Arrow keys, Home, End and the slider move one step; line, values and story follow."""
    browser.open(write(tmp_path, solved()))
    assert browser.text("#moment") == "Step 1 of 27, line 12"
    browser.press("ArrowRight", 4)
    assert browser.text("#moment") == "Step 5 of 27, line 17"
    assert browser.text("tr.now .source").strip() == "total += number"
    assert browser.text("tr.now .values") == "total = 3"
    assert browser.text("#variables tr.changed") == "total\t3"
    assert "number = 3" in browser.text("#code")
    browser.press("ArrowLeft")
    assert browser.text("#story") == "number = 3"
    browser.run("document.querySelector('#slider').focus()")
    browser.press("End")
    assert browser.text("#story") == "return [3, 2, 6, 16, 21, 30, 32]"
    assert browser.run("document.querySelector('#next').disabled")
    browser.press("Home")
    assert browser.text("#moment").startswith("Step 1 ")
    assert browser.complaints() == []


def test_iterations_and_calls_lead_to_their_step(browser: Chromium, tmp_path: Path) -> None:
    """A click on a row of a loop, or on a call of the tree, shows that step of the run."""
    browser.open(write(tmp_path, solved()))
    browser.run("document.querySelectorAll('.loop .jump')[2].click()")
    browser.settle()
    assert browser.text("#moment") == "Step 10 of 27, line 16"
    assert browser.text("#story") == "number = 4"
    path = tmp_path / "trace.html"
    path.write_text(render_trace_html(fib_seen(3), fib_target()), encoding="utf-8")
    browser.open(path)
    browser.run("document.querySelectorAll('.tree .jump')[2].click()")
    browser.settle()
    assert browser.text("#story") == "call fib(n=1)"
    assert browser.text("#moment").endswith("call depth 2")
    assert browser.complaints() == []


def test_tabs_are_reached_and_moved_by_keys(browser: Chromium, tmp_path: Path) -> None:
    """The failing test is shown first; arrows on a tab change the test and keep the focus there."""
    browser.open(write(tmp_path, unsolved()))
    chosen = "document.querySelector('[aria-selected=true]')"
    assert "starts_anywhere" in browser.run(f"{chosen}.innerText")
    assert browser.text(".panel:not([hidden]) .side-right dd") == "[101, 103]"
    browser.run(f"{chosen}.focus()")
    browser.press("ArrowRight")
    assert "of_nothing" in browser.run("document.activeElement.innerText")
    assert browser.text("#moment").startswith("Step 1 of 6")
    assert browser.run("document.querySelectorAll('.panel:not([hidden])').length") == 1
    browser.press("Tab")
    focused = "getComputedStyle(document.activeElement).outlineStyle"
    assert browser.run("document.activeElement.id") == "next"
    assert browser.run(focused) != "none"


def test_hostile_page_runs_nothing(browser: Chromium, tmp_path: Path) -> None:
    """No script, image or address of outside text comes alive, and no policy is even tested."""
    browser.open(write(tmp_path, hostile()))
    browser.press("ArrowRight", 3)
    assert browser.text("#moment").startswith("Step 4 of 4")
    assert browser.run("document.querySelectorAll('img, iframe, a[href]:not(.skip)').length") == 0
    assert browser.run("document.scripts.length") == 2
    browser.run(OPEN_LIST)
    browser.settle()
    assert browser.run("document.querySelectorAll('.list-row').length") == 4
    assert browser.complaints() == []


def test_the_listener_hears_violations(browser: Chromium, tmp_path: Path) -> None:
    """The check is not blind: a script, a style and an image that got in would be told."""
    page = write(tmp_path, solved())
    evil = "<script>alert(1)</script><p style='color:red'>x</p><img src='https://evil.example/x'>"
    page.write_text(page.read_text("utf-8").replace("<main>", f"<main>{evil}"), encoding="utf-8")
    browser.open(page)
    told = "\n".join(browser.run("violations"))
    for directive in ("script-src-elem: inline", "style-src-attr: inline", "img-src: https://evil"):
        assert directive in told
    assert browser.complaints()


def test_page_fits_its_window(browser: Chromium, tmp_path: Path) -> None:
    """At no width must a reader scroll the page sideways, in light or dark."""
    for outcome in (solved(), unsolved(), no_target(), hostile(30_000)):
        page = write(tmp_path, outcome)
        for width, dark in itertools.product((1400, 900, 360), (False, True)):
            browser.open(page, width=width, dark=dark)
            assert browser.run("document.documentElement.scrollWidth") <= width
            light = browser.run("getComputedStyle(document.documentElement).backgroundColor")
            assert (light == "rgb(21, 23, 27)") == dark


def test_thousands_of_events_stay_quick(browser: Chromium, tmp_path: Path) -> None:
    """A step at the end of five thousand events takes no seconds."""
    trace = loop_trace(list(range(1_700)))
    outcome = replace(solved(), evidence=(replace(passing()[0], trace=trace),))
    browser.open(write(tmp_path, outcome))
    browser.run("document.querySelector('#last').click()")
    browser.settle()
    assert browser.text("#moment").startswith("Step 5106 of 5106")
    start_s = time.perf_counter()
    browser.press("ArrowLeft", 20)
    assert time.perf_counter() - start_s < 60
    assert browser.text("#moment").startswith("Step 5086 ")


def long_run(num_events: int) -> Outcome:
    """Two tests that call the function again and again, a loop of 200 turns each time."""
    events = loop_trace([index % 7 for index in range(200)]).events
    half = (events * (num_events // len(events) + 1))[: num_events // 2]
    tests = tuple(replace(test, trace=Trace(half)) for test in passing()[:2])
    return replace(solved(), evidence=tests)


STEP_MS = """new Promise((done) => {
  const start = performance.now();
  document.querySelector('#back').click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""


@pytest.mark.parametrize("num_events", [20_000, 100_000])
def test_long_runs_are_drawn_in_view_only(
    browser: Chromium, tmp_path: Path, num_events: int
) -> None:
    """However long the run: under 10,000 nodes, and no step draws more than it shows."""
    browser.open(write(tmp_path, long_run(num_events)))
    last = num_events // 2
    browser.run(OPEN_LIST)
    browser.run("document.querySelector('#last').click()")
    browser.settle()
    assert browser.text("#moment").startswith(f"Step {last} of {last}")
    assert min(browser.run(STEP_MS) for _ in range(7)) < 2_500
    assert browser.run("document.querySelectorAll('.list-row').length") < 40
    assert browser.run("document.querySelectorAll('*').length") < 10_000
    browser.run("document.querySelector('#list').scrollTop = 14000")
    browser.settle()
    assert browser.run("document.querySelector('#step-501').innerText").split()[0]
    assert browser.run("document.querySelectorAll('.list-row').length") < 40
    browser.run("document.querySelectorAll('[role=tab]')[1].click()")
    browser.settle()
    assert browser.text("#moment").startswith(f"Step 1 of {last}")
    assert browser.complaints() == []


def test_the_list_of_steps_follows_and_leads(browser: Chromium, tmp_path: Path) -> None:
    """Keys, slider, buttons and clicks move the list, and the list moves them."""
    browser.open(write(tmp_path, long_run(5_000)))
    assert browser.run("document.querySelectorAll('.list-row').length") == 0
    browser.run(OPEN_LIST)
    browser.settle()
    assert browser.run("document.querySelector('#list').scrollTop") == 0
    chosen = "document.querySelector('.list-row[aria-selected=true]')"
    browser.run("document.querySelector('#list').focus()")
    browser.press("ArrowDown", 4)
    assert browser.text("#moment").startswith("Step 5 of 2500, line 17")
    assert browser.run(f"{chosen}.innerText").split("\n")[:2] == ["17", "total += number"]
    assert browser.run("document.activeElement.getAttribute('aria-activedescendant')") == "step-4"
    assert browser.text("#live") == ""  # the list itself tells the step
    browser.press("PageDown")
    assert int(browser.run(f"{chosen}.getAttribute('aria-posinset')")) in range(8, 20)
    browser.press("End")
    assert browser.run(f"{chosen}.id") == "step-2499"
    assert browser.run(f"{chosen}.getAttribute('aria-setsize')") == "2500"
    browser.press("Home")
    assert browser.run("document.querySelector('#slider').value") == "0"
    slide = "const s = document.querySelector('#slider'); s.value = 1200; s.focus();"
    browser.run(f"{{{slide} s.dispatchEvent(new Event('input'))}}")
    browser.settle()
    box = "document.querySelector('#list').getBoundingClientRect()"
    assert browser.run(f"{chosen}.getBoundingClientRect().bottom <= {box}.bottom")
    assert browser.run(f"{chosen}.getBoundingClientRect().top >= {box}.top")
    assert browser.text("#live").startswith("Line ")
    browser.run("document.querySelector('#step-1203').click()")
    browser.settle()
    assert browser.text("#moment").startswith("Step 1204 ")


def test_the_line_in_focus_is_in_view(browser: Chromium, tmp_path: Path) -> None:
    """In a function of two hundred lines the code scrolls with the steps, the page does not."""
    body = "".join(f"    total += {number}\n" for number in range(200))
    events = [TraceEvent("line", "running_total", 13 + number, 0) for number in range(200)]
    test = replace(passing()[0], trace=Trace(tuple(events)))
    patch = solved().patch
    assert patch is not None
    patch = replace(patch, replacement=f"def running_total(numbers):\n{body}")
    browser.open(write(tmp_path, replace(solved(), patch=patch, evidence=(test,))))
    for key in ("#last", "#first"):
        browser.run(f"document.querySelector('{key}').click()")
        browser.settle()
        row = "document.querySelector('tr.now').getBoundingClientRect()"
        box = "document.querySelector('.code-side').getBoundingClientRect()"
        assert browser.run(f"{box}.top <= {row}.top && {row}.bottom <= {box}.bottom")
    assert browser.run("scrollY") == 0


def test_print_shows_the_steps_in_full(browser: Chromium, tmp_path: Path) -> None:
    """On paper the folded listing stands where the screen has its list, and controls are gone."""
    browser.open(write(tmp_path, long_run(5_000)))
    browser.run(OPEN_LIST)
    seen = "getComputedStyle(document.querySelector('{}')).display"
    assert browser.run(seen.format(".panel:not([hidden]) .listing")) == "none"
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.run(seen.format(".panel:not([hidden]) .listing")) == "block"
        assert browser.run(seen.format("#all")) == browser.run(seen.format("#controls")) == "none"
        shown = "[...document.querySelectorAll('{}')].filter((one) => one.checkVisibility()).length"
        assert browser.run(shown.format(".panel")) == 2  # every test, not the chosen one alone
        assert browser.run(shown.format(".legend .dot")) == 4
        assert "more iterations" in browser.text(".panel:not([hidden]) .listing")
        assert browser.call("Page.printToPDF")["data"].startswith("JVBERi")  # %PDF
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


def test_many_tests_with_loops_and_calls_make_no_endless_page(
    browser: Chromium, tmp_path: Path
) -> None:
    """Forty-two tests of 2,000 steps: tables stop when the page has enough, and it says so."""
    trace = Trace((loop_trace(list(range(100))).events * 7)[:2_000])
    tests = tuple(replace(passing()[0], trace=trace) for _ in range(42))
    browser.open(write(tmp_path, replace(solved(), evidence=tests)))
    assert browser.run("document.querySelectorAll('*').length") < 20_000
    assert browser.text("#moment").startswith("Step 1 of 2000")
    browser.run("document.querySelectorAll('[role=tab]')[40].click()")
    browser.settle()
    assert "not drawn" in browser.text(".panel:not([hidden])")


def test_page_reads_without_script(browser: Chromium, tmp_path: Path) -> None:
    """With scripts off the trace of every test is readable and no dead control is shown."""
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.load(write(tmp_path, solved()))
        found = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        told = browser.call("DOM.querySelectorAll", nodeId=found, selector="html:not(.js) .listing")
        assert len(told["nodeIds"]) == 3
        hidden = browser.call("DOM.querySelectorAll", nodeId=found, selector="#controls[hidden]")
        assert len(hidden["nodeIds"]) == 1
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
