"""Owns what a repository declares about itself as a distribution, and what an installer makes of it.

Nothing is built or run: declarations are read, the rest is left out and named. Names, versions and
references come from the repository, so that only what has their exact form becomes part of a file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from egbot.dependencies import (
    Ignored,
    mapping,
    read_ini,
    setup_arguments,
    setup_lines,
    strings,
    table,
    table_lines,
    text_of,
)
from egbot.records import Tree
from egbot.source.modules import package_roots

UNKNOWN_VERSION = "0.0.0"
MAX_NAME_CHARS = 100
MAX_ENTRIES = 1000
MAX_LINE_CHARS = 1000

_ABOUT = {
    "description": "Summary",
    "author": "Author",
    "author_email": "Author-email",
    "license": "License",
    "url": "Home-page",
    "python_requires": "Requires-Python",
}
"""setuptools' words and the fields that they become (core metadata specification)."""

_WORD = re.compile(r"[\w.:/@+-]{1,100}")
_SCRIPT = re.compile(r"(?!python[\d.]*$)\w[\w.+-]{0,99}")
_REFERENCE = re.compile(
    r"([^\W\d]\w*(?:\.[^\W\d]\w*)*)(?:\s*:\s*([^\W\d]\w*(?:\.[^\W\d]\w*)*))?\s*(?:\[[\w,. -]*\])?"
)
_PYTEST_FILES = (
    "conftest.py",
    "pyproject.toml",
    "pytest.ini",
    "pytest.toml",
    "setup.cfg",
    "tox.ini",
)
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
    are the import roots, relative to the repository; ``plugins`` the entry points of its pytest
    plugins, "" for those that the repository has pytest load by itself.
    """

    site: Mapping[str, str]
    scripts: Mapping[str, str]
    roots: tuple[str, ...]
    plugins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Stated:
    """What one file says. ``version`` may be a place: ``attr: a.b``, ``file: VERSION``."""

    name: str = ""
    version: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    points: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def find_project(tree: Tree) -> tuple[Project | None, tuple[Ignored, ...]]:
    """Return the project that ``tree`` declares at its root, if any, and what had to be guessed.

    Never raises on what a file holds.
    """
    stated = _stated(tree)
    try:
        name = canonicalize_name(stated.name[: MAX_NAME_CHARS + 1], validate=True)
    except InvalidName:
        return None, ()
    if len(name) > MAX_NAME_CHARS:
        return None, ()
    notes: tuple[Ignored, ...] = ()
    roots = tuple(one for one in package_roots(tree) if one.isprintable())
    version = find_version(tree, stated.version, name, roots)
    if version is None:
        version = UNKNOWN_VERSION
        why = f"the version of {name} is computed when it is built; {version} stands for it"
        notes = (Ignored(next(path for path in _READERS if path in tree), why),)
    points = _checked_points(stated.points)
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    site = {
        f"{folder}/METADATA": _metadata(stated, version),
        f"{folder}/entry_points.txt": "\n".join(_ini(points)),
        f"{folder}/INSTALLER": "egbot\n",
    }
    site[f"{folder}/RECORD"] = "".join(f"{path},,\n" for path in [*site, f"{folder}/RECORD"])
    commands = points.get("gui_scripts", {}) | points.get("console_scripts", {})
    scripts = {name: text for name, ref in commands.items() if (text := _script(name, ref))}
    plugins = points.get("pytest11", {})
    plugins |= {name: "" for name, ref in plugins.items() if _is_loaded_anyway(tree, name, ref)}
    return Project(site, scripts, roots, plugins), notes


def _is_loaded_anyway(tree: Tree, name: str, reference: str) -> bool:
    """Whether a conftest.py or pytest's settings load a plugin by its module's name.

    They do where the developers do not install the project; pytest refuses to load it twice.
    """
    module = reference.partition(":")[0].strip()
    listed = r"""\bpytest_plugins\b.{0,2000}?["']|(?<![\w-])-p[\s"',=]*"""
    pattern = rf"""(?s)(?:{listed}){re.escape(module)}["'\s]"""
    files = (path for path in tree if path.rpartition("/")[2] in _PYTEST_FILES)
    return name != module and any(re.search(pattern, read_or_empty(tree, path)) for path in files)


def _stated(tree: Tree) -> _Stated:
    """What the files say together: of each thing what the first says that says anything."""
    found: list[_Stated] = []
    for path, read in _READERS.items():
        if path in tree:
            try:
                found.append(read(text_of(tree, path)))
            except (ValueError, RecursionError, MemoryError):
                continue  # whoever reads the dependencies names it
    whole: dict[str, Any] = {
        key: next(filter(None, (getattr(one, key) for one in found)), None)
        for key in _Stated.__slots__
    }
    return _Stated(**{key: value for key, value in whole.items() if value})


# --- the files --------------------------------------------------------------------------------


def _from_pyproject(text: str) -> _Stated:
    document = tomllib.loads(text)
    project, poetry = table(document, "project"), table(document, "tool", "poetry")
    extras = table(project, "optional-dependencies")
    authors = project.get("authors")
    author = next(map(mapping, authors if isinstance(authors, list) else ()), {})
    name, address = _text(author.get("name")), _text(author.get("email"))
    told = {
        **poetry,
        **project,
        "author": "" if address else name,
        "author_email": f"{name} <{address}>" if name and address else address,
        "python_requires": project.get("requires-python"),
    }
    points = {
        **{group: _points(one) for group, one in table(poetry, "plugins").items()},
        **{group: _points(one) for group, one in table(project, "entry-points").items()},
        "console_scripts": _points(poetry.get("scripts")) | _points(project.get("scripts")),
        "gui_scripts": _points(project.get("gui-scripts")),
    }
    return _Stated(
        name=_text(told.get("name")),
        version=_text(told.get("version")) or _computed_at(table(document, "tool")),
        about=_about(told),
        requires=(
            *strings(project.get("dependencies")),
            *table_lines(table(poetry, "dependencies"), []),
        ),
        extras={name: strings(lines) for name, lines in extras.items()},
        points={group: one for group, one in points.items() if one},
    )


def _computed_at(tools: Mapping[str, object]) -> str:
    """Where setuptools, hatch or PDM find the version, in setuptools' words."""
    dynamic = table(tools, "setuptools", "dynamic", "version")
    for key in ("attr", "file"):
        for one in strings(dynamic.get(key)):
            return f"{key}: {one}"
    for tool in ("hatch", "pdm"):
        if path := _text(table(tools, tool, "version").get("path")):
            return f"path: {path}"
    return ""


def _from_setup_cfg(text: str) -> _Stated:
    parser = read_ini(text)

    def section(name: str) -> Mapping[str, str]:
        return parser[name] if parser.has_section(name) else {}

    metadata, options = section("metadata"), section("options")
    return _Stated(
        name=metadata.get("name", ""),
        version=metadata.get("version", ""),
        about=_about({**metadata, **options}),
        requires=setup_lines(options.get("install_requires", "")),
        extras={
            name: setup_lines(lines) for name, lines in section("options.extras_require").items()
        },
        points={group: _points(lines) for group, lines in section("options.entry_points").items()},
    )


def _from_setup_py(text: str) -> _Stated:
    words = ("name", "version", "install_requires", "extras_require", "entry_points", *_ABOUT)
    told, _ = setup_arguments(text, words)
    points = told.get("entry_points")
    if isinstance(points, str):
        points = dict(read_ini(points))
    return _Stated(
        name=_text(told.get("name")),
        version=_text(told.get("version")),
        about=_about(told),
        requires=strings(told.get("install_requires")),
        extras={str(one): strings(of) for one, of in mapping(told.get("extras_require")).items()},
        points={str(group): _points(lines) for group, lines in mapping(points).items()},
    )


_READERS: Mapping[str, Callable[[str], _Stated]] = {
    "pyproject.toml": _from_pyproject,
    "setup.cfg": _from_setup_cfg,
    "setup.py": _from_setup_py,
}


def _about(told: Mapping[str, object]) -> dict[str, str]:
    return {into: text for key, into in _ABOUT.items() if (text := _text(told.get(key)))}


def _points(value: object) -> dict[str, str]:
    """Entry points from a table, or from lines ``name = module:attribute``."""
    if isinstance(value, Mapping):
        # poetry's tables may hold the reference one level deeper
        return {str(k): _text(mapping(one).get("reference", one)) for k, one in value.items()}
    pairs = (line.partition("=") for line in strings(value))
    return {name.strip(): reference.strip() for name, _, reference in pairs}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# --- what is installed ------------------------------------------------------------------------


def _metadata(stated: _Stated, version: str) -> str:
    fields = [("Metadata-Version", "2.1"), ("Name", stated.name.strip()), ("Version", version)]
    fields += [(into, " ".join(text.split())) for into, text in stated.about.items()]
    fields += [("Requires-Dist", line) for line in _required(stated.requires, "")]
    for extra, lines in stated.extras.items():
        if _WORD.fullmatch(extra):
            fields.append(("Provides-Extra", extra))
            fields += [("Requires-Dist", line) for line in _required(lines, extra)]
    kept = fields[:MAX_ENTRIES]
    return "".join(f"{name}: {value[:MAX_LINE_CHARS]}\n" for name, value in kept)


def _required(lines: Iterable[str], extra: str) -> Iterator[str]:
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if extra:
            own = f"({requirement.marker}) and " if requirement.marker else ""
            requirement.marker = Marker(f'{own}extra == "{extra}"')
        yield str(requirement)


def _checked_points(points: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    checked: dict[str, dict[str, str]] = {}
    num_left = MAX_ENTRIES
    for group, entries in points.items():
        for name, reference in entries.items():
            fits = _WORD.fullmatch(group) and _WORD.fullmatch(name)
            if fits and len(reference) <= MAX_LINE_CHARS and _REFERENCE.fullmatch(reference):
                if num_left > 0:
                    checked.setdefault(group, {})[name] = reference
                num_left -= 1
    return checked


def _ini(points: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for group, entries in points.items():
        yield f"[{group}]"
        yield from (f"{name} = {reference}" for name, reference in entries.items())
        yield ""


def _script(name: str, reference: str) -> str:
    found = _REFERENCE.fullmatch(reference)
    if found is None or not found[2] or not _SCRIPT.fullmatch(name):
        return ""
    return _SCRIPT_TEXT.format(module=found[1], name=found[2].partition(".")[0], call=found[2])


# --- the version ---

MAX_VERSION_CHARS = 100
_VERSION_FILES = ("__init__", "_version", "__version__", "version", "__about__", "about")


def find_version(tree: Tree, stated: str, name: str, roots: tuple[str, ...]) -> str | None:
    """The version in its normal form, from where it is said to be or from the package itself.

    ``stated`` is a version, or a place in setuptools' words (``attr: a.b``, ``file: VERSION``;
    ``path: FILE`` has it as ``__version__``); ``name`` is canonical. None where only a build knows.
    """
    kind, _, place = (part.strip() for part in stated.partition(":"))
    candidates = [stated]
    modules = [name.replace("-", "_")]
    if kind == "file":
        candidates = [read_or_empty(tree, place.partition(",")[0].strip())]
    elif kind == "path":
        candidates = [_assigned(read_or_empty(tree, place), "__version__|version|VERSION")]
    elif kind == "attr":
        module, _, attribute = place.rpartition(".")
        modules.insert(0, module.partition(".")[0])
        texts = _texts(tree, roots, (module.replace(".", "/"),), ("", "/__init__"))
        candidates = [_assigned(text, re.escape(attribute)) for text in texts]
    texts = _texts(tree, roots, modules, ("", *(f"/{one}" for one in _VERSION_FILES)))
    candidates += [_assigned(text, "__version__") for text in texts]
    for candidate in filter(None, map(str.strip, candidates)):
        try:
            return str(Version(candidate[:MAX_VERSION_CHARS]))
        except InvalidVersion:
            continue
    return None


def _texts(
    tree: Tree, roots: Iterable[str], modules: Iterable[str], ends: Iterable[str]
) -> list[str]:
    stems = [f"{root}/{module}".lstrip("/") for root in roots for module in modules]
    return [read_or_empty(tree, f"{stem}{end}.py") for stem in stems for end in ends]


def _assigned(text: str, names: str) -> str:
    start = rf"^(?:{names})\s*(?::[^=\n]+)?=\s*(?:\w+\s*=\s*)*"
    found = re.search(rf"{start}([\"'])([^\"'\n]+)\1", text, re.MULTILINE)
    return found[2] if found else ""


def read_or_empty(tree: Tree, path: str) -> str:
    """The text of a file, "" where there is none that can be read."""
    try:
        return text_of(tree, path)
    except (KeyError, ValueError):
        return ""
