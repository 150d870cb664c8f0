"""One test of a working tree, run in the sandbox under the tracer.

The function to follow is chosen among those that the test enters.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from egbot.consent import settings_of
from egbot.discovery.targets import make_target, named_target
from egbot.errors import UsageError
from egbot.intake.failures import from_root, selected_tests
from egbot.local import Effects
from egbot.nodeids import file_of, names_of, without_row
from egbot.ports import Sandbox
from egbot.progress import Report, Stage
from egbot.records import (
    Collection,
    Entered,
    Execution,
    Job,
    Limits,
    Probe,
    Program,
    Target,
    TestOutcome,
    Tree,
)
from egbot.report.story import Shown
from egbot.repository import open_repository, snapshot
from egbot.rootdirs import project_of, projects
from egbot.source.outline import find, outline_in
from egbot.source.testtext import find_test, is_test_path
from egbot.source.text import text_of
from egbot.survey import is_wanted, settled, tell_switched_off

MAX_TESTS = 50
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

    ``others`` are functions (PATH::QUALNAME) that the test enters too and that were not followed.
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

    Raises UsageError for a test or function that is not there and for a test that enters no
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
    named = named_target(_full_name(asked[1], tree), tree) if order.target else None
    project = project_of(projects(tree), file_of(node_id))
    own = repository._replace(folder=project)
    sandbox = effects.make_sandbox(settings, tree, own, report)
    limits = Limits(test_s=settings.sandbox.test_s, memory_bytes=settings.sandbox.memory_mib * _MIB)
    with sandbox.open(tree, (file_of(node_id),), limits) as executor:
        tell_switched_off(executor.collection, lambda text: report(Stage("tracing", text)))
        (node_id,) = settled(sandbox, tree, executor.collection, (node_id,), limits)
        tests = _matching(executor.collection, node_id)
        functions = _chosen(sandbox, tree, node_id, limits, named)
        target = functions[0]
        report(Stage("tracing", f"{target.path}::{target.qualname}"))
        text = text_of(tree[target.path].data)
        program = Program(target.path, target.qualname, text, target.ordinal)
        execution = executor.run(Job(tests, program, trace=True, limits=limits))
        made_with = {
            "python": executor.collection.python_version,
            "pytest": executor.collection.pytest_version,
            "sandbox": sandbox.backend,
        }
    return TracedRun(
        target=target,
        seen=_seen(tree, target, _outcomes(execution)),
        others=tuple(f"{one.path}::{_plain_name(one.qualname)}" for one in functions[1:]),
        versions=made_with,
    )


# --- which function ----------------------------------------------------------------------------


def _chosen(
    sandbox: Sandbox, tree: Tree, node_id: str, limits: Limits, named: Target | None
) -> tuple[Target, ...]:
    """The function to follow, and the others that the test enters, for which it is run.

    A ``named`` one is followed alone; of several definitions of its name, the one that is entered.
    Raises UsageError where none is.
    """
    sites = outline_in(tree, named.path).functions if named is not None else ()
    names = [site.qualname for site in sites]
    if named is not None and names.count(named.qualname) == 1:
        return (named,)
    paths = {path for path in tree if is_test_path(path)} | {file_of(node_id)}
    with sandbox.open(tree, (file_of(node_id),), limits, Probe(test_paths=(*paths,))) as executor:
        found = [one for one in executor.collection.node_ids if is_wanted(one, (node_id,))]
        outcomes = executor.run(Job(tuple(found[:MAX_TESTS]), trace=False, limits=limits)).outcomes
    entered = [one for seen in outcomes if seen.evidence for one in seen.evidence.entered]
    functions = functions_of(tree, node_id, entered)
    if named is not None:
        key = named.path, named.qualname
        return tuple(one for one in functions if (one.path, one.qualname) == key)[:1] or (named,)
    if not functions:
        raise UsageError(
            f"{node_id} enters no function of this repository{_ended(outcomes)}",
            hint="name the function to follow: --target PATH::QUALNAME; "
            "where it is still to be written: egbot solve",
        )
    return functions


def _ended(outcomes: tuple[TestOutcome, ...]) -> str:
    """How a test ended that did not pass, for the end of a sentence."""
    bad = next((one for one in outcomes if one.status != "passed"), None)
    if bad is None:
        return ""
    fault = f": {bad.fault.type_name}: {bad.fault.message}" if bad.fault else ""
    return f" ({bad.status}{fault[:300].partition(chr(10))[0]})"


def functions_of(tree: Tree, node_id: str, entered: Iterable[Entered]) -> tuple[Target, ...]:
    """The functions that the test ``node_id`` ``entered``, the one that it is about first.

    That is one that shares a word with the test's name, or else one that the test itself names, or
    else the first; the tests' own helpers are none. Nothing of ``entered`` is believed: a function
    is what the tree has on that line.
    """
    test = find_test(tree, node_id)
    words = _words((names_of(node_id) or [""])[-1]) - {"test", "tests"}
    text = ast.unparse(test.function) if test is not None else ""
    named = set(re.findall(r"\w+", text))

    def rank(target: Target) -> tuple[int, bool, bool]:
        own = target.qualname.rpartition(".")[2]
        return -len(_words(own) & words), own not in named, own.startswith("__")

    found: dict[tuple[str, int], Target] = {}
    for one in entered:
        is_own = is_test_path(one.path) or (test is not None and one.path == test.path)
        target = None if is_own else _target_of(tree, one)
        if target is not None:
            found.setdefault((one.path, one.line), target)
    return tuple(sorted(found.values(), key=rank))


def _target_of(tree: Tree, entered: Entered) -> Target | None:
    """The function whose definition begins on that line, for Python with its decorators."""
    path, name = entered.path, entered.qualname.rpartition(".")[2]
    for site in outline_in(tree, path).functions:
        first = min([site.node.lineno, *(one.lineno for one in site.node.decorator_list)])
        if (first, site.node.name) == (entered.line, name):  # no lambda of its header
            return make_target(tree, path, site.qualname, site.ordinal, origin="named")
    return None


def _full_name(spec: str, tree: Tree) -> str:
    """``PATH::outer.inner`` as Python writes it, with the ``<locals>`` that no shell takes."""
    path, _, name = spec.partition("::")
    wanted = _plain_name(name.replace("::", "."))
    names = [site.qualname for site in outline_in(tree, path).functions]
    return next((f"{path}::{one}" for one in names if _plain_name(one) == wanted), spec)


def _plain_name(qualname: str) -> str:
    return qualname.replace("<locals>.", "")


def _words(name: str) -> set[str]:
    """The words of a name, in lower case: ``add_total``, ``addTotal``."""
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")) - {""}


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
    found = find(tree[target.path].data, target.qualname, target.ordinal)
    return Shown(found.code if found else "", target.span.start_line, tests, is_final=True)
