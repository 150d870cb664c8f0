"""The executor over one warm sandbox: opens it, runs jobs in it, replaces it once.

Nothing that a candidate does raises here; only a sandbox that cannot be had again does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from egbot.errors import OutOfTimeError, SandboxError
from egbot.execution.link import KilledError, Link, LinkLostError
from egbot.execution.options import SandboxOptions
from egbot.execution.payload import build_tar
from egbot.execution.protocol import (
    Broken,
    ProtocolError,
    parse_opening,
    parse_result,
    render_open,
    render_run,
)
from egbot.nodeids import file_of
from egbot.projects import find_project
from egbot.records import Collection, Execution, Job, Limits, Probe, TestOutcome, Tree, TreeFile
from egbot.rootdirs import projects

_GRACE_S = 2.0  # a sandbox ends a job at its deadline by itself; it needs a moment to say so

_BROKEN = {
    "pytest": "pytest cannot run in the sandbox",
    "walls": "the sandbox is not closed as it must be",
    "killed": "two sandboxes were killed while they collected the tests, "
    "most likely for their memory",
}
_NEXT_STEPS = {
    "pytest": "run pytest on the repository by hand; pytest, the plugins that its options name "
    "and the repository's dependencies must be installed where the tests run",
    "walls": "bring the container engine or bubblewrap up to date, or use another with --sandbox",
    "killed": "name fewer tests with --tests, or look at what that file loads when it is imported",
}


@dataclass(frozen=True, slots=True)
class WarmSandbox:
    """The port ``Sandbox``: ``start`` gets a fresh sandbox, or raises SandboxError, SpaceError.

    ``left_out`` are the requirements that could not be installed, and why. ``known`` are the
    parametrised tests that the last sandbox found in a file: the next one calls those whose ids
    change with every collection by the same names.
    """

    backend: str
    options: SandboxOptions
    start: Callable[[], Link]
    left_out: Mapping[str, str] = field(default_factory=dict)
    known: dict[tuple[str, TreeFile], list[str]] = field(default_factory=dict)

    @property
    def project(self) -> str:
        """The folder whose tests it runs."""
        return self.options.project

    def open(
        self, tree: Tree, tests: Iterable[str], limits: Limits, probe: Probe | None = None
    ) -> WarmExecutor:
        """Start a sandbox and collect ``tests`` in it. Raises as ``WarmExecutor``."""
        return WarmExecutor(self, tree, tests, limits, probe=probe)


class WarmExecutor:
    """The port ``Executor`` over a sandbox.

    Opens at once: raises SandboxError when the sandbox does not start, is silent for
    ``options.collect_s`` or says that pytest cannot run, OutOfTimeError when the deadline of
    ``limits`` comes before. Open it in a thread that outlives it: the kernel ends bubblewrap with
    the thread that started it (prctl(2), PR_SET_PDEATHSIG), so that nothing outlives the bot.
    ``slack_s`` is what a job gets beside its tests' own time, for forks and for collecting afresh.
    """

    def __init__(
        self,
        sandbox: WarmSandbox,
        tree: Tree,
        tests: Iterable[str],
        limits: Limits,
        slack_s: float = 60.0,
        probe: Probe | None = None,
    ) -> None:
        self._probe = probe
        self._sandbox = sandbox
        self._tests = tuple(tests)
        self._limits = limits
        self._slack_s = slack_s
        self._tree = tree
        self._tar = build_tar(tree)
        self._project = find_project(tree, sandbox.options.project)[0]
        self._num_jobs = 0
        self._link: Link | None = None
        self._closed = False
        self._link, self.collection = self._fresh()

    def run(self, job: Job) -> Execution:
        """Run one job; a dead, silent or lying sandbox is replaced and the job repeated once.

        When the job's deadline comes, tests that have no result have not run. Raises SandboxError
        when no sandbox can be had any more or the executor is closed, OutOfTimeError as opening
        does.
        """
        if self._closed:
            raise SandboxError("the sandbox is closed; open another one")
        try:
            first = self._attempt(job)
            if isinstance(first, Execution):
                return first
            second = self._attempt(job)
        except BaseException:
            self.close()
            raise
        return second if isinstance(second, Execution) else _lost(job, second)

    def close(self) -> None:
        """End the sandbox and all that runs in it. Safe to call twice."""
        self._closed = True
        self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fresh(self) -> tuple[Link, Collection]:
        """Open a sandbox; one that is killed while it collects the tests is opened once more."""
        opened = self._open()
        if isinstance(opened, Broken) and opened.kind == "killed":
            opened = self._open()
        if isinstance(opened, Broken):
            what = f"{_BROKEN[opened.kind]}: {opened.message}"
            raise SandboxError(what, hint=_NEXT_STEPS[opened.kind])
        return opened

    def _open(self) -> tuple[Link, Collection] | Broken:
        options = self._sandbox.options
        left_s = _left_s(self._limits)
        if left_s <= 0:
            raise OutOfTimeError("what came before the sandbox")
        link = self._link = self._sandbox.start()
        head = render_open(
            work=link.work,
            num_tar_bytes=len(self._tar),
            folder=options.project,
            project=self._project,
            tests=self._tests,
            known=self._known(),
            options=(*options.pytest_options, *self._ignored()),
            env=dict(options.env),
            limits=self._limits,
            walls=link.walls,
            probe=self._probe,
        )
        try:
            timeout_s = min(options.collect_s, left_s)
            answer = parse_opening(link.exchange(head + self._tar, timeout_s))
        except KilledError as error:
            self._drop()
            return Broken(kind="killed", message=str(error))
        except (LinkLostError, ProtocolError) as error:
            self._drop()
            if _left_s(self._limits) <= 0:
                raise OutOfTimeError("starting the sandbox and collecting the tests") from error
            raise SandboxError(
                f"the sandbox did not collect the tests: {error}",
                hint="run pytest --collect-only on the repository by hand: it may be that "
                "conftest.py never ends",
            ) from error
        except BaseException:
            self._drop()
            raise
        if isinstance(answer, Broken):
            link.drain()
            self._drop()
            message = f"{answer.message}\n{link.stderr_text}".rstrip("\n")
            return answer.model_copy(update={"message": message})
        self._remember(answer)
        return link, answer

    def _ignored(self) -> list[str]:
        """The options that leave the tests of projects in this one's folder to these."""
        project = self._sandbox.options.project
        start = f"{project}/" if project else ""
        inner = (one for one in projects(self._tree) if one != project)
        return [f"--ignore={one.removeprefix(start)}" for one in inner if one.startswith(start)]

    def _known(self) -> list[str]:
        """What earlier sandboxes found in the files that are collected, as far as they are equal."""
        found = []
        for (path, file), tests in self._sandbox.known.items():
            if self._tree.get(path) == file and (not self._tests or path in self._tests):
                found += tests
        return found

    def _remember(self, collection: Collection) -> None:
        in_files: dict[str, list[str]] = {}
        for test in collection.node_ids:
            path = file_of(test)
            if test.endswith("]") and path in self._tree:
                in_files.setdefault(path, []).append(test)
        for path, tests in in_files.items():
            self._sandbox.known[path, self._tree[path]] = tests

    def _attempt(self, job: Job) -> Execution | LinkLostError | ProtocolError:
        """Run ``job`` in the sandbox at hand, or in a fresh one; on a fault, give it up."""
        left_s = _left_s(job.limits)
        if left_s <= 0:
            return _unrun(job, "timeout", "the time was over before the job began")
        link = self._link = self._link or self._fresh()[0]
        self._num_jobs += 1
        number = self._num_jobs
        timeout_s = self._slack_s + (job.limits.test_s + 0.5) * max(1, len(job.tests))
        frame = render_run(number, job, left_s)
        try:
            answer = link.exchange(frame, min(timeout_s, left_s + _GRACE_S))
            return parse_result(answer, number, job)
        except (LinkLostError, ProtocolError) as fault:
            self._drop()
            return fault

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()


def _left_s(limits: Limits) -> float:
    return limits.deadline_s - time.monotonic()


def _lost(job: Job, fault: LinkLostError | ProtocolError) -> Execution:
    """Describe a job that two sandboxes did not survive: no test has a result."""
    status: Literal["crash", "timeout", "protocol_error"] = (
        fault.kind if isinstance(fault, LinkLostError) else "protocol_error"
    )
    return _unrun(job, status, f"two sandboxes were lost to this job; the second: {fault}"[:4000])


def _unrun(
    job: Job, status: Literal["crash", "timeout", "protocol_error"], detail: str
) -> Execution:
    outcomes = tuple(TestOutcome(node_id=test, status="not_run") for test in job.tests)
    return Execution(status=status, outcomes=outcomes, detail=detail)
