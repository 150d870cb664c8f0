"""Runs candidates once: every (program, test) pair of a task is executed at most one time.

It does not judge a candidate beyond counting the tests that passed. A candidate that is known
before its result is needed runs in the meantime.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock

from egbot.errors import EgbotError, UsageError
from egbot.nodeids import files_of_tests
from egbot.ports import Executor
from egbot.records import (
    FAILED,
    CandidateRun,
    Fault,
    Job,
    Lesson,
    Limits,
    Program,
    Target,
    TestOutcome,
)
from egbot.source.edit import Slot
from egbot.source.guard import vetoes
from egbot.source.outline import find
from egbot.source.text import SourceSyntaxError
from egbot.source.unrun import Region, spread, unrun_lines, unrun_regions
from egbot.watched import run_watched

_PLAIN_CALL = re.compile(r"[\w.]+\((?:[^()]|\([^()]*\))*\)$")  # and nothing of its result


@dataclass(slots=True)
class Runs:
    """The executions of one target's candidates, cached for the whole task and for all agents.

    ``slot`` is the function's place in its file, ``before`` that file's bytes. ``reds`` are tests
    that failed against a recorder, and how: one that fails so with a candidate too is red for a
    reason of its own. ``lessons`` are for recorders that stand in for other functions, ``refused``
    programs that are no solution for a reason that no test shows; ``allow`` is the guard's; ``unwritten`` are functions that
    candidates came to and that raise NotImplementedError. Close it before the executor.
    """

    executor: Executor
    slot: Slot
    before: bytes
    target: Target
    tests: tuple[str, ...]
    limits: Limits
    reds: Mapping[str, Fault] = field(default_factory=dict)
    lessons: tuple[Lesson, ...] = ()
    refused: frozenset[str] = frozenset()
    allow: tuple[str, ...] = ()
    unwritten: set[str] = field(default_factory=set)
    execute_s: float = 0.0
    num_executions: int = 0
    num_cache_hits: int = 0
    _known: dict[tuple[str, str], TestOutcome] = field(default_factory=dict)
    _details: dict[str, str] = field(default_factory=dict)
    _lines: dict[str, frozenset[int]] = field(default_factory=dict)
    _foreseen: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock, repr=False)
    _ahead: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "egbot-runs"), repr=False
    )

    def close(self) -> None:
        """Wait for the run under way; those that nobody asked for yet are not begun."""
        self._ahead.shutdown(cancel_futures=True)

    def foresee(self, make: Callable[[], str | None]) -> None:
        """Run the program that ``make`` returns (None: none) in the meantime; never blocks."""
        self._ahead.submit(self._run_ahead, make)

    def run(self, text: str, program: str) -> CandidateRun:
        """Run ``program`` (a normalised definition) on every test, or recall what it did.

        ``text`` is what the model wrote for it and is only carried along.
        """
        with self._lock:
            wanted = tuple(test for test in self.tests if (program, test) not in self._known)
            if program not in self._foreseen:
                self.num_cache_hits += len(self.tests) - len(wanted)
            self._foreseen.discard(program)
            if wanted:
                self._execute(program, wanted)
        outcomes = tuple(self._known[program, test] for test in self.tests)
        return CandidateRun(
            text=text,
            program=program,
            executions=outcomes,
            num_passed=sum(outcome.status == "passed" for outcome in outcomes),
            detail=self._details.get(program, ""),
        )

    def _run_ahead(self, make: Callable[[], str | None]) -> None:
        """A fault shows again where the result is needed, and is raised there."""
        program = make()
        if program is None:
            return
        with self._lock, suppress(EgbotError):
            if not any((program, test) in self._known for test in self.tests):
                self._execute(program, self.tests)
                self._foreseen.add(program)

    def solves(self, candidate: CandidateRun) -> bool:
        """Whether every test passed that can, and the guard has nothing against the program."""
        num_red = len(self.set_apart(candidate))
        num_wanted = len(self.tests) - num_red
        if candidate.num_passed < max(num_wanted, num_red + 1) or candidate.program in self.refused:
            return False
        after = self.slot.fill(candidate.program)
        return not vetoes(
            self.before,
            after,
            self.target.qualname,
            self.target.ordinal,
            path=self.target.path,
            test_paths=files_of_tests(self.tests),
            allow=self.allow,
        )

    def set_apart(self, candidate: CandidateRun) -> Mapping[str, str]:
        """The tests that no function could make pass, as far as ``candidate`` shows, and why.

        They fail with it exactly as with a recorder in its place, or although each of their calls
        gives what another test expects of it.
        """
        settled = self._settled(candidate)
        found: dict[str, str] = {}
        for one in candidate.executions:
            if one.status in FAILED and one.fault:
                calls = [each.call for each in self.target.examples if each.test == one.node_id]
                if self._is_red(one.fault, one.node_id):
                    found[one.node_id] = f"{_said(one.fault)}, whatever the function does"
                elif calls and all(_begins(call, settled) for call in calls):
                    why = "though each of its calls gives what other tests expect"
                    found[one.node_id] = f"{_said(one.fault)}, {why}"
        return found

    def _settled(self, candidate: CandidateRun) -> set[str]:
        """The calls of which a test that passes with ``candidate`` tells the exact result."""
        passed = {one.node_id for one in candidate.executions if one.status == "passed"}
        return {
            one.call
            for one in self.target.examples
            if one.exact and one.relation in ("eq", "is") and one.test in passed
            if _PLAIN_CALL.match(one.call)
        }

    def _is_red(self, fault: Fault, test: str) -> bool:
        """Lines of the target's own file move with the candidate, so that they say nothing."""
        known = self.reds.get(test)
        if known is None or (known.type_name, known.message) != (fault.type_name, fault.message):
            return False
        places = [one.frames[-1] for one in (known, fault) if one.frames]
        return len({one for one in places if one.path != self.target.path}) <= 1

    def num_unrun_lines(self, program: str) -> int:
        """How many lines of a program that has run were run by no test, as far as that is known."""
        return len(unrun_lines(program, self._ran(program))) if program in self._lines else 0

    def unrun(self, code: str) -> tuple[Region, ...]:
        """What of ``code`` no test runs, for ``without``; nothing where that is not known."""
        program = spread(code)
        if not self.solves(self.run("", program)) or program not in self._lines:
            return ()
        return unrun_regions(program, self._ran(program))

    def _ran(self, program: str) -> frozenset[int]:
        """The lines of ``program`` that ran, from 1."""
        found = find(self.slot.fill(program), self.target.qualname, self.target.ordinal)
        above = found.span.start_line - 1 if found else 0
        return frozenset(line - above for line in self._lines[program])

    def fits(self, code: str) -> bool:
        """Whether the file can hold ``code``: its encoding may lack a character."""
        try:
            self.slot.fill(code)
        except (SourceSyntaxError, UsageError):
            return False
        return True

    def _execute(self, program: str, tests: tuple[str, ...]) -> None:
        start_s, target = time.perf_counter(), self.target
        try:
            self.slot.fill(program)
            source = self.slot.fill_text(program)
        except (SourceSyntaxError, UsageError) as error:
            self._refuse(program, tests, str(error))
            return
        job = Job(
            tests=tests,
            program=Program(target.path, target.qualname, source, target.ordinal),
            limits=self.limits,
            patient=False,  # an endless candidate solves nothing, however its other tests end
            lessons=self.lessons,
        )
        execution = run_watched(self.executor, job)
        self.execute_s += time.perf_counter() - start_s
        self.num_executions += sum(one.status != "not_run" for one in execution.outcomes)
        self._details[program] = execution.detail
        for test, outcome in zip(tests, execution.outcomes, strict=True):
            self._known[program, test] = outcome
            self._note_unwritten(outcome.fault)
        lines = [one.trace.lines if one.trace else None for one in execution.outcomes]
        if any(lines) and None not in lines:
            self._lines[program] = frozenset(line for some in lines for line in some or ())

    def _note_unwritten(self, fault: Fault | None) -> None:
        if fault is not None and fault.type_name == "NotImplementedError" and fault.frames:
            self.unwritten.add(f"{fault.frames[-1].path}::{fault.frames[-1].function}")

    def _refuse(self, program: str, tests: tuple[str, ...], why: str) -> None:
        self._details[program] = why
        for test in tests:
            self._known[program, test] = TestOutcome(node_id=test, status="not_run")


def _begins(call: str, settled: Iterable[str]) -> bool:
    """Whether ``call`` is one of the settled ones, or something of its result."""
    return any(call.startswith(one) and call[len(one) :][:1] in ("", ".", "[") for one in settled)


def _said(fault: Fault) -> str:
    first_line = fault.message.strip().partition("\n")[0][:160]
    return f"was set apart: it fails with {fault.type_name}: {first_line}"
