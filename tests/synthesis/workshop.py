"""Sets up one target for the tests of the line loop: real rooms, a scripted model, no sandbox.

It does not know what the tests look at.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TypeVar

from egbot.progress import Progress
from egbot.records import Limits, Prompt, Target, Tree, TreeFile
from egbot.source.context import class_preamble
from egbot.source.edit import prepare
from egbot.synthesis.answer import make_frame
from egbot.synthesis.budget import Budget
from egbot.synthesis.runs import Runs
from egbot.synthesis.task import Task
from egbot.testing import ReplaySandbox, Script, ScriptedDecoder, ScriptedSession

E = TypeVar("E")
SOURCE = "def double(x):\n    raise NotImplementedError\n"
TESTS = (
    "from calc import double\n\n"
    "def test_two():\n    assert double(2) == 4\n\n"
    "def test_zero():\n    assert double(0) == 0\n"
)
GOOD = "\n    y = x\n    y = y * 2\n    return y\n"
PROMPT = Prompt(system="", head="Write it.", tail="", response_prefix="")


@dataclass
class Bench:
    """A task and everything that can be asked about what became of it."""

    task: Task
    sandbox: ReplaySandbox
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
    sandbox: ReplaySandbox | None = None,
) -> Bench:
    """A bench for ``qualname`` of ``calc.py``; ``tests`` are those of ``test_calc.py``."""
    sandbox = sandbox or ReplaySandbox()
    before = source if isinstance(source, bytes) else source.encode()
    tree: Tree = {"calc.py": TreeFile(before), "test_calc.py": TreeFile(tests.encode())}
    executor = sandbox.open(tree, (), Limits())
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
        class_preamble(before.decode("utf-8", "replace"), target),
    )
    runs = Runs(executor, slot, before, target, node_ids, Limits())
    events: list[Progress] = []
    task = Task(frame, runs, budget or Budget(1e9, 10**9, lambda: 0.0), events.append)
    return Bench(task, sandbox, events)


def session_of(answer: str, *calls: tuple[str, ...], guided: str | None = None) -> ScriptedSession:
    """A session that writes ``answer``; ``calls`` are the rows of each sampling."""
    return ScriptedDecoder(Script(answer, guided, calls)).open(PROMPT)
