"""Owns what the project under test is as an installed distribution, made from what it declares.

Names, versions and references come from the repository: only what has their exact form becomes
part of a file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from egbot.dependencies import Declared, Ignored, homes, read_project
from egbot.records import Tree
from egbot.rootdirs import python_paths, upwards
from egbot.source.settings import only, read_ini, strings, table, tables, text_or_empty
from egbot.source.testtext import is_test_path

UNKNOWN_VERSION = "0.0.0"
MAX_NAME_CHARS = MAX_VERSION_CHARS = 100
MAX_ENTRIES = MAX_LINE_CHARS = 1000

_FIELDS = {
    "description": "Summary",
    "author": "Author",
    "author_email": "Author-email",
    "license": "License",
    "url": "Home-page",
    "python_requires": "Requires-Python",
}
"""setuptools' words and the fields that they become (core metadata specification)."""

_WORD = re.compile(r"[\w.:/@+-]{1,100}")
_OWN = re.compile(r"|\[[\w.-]{1,100}\]")
"""The groups of requirements that an installed project has: its own, and each extra's."""
_SCRIPT = re.compile(r"(?!python[\d.]*$)\w[\w.+-]{0,99}")
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_REFERENCE = re.compile(rf"({_DOTTED})(?:\s*:\s*({_DOTTED}))?\s*(?:\[[\w,. -]*\])?")
_PYTEST_FILE = re.compile(
    r"(.*/)?(conftest\.py|(pyproject|pytest)\.toml|(pytest|tox)\.ini|setup\.cfg)"
)
_VERSION_FILES = ("/__init__", "/_version", "/__version__", "/version", "/__about__", "/about")
_SCRIPT_TEXT = """\
#!python
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.exit({call}())
"""


@dataclass(frozen=True, slots=True)
class Project:
    """The project under test as it is installed.

    ``site`` maps paths below the folder of installed packages to texts; ``scripts`` are the
    texts of its commands by name, for a Python that the line ``#!python`` stands for; ``roots``
    are the import roots, relative to the repository, and ``packages`` the folders of packages that
    stand there under another name; ``plugins`` the entry points of its pytest plugins, "" for those
    that the repository has pytest load by itself.
    """

    site: Mapping[str, str]
    scripts: Mapping[str, str]
    roots: tuple[str, ...]
    packages: Mapping[str, str]
    plugins: Mapping[str, str]


def find_project(tree: Tree, project: str = "") -> tuple[Project | None, tuple[Ignored, ...]]:
    """Return what is installed for one project's tests, if anything, and what had to be guessed.

    That is the project in a folder of ``tree``, with packages of the repository that it requires.
    Never raises on what a file holds.
    """
    found = [(home, *_installed(tree, home)) for home in homes(tree, project)]
    notes = tuple(note for _, _, some in found for note in some)
    parts = [(home, one) for home, one, _ in found if one is not None]
    if not parts:
        return None, notes
    whole = Project({}, {}, (), {}, {})
    for home, one in parts:
        start = f"{home}/" if home else ""
        roots = (f"{start}{root}".rstrip("/") for root in one.roots)
        whole = Project(
            {**one.site, **whole.site},
            {**one.scripts, **whole.scripts},
            tuple(dict.fromkeys((*whole.roots, *roots))),
            {**{name: start + at for name, at in one.packages.items()}, **whole.packages},
            {**one.plugins, **whole.plugins},
        )
    return whole, notes


def own_names(tree: Tree, project: str = "") -> frozenset[str]:
    """The top-level import names that one project's packages have, or are to have by its name."""
    names: set[str] = set()
    for home in homes(tree, project):
        inside = _below(tree, home)
        declared = read_project(inside, [])
        roots, packages = _roots(inside, declared)
        tests = {path for path in inside if path.endswith(".py") and is_test_path(path)}
        every = {
            "",
            "src",
            *roots,
            *python_paths(inside),
            *(_test_root(one, inside) for one in tests),
        }
        for path in (path for path in inside if path.endswith(".py") and path not in tests):
            held = (path.removeprefix(f"{root}/") for root in every if path.startswith(f"{root}/"))
            names.update(one.partition("/")[0].removesuffix(".py") for one in (path, *held))
        called = [
            re.sub(r"[-_.]+", "_", only(str, one.about.get("name"))).lower() for one in declared
        ]
        names.update(
            called, packages, (re.sub(r"^(python|py)_|_(python|py)$", "", one) for one in called)
        )
    return frozenset(name for name in names if name.isidentifier())


