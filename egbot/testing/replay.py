"""A sandbox that can be told what to answer: a job that the test does not answer runs for real.

It isolates nothing: trees and candidates must be text that the author of the test wrote.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from egbot.errors import SandboxError
from egbot.execution.process import process_sandbox
from egbot.ports import Executor
from egbot.records import Collection, Execution, Job, Limits, Probe, Tree

Answer = Callable[[Tree, Job], Execution | None]


class ReplayExecutor:
    """Implements ``egbot.ports.Executor``; ``jobs`` are the jobs so far, ``closed`` says if it is."""

    def __init__(
        self,
        tree: Tree,
        tests: tuple[str, ...],
        probe: Probe | None,
        real: Executor,
        answer: Answer,
    ) -> None:
        self.tree = tree
        self.probe = probe
        self.tests = tests
        self.jobs: list[Job] = []
        self.closed = False
        self._real = real
        self._answer = answer

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
        return self._real.run(replace(job, limits=_unhurried(job.limits)))

    def close(self) -> None:
        """Take no more jobs."""
        self.closed = True
        self._real.close()

    def __del__(self) -> None:
        """Leave no process behind where a test forgets it."""
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
        self._real = process_sandbox()
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
        real = self._real.open(tree, tests, _unhurried(limits), probe)
        executor = ReplayExecutor(tree, tests, probe, real, self._answer)
        self.executors.append(executor)
        return executor


def _unhurried(limits: Limits) -> Limits:
    return replace(limits, deadline_s=math.inf)
