"""What holds for all tests: required kinds run, a busy machine is no fault, skips are counted.

It does not know what those tests need; each of them says so itself when it skips. A skip of a kind
in EGBOT_REQUIRE (docker,weights,...) is a failure. It also lets Ctrl-C work where a shell has
started the tests in the background.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

REQUIRED = frozenset(filter(None, os.environ.get("EGBOT_REQUIRE", "").split(",")))
KINDS = {
    "docker": "no Docker engine or image",
    "bubblewrap": "no bubblewrap",
    "gpu": "no CUDA device",
    "weights": "no model",
    "browser": "no Chromium",
}
"""How a skip is counted that does not need root, by its test's marker; else by its reason's beginning."""

# How long drawing an example takes says what else the machine does.
hypothesis.settings.register_profile(
    "busy",
    hypothesis.settings.get_profile("default"),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("busy")


def pytest_configure() -> None:
    """A shell's background jobs ignore SIGINT, and so would every process that a test starts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def reason_of(report: pytest.TestReport) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    return str(told).removeprefix("Skipped: ")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    required = sorted(REQUIRED.intersection(mark.name for mark in item.iter_markers()))
    if report.skipped and required and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{', '.join(required)} must run here, but: {reason_of(report)}"
    return report


def kind_of(report: pytest.TestReport) -> str:
    reason = reason_of(report)
    if re.search("only root|mounted here|control group", reason):
        return "no root"
    marked = [told for mark, told in KINDS.items() if mark in report.keywords]
    return marked[0] if marked else re.split("[;:]", reason)[0]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """One line of what was skipped and why; EGBOT_SKIPPED is a file that carries it from run to run."""
    yield
    if hasattr(terminalreporter.config, "workerinput"):
        return  # whoever started this process says it
    counts = Counter(map(kind_of, terminalreporter.stats.get("skipped", [])))
    if path := os.environ.get("EGBOT_SKIPPED"):
        kept = Path(path)
        counts += Counter(json.loads(kept.read_text())) if kept.exists() else Counter()
        kept.write_text(json.dumps(counts))
    told = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    terminalreporter.write_line(f"skipped: {told or 'nothing'}")
