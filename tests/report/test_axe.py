"""axe-core finds no serious accessibility fault in any page, in light and dark, wide and narrow.

axe-core is fetched once by npm; without it, or without Chromium, these tests are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from egbot.records import Outcome
from egbot.report.html import render_html, render_trace_html
from tests.fetched import from_npm
from tests.report.chromium import Chromium, binary
from tests.report.samples import (
    fib_seen,
    fib_target,
    hostile,
    no_target,
    sample_run,
    solved,
    unsolved,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(binary() is None, reason="Chromium is not installed"),
]
OPEN_ALL = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"


def of(build: Callable[[], Outcome]) -> str:
    outcome = build()
    return render_html(outcome, run=sample_run(outcome))


PAGES: dict[str, Callable[[], str]] = {
    "solved": lambda: of(solved),
    "unsolved": lambda: of(unsolved),
    "no_target": lambda: of(no_target),
    "hostile": lambda: of(lambda: hostile(3_000)),
    "traced": lambda: render_trace_html(fib_seen(), fib_target(), {"egbot": "0.1.0"}),
}


@pytest.fixture(scope="module")
def axe() -> str:
    return from_npm("axe-core", "4.14.1", "axe.min.js").decode()


@pytest.fixture(scope="module")
def browser(axe: str) -> Iterator[Chromium]:
    path = binary()
    assert path is not None
    with Chromium(path) as made:
        yield made


def violations(browser: Chromium, axe: str) -> list[str]:
    """The serious faults of the open page, each with the first elements that have it."""
    browser.run(f"{axe};0")
    found = browser.run("axe.run(document, {resultTypes: ['violations']}).then(JSON.stringify)")
    return [
        f"{fault['id']} ({fault['impact']}): " + " | ".join(n["html"][:200] for n in nodes[:3])
        for fault in json.loads(found)["violations"]
        if fault["impact"] in ("serious", "critical") and (nodes := fault["nodes"])
    ]


@pytest.mark.parametrize("name", PAGES)
def test_no_serious_fault(browser: Chromium, axe: str, tmp_path: Path, name: str) -> None:
    """Everything is opened first, so that what is folded is looked at too."""
    path = tmp_path / "page.html"
    path.write_text(PAGES[name](), encoding="utf-8")
    for width, dark in ((1400, False), (420, True)):
        browser.open(path, width=width, dark=dark)
        browser.run(f"{OPEN_ALL};0")
        browser.settle()
        assert violations(browser, axe) == []


def test_the_check_finds_faults(browser: Chromium, axe: str, tmp_path: Path) -> None:
    """The check is not blind: grey on grey and a button without a name are found."""
    path = tmp_path / "page.html"
    path.write_text(
        "<!DOCTYPE html><html lang=en><title>t</title><main><h1>t</h1><button></button>"
        "<p style='color:#bbb;background:#ccc'>hard to read</p></main>"
    )
    browser.open(path)
    assert {fault.partition(" ")[0] for fault in violations(browser, axe)} == {
        "button-name",
        "color-contrast",
    }
