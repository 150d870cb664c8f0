"""Owns needs: what recorders saw, checked against the tree and put together by definition."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from egbot.discovery.modules import has_files, is_dotted, is_kept_back, missing_modules
from egbot.records import Evidence, Expectation, Origin, Probe, Sight, Tree
from egbot.source.outline import outline_in

_ENTERED = re.compile(r"((?:[:.])[A-Z]\w*\(\))\.__a?enter__\(\)")
_STEP = re.compile(r"\.\w+|\(\)|\[.*?\](?=[.(\[]|$)|.+", re.DOTALL)
_ORIGINS: dict[str, Origin] = {"stub": "stub", "name": "missing_name", "member": "missing_member"}
MAX_NEEDS = 2_000


@dataclass(frozen=True, slots=True)
class Use:
    """A sight of a need or of what ``steps`` lead to from it, in ``test`` ("": while collecting)."""

    steps: tuple[str, ...]
    sight: Sight
    test: str


@dataclass(slots=True)
class Need:
    """Something that is missing or unwritten: the definition ``qualname`` of the file ``path``."""

    path: str
    module: str
    qualname: str
    ordinal: int
    origin: Origin
    root: Sight
    uses: list[Use] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its last name."""
        return self.qualname.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Needs:
    """``modules`` are the paths of missing modules by their dotted names; ``problems`` sentences."""

    needs: tuple[Need, ...]
    modules: Mapping[str, str]
    problems: tuple[str, ...] = ()


def merge(
    evidence: Mapping[str, Evidence],
    tree: Tree,
    probe: Probe,
    *,
    is_bold: bool = False,
    ignored: Iterable[str] = (),
) -> Needs:
    """What the tests need, by what was seen in each ("": while they were collected).

    Nothing is believed: a name must be an identifier, a place lie in the tree, a module's file bear
    its name and hold no tests (or not lie beside another of its name), a module's name not be a
    standard, declared or existing one's, and a stub be one that ``probe`` names. An unknown package
    may be one to install: it is the repository's when that provides its name, a test file is named
    after it, or who asks ``is_bold``. A module whose path is among ``ignored`` (or in a folder of
    these, with a / at the end) is there, where the snapshot does not reach.
    """
    sights = [(test, _placed(one, tree)) for test, seen in evidence.items() for one in seen.sights]
    files, folders = _homes(sights, tree, probe)
    asked = [one.who for _, one in sights if _is_module(one, "missing")]
    made, problems = missing_modules(asked, tree, probe, {**folders, **files}, is_bold=is_bold)
    modules = {name: path for name, path in made.items() if not is_kept_back(path, ignored)}
    files |= modules
    needs = _needs(sights, files, probe)
    shared = _shared(needs, tree)
    if shared:
        sights = [(test, _moved(sight, shared)) for test, sight in sights]
        needs = _needs(sights, files, probe)
    for test, sight in _by_class(sights, needs):
        root = _root(sight.who, needs)
        if root and (sight.kind not in _ORIGINS or sight.expected or test):
            needs[root].uses.append(Use(steps_of(sight.who[len(root) :]), sight, test))
    for who, need in tuple(needs.items()):
        folder, _, last = need.path.rpartition("/")
        is_there = last == "__init__.py" and is_kept_back(f"{folder}/{need.name}.py", ignored)
        if is_there or _is_declared(need, tree):
            del needs[who]
    _drop_hooks(needs)
    return Needs(tuple(needs.values()), modules, problems)


def _homes(
    sights: Iterable[tuple[str, Sight]], tree: Tree, probe: Probe
) -> tuple[dict[str, str], dict[str, str]]:
    """The files of the modules that are there, and the packages that have none of their own."""
    told = [
        (one.who, one.place.path) for _, one in sights if _is_module(one, "exists") and one.place
    ]
    tests = set(probe.test_paths)
    renamed = {name: f"{folder}/__init__.py" for name, folder in probe.packages}
    files = {
        name: path
        for name, path in told
        if path in tree
        and path not in tests
        and (_is_file_of(name, path) or renamed.get(name) == path)
    }
    folders = {name: f"{path}__init__.py" for name, path in told if has_files(path, tree)}
    return files, renamed | folders


def _needs(
    sights: Iterable[tuple[str, Sight]], files: Mapping[str, str], probe: Probe
) -> dict[str, Need]:
    """What is missing or unwritten, by its path, without its uses."""
    needs: dict[str, Need] = {}
    stubs = {(one.path, one.qualname, one.ordinal) for one in probe.stubs}
    inherited = {one.qualname.rpartition(".")[2] for one in probe.stubs if "." in one.qualname}
    for _, sight in sights:
        if sight.kind in _ORIGINS and sight.who not in needs and len(needs) < MAX_NEEDS:
            need = _need(sight, files)
            place = (need.path, need.qualname, need.ordinal) if need else None
            if need and need.origin == "stub" and place not in stubs:
                # of the class that has it from a base, which says that subclasses do this
                need.origin = "missing_member"
                need = need if "." in need.qualname and need.name in inherited else None
            if need is not None:
                needs[sight.who] = need
    return needs


def _is_declared(need: Need, tree: Tree) -> bool:
    """Whether the member's class annotates it: its constructor is to set it."""
    owner, _, name = need.qualname.rpartition(".")
    site = outline_in(tree, need.path).klass(owner)
    lines = site.node.body if site and need.origin == "missing_member" else ()
    return any(
        isinstance(one, ast.AnnAssign) and getattr(one.target, "id", "") == name for one in lines
    )


