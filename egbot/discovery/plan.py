"""Owns the way from needs to targets: stubs go into the tree, and what is to be written is put in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from egbot.discovery.definitions import Definition, Part, define, part_of
from egbot.discovery.needs import Need, Needs, Use
from egbot.discovery.targets import make_target
from egbot.errors import UsageError
from egbot.nodeids import file_of
from egbot.records import Example, Place, Target, Tree, TreeFile
from egbot.source.edit import insert, insert_top
from egbot.source.examples import Expressions
from egbot.source.imports import add_imports
from egbot.source.outline import find
from egbot.source.signatures import Signature
from egbot.source.text import SourceSyntaxError

MAX_EXAMPLES = 100
_AT_WORK = frozenset({"call", "decorate", "subclass", "raise", "operator", "iterate"})
MAX_EVIDENCE = 6


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was missing, and where the tests use it (PATH:LINE)."""

    path: str
    name: str
    kind: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written.

    ``tree`` holds a stub for everything that was missing; ``targets`` are in the order in which
    they serve the tests soonest. ``added`` are PATH::NAME of complete definitions (values,
    exceptions) that had to be written beside the targets. ``problems`` are sentences.
    """

    tree: Tree
    targets: tuple[Target, ...]
    items: tuple[Item, ...] = ()
    added: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Writing:
    """A plan in the making."""

    files: dict[str, TreeFile]
    items: list[Item]
    added: list[str]
    problems: list[str]


def make_plan(
    needs: Needs, tree: Tree, early: Mapping[str, tuple[str, ...]], *, is_shown: bool = False
) -> Plan:
    """Write stubs for what ``needs`` name into ``tree`` and make targets of what has no body.

    ``early`` are the tests of the files that could not be collected, by file: what runs while a
    file is collected is needed by all of its tests. Stubs that are to be shown do nothing in this
    case, so that the tests can be collected.
    """
    writing = _Writing(dict(tree), [], [], list(needs.problems))
    expressions = Expressions(tree)
    for name, path in needs.modules.items():
        _create(writing, name, path)
    wanted: list[tuple[Need, Part]] = []
    for need in needs.needs:
        parts = _write(writing, need, needs, expressions, is_shown=is_shown)
        wanted += [(need, part) for part in parts]
    targets = [
        target
        for need, part in wanted
        if (target := _target(need, part, writing.files, early)) is not None
    ]
    return Plan(
        writing.files,
        _ordered(targets),
        tuple(writing.items),
        tuple(writing.added),
        tuple(writing.problems),
    )


# --- into the tree ------------------------------------------------------------------------------


def _create(writing: _Writing, name: str, path: str) -> None:
    last = name.rpartition(".")[2]
    kind = "package" if path.endswith("__init__.py") else "module"
    writing.files[path] = TreeFile(f'"""The {kind} {last}."""\n'.encode())
    writing.items.append(Item(path, "", "module", ()))


def _write(
    writing: _Writing, need: Need, needs: Needs, expressions: Expressions, *, is_shown: bool
) -> tuple[Part, ...]:
    """Put the need's definition into its file; what of it is to be written."""
    file = writing.files.get(need.path)
    if need.origin == "stub":
        return (_part_of_stub(need, expressions),)
    if file is not None and find(file.data, need.qualname) is not None:
        return ()  # another need has brought it, or it has been written since
    in_package = need.path.endswith("__init__.py")
    found = define(need, expressions, in_package=in_package, is_shown=is_shown)
    inner = _inner_module(need, needs)
    places = _places(need.uses)
    try:
        if inner:
            data = add_imports(file.data if file else b"", (f"from {inner} import {need.name}",))
            writing.files[need.path] = TreeFile(data)
            writing.items.append(Item(need.path, need.name, "import", places))
            return ()
        writing.files[need.path] = _placed(file, found)
    except (SourceSyntaxError, UsageError) as error:
        writing.problems.append(f"no stub for {need.qualname} fits into {need.path}: {error}")
        return ()
    writing.items.append(Item(need.path, need.qualname, _shown_kind(found), places))
    if not found.parts:
        writing.added.append(f"{need.path}::{need.qualname}")
    return found.parts


def _shown_kind(found: Definition) -> str:
    if "." not in found.need.qualname:
        return found.kind
    binding = found.parts[0].signature.binding if found.parts else "method"
    return "property" if binding == "property" else "method"


