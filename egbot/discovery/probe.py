"""Owns the question put to the sandbox: failing tests against recorders, again with what they teach."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
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
_SHARED = frozenset({"name", "member", "module", "base", "soft"})  # they hold for all tests
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
    asked = tuple(failures)
    files = _files(asked)
    found = Probed(probe=probe)
    max_runs = MAX_RUNS_TO_END if to_end else MAX_RUNS
    if files:
        _look(sandbox, tree, asked, limits, found, max_runs)
    early = found.evidence.get("", Evidence()).sights
    silent = tuple(Lesson("soft", one.who) for one in early if one.detail == _SILENT)
    idle = [
        FailingTest(test, "call", Fault("", "")) for test in found.outcomes if _is_idle(found, test)
    ]
    if silent and idle:  # it ran while they were collected, and its result may be what they lack
        found.probe = replace(found.probe, lessons=(*found.probe.lessons, *silent))
        _look(sandbox, tree, idle, limits, found, max_runs)
    return found


def _look(
    sandbox: Sandbox,
    tree: Tree,
    asked: Sequence[FailingTest],
    limits: Limits,
    found: Probed,
    max_runs: int,
) -> None:
    """Collect and run ``asked``, until nothing more is learnt."""
    with _collected(sandbox, tree, _files(asked), limits, found) as executor:
        collection = executor.collection
        early, known = collection.evidence or Evidence(), found.evidence.get("", Evidence())
        sights = tuple(dict.fromkeys((*known.sights, *early.sights)))
        found.evidence[""] = replace(early, sights=sights)
        found.errors = tuple(dict.fromkeys((*found.errors, *collection.errors)))
        found.collected = tuple(dict.fromkeys((*found.collected, *collection.node_ids)))
        tests = _wanted(asked, collection.node_ids)
        if tests:
            _first(executor, tests, limits, found)
            _search(executor, tests, limits, found, max_runs)
            seen = {one.node_id for one in asked}
            _leave(executor, [one for one in tests if one not in seen], limits, found)


def _leave(executor: Executor, tests: Iterable[str], limits: Limits, found: Probed) -> None:
    """Run tests that were never seen to fail with stubs as they are: some wait for their error.

    What keeps a file from being collected is no such stub.
    """
    early = {one.who for one in found.evidence[""].sights if one.kind in _NEEDS}
    raising = tuple(
        test
        for test in tests
        for one in found.evidence[test].sights
        if early and one.kind == "stub" and one.detail != _SILENT and one.who not in early
    )
    lessons = (*found.lessons, Lesson("plain", ""))
    job = Job(tuple(dict.fromkeys(raising)), trace=False, limits=limits, lessons=lessons)
    for outcome in executor.run(job).outcomes if raising else ():
        if outcome.status not in FAILED:
            _keep(found, outcome)


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
    stubs = [
        place
        for path, file in tree.items()
        if path.endswith(".py") and not is_test_path(path) and _MAY_BE_STUB.search(file.data)
        for place in _stubs(path, file.data)
    ]
    root = source_root(tree, project)
    installed, _ = find_project(tree, project)
    packages = tuple(installed.packages.items()) if installed else ()
    names = (tuple(sorted(own)), tuple(sorted(declared)))
    return Probe(*names, tests, tuple(stubs), root=root, packages=packages)


def _stubs(path: str, data: bytes) -> tuple[StubPlace, ...]:
    try:
        return stub_places(path, data)
    except SourceSyntaxError:
        return ()  # whatever imports the file says so


def inside(place: str, node_ids: Iterable[str]) -> tuple[str, ...]:
    """The tests of a file that could not be collected, or of all that a broken conftest.py serves."""
    if "::" in place:
        return ()
    folder = _folder_of(place)
    if folder is not None:
        return tuple(one for one in node_ids if not folder or one.startswith(f"{folder}/"))
    return tuple(one for one in node_ids if file_of(one) == place)


def _collected(
    sandbox: Sandbox,
    tree: Tree,
    files: tuple[str, ...],
    limits: Limits,
    found: Probed,
) -> Executor:
    """Open sandboxes until what collecting teaches brings no further file."""
    executor = sandbox.open(tree, files, limits, found.probe)
    for _ in range(MAX_COLLECTIONS):
        collection = executor.collection
        taught = collection.evidence.suggestions if collection.evidence else ()
        new = tuple(one for one in taught if one not in found.probe.lessons)
        if not collection.errors or not new or _is_over(limits):
            break
        executor.close()
        found.probe = replace(found.probe, lessons=(*found.probe.lessons, *new))
        executor = sandbox.open(tree, files, limits, found.probe)
    return executor


def _files(failures: Sequence[FailingTest]) -> tuple[str, ...]:
    """What to collect: the tests' files, and all below the folder of a broken conftest.py."""
    found: dict[str, None] = {}
    for path in files_of(one.node_id for one in failures):
        folder = _folder_of(path)
        found[path if folder is None else folder or "."] = None
    return tuple(found)


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
    known = set(node_ids)
    functions = {without_row(one) for one in asked if one not in known}
    early = {test for one in asked for test in inside(one, node_ids)}
    return tuple(
        one for one in node_ids if one in asked or without_row(one) in functions or one in early
    )


