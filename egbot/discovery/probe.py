"""Owns the question put to the sandbox: failing tests against recorders, again with what they teach."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from egbot.dependencies import declared_imports
from egbot.nodeids import file_of, files_of, without_row
from egbot.ports import Executor, Sandbox
from egbot.projects import find_project, own_names, source_root
from egbot.records import (
    FAILED,
    Evidence,
    FailingTest,
    Fault,
    Job,
    Lesson,
    Limits,
    Probe,
    StubPlace,
    TestOutcome,
    Tree,
)
from egbot.source.outline import stub_places
from egbot.source.testtext import is_test_path
from egbot.source.text import SourceSyntaxError

MAX_COLLECTIONS = 6
MAX_RUNS = 6
"""Runs of one test function where something is missing among much that is there."""

MAX_RUNS_TO_END = 24
"""Runs of one test function where its end is wanted."""

_MAY_BE_STUB = re.compile(rb"NotImplemented|\.\.\.|\bpass\b|\braise\b|^\s*(?:'|\")", re.MULTILINE)
_MANY = 20  # test functions
_MAX_SHARED = 4
_MAX_NEW = 40
_MISSING = frozenset({"name", "member", "soft"})
_USES = frozenset({"call", "decorate", "subclass", "raise", "set", "iterate", "operator"})
_SHARED = _MISSING | {"module", "base"}  # they hold for all tests
_NEEDS = frozenset({"name", "member", "stub"})
_SILENT = "silent"


@dataclass(slots=True)
class Probed:
    """What recorders saw. ``evidence`` is by test, "" while they were collected.

    ``outcomes`` are of the best run of each test; ``lessons`` are what that run was given;
    ``errors`` are the files that cannot be collected with recorders either.
    """

    evidence: dict[str, Evidence] = field(default_factory=dict)
    outcomes: dict[str, TestOutcome] = field(default_factory=dict)
    lessons: tuple[Lesson, ...] = ()
    errors: tuple[FailingTest, ...] = ()
    collected: tuple[str, ...] = ()
    probe: Probe = field(default_factory=Probe)


def ask(
    sandbox: Sandbox,
    tree: Tree,
    failures: Iterable[FailingTest],
    limits: Limits,
    probe: Probe,
    *,
    to_end: bool = False,
) -> Probed:
    """Run the failing tests against recorders for all that ``tree`` lacks.

    A file that could not be collected is run whole. ``to_end`` searches for the way to the end of
    each test, else for what it needs; none goes on after the deadline of ``limits``. Raises
    SandboxError and OutOfTimeError as opening does.
    """
    found, asked = Probed(probe=probe), tuple(failures)
    search = _Search(sandbox, tree, limits, found, MAX_RUNS_TO_END if to_end else MAX_RUNS)
    if asked:
        search.look(asked)
    early = found.evidence.get("", Evidence()).sights
    silent = tuple(Lesson("soft", one.who) for one in early if one.detail == _SILENT)
    idle = [
        FailingTest(test, "call", Fault("", "")) for test in found.outcomes if _is_idle(found, test)
    ]
    if silent and idle:  # it ran while they were collected, and its result may be what they lack
        found.probe = replace(found.probe, lessons=(*found.probe.lessons, *silent))
        search.look(idle)
    return found


def _is_idle(found: Probed, test: str) -> bool:
    """Whether a test fails and met nothing that is missing or unwritten."""
    kinds = {one.kind for one in found.evidence[test].sights}
    return found.outcomes[test].status in FAILED and kinds.isdisjoint(_NEEDS)


def probe_of(tree: Tree, project: str) -> Probe:
    """What the sandbox of a project (its folder) has to know of ``tree``.

    That is whose a name is, what tests are, where stubs stand.
    """
    own = own_names(tree, project)
    declared = declared_imports(tree) - {name.lower() for name in own}
    tests = tuple(path for path in tree if path.endswith(".py") and is_test_path(path))
    stubs: list[StubPlace] = []
    for path in (path for path in tree if path.endswith(".py") and not is_test_path(path)):
        if _MAY_BE_STUB.search(tree[path].data):
            with suppress(SourceSyntaxError):  # whatever imports the file says so
                stubs += stub_places(path, tree[path].data)
    root = source_root(tree, project)
    installed, _ = find_project(tree, project)
    packages = tuple(installed.packages.items()) if installed else ()
    names = (tuple(sorted(own)), tuple(sorted(declared)))
    return Probe(*names, tests, tuple(stubs), root=root, packages=packages)


def inside(place: str, node_ids: Iterable[str]) -> tuple[str, ...]:
    """The tests of a file that could not be collected, or of all that a broken conftest.py serves."""
    if "::" in place:
        return ()
    folder = _folder_of(place)
    if folder is not None:
        return tuple(one for one in node_ids if not folder or one.startswith(f"{folder}/"))
    return tuple(one for one in node_ids if file_of(one) == place)


def _files(failures: Iterable[FailingTest]) -> tuple[str, ...]:
    """What to collect: the tests' files, and all below the folder of a broken conftest.py."""
    paths = files_of(one.node_id for one in failures)
    folders = ((path, _folder_of(path)) for path in paths)
    return tuple(
        dict.fromkeys(path if folder is None else folder or "." for path, folder in folders)
    )


