"""Asks a sandbox what a few files need: opens it with a probe, learns, and tells what was seen.

It is what the host does, in a few lines, and judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from textwrap import dedent, indent

from egbot.execution.options import SandboxOptions
from egbot.execution.process import process_sandbox
from egbot.execution.warm import WarmExecutor
from egbot.records import Evidence, Job, Lesson, Limits, Probe, StubPlace, TestOutcome, TreeFile

MAX_RUNS = 12
MAX_ROUNDS = 6


def module_of(bodies: dict[str, str], head: str, arguments: str = "") -> str:
    """Make a test module with a function ``test_NAME`` of each body."""
    tests = [
        f"def test_{name}({arguments}):\n{indent(dedent(one), '    ')}"
        for name, one in bodies.items()
    ]
    return "\n\n".join([dedent(head), *tests, ""])


class Asked:
    """A sandbox opened with a probe over ``files``, once their tests can be collected.

    ``stubs`` are written ``path::qualname``, with ``@1`` for the second of its name and ``!`` at
    the end for a silent one.
    """

    def __init__(
        self,
        files: dict[str, str],
        stubs: tuple[str, ...] = (),
        own: tuple[str, ...] = ("pkg",),
        *,
        declared: tuple[str, ...] = (),
        lessons: tuple[Lesson, ...] = (),
        test_s: float = 5.0,
    ) -> None:
        self._tree = {path: TreeFile(dedent(text).encode()) for path, text in files.items()}
        self._tests = tuple(path for path in files if "test" in path)
        self._stubs = tuple(_stub(one) for one in stubs)
        self._names = (own, declared)
        self._limits = Limits(test_s=test_s)
        self._seen: dict[str, TestOutcome] = {}
        for _ in range(MAX_ROUNDS):
            self.executor = self._open(lessons)
            self.collection = self.executor.collection
            assert self.collection.evidence is not None
            fresh = [one for one in self.collection.evidence.suggestions if one not in lessons][:3]
            if not self.collection.errors or not fresh:
                break
            lessons += tuple(fresh)
            self.executor.close()

    def _open(self, lessons: tuple[Lesson, ...]) -> WarmExecutor:
        probe = Probe(*self._names, self._tests, self._stubs, lessons)
        sandbox = process_sandbox(options=SandboxOptions())
        return sandbox.open(self._tree, self._tests, self._limits, probe)

    def run(self, test: str, *lessons: Lesson) -> TestOutcome:
        """Run one test once."""
        (whole,) = [one for one in self.collection.node_ids if one.endswith("::" + test)]
        job = Job((whole,), limits=self._limits, lessons=lessons)
        return self.executor.run(job).outcomes[0]

    def search(self, test: str) -> TestOutcome:
        """Run one test with what its failures teach, as long as that brings it further."""
        if test not in self._seen:
            self._seen[test] = self._search(test)
        return self._seen[test]

    def _search(self, test: str) -> TestOutcome:
        best = self.run(test)
        lessons: tuple[Lesson, ...] = ()
        queue = list(best.evidence.suggestions) if best.evidence else []
        for _ in range(MAX_RUNS):
            if best.status == "passed" or not queue:
                break
            tried = (*lessons, queue.pop(0))
            outcome = self.run(test, *tried)
            if _is_further(outcome, best, tried[-1]):
                assert outcome.evidence is not None
                best, lessons, queue = outcome, tried, list(outcome.evidence.suggestions)
        return best

    def told(self, test: str = "") -> list[str]:
        """What was seen while tests were collected, and in one test, in lines."""
        evidence = [self.collection.evidence, *([self.search(test).evidence] if test else [])]
        return [line for one in evidence if one is not None for line in lines(one)]


def _stub(text: str) -> StubPlace:
    path, _, name = text.partition("::")
    qualname, _, ordinal = name.rstrip("!").partition("@")
    return StubPlace(path, qualname, int(ordinal or 0), silent=name.endswith("!"))


def _is_further(outcome: TestOutcome, best: TestOutcome, lesson: Lesson) -> bool:
    if outcome.evidence is None or best.evidence is None:
        return False
    is_name = lesson.kind in ("name", "member", "module") and outcome.fault != best.fault
    further = outcome.evidence.progress > best.evidence.progress
    return outcome.status == "passed" or is_name or further


def lines(evidence: Evidence) -> list[str]:
    """The sights in lines: kind, who, detail, a call's arguments; then what is expected of it."""
    found = []
    for one in evidence.sights:
        args = [seen.text for seen in one.args] + [f"{k}={v.text}" for k, v in one.kwargs]
        line = f"{one.kind} {one.who} {one.detail}".rstrip()
        line += f" ({', '.join(args)})" if one.kind == "call" else ""
        found.append(line)
        found += [f"{line} ->{e.via} {e.relation} {e.value.text}" for e in one.expected]
    return found


def closing(asked: Asked) -> Iterator[Asked]:
    """For a fixture: close the sandbox afterwards."""
    with ExitStack() as stack:
        stack.callback(asked.executor.close)
        yield asked
