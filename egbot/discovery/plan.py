"""Owns the way from needs to targets: stubs in the tree, and what is to be written in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from egbot.discovery.definitions import Definition, define
from egbot.discovery.functions import Part, part_of
from egbot.discovery.needs import Need, Needs, Use
from egbot.discovery.targets import make_target
from egbot.discovery.things import Thing, take_apart
from egbot.errors import UsageError
from egbot.nodeids import file_of
from egbot.records import Example, Target, Tree, TreeFile
from egbot.source.edit import insert
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
    needs = take_apart(needs, expressions)
    for need in needs.needs:
        inner = _inner(need, needs)
        if inner is not None:
            inner.uses += need.uses
    for name, path in needs.modules.items():
        _create(writing, name, path)
    defined = [_defined(need, needs, expressions, is_shown=is_shown) for need in needs.needs]
    written = {one.need.root.who: _write(writing, one) for one in _in_writing_order(defined)}
    places = [(one.path, one.qualname) for one in needs.needs]
    writing.items.sort(key=lambda one: places.index((one.path, one.name)) if one.name else -1)
    targets = [
        target
        for need in needs.needs
        for part in written[need.root.who]
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


def _defined(need: Need, needs: Needs, expressions: Expressions, *, is_shown: bool) -> Definition:
    if need.origin == "stub":
        return Definition(need, "function", "", (_part_of_stub(need, expressions),))
    inner = _inner_module(need, needs)
    if inner:
        return Definition(need, "import", f"from {inner} import {need.name}\n")
    siblings = frozenset(one.name for one in needs.needs if one.path == need.path)
    return define(need, expressions, siblings, is_shown=is_shown)


def _in_writing_order(defined: Iterable[Definition]) -> Iterator[Definition]:
    """What goes to the top of a file comes from the last to the first; its values are put together."""
    lower: list[Definition] = []
    tops: list[Definition] = []
    values: dict[str, int] = {}
    for one in defined:
        path = one.need.path
        if one.kind in ("function", "import"):
            lower.append(one)
        elif one.kind == "constant" and path in values and "." not in one.need.qualname:
            first = values[path]
            tops[first] = replace(tops[first], code=tops[first].code + one.code)
            tops.append(replace(one, code=""))
        else:
            if one.kind == "constant" and "." not in one.need.qualname:
                values[path] = len(tops)
            tops.append(one)
    yield from (*lower, *tops[::-1])


def _write(writing: _Writing, found: Definition) -> tuple[Part, ...]:
    """Put a need's definition into its file; what of it is to be written."""
    need, file = found.need, writing.files.get(found.need.path)
    if need.origin == "stub":
        return found.parts
    if file is not None and find(file.data, need.qualname) is not None:
        return ()  # another need has brought it, or it has been written since
    try:
        writing.files[need.path] = _placed(file, found)
    except (SourceSyntaxError, UsageError) as error:
        writing.problems.append(f"no stub for {need.qualname} fits into {need.path}: {error}")
        return ()
    writing.items.append(Item(need.path, need.qualname, _shown_kind(found), _places(need.uses)))
    if not found.parts and found.kind != "import":
        writing.added.append(f"{need.path}::{need.qualname}")
    return found.parts


def _shown_kind(found: Definition) -> str:
    if "." not in found.need.qualname or found.kind != "function":
        return found.kind
    binding = found.parts[0].signature.binding if found.parts else "method"
    return "property" if binding == "property" else "method"


def _placed(file: TreeFile | None, found: Definition) -> TreeFile:
    data = file.data if file is not None else b""
    lines = found.imports
    if found.kind == "import":
        lines = (found.code.rstrip(),)
    elif found.code:
        data = insert(data, found.need.qualname, found.code)
    data = add_imports(data, lines) if lines else data
    return TreeFile(data, file.mode if file is not None else 0o100644)


def _inner_module(need: Need, needs: Needs) -> str:
    """The module from which a package takes a name: asked for the same below it, or one itself."""
    if f"{need.path.removesuffix('__init__.py')}{need.name}.py" in needs.modules.values():
        return need.module
    inner = _inner(need, needs)
    return inner.module if inner is not None else ""


def _inner(need: Need, needs: Needs) -> Need | None:
    """What a missing package hands on under its own name: the same name of a module below it."""
    if need.module not in needs.modules or not need.path.endswith("/__init__.py"):
        return None
    below = (
        other
        for other in needs.needs
        if other.qualname == need.qualname and other.module.startswith(f"{need.module}.")
    )
    return next(below, None)


# --- targets ------------------------------------------------------------------------------------


def _part_of_stub(need: Need, expressions: Expressions) -> Part:
    signature = Signature(need.name, (), "method" if "." in need.qualname else "function")
    return part_of(Thing.of(need), signature, expressions)


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
    places = (use.sight.place for use in uses)
    return tuple(dict.fromkeys(f"{one.path}:{one.line}" for one in places if one is not None))


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