def source_root(tree: Tree, project: str = "") -> str:
    """The folder that a new top-level module of a project goes to."""
    inside = _below(tree, project)
    sources = [path for path in inside if path.endswith(".py") and not is_test_path(path)]
    roots = (*_roots(inside, read_project(inside, []))[0], *python_paths(inside))
    used = (one for one in roots if one and any(path.startswith(f"{one}/") for path in sources))
    # where nothing is written yet, what the settings name is where it will be looked for
    named = (one for one in roots if one and not sources and not is_test_path(f"{one}/new.py"))
    return posixpath.join(project, next(chain(used, named), roots[0])).rstrip("/")


def _test_root(path: str, tree: Tree) -> str:
    """The folder that pytest puts on the import path for a test: the first without ``__init__.py``."""
    return next(one for one in upwards(path)[1:] if posixpath.join(one, "__init__.py") not in tree)


def _below(tree: Tree, folder: str) -> Tree:
    """What a folder holds, by the paths from there."""
    start = f"{folder}/" if folder else ""
    inside = ((path, file) for path, file in tree.items() if path.startswith(start))
    return {path.removeprefix(start): file for path, file in inside} if folder else tree


def _installed(whole: Tree, home: str) -> tuple[Project | None, tuple[Ignored, ...]]:
    """The package that is declared in one folder, with paths from there."""
    tree = _below(whole, home)
    declared = read_project(tree, [])  # whoever reads the dependencies names what is left out
    roots, packages = _roots(tree, declared)
    about = {word: value for one in reversed(declared) for word, value in _about(one).items()}
    name = ""
    with suppress(InvalidName):
        name = canonicalize_name(only(str, about.get("name"))[: MAX_NAME_CHARS + 1], validate=True)
    if not 0 < len(name) <= MAX_NAME_CHARS:
        is_plain = not declared or (roots == ("",) and not packages)
        return None if is_plain else Project({}, {}, roots, packages, {}), ()
    notes: tuple[Ignored, ...] = ()
    version = _find_version(tree, only(str, about.get("version")), name, roots)
    if version is None:
        version = UNKNOWN_VERSION
        why = f"the version of {name} is computed when it is built; {version} stands for it"
        notes = (Ignored(posixpath.join(home, declared[0].path), why),)
    points = _checked_points(about.get("entry_points"))
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    site = {
        f"{folder}/METADATA": _metadata(about, version),
        f"{folder}/entry_points.txt": "\n".join(map(_section, points, points.values())),
        f"{folder}/INSTALLER": "egbot\n",
    }
    site[f"{folder}/RECORD"] = "".join(f"{path},,\n" for path in [*site, f"{folder}/RECORD"])
    commands = points.get("gui_scripts", {}) | points.get("console_scripts", {})
    scripts = {name: script for name, ref in commands.items() if (script := _script(name, ref))}
    plugins = points.get("pytest11", {})
    plugins |= {name: "" for name, ref in plugins.items() if _is_loaded_anyway(whole, name, ref)}
    return Project(site, scripts, roots, packages, plugins), notes


