"""Owns which of a repository's own options of pytest do not count in the sandbox."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

CALM: dict[str, tuple[str, Any]] = {
    "numprocesses": ("-n", 0),  # pytest-xdist
    "dist": ("--dist", "no"),
    "tx": ("--tx", []),
    "looponfail": ("--looponfail", False),
    "forked": ("--forked", False),  # pytest-forked
    "isolate": ("--isolate", False),  # pytest-isolate
    "workers": ("--workers", None),  # pytest-parallel
    "tests_per_worker": ("--tests-per-worker", None),
    "timeout_method": ("--timeout-method", "signal"),  # pytest-timeout; the other ends the process
    "no_cov": ("", True),  # pytest-cov
    "cov_source": ("--cov", []),
    "reruns": ("--reruns", 0),  # pytest-rerunfailures
    "maxfail": ("--maxfail", 0),
    "lf": ("--last-failed", False),
    "failedfirst": ("--failed-first", False),
    "newfirst": ("--new-first", False),
    "stepwise": ("--stepwise", False),
    "stepwise_skip": ("--stepwise-skip", False),
    "usepdb": ("--pdb", False),
    "trace": ("--trace", False),
    "collectonly": ("--collect-only", False),
    "setuponly": ("--setup-only", False),
    "setupplan": ("--setup-plan", False),
    "pastebin": ("--pastebin", None),
    "tbstyle": ("", "value"),  # the long traceback's text costs 15 ms a failure and is not used
}
"""Options that would hand the tests to other processes, stop early, or depend on earlier runs.

Each with what the bot is told where it was given ("": nothing), and with its calm value.
"""

UNWANTED = ("pytest_forked", "pytest_isolate", "xdist.boxed", "faulthandler")
"""Plugins that run a test in a process of its own, for a marker too: ours could not be traced.

The last one would keep a copy of the harness's own output in every run.
"""


def calm(namespace: Any) -> set[str]:
    """Give the options in ``namespace`` their calm values; return what to tell of those given."""
    told: set[str] = set()
    for name, (flag, value) in CALM.items():
        given = getattr(namespace, name, None)
        if flag and given and given != value:
            told.add(flag)
        if hasattr(namespace, name):
            setattr(namespace, name, value)
    return told


class _NoWarning(Warning):
    """What no warning is."""


def hold_filters() -> Callable[[], None]:
    """Have pytest import no class that a warning filter names until the result is called.

    It would import the repository while it reads its settings. A class that cannot be had later on
    either may be what is to be written: its filter fits no warning.
    """
    config: Any = sys.modules["_pytest.config"]
    resolve, is_held = config._resolve_warning_category, True  # noqa: SLF001

    def resolved(category: str) -> type[Warning]:
        try:
            return _NoWarning if is_held and "." in category else resolve(category)
        except Exception:
            return _NoWarning

    def let_go() -> None:
        nonlocal is_held
        is_held = False
        config.parse_warning_filter.cache_clear()

    config._resolve_warning_category = resolved  # noqa: SLF001
    return let_go