def _first(executor: Executor, tests: tuple[str, ...], limits: Limits, found: Probed) -> None:
    """The tests of a file once in one process, each with the answers that are right most often.

    What a test does to its process reaches no other file's tests.
    """
    for path in files_of(tests):
        own = tuple(one for one in tests if file_of(one) == path)
        for outcome in executor.run(Job(own, trace=False, limits=limits)).outcomes:
            _keep(found, outcome)


def _keep(found: Probed, outcome: TestOutcome) -> None:
    found.outcomes[outcome.node_id] = outcome
    found.evidence[outcome.node_id] = outcome.evidence or Evidence()


def _search(
    executor: Executor,
    tests: tuple[str, ...],
    limits: Limits,
    found: Probed,
    max_runs: int,
) -> None:
    """Run what failed again with what its failure taught, one row of a test function for all.

    What holds for all tests is tried first, with all of them. Of many test functions those that
    show what they need are not followed to their end, unless that is wanted.
    """
    shared = tried = _share(executor, tests, limits, found)
    rows: dict[str, list[str]] = {}
    for test in tests:
        if found.outcomes[test].status in FAILED:
            rows.setdefault(without_row(test), []).append(test)
    is_short = len(rows) > _MANY and max_runs < MAX_RUNS_TO_END
    for first, *others in rows.values():
        if _is_over(limits):
            break
        if is_short and any(one.kind in _USES for one in found.evidence[first].sights):
            continue
        untried = shared[len(tried) :]
        lessons = _improve(executor, first, (tried, untried), limits, found, max_runs)
        found.lessons += tuple(one for one in lessons if one.test)
        shared = tuple(dict.fromkeys([*shared, *(one for one in lessons if not one.test)]))
        own = tuple(one for one in lessons if one not in shared)
        if others and own:
            given = (*shared, *(replace(one, test=row) for one in own for row in others))
            kept = _again(executor, tuple(others), given, limits, found)
            found.lessons += tuple(one for one in given if one.test in kept)
    found.lessons = (*shared, *found.lessons)


def _share(
    executor: Executor, tests: tuple[str, ...], limits: Limits, found: Probed
) -> tuple[Lesson, ...]:
    """What is missing for all: names and members that failures speak of, put in place together."""
    shared: tuple[Lesson, ...] = ()
    for _ in range(_MAX_SHARED):
        failed = tuple(test for test in tests if found.outcomes[test].status in FAILED)
        taught = {test: _taught(found.outcomes[test], shared)[:1] for test in failed}
        firsts = [one for some in taught.values() for one in some if one.kind in _MISSING]
        new = tuple(dict.fromkeys(firsts))[:_MAX_NEW]
        if not new or _is_over(limits):
            break
        better = _again(executor, failed, (*shared, *new), limits, found, new[0])
        helped = {one for test in better for one in taught[test]}
        if not helped:
            break
        shared += tuple(one for one in new if one in helped)
    return shared


def _again(
    executor: Executor,
    tests: tuple[str, ...],
    lessons: tuple[Lesson, ...],
    limits: Limits,
    found: Probed,
    lesson: Lesson | None = None,
) -> frozenset[str]:
    """Run the tests of each file in one process with ``lessons``; those that came further."""
    better = set()
    for path in files_of(tests):
        own = tuple(one for one in tests if file_of(one) == path)
        job = Job(own, trace=False, limits=limits, lessons=lessons)
        for outcome in executor.run(job).outcomes:
            if _is_better(outcome, found.outcomes[outcome.node_id], lesson):
                _keep(found, outcome)
                better.add(outcome.node_id)
    return frozenset(better)


def _improve(
    executor: Executor,
    test: str,
    shared: tuple[tuple[Lesson, ...], tuple[Lesson, ...]],
    limits: Limits,
    found: Probed,
    max_runs: int,
) -> tuple[Lesson, ...]:
    """The lessons with which ``test`` comes furthest.

    Of the ``shared`` ones it was given the first; the others are tried at once before its own.
    """
    kept, untried = shared
    best = found.outcomes[test]
    queue = [untried] if untried else [(one,) for one in _taught(best, kept)]
    num_runs = 0
    while best.status in FAILED and queue and num_runs < max_runs:
        new = queue.pop(0)
        lessons = tuple(dict.fromkeys([*kept, *new]))
        (outcome,) = executor.run(
            Job((test,), trace=False, limits=limits, lessons=lessons)
        ).outcomes
        num_runs += 1
        is_better = _is_better(outcome, best, new[-1])
        if is_better:
            best, kept = outcome, lessons
            _keep(found, outcome)
        if is_better or new == untried:
            queue = [(one,) for one in _taught(best, kept)]
    return kept


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
    is_other = _said(new) != _said(old)
    if is_other and lesson is not None and lesson.kind in ("name", "member", "module"):
        return True
    if new.evidence.progress != old.evidence.progress:
        return new.evidence.progress > old.evidence.progress
    return is_other and len(new.evidence.sights) >= len(old.evidence.sights)


def _said(outcome: TestOutcome) -> Mapping[str, object]:
    fault = outcome.fault
    return {"type": fault.type_name, "message": fault.message} if fault is not None else {}


def _is_over(limits: Limits) -> bool:
    return time.monotonic() >= limits.deadline_s
