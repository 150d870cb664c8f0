"""Owns the way from needs to targets: stubs in the tree, and what is to be written in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from egbot.discovery.definitions import Definition, define
from egbot.discovery.functions import Part, part_of
from egbot.discovery.needs import Need, Needs, Use
from egbot.discovery.targets import Key, key_of, make_target
from egbot.discovery.things import Thing, take_apart
from egbot.errors import UsageError
from egbot.nodeids import file_of
from egbot.records import Example, Target, Tree, TreeFile
from egbot.source.edit import insert
from egbot.source.examples import Expressions
from egbot.source.imports import add_imports
from egbot.source.outline import find, only_definition
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
    """A plan in the making; ``parts`` are what is to be written of a need, by its path."""

    files: dict[str, TreeFile]
    problems: list[str]
    items: list[Item] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    parts: dict[str, tuple[Part, ...]] = field(default_factory=dict)


def make_plan(
    needs: Needs, tree: Tree, early: Mapping[str, tuple[str, ...]], *, is_shown: bool = False
) -> Plan:
    """Write stubs for what ``needs`` name into ``tree`` and make targets of what has no body.

    ``early`` are the tests of the files that could not be collected, by file: what runs while a
    file is collected is needed by all of its tests. Stubs that are to be shown do nothing in this
    case, so that the tests can be collected.
    """
    writing = _Writing(dict(tree), list(needs.problems))
    expressions = Expressions(tree)
    needs = take_apart(needs, expressions)
    for need in needs.needs:
        inner = _inner(need, needs)
        if inner is not None:
            inner.uses += need.uses
    for name, path in needs.modules.items():
        _create(writing, name, path)
    names: dict[str, set[str]] = {}
    for need in needs.needs:
        names.setdefault(need.path, set()).add(need.name)
    defined = [
        _defined(need, needs, expressions, names[need.path], is_shown=is_shown)
        for need in needs.needs
    ]
    writing.parts = {one.need.root.who: one.parts for one in defined if one.need.origin == "stub"}
    for group in _groups(one for one in defined if one.need.origin != "stub"):
        _write(writing, group)
    places = {(one.path, one.qualname): number for number, one in enumerate(needs.needs)}
    writing.items.sort(key=lambda one: places.get((one.path, one.name), -1))
    targets = [
        target
        for need in needs.needs
        for part in writing.parts.get(need.root.who, ())
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


def _defined(
    need: Need, needs: Needs, expressions: Expressions, siblings: Collection[str], *, is_shown: bool
) -> Definition:
    if need.origin == "stub":
        signature = Signature(need.name, (), "method" if "." in need.qualname else "function")
        return Definition(need, "function", "", (part_of(Thing.of(need), signature, expressions),))
    inner = _inner_module(need, needs)
    if inner:
        return Definition(need, "import", f"from {inner} import {need.name}\n")
    return define(need, expressions, siblings, is_shown=is_shown)


def _groups(defined: Iterable[Definition]) -> Iterator[list[Definition]]:
    """What is put into a file at once: functions of one place, and values of a module.

    What goes to the top of a file comes from the last to the first. A function that its own file
    asks for stands alone, above what asks.
    """
    lower: dict[tuple[str, ...], list[Definition]] = {}
    upper: dict[tuple[str, ...], list[Definition]] = {}
    for one in defined:
        need = one.need
        owner = need.qualname.rpartition(".")[0]
        if one.kind in ("function", "import"):
            sights = (need.root, *(use.sight for use in need.uses))
            is_asked = any(each.place and each.place.path == need.path for each in sights)
            key = (need.path, owner, one.kind, need.name if is_asked else "")
            lower.setdefault(key, []).append(one)
        else:
            name = need.name if owner or one.kind != "constant" else ""
            upper.setdefault((need.path, owner, name), []).append(one)
    yield from (*lower.values(), *reversed(upper.values()))


def _write(writing: _Writing, group: list[Definition]) -> None:
    """Put definitions into their file, but for what another need has brought there by now."""
    path = group[0].need.path
    file = writing.files.get(path)
    found: dict[str, Definition] = {}
    for one in group:
        if file is None or find(file.data, one.need.qualname) is None:
            found.setdefault(one.need.qualname, one)
    new = list(found.values())
    try:
        writing.files |= {path: _placed(file, new)} if new else {}
    except (SourceSyntaxError, UsageError) as error:
        for one in new if len(new) > 1 else ():
            _write(writing, [one])
        if len(new) == 1:
            name = new[0].need.qualname
            writing.problems.append(f"no stub for {name} fits into {path}: {error}")
        return
    for one in new:
        need = one.need
        writing.parts[need.root.who] = one.parts
        writing.items.append(Item(path, need.qualname, _shown_kind(one), _places(need.uses)))
        if not one.parts and one.kind != "import":
            writing.added.append(f"{path}::{need.qualname}")


def _shown_kind(found: Definition) -> str:
    if "." not in found.need.qualname or found.kind != "function":
        return found.kind
    binding = found.parts[0].signature.binding if found.parts else "method"
    return "property" if binding == "property" else "method"


def _placed(file: TreeFile | None, group: list[Definition]) -> TreeFile:
    """The file with definitions that stand together in it."""
    data, kind, qualname = file.data if file else b"", group[0].kind, group[0].need.qualname
    if kind == "function":
        codes = [only_definition(one.code, one.need.qualname)[0] for one in group]
        data = insert(data, qualname, ("\n\n" if "." in qualname else "\n\n\n").join(codes))
    elif kind != "import":
        data = insert(data, qualname, "".join(one.code for one in group))
    lines = tuple(dict.fromkeys(line for one in group for line in one.imports))
    data = add_imports(data, lines) if lines else data
    return TreeFile(data, file.mode if file else 0o100644)


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


def _target(
    need: Need, part: Part, files: Mapping[str, TreeFile], early: Mapping[str, tuple[str, ...]]
) -> Target | None:
    tests = _tests(part.uses or tuple(need.uses), early)
    if not tests:
        return None
    ordinal = need.ordinal if need.origin == "stub" else None
    target = make_target(files, need.path, part.qualname, ordinal, origin=need.origin)
    evidence, examples = _evidence(need, part), _chosen(part.examples)
    return target and replace(target, tests=tests, evidence=evidence, examples=examples)


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
    said = "is not written" if need.origin == "stub" else "is missing"
    places = _places(part.uses or need.uses)
    return tuple(f"{place} calls {part.qualname}, which {said}" for place in places[:MAX_EVIDENCE])


def _places(uses: Iterable[Use]) -> tuple[str, ...]:
    places = (use.sight.place for use in uses)
    return tuple(dict.fromkeys(f"{one.path}:{one.line}" for one in places if one is not None))


def _chosen(examples: tuple[Example, ...]) -> tuple[Example, ...]:
    """The most telling examples within the limit, in their order."""
    ranked = sorted(examples, key=lambda one: (not one.exact, not one.relation))
    return tuple(filter(set(ranked[:MAX_EXAMPLES]).__contains__, examples))


def _ordered(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Put first what makes a test pass soonest; of equals a constructor, then the first found.

    A test that needs only A is served before one that needs A and B.
    """
    merged: dict[Key, Target] = {}
    for one in targets:
        known = merged.setdefault(key_of(one), one)
        tests = tuple(dict.fromkeys((*known.tests, *one.tests)))
        merged[key_of(one)] = replace(known, tests=tests)
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