def _roots(tree: Tree, declared: list[Declared]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The folders on the import path, and packages that stand in one of another name."""
    roots, packages = dict[str, None](), dict[str, str]()
    for name, place in chain(*map(_places, declared)):
        folder = "" if (one := posixpath.normpath(place or ".")) == "." else one
        tail = name.replace(".", "/")
        if folder[:1] == "/" or folder[:2] == ".." or not folder.isprintable():
            continue
        if not name or f"/{folder}".endswith(f"/{tail}"):
            roots.setdefault(folder.removesuffix(tail).rstrip("/"))
        elif re.fullmatch(_DOTTED, name):
            packages[name] = folder
    is_source = "src/__init__.py" not in tree and any(re.match(r"src/.*\.py$", one) for one in tree)
    return tuple(roots) or ("src" if is_source else "",), packages


def _places(one: Declared) -> Iterator[tuple[str, str]]:
    """Where a file says that packages stand, by import name; "" is for all that have no own entry."""
    tools = only(dict, one.about.get("tool"))
    setuptools, hatch = table(tools, "setuptools"), table(tools, "hatch", "build")
    wheel = {**hatch, **table(hatch, "targets", "wheel")}
    scikit = table(tools, "scikit-build", "wheel").get("packages")
    yield from _entries(one.about.get("package_dir"))
    yield from _entries(setuptools.get("package-dir"))
    yield from _entries(only(dict, scikit))
    for source, name in only(dict, wheel.get("sources")).items():
        yield only(str, name).strip("/").replace("/", "."), source.rstrip("/")
    for folder in strings(wheel.get("packages")) + strings(scikit):
        yield posixpath.basename(folder.rstrip("/")), folder
    roots = [one.about.get("where"), table(setuptools, "packages", "find").get("where")]
    roots += [wheel.get("sources"), wheel.get("dev-mode-dirs"), one.about.get("packages_root")]
    roots += [
        table(tools, "pdm", "build").get("package-dir"),
        table(tools, "maturin").get("python-source"),
    ]
    roots += [table(tools, "uv", "build-backend").get("module-root")]
    roots += [entry.get("from") for entry in tables(table(tools, "poetry").get("packages"))]
    yield from (("", root) for root in chain(*map(strings, roots)))


def _is_loaded_anyway(tree: Tree, name: str, reference: str) -> bool:
    """Whether a conftest.py or pytest's settings load a plugin by its module's name.

    They do where the developers do not install the project; pytest refuses to load it twice.
    """
    module = reference.partition(":")[0].strip()
    listing = r"""\bpytest_plugins\b.{0,2000}?["']|(?<![\w-])-p[\s"',=]*"""
    pattern = rf"""(?s)(?:{listing}){re.escape(module)}["'\s]"""
    files = filter(_PYTEST_FILE.fullmatch, tree)
    return name != module and any(re.search(pattern, text_or_empty(tree, path)) for path in files)


def _about(declared: Declared) -> dict[str, Any]:
    """What a file says of the project in setuptools' words, where it says anything."""
    about = {**declared.about, "lines": [one for one in declared.lines if _OWN.fullmatch(one[0])]}
    person = next(iter(tables(about.get("authors"))), {})
    author, address = only(str, person.get("name")), only(str, person.get("email"))
    if address:
        author, about["author_email"] = "", f"{author} <{address}>" if author else address
    about["author"] = author or about.get("author")
    tools = only(dict, about.get("tool"))
    dynamic = table(tools, "setuptools", "dynamic", "version")
    places = [f"{key}: {one}" for key in ("attr", "file") for one in strings(dynamic.get(key))]
    paths = (table(tools, tool, "version").get("path") for tool in ("hatch", "pdm"))
    places += [f"path: {path}" for path in paths if path]
    about["version"] = only(str, about.get("version")) or next(iter(places), "")
    return {word: value for word, value in about.items() if value}


def _find_version(tree: Tree, stated: str, name: str, roots: tuple[str, ...]) -> str | None:
    """The version in its normal form, from where it is said to be or from the package itself.

    ``stated`` is a version, or a place (``attr: a.b``, ``file: VERSION``; ``path: FILE`` has it as
    ``__version__``). None where only a build knows.
    """
    kind, _, place = (part.strip() for part in stated.partition(":"))
    candidates, packages = [stated], [name.replace("-", "_")]
    if kind == "file":
        candidates.append(text_or_empty(tree, place.partition(",")[0].strip()))
    elif kind == "path":
        candidates.append(_assigned(tree, place, "__version__|version|VERSION"))
    elif kind == "attr":
        module, _, attribute = place.rpartition(".")
        packages.insert(0, module.partition(".")[0])
        stems = [f"{root}/{module.replace('.', '/')}" for root in roots]
        files = [f"{stem}{end}.py" for stem in stems for end in ("", "/__init__")]
        candidates += [_assigned(tree, file, re.escape(attribute)) for file in files]
    stems = [f"{root}/{package}" for root in roots for package in packages]
    files = [f"{stem}{end}.py" for stem in stems for end in ("", *_VERSION_FILES)]
    candidates += [_assigned(tree, file, "__version__") for file in files]
    for candidate in filter(None, map(str.strip, candidates)):
        with suppress(InvalidVersion):
            return str(Version(candidate[:MAX_VERSION_CHARS]))
    return None


def _assigned(tree: Tree, path: str, names: str) -> str:
    """The text that a module assigns to one of ``names``, "" where there is none."""
    start = rf"^(?:{names})\s*(?::[^=\n]+)?=\s*(?:\w+\s*=\s*)*"
    text = text_or_empty(tree, path.lstrip("/"))
    found = re.search(rf"{start}([\"'])([^\"'\n]+)\1", text, re.MULTILINE)
    return found[2] if found else ""


def _metadata(about: Mapping[str, Any], version: str) -> str:
    fields = [("Metadata-Version", "2.1"), ("Name", about["name"]), ("Version", version)]
    fields += [(into, only(str, about.get(word))) for word, into in _FIELDS.items()]
    extras = [f"[{canonicalize_name(one)}]" for one in only(dict, about.get("extras_require"))]
    fields += [("Provides-Extra", one.strip("[]")) for one in extras if _OWN.fullmatch(one)]
    for group, line in about.get("lines", ()):
        extra = group.strip("[]")
        with suppress(InvalidRequirement):
            requirement = Requirement(line)
            if extra:
                own = f"({requirement.marker}) and " if requirement.marker else ""
                requirement.marker = Marker(f'{own}extra == "{extra}"')
            fields.append(("Requires-Dist", str(requirement)))
    kept = dict.fromkeys((name, " ".join(value.split())[:MAX_LINE_CHARS]) for name, value in fields)
    return "".join(f"{name}: {value}\n" for name, value in [*kept][:MAX_ENTRIES] if value)


def _checked_points(value: object) -> dict[str, dict[str, str]]:
    """The entry points by group, from tables or from lines ``name = module:attribute``."""
    groups: Mapping[str, object] = {}
    with suppress(ValueError):
        groups = read_ini(value) if isinstance(value, str) else only(dict, value)
    found = ((str(group), *one) for group, entries in groups.items() for one in _entries(entries))
    checks = (_WORD, _WORD, _REFERENCE)
    short = (point for point in found if len(point[2]) <= MAX_LINE_CHARS)
    fitting = (one for one in short if all(map(re.Pattern.fullmatch, checks, one)))
    checked: dict[str, dict[str, str]] = {}
    for group, name, reference in islice(fitting, MAX_ENTRIES):
        checked.setdefault(group, {})[name] = reference
    return checked


def _entries(value: object) -> Iterator[tuple[str, str]]:
    for line in strings(value):
        name, _, reference = line.partition("=")
        yield name.strip(), reference.strip()
    for key, one in only(dict, value).items():
        # poetry's tables may hold the reference one level deeper
        yield str(key), only(str, only(dict, one).get("reference", one))


def _section(group: str, entries: Mapping[str, str]) -> str:
    return "\n".join([f"[{group}]", *(f"{name} = {entries[name]}" for name in entries), ""])


def _script(name: str, reference: str) -> str:
    found = _REFERENCE.fullmatch(reference)
    if found is None or not found[2] or not _SCRIPT.fullmatch(name):
        return ""
    return _SCRIPT_TEXT.format(module=found[1], name=found[2].partition(".")[0], call=found[2])
