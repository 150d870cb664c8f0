"""Owns the way from failing tests to the functions to write, with stubs for what is missing.

It knows nothing of sandboxes: who calls it collects again after stubs were written, and calls it
with the new failures and the targets known so far.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from egbot.errors import UsageError
from egbot.nodeids import file_of
from egbot.records import FailingTest, LeftTest, Origin, Target, Tree, TreeFile
from egbot.source.absent import Need
from egbot.source.edit import insert, insert_top
from egbot.source.examples import Key
from egbot.source.faults import read_failure
from egbot.source.order import order_targets
from egbot.source.outline import definitions, find
from egbot.source.stubs import Stub, missing_stub
from egbot.source.symbols import Code
from egbot.source.text import SourceSyntaxError

MAX_EVIDENCE = 6
_NO_TIME = "was not looked at: the time for finding what is missing was over"


@dataclass(frozen=True, slots=True)
class Location:
    """What failing tests need.

    ``tree`` holds a stub for everything that was missing; ``targets`` are ordered so that a
    test's needs are met as early as possible; ``left`` are the failing tests that no target
    explains. ``added`` are PATH::NAME of complete definitions (exception classes) that had to be
    written beside the targets.
    """

    tree: Tree
    targets: tuple[Target, ...]
    left: tuple[LeftTest, ...]
    added: tuple[str, ...] = ()


def locate(
    failures: tuple[FailingTest, ...],
    tree: Tree,
    known: tuple[Target, ...] = (),
    left_out: Mapping[str, str] = MappingProxyType({}),
    declared: frozenset[str] = frozenset(),
    is_over: Callable[[], bool] = lambda: False,
) -> Location:
    """Find what ``failures`` need, and write a stub into the tree for all that is missing.

    ``known`` are the targets of earlier rounds: they keep their origin, and the tests that need
    them are added to. A known target that only a file's collection asked for goes when that
    file's tests now fail without needing it. ``left_out`` are requirements that are not installed
    and modules that are not in the tree, and why; ``declared`` are the import names (lower case) of
    the repository's dependencies: no stub takes their place. Once ``is_over``, no more is read or written.
    """
    code = Code(tree, declared)
    needs: dict[str, tuple[Need, ...]] = {}
    left: dict[str, LeftTest] = {}
    for failing in failures:
        if is_over():
            left.setdefault(failing.node_id, LeftTest(failing.node_id, _NO_TIME))
            continue
        reading = read_failure(code, failing, left_out)
        if reading.needs:
            needs[failing.node_id] = (*needs.get(failing.node_id, ()), *reading.needs)
        else:
            left.setdefault(failing.node_id, LeftTest(failing.node_id, reading.why))
    keys = dict.fromkeys(need.key for found in needs.values() for need in found)
    written = _write_stubs(code, keys, is_over)
    for node_id, found in needs.items():
        unmet = [written.reasons[need.key] for need in found if need.key in written.reasons]
        if unmet:
            left.setdefault(node_id, LeftTest(node_id, unmet[0]))
    wanted = _merge(needs, written, known, failures)
    found_targets = []
    for want in wanted.values():
        made = _target(want, written.tree)
        if isinstance(made, Target):
            found_targets.append(made)
        else:
            left |= {test: LeftTest(test, made) for test in want.tests if test not in left}
    return Location(
        tree=written.tree,
        targets=order_targets(tuple(found_targets), Code(written.tree, declared)),
        left=tuple(item for item in left.values() if item.node_id not in _needing(found_targets)),
        added=written.added,
    )


def check_name(spec: str, tree: Tree) -> None:
    """Refuse early what ``named_target`` would refuse in the end.

    A function that is not there yet may become a stub, if a file speaks of it. Raises UsageError.
    """
    try:
        named_target(spec, tree)
    except UsageError as error:
        name = re.split(r"::|\.", spec)[-1].encode()
        is_mentioned = "::" in spec and any(
            re.search(rb"\b%s\b" % re.escape(name), file.data)
            for path, file in tree.items()
            if path.endswith(".py")
        )
        if isinstance(error.__cause__, SourceSyntaxError) or not is_mentioned:
            raise


def named_target(spec: str, tree: Tree) -> Target:
    """The target that ``PATH::QUALNAME`` names. Raises UsageError when there is no such function."""
    path, _, rest = spec.strip().removeprefix("./").partition("::")
    qualname = rest.replace("::", ".")
    if not path or not qualname:
        raise UsageError(f"{spec} names no function", hint="write PATH::NAME or PATH::Class.name")
    if path not in tree:
        raise UsageError(f"there is no file {path}", hint=_near(path, tree))
    source = tree[path].data
    try:
        if find(source, qualname) is None:
            names = [definition.qualname for definition in definitions(source)]
            raise UsageError(f"{path} has no function {qualname}", hint=_near(qualname, names))
    except SourceSyntaxError as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="correct the file") from error
    target = _target(_Wanted((path, qualname), "named", (), (f"named as {spec}",)), tree)
    if isinstance(target, str):
        raise UsageError(target, hint="correct the file")
    return target


# --- stubs ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Written:
    """The tree with stubs; ``functions`` are what each missing key became."""

    tree: Tree
    functions: Mapping[Key, tuple[str, ...]]
    reasons: Mapping[Key, str]
    added: tuple[str, ...]


def _write_stubs(code: Code, keys: Iterable[Key], is_over: Callable[[], bool]) -> _Written:
    files = dict(code.tree)
    functions: dict[Key, tuple[str, ...]] = {}
    reasons: dict[Key, str] = {}
    added: list[str] = []
    for key in keys:
        path, qualname = key
        if code.definition(path, qualname) is not None:
            functions[key] = (qualname,)
            continue
        if is_over():
            reasons[key] = _NO_TIME
            continue
        stub = missing_stub(code, key)
        if stub is None:
            reasons[key] = f"{path} lacks {qualname}, which is a value, not a function"
            continue
        try:
            files[path] = _with_stub(files.get(path), stub)
        except (SourceSyntaxError, UsageError) as error:
            reasons[key] = f"no stub for {qualname} fits into {path}: {error}"
            continue
        functions[key] = tuple(name for name, _ in stub.functions)
        if stub.exception:
            added.append(f"{path}::{qualname}")
    return _Written(files, functions, reasons, tuple(added))


def _with_stub(file: TreeFile | None, stub: Stub) -> TreeFile:
    data = file.data if file is not None else None
    if stub.exception:
        data = insert_top(data, stub.exception)
    for qualname, text in stub.functions:
        if data is None or find(data, qualname) is None:
            data = insert(data, qualname, text)
    return TreeFile(data or b"", file.mode if file is not None else 0o100644)


# --- targets ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wanted:
    key: Key
    origin: Origin
    tests: tuple[str, ...]
    evidence: tuple[str, ...]


def _merge(
    needs: Mapping[str, tuple[Need, ...]],
    written: _Written,
    known: tuple[Target, ...],
    failures: tuple[FailingTest, ...],
) -> dict[Key, _Wanted]:
    wanted = {
        (target.path, target.qualname): _Wanted(
            (target.path, target.qualname), target.origin, target.tests, target.evidence
        )
        for target in known
    }
    for node_id, found in needs.items():
        for need in found:
            for qualname in written.functions.get(need.key, ()):
                key = (need.key[0], qualname)
                old = wanted.get(key, _Wanted(key, need.origin, (), ()))
                wanted[key] = replace(
                    old,
                    tests=tuple(dict.fromkeys([*old.tests, node_id])),
                    evidence=tuple(dict.fromkeys([*old.evidence, need.evidence]))[:MAX_EVIDENCE],
                )
    return _without_collected(wanted, failures)


def _without_collected(
    wanted: dict[Key, _Wanted], failures: tuple[FailingTest, ...]
) -> dict[Key, _Wanted]:
    """Replace module paths among the tests by the tests of those modules, once they are known."""
    broken = {failing.node_id for failing in failures if "::" not in failing.node_id}
    collected = {
        file_of(failing.node_id) for failing in failures if "::" in failing.node_id
    } - broken
    kept: dict[Key, _Wanted] = {}
    for key, want in wanted.items():
        tests = tuple(test for test in want.tests if test not in collected)
        if tests or not want.tests:
            kept[key] = replace(want, tests=tests)
    return kept


def _target(want: _Wanted, tree: Tree) -> Target | str:
    """The target, or why there is none."""
    path, qualname = want.key
    file = tree.get(path)
    try:
        definition = find(file.data, qualname) if file is not None else None
    except SourceSyntaxError as error:
        return f"needs {qualname}, but {path} cannot be read: {error}"
    if file is None or definition is None:
        return f"needs {qualname}, which was not found in {path}"
    return Target(
        path=path,
        qualname=qualname,
        origin=want.origin,
        header=definition.header,
        docstring=definition.docstring,
        span=definition.span,
        file_sha256=hashlib.sha256(file.data).hexdigest(),
        tests=want.tests,
        evidence=want.evidence,
    )


def _needing(targets: list[Target]) -> frozenset[str]:
    return frozenset(test for target in targets for test in target.tests)


def _near(name: str, names: Iterable[str]) -> str:
    listed = list(names)
    close = difflib.get_close_matches(name, listed, n=3, cutoff=0.5)
    close = close or [other for other in listed if other.rpartition(".")[2] == name][:3]
    return f"did you mean {' or '.join(close)}?" if close else "check the spelling"
