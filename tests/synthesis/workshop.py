"""Sets up one target for the tests of the line loop: a scripted model, programs run in this process.

It does not know what the tests look at.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Self, TypeVar

from egbot.errors import SandboxError
from egbot.progress import Progress
from egbot.records import (
    Collection,
    Execution,
    Fault,
    Job,
    Limits,
    Prompt,
    Target,
    TestOutcome,
    TreeFile,
)
from egbot.source.edit import prepare
from egbot.source.excerpt import class_preamble
from egbot.synthesis.answer import make_frame
from egbot.synthesis.budget import Budget
from egbot.synthesis.runs import Runs
from egbot.synthesis.task import Task
from egbot.testing import Script, ScriptedDecoder, ScriptedSession

E = TypeVar("E")
SOURCE = "def double(x):\n    raise NotImplementedError\n"
TESTS = (
    "from calc import double\n\n"
    "def test_two():\n    assert double(2) == 4\n\n"
    "def test_zero():\n    assert double(0) == 0\n"
)
GOOD = "\n    y = x\n    y = y * 2\n    return y\n"
PROMPT = Prompt(system="", head="Write it.", tail="", response_prefix="")


class PlainExecutor:
    """Implements ``egbot.ports.Executor`` for one file of test functions; it traces nothing.

    ``answer`` may answer a job in its own way; where it returns None, the tests are called here.
    """

    def __init__(self, tests: str, answer: Callable[[Job], Execution | None]) -> None:
        names = re.findall(r"^def (test\w+)", tests, re.MULTILINE)
        node_ids = tuple(f"test_calc.py::{name}" for name in names)
        self.collection = Collection(node_ids, (), python_version="", pytest_version="")
        self.jobs: list[Job] = []
        self.closed = False
        self._tests = tests
        self._answer = answer

    def run(self, job: Job) -> Execution:
        """Run one job. Raises SandboxError when closed, as the real ones do."""
        if self.closed:
            raise SandboxError("the sandbox is closed; open another one")
        self.jobs.append(job)
        return self._answer(job) or Execution("ok", tuple(self._run(job, one) for one in job.tests))

    def _run(self, job: Job, test: str) -> TestOutcome:
        assert job.program is not None
        calc = ModuleType("calc")
        scope: dict[str, Any] = {}
        sys.modules["calc"] = calc
        try:
            exec(job.program.source, calc.__dict__)
            exec(self._tests, scope)
            scope[test.rpartition(":")[2]]()
        except Exception as error:  # noqa: BLE001  # whatever a candidate raises
            return TestOutcome(test, "failed", fault=Fault(type(error).__name__, str(error)))
        finally:
            del sys.modules["calc"]
        return TestOutcome(test, "passed")

    def close(self) -> None:
        """Take no more jobs."""
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Bench:
    """A task and everything that can be asked about what became of it."""

    task: Task
    executor: PlainExecutor
    events: list[Progress] = field(default_factory=list)

    @property
    def runs(self) -> Runs:
        return self.task.runs

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def make_bench(
    source: str | bytes = SOURCE,
    tests: str = TESTS,
    *,
    qualname: str = "double",
    budget: Budget | None = None,
    answer: Callable[[Job], Execution | None] = lambda _job: None,
) -> Bench:
    """A bench for ``qualname`` of ``calc.py``; ``tests`` are those of ``test_calc.py``."""
    before = source if isinstance(source, bytes) else source.encode()
    executor = PlainExecutor(tests, answer)
    slot = prepare(before, qualname, "calc.py")
    node_ids = executor.collection.node_ids
    target = Target(
        path="calc.py",
        qualname=qualname,
        origin="stub",
        header=slot.definition.header,
        docstring=slot.definition.docstring,
        span=slot.definition.span,
        file_sha256=hashlib.sha256(before).hexdigest(),
        tests=node_ids,
    )
    frame = make_frame(
        slot.definition.header,
        slot.definition.docstring,
        class_preamble({"calc.py": TreeFile(before)}, target),
    )
    runs = Runs(executor, slot, before, target, node_ids, Limits())
    events: list[Progress] = []
    task = Task(frame, runs, budget or Budget(1e9, 10**9, lambda: 0.0), events.append)
    return Bench(task, executor, events)


def session_of(answer: str, *calls: tuple[str, ...], guided: str | None = None) -> ScriptedSession:
    """A session that writes ``answer``; ``calls`` are the rows of each sampling."""
    return ScriptedDecoder(Script(answer, guided, calls)).open(PROMPT)
