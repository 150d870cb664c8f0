"""A sandbox without a sandbox: jobs are answered by the test, or run inside this very process.

It isolates nothing and limits nothing: trees and candidates must be text that the author of the
test wrote. It knows a small part of pytest only: see ``egbot.testing.inprocess``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from egbot.errors import SandboxError
from egbot.records import Collection, Execution, Job, Limits, Probe, TestOutcome, Tree, TreeFile
from egbot.testing.inprocess import collect, run_test

Answer = Callable[[Tree, Job], Execution | None]


def in_process(tree: Tree, job: Job) -> Execution:
    """Run ``job`` in this process, each test with modules of its own."""
    if job.program is not None:
        try:
            compile(job.program.source, job.program.path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            missing = tuple(TestOutcome(node_id=test, status="not_run") for test in job.tests)
            return Execution("invalid", missing, detail=f"{type(error).__name__}: {error}")
        tree = {**tree, job.program.path: TreeFile(job.program.source.encode())}
    return Execution("ok", tuple(run_test(tree, test) for test in job.tests))


class ReplayExecutor:
    """Implements ``egbot.ports.Executor``; ``jobs`` are the jobs so far, ``closed`` says if it is."""

    def __init__(self, tree: Tree, tests: tuple[str, ...], answer: Answer) -> None:
        self.tree = tree
        self.tests = tests
        self.jobs: list[Job] = []
        self.closed = False
        self._answer = answer
        node_ids, errors = collect(tree, tests)
        self._collection = Collection(
            node_ids, errors, python_version=sys.version.split()[0], pytest_version="none"
        )

    @property
    def collection(self) -> Collection:
        """The tests of the tree, found without pytest."""
        return self._collection

    def run(self, job: Job) -> Execution:
        """Run one job. Raises SandboxError when closed, as the real ones do."""
        if self.closed:
            raise SandboxError("the sandbox is closed; open another one")
        self.jobs.append(job)
        answered = self._answer(self.tree, job)
        return in_process(self.tree, job) if answered is None else answered

    def close(self) -> None:
        """Take no more jobs."""
        self.closed = True

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

    ``answer`` may answer a job in its own way; where it returns None, the job is run in process.
    """

    def __init__(self, answer: Answer = lambda _tree, _job: None) -> None:
        self.executors: list[ReplayExecutor] = []
        self._answer = answer

    @property
    def backend(self) -> str:
        """``replay``."""
        return "replay"

    @property
    def left_out(self) -> Mapping[str, str]:
        """Nothing: there is no environment."""
        return {}

    def open(
        self,
        tree: Tree,
        tests: Iterable[str],
        limits: Limits,
        probe: Probe | None = None,  # noqa: ARG002
    ) -> ReplayExecutor:
        """Collect ``tests`` of ``tree``. ``limits`` are not kept: nothing here can be stopped."""
        del limits
        executor = ReplayExecutor(tree, tuple(tests), self._answer)
        self.executors.append(executor)
        return executor
