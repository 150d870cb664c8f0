"""Owns which folders of a repository are projects: what pytest takes for the rootdir of some tests.

It knows files' names and pytest's settings, not what a project needs or provides.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import PurePosixPath

from egbot.nodeids import file_of
from egbot.records import Tree
from egbot.source.settings import read_ini, strings, table, text_or_empty
from egbot.source.testtext import is_test_path

PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
_ALWAYS = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
_SHARED_SETTINGS = ("pyproject.toml", "tox.ini", "setup.cfg")
_OF_PACKAGES = {"project", "build-system", "poetry", "metadata", "options"}
_ASIDE = {"build", "dist", "docs", "node_modules", "site-packages", "third_party", "vendor", "venv"}
_SHARED = ("conftest.py", "__init__.py")
_NONE = 3


def projects(tree: Tree) -> tuple[str, ...]:
    """The folders ("" is the root) that are pytest's rootdir for test files of ``tree``, sorted.

    The nearest folder with settings of pytest counts; where there are none further up either, the
    nearest one with a package's files, then one with a list of requirements. Never empty.
    """
    ranks: dict[str, int] = {}
    for path in tree:
        folder, _, name = path.rpartition("/")
        rank = _rank(tree, path, name)
        if rank < ranks.get(folder, _NONE) and not is_aside(folder):
            ranks[folder] = rank
    roots = [one for one, rank in ranks.items() if not _is_covered(one, rank, ranks)]
    tests = (path for path in tree if path.endswith(".py") and is_test_path(path))
    held = (path for path in tests if path.rpartition("/")[2] not in _SHARED)
    return tuple(sorted({project_of(roots, path) for path in held})) or ("",)


def _is_covered(folder: str, rank: int, ranks: dict[str, int]) -> bool:
    """Whether a folder further up says more of pytest."""
    return any(ranks.get(one, _NONE) < rank for one in upwards(folder)[1:])


def _rank(tree: Tree, path: str, name: str) -> int:
    """0: it holds settings of pytest; 1: it is a package's; 2: it lists requirements; 3: none."""
    if name in _ALWAYS:
        return 0
    if name in _SHARED_SETTINGS:
        sections = _sections(tree, path)
        if "pytest" in sections:
            return 0
        if not _OF_PACKAGES.isdisjoint(sections):
            return 1
        return 2 if name == "pyproject.toml" else _NONE
    is_list = re.fullmatch(r"requirements[\w.-]*\.(txt|in)", name)
    return 1 if name == "setup.py" else 2 if is_list else _NONE


def _sections(tree: Tree, path: str) -> Mapping[str, object]:
    """The sections of a settings file, those of a pyproject's tools too; pytest's is ``pytest``."""
    with suppress(ValueError, RecursionError):
        text = text_or_empty(tree, path)
        if not path.endswith(".toml"):
            return {key.removeprefix("tool:"): one for key, one in read_ini(text).items()}
        document = tomllib.loads(text)
        found = {**document, **table(document, "tool")}
        if "pytest" in found:
            found["pytest"] = {**table(found, "pytest"), **table(found, "pytest", "ini_options")}
        return found
    return {}


def python_paths(tree: Tree, folder: str = "") -> tuple[str, ...]:
    """The folders of the repository that pytest's settings in ``folder`` put on the import path."""
    paths = (posixpath.join(folder, name) for name in (*_ALWAYS, *_SHARED_SETTINGS))
    values = (table(_sections(tree, path), "pytest").get("pythonpath") for path in paths)
    names = [name for value in values for line in strings(value) for name in line.split()]
    places = (posixpath.normpath(posixpath.join(folder, name)) for name in names)
    return tuple("" if one == "." else one for one in places if one[:1] != "/" and one[:2] != "..")


def is_aside(folder: str) -> bool:
    """Whether what lies in a folder belongs to tests, documents or others: an example, a template."""
    parts = folder.split("/") if folder else []
    is_odd = any(part in _ASIDE or part[:1] == "." or "{" in part for part in parts)
    return is_odd or (bool(parts) and is_test_path(f"{folder}/x"))


def upwards(folder: str) -> list[str]:
    """A folder and those around it, up to the root, which is ""."""
    pure = PurePosixPath(folder)
    return ["" if one.name == "" else str(one) for one in (pure, *pure.parents)]


def project_of(folders: Iterable[str], path: str) -> str:
    """The innermost of ``folders`` that is or holds ``path``; "" where none does."""
    held = (one for one in folders if not one or f"{path}/".startswith(f"{one}/"))
    return max(held, key=len, default="")


def chosen(
    tree: Tree, folder: str, tests: Iterable[str], targets: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """The projects that a person means, each with those of ``tests`` that are for it (none: all).

    Tests name theirs. Without any, the projects of ``folder`` are meant, and in the repository's
    root those that hold ``targets`` (PATH::QUALNAME), or all.
    """
    every = projects(tree)
    found: dict[str, tuple[str, ...]] = {}
    for spec in tests:
        for one in _meant(file_of(spec), every) or ("",):
            found[one] = (*found.get(one, ()), spec)
    if found:
        return found
    places = [folder] if folder else map(file_of, targets)
    meant = {one for place in places for one in _meant(place, every)}
    return {one: () for one in every if one in meant or not meant}


def _meant(path: str, every: tuple[str, ...]) -> tuple[str, ...]:
    """The projects below a folder, else the one that holds a folder or file."""
    below = tuple(one for one in every if path == "." or f"{one}/".startswith(f"{path}/"))
    return below or tuple(one for one in every if one == project_of(every, path))
