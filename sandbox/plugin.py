"""The pytest hooks: calm options, what was collected, what each test did. It runs no process.

The methods are plain functions with pluggy's mark set by hand, so that pytest itself is imported
by pytest's start only.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from sandbox import kernel
from sandbox.calm import UNWANTED, calm
from sandbox.faults import Fault, Recorded, compare, describe, plain_fault, relative_path
from sandbox.ids import arguments, from_root, is_below
from sandbox.probing import Probing
from sandbox.reprs import Reprs, printable
from sandbox.tracer import Tracer

_F = TypeVar("_F", bound=Callable[..., Any])
_PHASES = ("setup", "call", "teardown")

TESTS_PER_MODULE = 4.0
"""Importing a test module may take as long as this many tests."""


class ImportTooSlowError(BaseException):
    """A module did not come to its end in time; no ``except Exception`` in it may hide that."""


def hook(**options: bool) -> Callable[[_F], _F]:
    """Mark a method as pluggy's ``hookimpl`` decorator does."""

    def mark(function: _F) -> _F:
        function.pytest_impl = options  # type: ignore[attr-defined]
        return function

    return mark


class Plugin:
    """Pytest hooks for one session; ``places`` are the repository and the project's folder in it.

    Ids and paths that it tells are the repository's.

    ``on_start`` is called before the first conftest.py is imported, ``on_loop`` (with pytest's
    session) instead of running the tests. ``paths``, when not empty, is what is collected;
    ``on_file`` is told each file before it is imported.
    A test may take ``test_s`` seconds.
    """

    def __init__(
        self,
        places: tuple[str, str],
        paths: list[str],
        test_s: float,
        on_start: Callable[[], None],
        on_loop: Callable[[Any], None],
        probing: Probing | None = None,
    ) -> None:
        self.root, self._folder = places
        self.probing = probing
        self._module_s = TESTS_PER_MODULE * test_s
        self.errors: list[dict[str, Any]] = []
        self.switched_off: set[str] = set()
        self.internal_error = ""
        self.paths = paths
        self.on_file: Callable[[str], None] | None = None
        self._on_start = on_start
        self._on_loop = on_loop
        self._maker: OutcomeMaker | None = None
        self._tracer: Tracer | None = None

    def watch(self, maker: OutcomeMaker | None, tracer: Tracer | None) -> None:
        """Send the reports of the test that runs now to ``maker``; trace it with ``tracer``."""
        self._maker = maker
        self._tracer = tracer

    def ids(self, items: list[Any]) -> list[str]:
        """Return the ids of pytest's items."""
        return [from_root(self._folder, str(item.nodeid)) for item in items]

    # --- options ---

    @hook(hookwrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> Generator[None, Any, None]:
        """Calm the early options; keep the reason when a conftest.py cannot be imported."""
        self.switched_off |= calm(getattr(early_config, "known_args_namespace", None))
        self._on_start()
        outcome = yield
        if outcome.excinfo is not None:
            error = outcome.excinfo[1]
            path = relative_path(str(getattr(error, "path", "")), self.root)
            if path is not None:
                self._add_error(path, error)

    @hook(hookwrapper=True)
    def pytest_cmdline_main(self, config: Any) -> Generator[None, Any, None]:
        """Calm the final options before any plugin acts on them; name what this run needs."""
        self.switched_off |= calm(config.option)
        for name in filter(config.pluginmanager.has_plugin, UNWANTED):
            config.pluginmanager.unregister(name=name)
        if self.paths:
            config.args = arguments(self.root, self._folder, self.paths)
        yield

    @hook(trylast=True)
    def pytest_configure(self, config: Any) -> None:
        """Keep pytest's own report out of what the tests print."""
        reporter = config.pluginmanager.getplugin("terminalreporter")
        writer = getattr(reporter, "_tw", None)
        if writer is not None:
            null = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (for the session)
            writer._file = null  # noqa: SLF001 (no option sends the report elsewhere)

    @hook(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self, item: Any, settings: Any) -> object:
        """Have a marker's timer raise, too: the other kind ends the process."""
        if settings.method == "signal":
            return None
        calmed = settings._replace(method="signal")
        return item.config.hook.pytest_timeout_set_timer(item=item, settings=calmed)

    # --- collection ---

    @hook(hookwrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: Any) -> Generator[None, Any, None]:
        """Let a module that never ends, or that exits, be its own error and not all others'."""
        import pytest

        node_id = from_root(self._folder, collector.nodeid)
        is_file = isinstance(collector, pytest.File)
        is_folder = isinstance(collector, pytest.Package)  # a file, before pytest 8
        if self.paths and is_file and not is_folder and not is_below(node_id, self.paths):
            # pytest was given a folder, which holds what was asked for and more
            vars(collector)["collect"] = list
        if is_file and self.on_file is not None:
            self.on_file(node_id)
        with _time_limit(self._module_s) if is_file else nullcontext():
            outcome = yield
        if outcome.excinfo is not None:
            self._add_error(node_id, outcome.excinfo[1])
            told = repr(outcome.excinfo[1])
            outcome.force_result(pytest.CollectReport(collector.nodeid, "failed", told, None))
        elif outcome.get_result().failed:
            report = outcome.get_result()
            caught = getattr(vars(report).get("call"), "excinfo", None)
            error = pytest.Collector.CollectError(str(report.longrepr))
            self._add_error(node_id, caught.value if caught else error)

    @hook()
    def pytest_internalerror(self, excrepr: Any) -> None:
        """Keep why pytest itself broke."""
        self.internal_error = printable(str(excrepr)[-2000:], keep="\n\t")

    @hook(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        """Serve jobs instead of running the tests."""
        self._on_loop(session)
        return True

    def add_start_error(self, error: Exception) -> None:
        """Keep why pytest could not start: under the first file of the repository that was in it."""
        fault = describe(error, self.root)
        if fault["frames"]:
            self._add_fault(fault["frames"][0]["path"], fault)

    def _add_error(self, node_id: str, error: BaseException) -> None:
        if any(one["node_id"] == node_id for one in self.errors):
            return  # the same file, collected once more for its doctests
        cause = _cause(error)
        if self.probing is not None:
            self.probing.on_collect_error(cause)
        if cause is error and type(error).__name__ == "CollectError":
            self._add_fault(node_id, plain_fault("CollectError", str(error)))
        else:
            self._add_fault(node_id, describe(cause, self.root))

    def _add_fault(self, node_id: str, fault: Fault) -> None:
        error = {"node_id": node_id, "phase": "collect", "fault": fault, "status": "error"}
        self.errors.append(error)

    # --- tests ---

    @hook(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: Any) -> Generator[None, Any, None]:
        """Trace the test itself, not the rest of pytest's work around it."""
        if self.probing is not None:
            self.probing.on_call(getattr(item, "obj", None), getattr(item, "funcargs", {}))
        yield from self._traced()

    @hook(hookwrapper=True, trylast=True)
    def pytest_fixture_setup(self) -> Generator[None, Any, None]:
        """Trace fixtures, ``setUp`` functions among them."""
        yield from self._traced()

    def _traced(self) -> Generator[None, Any, None]:
        tracer = self._tracer
        if tracer is None:
            yield
            return
        tracer.start()
        try:
            yield
        finally:
            tracer.stop()

    @hook(tryfirst=True)
    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> None:
        """Keep both sides of a comparison that an assertion is about to report."""
        if self._maker is not None:
            if self.probing is not None:
                self.probing.on_compare(left, right)
            self._maker.on_compare(op, left, right)

    @hook(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, call: Any) -> Generator[None, Any, None]:
        """Keep the exception of a test's phase."""
        if call.excinfo is not None and isinstance(call.excinfo.value, MemoryError):
            kernel.spare_memory()
        yield
        if self._maker is not None and call.excinfo is not None:
            if self.probing is not None:
                self.probing.on_exception(call.excinfo.value)
            self._maker.on_exception(call.when, call.excinfo.value)

    @hook()
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep what pytest says of a test's phase."""
        if self._maker is not None:
            self._maker.on_report(report)


class OutcomeMaker:
    """What one test did: pytest's reports made into one ``outcome``, without output and trace."""

    def __init__(self, node_id: str, root: str, reprs: Reprs) -> None:
        self._root = root
        self._reprs = reprs
        self._compared: Recorded = None
        self._details: dict[str, tuple[Fault, dict[str, Any] | None]] = {}
        self.outcome: dict[str, Any] = {
            "node_id": node_id,
            "status": "not_run",
            "phase": "call",
            "duration_s": 0.0,
            "fault": None,
        }

    def on_compare(self, operator: str, left: object, right: object) -> None:
        """A comparison inside an assertion is false."""
        self._compared = (operator, self._reprs(left), self._reprs(right))

    def on_exception(self, phase: str, error: BaseException) -> None:
        """A phase ended with an exception (which pytest may still take for a skip)."""
        comparison = compare(error, self._compared, self._reprs)
        self._details[phase] = (describe(error, self._root), comparison)

    def on_report(self, report: Any) -> None:
        """A phase is over. The first phase that failed is what the outcome tells.

        A subtest that is skipped, whose report bears its context, skips nothing but itself.
        """
        told, when = self.outcome, report.when
        told["duration_s"] += max(0.0, float(getattr(report, "duration", 0.0)))
        if told["status"] in ("failed", "error"):
            return
        if report.outcome == "failed":
            told["phase"] = when if when in _PHASES else "call"  # a plugin's own report
            told["status"] = "failed" if when == "call" else "error"
            fault, told["comparison"] = self._details.get(when, (None, None))
            told["fault"] = fault or plain_fault("Failed", str(report.longrepr))
        elif report.outcome == "skipped" and not hasattr(report, "context"):
            told.update(status="skipped", phase=when)
        elif report.outcome == "passed" and when == "call" and told["status"] != "skipped":
            told["status"] = "passed"

    def interrupt(self, error: BaseException) -> None:
        """The test was left by an exception that pytest does not report."""
        self.outcome.update(status="failed", phase="call", fault=describe(error, self._root))


@contextmanager
def _time_limit(limit_s: float) -> Iterator[None]:
    """Raise ImportTooSlowError in what runs inside when it takes longer than ``limit_s``."""

    def stop(*_: object) -> None:
        raise ImportTooSlowError(f"importing it took longer than {limit_s:.3g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _cause(error: BaseException) -> BaseException:
    """Return the exception that pytest wrapped while it collected."""
    for _ in range(8):
        cause = error.__cause__
        if cause is None or type(error).__name__ not in ("ConftestImportFailure", "CollectError"):
            break
        error = cause
    return error
