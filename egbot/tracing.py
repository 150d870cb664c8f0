"""One test of a working tree, run in the sandbox under the tracer.

It chooses the function to follow and runs the test; it does not know how the trace is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from egbot.consent import settings_of
from egbot.errors import UsageError
from egbot.intake.failures import from_root, selected_tests
from egbot.local import Effects
from egbot.nodeids import file_of, without_row
from egbot.progress import Report, Stage
from egbot.records import Collection, Execution, Job, Limits, Program, Target, TestOutcome, Tree
from egbot.report.story import Shown
from egbot.repository import open_repository, snapshot
from egbot.source.edit import prepare
from egbot.source.examples import Key, examples
from egbot.source.locate import named_target
from egbot.source.modules import is_test_path
from egbot.source.reach import TestFunction, find_test, repository_functions
from egbot.source.scopes import find_fixture, parameter_names
from egbot.source.symbols import Code, Function
from egbot.source.text import text_of
from egbot.survey import is_wanted, tell_switched_off

MAX_TESTS = 50
_MAX_HELPERS = 20
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TraceOrder:
    """What a person asked for. ``target`` is PATH::QUALNAME, or "" for one that is chosen.

    ``overrides`` are settings as the command line gave them; test and target may be named from
    ``folders``, the first of which counts most.
    """

    repository: Path
    node_id: str
    overrides: Mapping[str, object]
    target: str = ""
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class TracedRun:
    """The function as it is in the file, and what the test did with it.

    ``others`` are functions (PATH::QUALNAME) that the test calls too and that were not followed.
    """

    target: Target
    seen: Shown
    others: tuple[str, ...]
    versions: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether no test failed; a skipped one did not."""
        return all(test.status in ("passed", "skipped") for test in self.seen.tests)


def trace_order(order: TraceOrder, report: Report, effects: Effects | None = None) -> TracedRun:
    """Run the test (all rows of a parametrised one) and return what the function did.

    Raises UsageError for a test or function that is not there and for a test that calls no
    function of the repository, SandboxError when no sandbox can be had.
    """
    effects = effects or Effects()
    repository = open_repository(order.repository)
    tree = snapshot(repository, note=lambda text: report(Stage("left out", text)))
    settings = settings_of(tree, order.overrides, repository.root)
    asked = from_root((order.node_id, order.target), tree, repository.root, order.folders)
    (node_id,) = selected_tests(asked[:1], tree) or ("",)
    if "::" not in node_id:
        raise UsageError(f"{order.node_id!r} names no test", hint=_example(tree, node_id))
    functions = () if order.target else functions_of(Code(tree), node_id)
    target = named_target(asked[1] or _first(functions, node_id), tree)
    sandbox = effects.make_sandbox(settings, tree, repository, report)
    limits = Limits(test_s=settings.sandbox.test_s, memory_bytes=settings.sandbox.memory_mib * _MIB)
    report(Stage("tracing", f"{target.path}::{target.qualname}"))
    with sandbox.open(tree, (file_of(node_id),), limits) as executor:
        tell_switched_off(executor.collection, lambda text: report(Stage("tracing", text)))
        tests = _matching(executor.collection, node_id)
        program = Program(target.path, target.qualname, text_of(tree[target.path].data))
        execution = executor.run(Job(tests, program, trace=True, limits=limits))
        made_with = {
            "python": executor.collection.python_version,
            "pytest": executor.collection.pytest_version,
            "sandbox": sandbox.backend,
        }
    return TracedRun(
        target=target,
        seen=_seen(tree, target, _outcomes(execution)),
        others=functions[1:],
        versions=made_with,
    )


# --- which function ----------------------------------------------------------------------------


def functions_of(code: Code, node_id: str) -> tuple[str, ...]:
    """The repository's functions (PATH::QUALNAME) that a test calls, the one that it is about first.

    That is one whose result the test compares, or whose name is in the test's. Calls by helpers
    and fixtures of the tests count as the test's own; nothing is run to find out.
    """
    test = find_test(code, node_id)
    if test is None:
        return ()
    found = {key for start in _starts(code, test) for key in _called(code, start)}
    name = test.function.name

    def rank(key: Key) -> tuple[bool, bool, bool, str]:
        own = key[1].rpartition(".")[2]
        claims = [each for each in examples(code, key, (test.path,)) if each.test == name]
        is_compared = any(each.relation != "called" for each in claims)
        return not is_compared, own not in name, own.startswith("__"), "::".join(key)

    return tuple("::".join(key) for key in sorted(found, key=rank))


def _starts(code: Code, test: TestFunction) -> Iterator[Key]:
    """The test itself and the fixtures that it asks for by name, directly."""
    owner = f"{test.owner.name}." if test.owner is not None else ""
    yield test.path, owner + test.function.name
    for name in parameter_names(test.function):
        fixture = find_fixture(code, test.path, name, test.owner)
        if fixture is not None:
            yield fixture[0], fixture[1].name


def _called(code: Code, start: Key) -> frozenset[Key]:
    """What a function of the tests calls in the repository, itself or by helpers of the tests."""
    found: set[Key] = set()
    waiting, seen = [start], {start}
    while waiting and len(seen) < _MAX_HELPERS:
        for key in repository_functions(code, waiting.pop()):
            if not is_test_path(key[0]):
                found.add(key)
            elif key not in seen and isinstance(code.definition(*key), Function):
                seen.add(key)
                waiting.append(key)
    return frozenset(found)


def _first(functions: tuple[str, ...], node_id: str) -> str:
    if not functions:
        raise UsageError(
            f"{node_id} calls no function of this repository that can be found without running it",
            hint="name the function to follow: --target PATH::QUALNAME; "
            "where it is still to be written: egbot solve",
        )
    return functions[0]


def _example(tree: Tree, path: str) -> str:
    """What to write in place of a file's name alone: its first test, where one can be seen."""
    text = tree[path].data.decode("utf-8", "replace") if path in tree else ""
    first = re.search(r"^(?:async )?def (test\w*)", text, re.MULTILINE)
    return f"name one, for example {path}::{first[1]}" if first else "write PATH::test_name"


# --- the run -----------------------------------------------------------------------------------


def _matching(collection: Collection, node_id: str) -> tuple[str, ...]:
    """The collected tests that ``node_id`` names: one, or the rows of one. Raises UsageError."""
    path = file_of(node_id)
    found = [one for one in collection.node_ids if is_wanted(one, (node_id,))]
    if not found:
        broken = next((one.fault for one in collection.errors if one.node_id == path), None)
        if broken is not None:
            raise UsageError(
                f"{path} cannot be collected: {broken.type_name}: {broken.message}"[:400],
                hint="mend that first, or let egbot write what is missing: egbot solve",
            )
        raise UsageError(
            f"pytest collects no test {node_id}", hint="see its tests: pytest --collect-only"
        )
    if len(set(map(without_row, found))) > 1:
        raise UsageError(
            f"{node_id} names {len(found)} tests", hint=f"name one of them, for example {found[0]}"
        )
    return tuple(found[:MAX_TESTS])


def _outcomes(execution: Execution) -> tuple[TestOutcome, ...]:
    """The outcomes of a run that came to pass. Raises UsageError for one that did not."""
    if execution.status == "invalid":
        raise UsageError(
            f"the function cannot be followed: {execution.detail}",
            hint="name another one: --target PATH::QUALNAME",
        )
    return execution.outcomes


def _seen(tree: Tree, target: Target, tests: tuple[TestOutcome, ...]) -> Shown:
    code = prepare(tree[target.path].data, target.qualname).definition.code
    return Shown(code, target.span.start_line, tests, is_final=True)
