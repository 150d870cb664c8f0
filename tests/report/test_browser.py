"""The page in a real browser: keys step through the run, nothing loads, nothing runs but our script."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.records import Outcome
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
    assert browser.complaints() == []


@pytest.mark.parametrize("width", [1400, 900, 420])
@pytest.mark.parametrize("dark", [False, True])
def test_page_fits_its_window(browser: Chromium, tmp_path: Path, width: int, dark: bool) -> None:
    """At no width must a reader scroll the page sideways, in light or dark."""
    for outcome in (solved(), unsolved(), no_target(), hostile(30_000)):
        browser.open(write(tmp_path, outcome), width=width, dark=dark)
        assert browser.run("document.documentElement.scrollWidth") <= width
    light = browser.run("getComputedStyle(document.documentElement).backgroundColor")
    assert (light == "rgb(21, 23, 27)") == dark


def test_thousands_of_events_stay_quick(browser: Chromium, tmp_path: Path) -> None:
    """A jump to the end of five thousand events is drawn within a tenth of a second."""
    trace = loop_trace(list(range(1_700)))
    outcome = replace(solved(), evidence=(replace(passing()[0], trace=trace),))
    browser.open(write(tmp_path, outcome))
    browser.run("document.querySelector('#last').click()")
    browser.settle()
    assert browser.text("#moment").startswith("Step 5106 of 5106")
    start_s = time.perf_counter()
    browser.press("ArrowLeft", 20)
    assert time.perf_counter() - start_s < 4
    assert browser.text("#moment").startswith("Step 5086 ")


def test_page_reads_without_script(browser: Chromium, tmp_path: Path) -> None:
    """With scripts off the trace of every test is readable and no dead control is shown."""
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        path = write(tmp_path, solved())
        browser.events.clear()
        browser.call("Page.navigate", url=path.as_uri())
        time.sleep(0.5)
        found = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        told = browser.call("DOM.querySelectorAll", nodeId=found, selector="noscript pre")
        assert len(told["nodeIds"]) == 3
        hidden = browser.call("DOM.querySelectorAll", nodeId=found, selector="#controls[hidden]")
        assert len(hidden["nodeIds"]) == 1
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