def _shared(needs: Mapping[str, Need], tree: Tree) -> dict[str, str]:
    """Members that several classes of one file lack, by their paths: the nearest common base's."""
    groups: dict[tuple[str, str], list[Need]] = {}
    for need in needs.values():
        if need.origin == "missing_member" and need.path in tree:
            groups.setdefault((need.path, need.name), []).append(need)
    found: dict[str, str] = {}
    for (path, name), several in groups.items():
        if len(several) > 1:
            bases = _bases(outline_in(tree, path).tree)
            lines = [_ancestors(one.qualname.rpartition(".")[0], bases) for one in several]
            common = [one for one in lines[0] if all(one in line for line in lines)]
            for one in several if common else ():
                found[one.root.who] = f"{one.module}:{common[0]}.{name}"
    return found


def _bases(module: ast.Module) -> dict[str, list[str]]:
    """The file's top-level classes, and the bases that they name."""
    found: dict[str, list[str]] = {}
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            plain = [one.value if isinstance(one, ast.Subscript) else one for one in node.bases]
            found[node.name] = [one.id for one in plain if isinstance(one, ast.Name)]
    return found


def _ancestors(name: str, bases: Mapping[str, list[str]]) -> list[str]:
    """A class and those above it in the same file, the nearest first."""
    found = [name]
    for one in found:
        found += [base for base in bases.get(one, ()) if base in bases and base not in found]
    return found


def _moved(sight: Sight, moved: Mapping[str, str]) -> Sight:
    start = next((one for one in moved if _is_step(sight.who, one)), "")
    return replace(sight, who=moved[start] + sight.who[len(start) :]) if start else sight


def _placed(sight: Sight, tree: Tree) -> Sight:
    """The sight, without a place that is none of the tree's (a folder may be a package's)."""
    place = sight.place
    is_there = place is None or place.path in tree or has_files(place.path, tree)
    return sight if is_there else replace(sight, place=None)


def _is_file_of(module: str, path: str) -> bool:
    ends = f"/{module.rpartition('.')[2]}"
    return f"/{path}".endswith((f"{ends}.py", f"{ends}/__init__.py"))


def _drop_hooks(needs: dict[str, Need]) -> None:
    """Leave out the silent stubs that are as they shall be: a hook that does nothing by default.

    One counts where its result is asked for anything, or where the test needs nothing else; what
    runs while tests are collected is every test's.
    """
    hooks = {who for who, need in needs.items() if need.root.detail == "silent"}
    others = {use.test for who, need in needs.items() if who not in hooks for use in need.uses}

    def is_only(test: str) -> bool:
        return others.isdisjoint({test, ""}) if test else not others

    for who in hooks:
        need = needs[who]
        need.uses = [use for use in need.uses if use.sight.expected or is_only(use.test)]
        if not need.uses:
            del needs[who]


def _by_class(
    sights: list[tuple[str, Sight]], needs: Mapping[str, Need]
) -> Iterator[tuple[str, Sight]]:
    """The sights, of objects as those of their class, where that is missing and something tells it.

    What an object of a class gives when it is entered is taken for itself.
    """
    classes = {
        _result(sight) + one.via: one.value.who
        for _, sight in sights
        for one in sight.expected
        if one.relation == "isinstance"
        and one.value.who in needs
        and not sight.who.startswith(one.value.who)
    }

    def renamed(who: str) -> str:
        start = max((one for one in classes if _is_step(who, one)), key=len, default="")
        return _ENTERED.sub(r"\1", f"{classes[start]}(){who[len(start) :]}" if start else who)

    for test, sight in sights:
        own: list[Expectation] = []
        base = renamed(_result(sight))
        for one in sight.expected:
            whole = renamed(_result(sight) + one.via)
            if _is_step(whole, base):
                own.append(replace(one, via=whole[len(base) :]))
            elif one.relation != "isinstance":
                told = (replace(one, via=""),)
                yield test, Sight("get", whole, place=sight.place, expected=told)
        if own and base != _result(sight):
            yield test, Sight("get", base, place=sight.place, expected=tuple(own))
        yield test, replace(sight, who=renamed(sight.who), expected=tuple(own))


def _result(sight: Sight) -> str:
    return f"{sight.who}()" if sight.kind == "call" else sight.who


def _is_step(who: str, start: str) -> bool:
    """Whether ``who`` is ``start``, or what some steps lead to from there."""
    return who.startswith(start) and who[len(start) :][:1] in ("", ".", "(", "[")


def steps_of(path: str) -> tuple[str, ...]:
    """The steps of a path, or of what an expectation is reached by: ``.name``, ``()``, ``[key]``."""
    return tuple(_STEP.findall(path))


def _is_module(sight: Sight, detail: str) -> bool:
    return sight.kind == "module" and sight.detail == detail


def _need(sight: Sight, files: Mapping[str, str]) -> Need | None:
    module, _, rest = sight.who.partition(":")
    qualname, _, ordinal = rest.partition("@")
    if not is_dotted(qualname.replace(".<locals>", "")) or (not ordinal.isdigit() and ordinal):
        return None
    path = files.get(module)
    if path is None:
        return None
    number = int(ordinal or 0)
    return Need(path, module, qualname, number, _ORIGINS[sight.kind], sight)


def _root(who: str, needs: Mapping[str, Need]) -> str:
    """The longest need that ``who`` begins with, step by step; "" for none."""
    end = len(who)
    while end > 0:
        if who[:end] in needs:
            return who[:end]
        end = max(who.rfind(sign, 0, end) for sign in ".([")
    return ""