def _folder_of(place: str) -> str | None:
    """The folder whose tests a broken conftest.py or package keeps from being collected."""
    folder, _, name = place.rpartition("/")
    if name in ("conftest.py", "__init__.py"):
        return folder
    return place.removesuffix("/") if "." not in name else None


def _wanted(failures: Sequence[FailingTest], node_ids: tuple[str, ...]) -> tuple[str, ...]:
    """The failing tests as this collection calls them: by id, else all of their function or file.

    A recorder among a test's parameters gives it another id.
    """
    asked = {one.node_id for one in failures}
    functions = {without_row(one) for one in asked.difference(node_ids)}
    early = {test for one in asked for test in inside(one, node_ids)}
    return tuple(
        one for one in node_ids if one in asked or without_row(one) in functions or one in early
    )


# --- the search ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Search:
    """The search for answers with which tests come further; ``found`` is what came of it so far.

    ``max_runs`` are those of one test function.
    """

    sandbox: Sandbox
    tree: Tree
    limits: Limits
    found: Probed
    max_runs: int
    executor: Executor = field(init=False)

    def look(self, asked: Sequence[FailingTest]) -> None:
        """Collect and run ``asked``, until nothing more is learnt."""
        found = self.found
        with self._collected(_files(asked)) as self.executor:
            collection = self.executor.collection
            early, known = collection.evidence or Evidence(), found.evidence.get("", Evidence())
            sights = tuple(dict.fromkeys((*known.sights, *early.sights)))
            found.evidence[""] = replace(early, sights=sights)
            found.errors = tuple(dict.fromkeys((*found.errors, *collection.errors)))
            found.collected = tuple(dict.fromkeys((*found.collected, *collection.node_ids)))
            tests = _wanted(asked, collection.node_ids)
            for outcome in self._run(tests):  # with the answers that are right most often
                self._keep(outcome)
            self._follow(tests)
            seen = {one.node_id for one in asked}
            self._leave([test for test in tests if test not in seen])

    def _collected(self, files: tuple[str, ...]) -> Executor:
        """Open sandboxes until what collecting teaches brings no further file."""
        found = self.found
        executor = self.sandbox.open(self.tree, files, self.limits, found.probe)
        for _ in range(MAX_COLLECTIONS):
            collection = executor.collection
            taught = collection.evidence.suggestions if collection.evidence else ()
            new = tuple(one for one in taught if one not in found.probe.lessons)
            if not collection.errors or not new or self._is_over:
                break
            executor.close()
            found.probe = replace(found.probe, lessons=(*found.probe.lessons, *new))
            executor = self.sandbox.open(self.tree, files, self.limits, found.probe)
        return executor

    def _run(self, tests: Iterable[str], lessons: tuple[Lesson, ...] = ()) -> Iterator[TestOutcome]:
        """Run the tests of each file in one process: what they do to it reaches no other file's."""
        files: dict[str, list[str]] = {}
        for test in tests:
            files.setdefault(file_of(test), []).append(test)
        for own in files.values():
            job = Job(tuple(own), trace=False, limits=self.limits, lessons=lessons)
            yield from self.executor.run(job).outcomes

    def _keep(self, outcome: TestOutcome) -> None:
        self.found.outcomes[outcome.node_id] = outcome
        self.found.evidence[outcome.node_id] = outcome.evidence or Evidence()

    @property
    def _is_over(self) -> bool:
        return time.monotonic() >= self.limits.deadline_s

    def _failed(self, tests: Iterable[str]) -> tuple[str, ...]:
        return tuple(test for test in tests if self.found.outcomes[test].status in FAILED)

    def _follow(self, tests: tuple[str, ...]) -> None:
        """Run what failed again with what its failure taught, one row of a test function for all.

        What holds for all tests is tried first, with all of them. Of many test functions those
        that show what they need are not followed to their end, unless that is wanted.
        """
        found = self.found
        shared = tried = self._share(tests)
        rows: dict[str, list[str]] = {}
        for test in self._failed(tests):
            rows.setdefault(without_row(test), []).append(test)
        is_short = len(rows) > _MANY and self.max_runs < MAX_RUNS_TO_END
        for first, *others in rows.values():
            if self._is_over:
                break
            if is_short and any(one.kind in _USES for one in found.evidence[first].sights):
                continue
            lessons = self._improve(first, tried, shared[len(tried) :])
            found.lessons += tuple(one for one in lessons if one.test)
            shared = tuple(dict.fromkeys([*shared, *(one for one in lessons if not one.test)]))
            own = tuple(one for one in lessons if one not in shared)
            if others and own:
                given = (*shared, *(replace(one, test=row) for one in own for row in others))
                kept = self._again(others, given)
                found.lessons += tuple(one for one in given if one.test in kept)
        found.lessons = (*shared, *found.lessons)

    def _share(self, tests: tuple[str, ...]) -> tuple[Lesson, ...]:
        """What is missing for all: names and members that failures speak of, put in place together."""
        shared: tuple[Lesson, ...] = ()
        for _ in range(_MAX_SHARED):
            failed = self._failed(tests)
            taught = {test: _taught(self.found.outcomes[test], shared)[:1] for test in failed}
            firsts = [one for some in taught.values() for one in some if one.kind in _MISSING]
            new = tuple(dict.fromkeys(firsts))[:_MAX_NEW]
            if not new or self._is_over:
                break
            better = self._again(failed, (*shared, *new), new[0])
            helped = {one for test in better for one in taught[test]}
            if not helped:
                break
            shared += tuple(one for one in new if one in helped)
        return shared

    def _again(
        self,
        tests: Iterable[str],
        lessons: tuple[Lesson, ...],
        lesson: Lesson | None = None,
    ) -> frozenset[str]:
        """Run tests with ``lessons``, of which ``lesson`` is new; those that came further."""
        better = set()
        for outcome in self._run(tests, lessons):
            if _is_better(outcome, self.found.outcomes[outcome.node_id], lesson):
                self._keep(outcome)
                better.add(outcome.node_id)
        return frozenset(better)

    def _improve(
        self,
        test: str,
        kept: tuple[Lesson, ...],
        untried: tuple[Lesson, ...],
    ) -> tuple[Lesson, ...]:
        """The lessons with which ``test`` comes furthest.

        It was given those that are ``kept``; ``untried`` others are tried at once before its own.
        """
        best = self.found.outcomes[test]
        queue = [untried] if untried else [(one,) for one in _taught(best, kept)]
        num_runs = 0
        while best.status in FAILED and queue and num_runs < self.max_runs:
            new = queue.pop(0)
            lessons = tuple(dict.fromkeys([*kept, *new]))
            is_better = bool(self._again((test,), lessons, new[-1]))
            num_runs += 1
            if is_better:
                best, kept = self.found.outcomes[test], lessons
            if is_better or new == untried:
                queue = [(one,) for one in _taught(best, kept)]
        return kept

    def _leave(self, tests: Iterable[str]) -> None:
        """Run tests that were never seen to fail with stubs as they are: some wait for their error.

        What keeps a file from being collected is no such stub.
        """
        evidence = self.found.evidence
        early = {one.who for one in evidence[""].sights if one.kind in _NEEDS}
        raising = [
            test
            for test in (tests if early else ())
            if any(
                one.kind == "stub" and one.detail != _SILENT and one.who not in early
                for one in evidence[test].sights
            )
        ]
        lessons = (*self.found.lessons, Lesson("plain", ""))
        for outcome in self._run(raising, lessons):
            if outcome.status not in FAILED:
                self._keep(outcome)


def _taught(outcome: TestOutcome, known: tuple[Lesson, ...]) -> list[Lesson]:
    """What to try next: lessons for all tests as they are, others for this test alone."""
    given = outcome.evidence.suggestions if outcome.evidence else ()
    own = (replace(one, test="" if one.kind in _SHARED else outcome.node_id) for one in given)
    return [one for one in own if one not in known]


def _is_better(new: TestOutcome, old: TestOutcome, lesson: Lesson | None = None) -> bool:
    """Whether a run came further: to the end, to a later line, or to another failure.

    Where ``lesson`` is something missing that is there now, another failure is enough.
    """
    if new.status not in FAILED or old.status not in FAILED:
        return new.status not in FAILED
    if new.evidence is None or old.evidence is None:
        return new.evidence is not None
    is_other = _said(new.fault) != _said(old.fault)
    if is_other and lesson is not None and lesson.kind in ("name", "member", "module"):
        return True
    if new.evidence.progress != old.evidence.progress:
        return new.evidence.progress > old.evidence.progress
    return is_other and len(new.evidence.sights) >= len(old.evidence.sights)


def _said(fault: Fault | None) -> tuple[str, str]:
    return (fault.type_name, fault.message) if fault else ("", "")
