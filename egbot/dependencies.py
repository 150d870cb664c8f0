"""Owns what a repository declares about itself and what it needs: the one reader of those files.

Nothing is run. What cannot be read is left out and named; so are links, addresses and pip's
options: a pull request must not choose where the host downloads from.
"""

from __future__ import annotations

import ast
import hashlib
import json
import posixpath
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from itertools import chain

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from poetry.core.constraints import version as constraints
from poetry.core.packages.utils.utils import create_nested_marker
from poetry.core.version.helpers import format_python_constraint
from typing_extensions import override

from egbot.records import Tree
from egbot.rootdirs import PROJECT_FILES, is_aside, project_of, projects, upwards
from egbot.source.settings import only, read_ini, strings, table, tables, text_of, text_or_empty
from egbot.source.testtext import is_test_path
from egbot.source.text import quietly

BUILDER_VERSION = 3
"""Changes whenever environments or images are built in another way: old ones are not reused."""

_MAX_CONSTRAINT_CHARS = 500
_FROM_ADDRESS = "a requirement from an address is not downloaded"
_WANTED = ("", "test", "tests", "testing", "dev")
_KNOWN = tomllib.loads(files("egbot").joinpath("distributions.toml").read_text("utf-8"))
_LINT, _DEVELOPMENT = set(_KNOWN["lint"].split()), set(_KNOWN["development"].split())
_TOOLS, _FAMILIES = set(_KNOWN["tools"].split()), set(_KNOWN["families"].split())
_Groups = list[tuple[str, object]]
_REQUIREMENTS = re.compile(r"(.*/)?([^/]*requirements[^/]*|requirements/[^/]+)\.(txt|in)")
_HELPER = re.compile(r"(?:^|/)(?:docs?/.*|(?:conf|duties|noxfile|setup|tasks)\.py)$")
"""Files that drive tools and are run by no test."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file, or one line of it, that was left out, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the tests need: PEP 508 lines, normalised, and a range of Pythons.

    The lines stand in the order of the files: what the project itself needs comes first.
    """

    lines: tuple[str, ...]
    requires_python: str = ""
    ignored: tuple[Ignored, ...] = ()

    def digest(self, *salt: str) -> str:
        """Return the SHA-256 (hex) of the lines, the builder's version and ``salt``."""
        parts = [BUILDER_VERSION, sorted(self.lines), list(salt)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Declared:
    """What one file declares, as it stands there.

    ``about`` is the project in the words of setuptools' ``setup()``, ``groups`` are requirements
    that it has besides. Tests need the groups and extras ``wanted``.
    """

    path: str
    about: Mapping[str, object]
    groups: _Groups
    wanted: Collection[str] = _WANTED

    @property
    def home(self) -> str:
        """The folder of the file."""
        return posixpath.dirname(self.path)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """All requirements, each with its group: "" is what the project itself needs, or "[extra]"."""
        own: _Groups = [("", self.about.get("install_requires"))]
        own.append(("test", self.about.get("tests_require")))
        extras = only(dict, self.about.get("extras_require"))
        named = [*own, *((f"[{name}]", lines) for name, lines in extras.items()), *self.groups]
        return [(canonicalize_name(name), one) for name, lines in named for one in strings(lines)]

    def needs(self) -> list[tuple[str, str]]:
        """Those of the lines that tests need."""
        return [(group, line) for group, line in self.lines if group.strip("[]") in self.wanted]


def detect(tree: Tree, project: str = "") -> Requirements:
    """Read what the tests of one project need. Never raises on what a file holds."""
    ignored: list[Ignored] = []
    whole = _read_homes(tree, project, ignored)
    declared = [one for several in whole.values() for one in several]
    declared += _shared(tree, project)
    lines = _normalised(declared, ignored)
    if "pytest" not in {Requirement(one).name for one in lines}:
        paths = (posixpath.join(at, "uv.lock") for at in upwards(project))
        lock = next((path for path in paths if path in tree), "")
        lines |= _normalised(_read(tree, {lock: partial(_from_uv_lock, whole)}, ignored), ignored)
    spoken = _spoken_of(set(lines.values()) - {""}, tree)
    kept = [line for line, tool in lines.items() if not tool or tool in spoken]
    if not any(one.name == "pytest" and one.marker is None for one in map(Requirement, kept)):
        kept.insert(0, "pytest")
    return Requirements(tuple(kept), _python_range(declared, ignored), tuple(ignored))


def declared_imports(tree: Tree) -> frozenset[str]:
    """The import names (lower case) of all that ``tree`` declares, for whatever purpose.

    They are others' to provide, whether or not they are installed. Never raises.
    """
    texts = dict.fromkeys(filter(_REQUIREMENTS.fullmatch, tree), _from_requirements)
    declared = [one for home in _homes(tree) for one in read_project(tree, [], home)]
    declared += _read(tree, texts, [])
    found, names = set[str](), set[str]()
    for _, line in chain(*(one.lines for one in declared)):
        with suppress(InvalidRequirement):
            names.add(canonicalize_name(Requirement(line).name))
    for name in names - {_name_of(one) for one in declared}:
        plain = name.replace("-", "_")
        bare = re.sub(r"^(python|py)_|_(python|py)$", "", plain)
        found.update(_KNOWN["imports"].get(name, f"{plain} {bare}").split())
        found.update({name.partition("-")[0]} & set(_KNOWN["namespaces"].split()))
    return frozenset(found)


def read_project(tree: Tree, ignored: list[Ignored], home: str = "") -> list[Declared]:
    """Read the files that declare what lies in ``home``; what cannot be read goes to ``ignored``."""
    readers = (_from_pyproject, _from_setup_cfg, _from_setup_py)
    paths = (posixpath.join(home, name) for name in PROJECT_FILES)
    return _read(tree, dict(zip(paths, readers, strict=True)), ignored)


def homes(tree: Tree, project: str) -> tuple[str, ...]:
    """The folders of all that is installed for one project's tests.

    These are the project itself, packages with tests that share its rootdir, and what they require
    of the repository's own.
    """
    return tuple(_read_homes(tree, project, []))


def _read_homes(tree: Tree, project: str, ignored: list[Ignored]) -> dict[str, list[Declared]]:
    """What is declared in each of the ``homes``; of what is only required, its own needs count."""
    places = [one for one in _homes(tree) if one != project]
    own = [project]
    if places:
        every, tests = projects(tree), [path for path in tree if is_test_path(path)]
        inner = (one for one in places if project_of(every, one) == project)
        own += (one for one in inner if any(path.startswith(f"{one}/") for path in tests))
    known = {place: read_project(tree, [], place) for place in places}
    names = {_name_of(one): place for place in places for one in known[place]} | {"": None}
    found = {home: _read_own(tree, home, ignored) for home in own}
    waiting = [*found]
    for home in waiting if places else ():
        lines = (line for one in found[home] for _, line in one.needs())
        for place in filter(None, (names.get(_required(line)) for line in lines)):
            if place not in found:
                found[place] = [replace(one, wanted=("",)) for one in known[place]]
                waiting.append(place)
    return found


def _read_own(tree: Tree, home: str, ignored: list[Ignored]) -> list[Declared]:
    """What a folder declares, in its lists of requirements too."""
    start = f"{home}/" if home else ""
    inside = (path for path in sorted(tree) if path.startswith(start))
    texts = [path for path in inside if _is_for_tests(path.removeprefix(start))]
    declared = read_project(tree, ignored, home)
    return declared + _read(tree, dict.fromkeys(texts, _from_requirements), ignored)


def _required(line: str) -> str:
    with suppress(InvalidRequirement):
        return canonicalize_name(Requirement(line).name)
    return ""


def _homes(tree: Tree) -> tuple[str, ...]:
    """The folders with files that declare a package, sorted."""
    folders = {path.rpartition("/")[0] for path in tree if path.rpartition("/")[2] in PROJECT_FILES}
    return tuple(sorted(one for one in folders if not is_aside(one)))


def _shared(tree: Tree, project: str) -> list[Declared]:
    """What a folder around a project declares for the tests of all packages in it."""
    around = [one for above in upwards(project)[1:] for one in read_project(tree, [], above)]
    workspaces = (one for one in around if not _name_of(one) or _has_workspace(one))
    return [replace(one, wanted=set(one.wanted) - {""}) for one in workspaces]


def _has_workspace(one: Declared) -> bool:
    return "workspace" in table(one.about, "tool", "uv")


def _normalised(declared: Iterable[Declared], ignored: list[Ignored]) -> dict[str, str]:
    """The lines that tests need; the value of one that only code can ask for is its name.

    Extras of the repository's own packages (``pkg[test]``) are expanded.
    """
    places = {_name_of(one): one.home for one in declared if _name_of(one)}
    extras = [(one.home, *line) for one in declared for line in one.lines if line[0][:1] == "["]
    waiting = [(one.path, *line, False) for one in declared for line in one.needs()]
    seen: set[tuple[str, str, bool]] = set()
    lines: dict[str, str] = {}
    for path, group, line, is_asked in waiting:
        try:
            requirement = Requirement(line)
        except InvalidRequirement as error:
            shown = line if len(line) <= 80 else f"{line[:77]}..."
            ignored.append(Ignored(path, f"{shown}: {_first_line(error)}"))
            continue
        name = requirement.name = canonicalize_name(requirement.name)
        is_spare = is_asked or _is_spare(group.strip("[]"), name)
        if name in places:
            for extra in sorted(f"[{canonicalize_name(one)}]" for one in requirement.extras):
                if (name, extra, is_spare) not in seen:
                    seen.add((name, extra, is_spare))
                    asked = (one for one in extras if one[:2] == (places[name], extra))
                    waiting += [(path, *one[1:], is_spare) for one in asked]
        elif requirement.url is not None:
            ignored.append(Ignored(path, f"{name}: {_FROM_ADDRESS}"))
        else:
            lines[str(requirement)] = lines.get(str(requirement), name) if is_spare else ""
    return lines


def _name_of(declared: Declared) -> str:
    return canonicalize_name(only(str, declared.about.get("name")))


def _is_spare(group: str, name: str) -> bool:
    """Whether a requirement of a group only lints, documents or publishes."""
    is_tool = name in _TOOLS or name.partition("-")[0] in _FAMILIES
    return group in _LINT or (is_tool and not _DEVELOPMENT.isdisjoint(group.split("-")))


def _spoken_of(names: Iterable[str], tree: Tree) -> set[str]:
    """Those that code imports, or names in a string (``run(["mypy", ...])``)."""
    any_of = "|".join(name.replace("-", "[-_]") for name in names)
    if not any_of:
        return set()
    spoken = rf"(?im)^[ \t]*(?:from|import)\s+({any_of})\b|[\"']({any_of})(?=[\"'.\s])"
    paths = (path for path in tree if path.endswith(".py") and not _HELPER.search(path))
    found = chain(*(re.findall(spoken, text_or_empty(tree, path)) for path in paths))
    return set(map(canonicalize_name, chain(*found)))


def _python_range(declared: Iterable[Declared], ignored: list[Ignored]) -> str:
    whole = SpecifierSet()
    for one in declared:
        try:
            whole &= SpecifierSet(only(str, one.about.get("python_requires")))
        except InvalidSpecifier as error:
            ignored.append(Ignored(one.path, f"requires-python: {_first_line(error)}"))
    return str(whole)


_Reader = Callable[[Tree, str, list[str]], Declared]


def _read(tree: Tree, readers: Mapping[str, _Reader], ignored: list[Ignored]) -> list[Declared]:
    declared: list[Declared] = []
    for path, read in readers.items():
        notes: list[str] = []
        try:
            if path in tree:
                declared.append(read(tree, path, notes))
            ignored += [Ignored(path, note) for note in notes]
        except (ValueError, RecursionError, MemoryError) as error:
            ignored.append(Ignored(path, _first_line(error)))
    return declared


def _from_pyproject(tree: Tree, path: str, ignored: list[str]) -> Declared:
    document = tomllib.loads(text_of(tree, path))
    project, tools = table(document, "project"), table(document, "tool")
    poetry, hatch = table(tools, "poetry"), table(tools, "hatch", "envs")
    named = table(document, "dependency-groups")
    if "egbot" in tools and path != "pyproject.toml":
        ignored.append("[tool.egbot] counts at the repository's root only")
    groups: _Groups = [
        ("build-system", table(document, "build-system").get("requires")),
        *named.items(),
        ("dev", _poetry_lines(poetry.get("dev-dependencies"), ignored)),
        ("dev", table(tools, "uv").get("dev-dependencies")),
        *table(tools, "pdm", "dev-dependencies").items(),
    ]
    for name in table(poetry, "group"):
        lines = table(poetry, "group", name).get("dependencies")
        groups.append((name, _poetry_lines(lines, ignored if name in _WANTED else [])))
    for name in hatch:
        group = {"default": "dev", "hatch-test": "test"}.get(name, name)
        for key in ("dependencies", "extra-dependencies"):
            groups.append((group, table(hatch, name).get(key)))
    main = dict(table(poetry, "dependencies"))
    poetry_python = _poetry_constraint("python", only(str, main.pop("python", "")), ignored)
    python = format_python_constraint(poetry_python).removeprefix("*")
    needs = [*strings(project.get("dependencies")), *_poetry_lines(main, ignored)]
    points = {**table(poetry, "plugins"), **table(project, "entry-points")}
    points["console_scripts"] = {**table(poetry, "scripts"), **table(project, "scripts")}
    points["gui_scripts"] = project.get("gui-scripts")
    points = {group: entries for group, entries in points.items() if entries}
    about = {**poetry, **project, "tool": tools, "install_requires": needs, "entry_points": points}
    about["extras_require"] = project.get("optional-dependencies")
    about["python_requires"] = project.get("requires-python") or python
    return Declared(path, about, groups, _included(named, ignored))


def _included(groups: Mapping[str, object], ignored: list[str]) -> tuple[str, ...]:
    """The groups that tests need, with those that they include (PEP 735)."""
    known: dict[str, object] = {canonicalize_name(name): one for name, one in groups.items()}
    wanted = list(_WANTED)
    for name in wanted:
        for one in tables(known.get(name)):
            other = canonicalize_name(only(str, one.get("include-group")))
            if other not in known:
                ignored.append(f"dependency group {other or '?'} does not exist")
            elif other not in wanted:
                wanted.append(other)
    return tuple(wanted)


def _from_setup_cfg(tree: Tree, path: str, _: list[str]) -> Declared:
    found = read_ini(text_of(tree, path))
    about: dict[str, object] = {**found.get("metadata", {}), **found.get("options", {})}
    about |= {key: found.get(f"options.{key}") for key in ("extras_require", "entry_points")}
    about["where"] = found.get("options.packages.find", {}).get("where")
    about["packages_root"] = found.get("files", {}).get("packages_root")  # of pbr
    return Declared(path, about, [])


class _Filled(ast.NodeTransformer):
    """Puts what a module assigns in place of its names."""

    def __init__(self, constants: Mapping[str, ast.expr]) -> None:
        self._constants = constants

    @override
    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return what the name stands for, as it is written."""
        return self._constants.get(node.id, node)


def _from_setup_py(tree: Tree, path: str, ignored: list[str]) -> Declared:
    """Read what ``setup(...)`` is given in so many words; of computed requirements the texts."""
    try:
        with quietly():
            module = ast.parse(text_of(tree, path))
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from error
    assigned = [node for node in module.body if isinstance(node, ast.Assign)]
    constants = {getattr(node.targets[0], "id", ""): node.value for node in assigned}
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    given = [(call.func, one.arg or "", one.value) for call in calls for one in call.keywords]
    parts = [value for _, word, value in given if re.fullmatch(r"\w+_requires?", word)]
    used = {node.id for part in parts for node in ast.walk(part) if isinstance(node, ast.Name)}
    nodes = chain(*map(ast.walk, [*parts, *(constants[name] for name in used & constants.keys())]))
    texts = [str(node.value) for node in nodes if isinstance(node, ast.Constant)]
    names = ("id", "attr")
    setups = [one for one in given if "setup" in [getattr(one[0], name, "") for name in names]]
    arguments = {word: value for _, word, value in setups}
    about: dict[str, object] = {}
    for word in [one for one in _KNOWN["setup"].split() if one in arguments]:
        try:
            about[word] = ast.literal_eval(_Filled(constants).visit(arguments[word]))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            if word == "name" or "require" in word:
                ignored.append(f"{word} is computed, not written out")
    return Declared(path, about, [("setup", texts)])


def _is_for_tests(path: str) -> bool:
    """Whether ``path`` is a requirement file for tests, development or everything."""
    folder, _, name = path.rpartition("/")
    rest = _words(name) - {"requirements"}
    is_listed = name.endswith(".txt") and folder in {"", "requirements", "test", "tests"}
    is_for_tests = not rest or not rest.isdisjoint({*_WANTED, *_DEVELOPMENT, "ci", "base"})
    return is_listed and is_for_tests and _REQUIREMENTS.fullmatch(path) is not None


def _words(path: str) -> set[str]:
    return set(re.split(r"[-_.]+", posixpath.basename(path).lower())[:-1])


def _from_requirements(tree: Tree, path: str, ignored: list[str]) -> Declared:
    """Read a pip requirement file and those of the repository that it includes."""
    groups: _Groups = []
    waiting = [path]
    for here in waiting:
        words = _words(here)
        ends = sorted(words & (_LINT | _DEVELOPMENT)) if words.isdisjoint(_WANTED[1:4]) else []
        for raw in re.sub(r"\\\r?\n", " ", text_of(tree, here)).splitlines():
            line = re.sub(r"(^|\s)#.*$", "", raw).strip()
            include = re.match(r"(?:-r|--requirement)[\s=]*(\S+)$", line)
            if include:
                other = _beside(here, include[1])
                if other not in tree:
                    ignored.append(f"{include[1]} is not in the repository")
                elif other not in waiting:
                    waiting.append(other)
            elif own := _own_package(tree, here, line):
                groups.append((ends[-1] if ends else "", own))
            elif line.startswith(("-", ".", "/")) or "://" in line.partition(";")[0]:
                shown = re.split(r"[\s=]", line)[0] if line.startswith("-") else line
                shown = re.sub(r"//[^/\s]+@", "//***@", shown)[:60]
                ignored.append(f"{shown}: neither options nor addresses are used")
                groups.append(("address", line.partition("#egg=")[2] or line))
            else:
                groups.append((ends[-1] if ends else "", re.sub(r"\s--\S.*$", "", line)))
    return Declared(path, {}, groups, {name for name, _ in groups} - {"address"})


def _beside(path: str, other: str) -> str:
    """The path from the root of what is ``other`` from the folder of ``path``."""
    place = posixpath.normpath(posixpath.join(posixpath.dirname(path), other))
    return "" if place == "." else place


def _own_package(tree: Tree, path: str, line: str) -> str:
    """The requirement (PEP 508) that a line of a pip file is which names a folder of the repository."""
    found = re.fullmatch(
        r"(?:(?:-e|--editable)[\s=]*)?(?:file:(?=\.))?([^\s\[:]+)(\[[^]]*\])?", line
    )
    if found is None or not re.search(r"^-|^\.|/", line):
        return ""
    place = _beside(path, found[1])
    name = next((name for one in read_project(tree, [], place) if (name := _name_of(one))), "")
    return name and f"{name}{found[2] or ''} @ address:"


def _from_uv_lock(whole: Collection[str], tree: Tree, path: str, _: list[str]) -> Declared:
    """Read the versions that uv locked for what the packages in the folders ``whole`` require."""
    packages = tables(tomllib.loads(text_of(tree, path)).get("package"))
    counts = Counter(only(str, one.get("name")) for one in packages)
    versions = {only(str, one.get("name")): only(str, one.get("version")) for one in packages}
    groups: _Groups = []
    for package in packages:
        source = only(dict, package.get("source"))
        folder = only(str, source.get("editable") or source.get("virtual"))
        if not folder or _beside(path, folder) not in whole:
            continue
        further = (table(package, f"{key}-dependencies").items() for key in ("optional", "dev"))
        named = chain([("", package.get("dependencies"))], *further)
        for group, one in ((group, one) for group, several in named for one in tables(several)):
            name, marker = only(str, one.get("name")), only(str, one.get("marker"))
            pin = f"=={versions[name]}" if counts[name] == 1 and versions[name] else ""
            if "source" not in one:
                groups.append((group, name + pin + (f" ; {marker}" if marker else "")))
    return Declared(path, {}, groups)


def _poetry_lines(dependencies: object, ignored: list[str]) -> list[str]:
    """The dependencies of one of poetry's tables in PEP 508."""
    lines = []
    named = only(dict, dependencies).items()
    for name, one in ((name, one) for name, of in named for one in only(list, of) or [of]):
        details = {"version": one} if isinstance(one, str) else only(dict, one)
        extras = ",".join(strings(details.get("extras")))
        is_address = not {"git", "url", "path", "file"}.isdisjoint(details)
        if not details or (is_address and "version" not in details):
            lines.append(f"{name}[{extras}] @ address:")  # the repository's own, or left out
            continue
        versions = _poetry_range(name, only(str, details.get("version")), ignored)
        python = _poetry_constraint(name, only(str, details.get("python")), ignored)
        own, of_python = (
            only(str, details.get("markers")),
            create_nested_marker("python_version", python),
        )
        marker = " and ".join(f"({one})" for one in (own, of_python) if one)
        lines.append(f"{name}[{extras}]{versions}" + (f" ; {marker}" if marker else ""))
    return lines


def _poetry_range(name: str, constraint: str, ignored: list[str]) -> str:
    """A specifier (PEP 440); of alternatives, which it cannot express, the range around them."""
    written = []
    for part in [constraint] if "|" in constraint else constraint.split(","):
        one = _poetry_constraint(name, part, ignored)
        if isinstance(one, constraints.VersionUnion) and "|" in str(one):
            low, high = one.ranges[0], one.ranges[-1]
            one = constraints.VersionRange(low.min, high.max, low.include_min, high.include_max)
        written.append(f"=={one}" if isinstance(one, constraints.Version) else str(one))
    return ",".join(one for one in written if one != "*")


def _poetry_constraint(name: str, text: str, ignored: list[str]) -> constraints.VersionConstraint:
    with suppress(ValueError):
        is_short = len(text) <= _MAX_CONSTRAINT_CHARS
        found = constraints.parse_constraint(text.strip() or "*" if is_short else "")
        if not found.is_empty():
            return found
    ignored.append(f"{name}: {text[:80]!r} is not a version, any version is taken")
    return constraints.VersionRange()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
