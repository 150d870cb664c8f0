"""Turns the skip of a required kind of test into a failure (EGBOT_REQUIRE=docker,weights,...).

It does not know what those tests need; each of them says so itself when it skips. It also lets
Ctrl-C work where a shell has started the tests in the background.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest

REQUIRED = frozenset(filter(None, os.environ.get("EGBOT_REQUIRE", "").split(",")))


def pytest_configure() -> None:
    """A shell's background jobs ignore SIGINT, and so would every process that a test starts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    required = sorted(REQUIRED.intersection(mark.name for mark in item.iter_markers()))
    if report.skipped and required and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{', '.join(required)} must run here, but: {reason}"
    return report