def _placed(file: TreeFile | None, found: Definition) -> TreeFile:
    data = file.data if file is not None else None
    need = found.need
    if found.kind in ("constant", "exception", "enum", "dataclass", "class"):
        data = insert_top(data, found.code)
    else:
        data = insert(data, need.qualname, found.code)
    if found.kind in ("enum", "dataclass"):
        module = "enum" if found.kind == "enum" else "dataclasses"
        data = add_imports(data, (f"import {module}",))
    return TreeFile(data, file.mode if file is not None else 0o100644)


def _inner_module(need: Need, needs: Needs) -> str:
    """The module below a missing package that is asked for the same name: the package takes it."""
    if need.module not in needs.modules or not need.path.endswith("/__init__.py"):
        return ""
    inner = (
        other.module
        for other in needs.needs
        if other.qualname == need.qualname and other.module.startswith(f"{need.module}.")
    )
    return next(inner, "")


# --- targets ------------------------------------------------------------------------------------


def _part_of_stub(need: Need, expressions: Expressions) -> Part:
    owner = "." in need.qualname
    signature = Signature(need.name, (), "method" if owner else "function")
    uses = tuple(use for use in need.below() if use.sight.kind == "call")
    return part_of(need.qualname, signature, uses, expressions)


def _target(
    need: Need, part: Part, files: Mapping[str, TreeFile], early: Mapping[str, tuple[str, ...]]
) -> Target | None:
    tests = _tests(part.uses or tuple(need.uses), early)
    if not tests:
        return None
    return make_target(
        files,
        need.path,
        part.qualname,
        need.ordinal if need.origin == "stub" else None,
        origin=need.origin,
        tests=tests,
        evidence=_evidence(need, part),
        examples=_chosen(part.examples),
    )


def _tests(uses: Iterable[Use], early: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The tests of a need. What runs while a file is collected is all its tests' need."""
    listed = list(uses)
    files: dict[str, None] = {}
    for use in listed:
        if not use.test and use.sight.kind in _AT_WORK:
            place = use.sight.place
            own = [place.path] if place is not None and place.path in early else [*early]
            files.update(dict.fromkeys(own))
    found = dict.fromkeys(use.test for use in listed if use.test and file_of(use.test) not in files)
    return (*found, *(test for path in files for test in early[path]))


def _evidence(need: Need, part: Part) -> tuple[str, ...]:
    what = {"stub": "is not written", "missing_member": "is missing", "missing_name": "is missing"}
    said = what.get(need.origin, "is missing")
    places = _places(part.uses or need.uses)
    return tuple(f"{place} calls {part.qualname}, which {said}" for place in places[:MAX_EVIDENCE])


def _places(uses: Iterable[Use]) -> tuple[str, ...]:
    found = dict.fromkeys(_said(use.sight.place) for use in uses if use.sight.place is not None)
    return tuple(found)


def _said(place: Place | None) -> str:
    return f"{place.path}:{place.line}" if place is not None else ""


def _chosen(examples: tuple[Example, ...]) -> tuple[Example, ...]:
    """The most telling examples within the limit, in their order."""
    ranked = sorted(examples, key=lambda one: (not one.exact, not one.relation))[:MAX_EXAMPLES]
    kept = set(ranked)
    return tuple(one for one in examples if one in kept)


def _ordered(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Put first what makes a test pass soonest; of equals a constructor, then the first found.

    A test that needs only A is served before one that needs A and B.
    """
    merged: dict[tuple[str, str, int], Target] = {}
    for one in targets:
        key = (one.path, one.qualname, one.ordinal)
        known = merged.get(key)
        tests = tuple(dict.fromkeys([*(known.tests if known else ()), *one.tests]))
        merged[key] = replace(known or one, tests=tests)
    waiting = list(merged.values())
    needed = Counter(test for one in waiting for test in one.tests)
    ordered: list[Target] = []
    while waiting:
        best = min(
            waiting,
            key=lambda one: (
                min(needed[test] for test in one.tests),
                not one.qualname.endswith("__init__"),
            ),
        )
        waiting.remove(best)
        needed.subtract(best.tests)
        ordered.append(best)
    return tuple(ordered)
