"""A sandbox that can be told what to answer: a job that the test does not answer runs for real.

It isolates nothing: trees and candidates must be text that the author of the test wrote.
"""

from __future__ import annotations

import atexit
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from egbot.errors import SandboxError
from egbot.execution.process import process_sandbox
from egbot.ports import Executor
from egbot.records import Collection, Execution, Job, Limits, Probe, Tree

Answer = Callable[[Tree, Job], Execution | None]
_MAX_IDLE = 12
_idle: dict[Hashable, Executor] = {}
"""Real sandboxes that were closed, the latest last: another test may ask for the same ones."""


class ReplayExecutor:
    """Implements ``egbot.ports.Executor``; ``jobs`` are the jobs so far, ``closed`` says if it is."""

    def __init__(
        self,
        tree: Tree,
        tests: tuple[str, ...],
        probe: Probe | None,
        limits: Limits,
        answer: Answer,
    ) -> None:
        self.tree = tree
        self.probe = probe
        self.tests = tests
        self.jobs: list[Job] = []
        self.closed = True
        self._answer = answer
        self._key: Hashable = (frozenset(tree.items()), tests, probe, limits)
        self._real: Executor
        if self._key in _idle:
            self._real = _idle.pop(self._key)
        else:
            self._real = process_sandbox().open(tree, tests, limits, probe)
        self.closed = False

    @property
    def collection(self) -> Collection:
        """The tests of the tree."""
        return self._real.collection

    def run(self, job: Job) -> Execution:
        """Run one job. Raises SandboxError when closed, as the real ones do."""
        if self.closed:
            raise SandboxError("the sandbox is closed; open another one")
        self.jobs.append(job)
        answered = self._answer(self.tree, job)
        if answered is not None:
            return answered
        try:
            return self._real.run(replace(job, limits=_unhurried(job.limits)))
        except BaseException:
            self._key = None
            raise

    def close(self) -> None:
        """Take no more jobs."""
        if not self.closed:
            self.closed = True
            if self._key is None or self._key in _idle:
                self._real.close()
            else:
                _idle[self._key] = self._real
                _close_idle(_MAX_IDLE)

    def __del__(self) -> None:
        """Leave no process behind where a test forgets it."""
        self._key = None
        self.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


class ReplaySandbox:
    """Implements ``egbot.ports.Sandbox``; ``executors`` are all that were opened, in order.

    ``answer`` may answer a job in its own way; where it returns None, the job runs in processes of
    this interpreter. Deadlines are not kept: the clock that they are told on is the test's.
    """

    def __init__(self, answer: Answer = lambda _tree, _job: None) -> None:
        self.executors: list[ReplayExecutor] = []
        self._answer = answer

    @property
    def backend(self) -> str:
        """``replay``."""
        return "replay"

    @property
    def project(self) -> str:
        """The root."""
        return ""

    @property
    def left_out(self) -> Mapping[str, str]:
        """Nothing: there is no environment."""
        return {}

    def open(
        self, tree: Tree, tests: Iterable[str], limits: Limits, probe: Probe | None = None
    ) -> ReplayExecutor:
        """Collect ``tests`` of ``tree``. Raises SandboxError as the real one does."""
        tests = tuple(tests)
        executor = ReplayExecutor(tree, tests, probe, _unhurried(limits), self._answer)
        self.executors.append(executor)
        return executor


def _unhurried(limits: Limits) -> Limits:
    return replace(limits, deadline_s=math.inf)


@atexit.register
def _close_idle(num_kept: int = 0) -> None:
    for key in list(_idle)[: max(0, len(_idle) - num_kept)]:
        _idle.pop(key).close()
