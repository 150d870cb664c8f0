"""Owns the relation of import names and paths: what a repository provides and where it would go.

It knows nothing of what the modules hold, and it never imports one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from egbot.records import Tree
from egbot.source.settings import read_ini, strings, table, tables, text_or_empty

_TEST_FOLDERS = frozenset({"tests", "test"})
_SETUP_FOLDER = re.compile(r"""package_dir\s*=\s*\{\s*(?:""|'')\s*:\s*["']([^"']+)["']""")
_NOT_PACKAGES = frozenset({"docs", "build", "dist", "node_modules", "venv", "site-packages"})


@dataclass(frozen=True, slots=True)
class Modules:
    """What can be imported from the repository.

    ``roots`` are the folders on the import path ("" is the repository's root). ``paths`` maps a
    dotted name to its file, or for a namespace package to its folder with a closing slash.
    ``own_names`` are the top-level names that the repository provides, or is to provide by its own.
    """

    roots: tuple[str, ...]
    paths: Mapping[str, str]
    own_names: frozenset[str]

    def file_of(self, name: str) -> str | None:
        """The path of the module ``name``, or None when the repository has none of that name."""
        return self.paths.get(name)


def is_test_path(path: str) -> bool:
    """Whether ``path`` belongs to the tests: by its own name or by a folder named tests."""
    pure = PurePosixPath(path)
    stem = pure.name
    if stem == "conftest.py" or re.fullmatch(r"test_.*\.py|.*_test\.py", stem):
        return True
    return any(part in _TEST_FOLDERS for part in pure.parts[:-1])


def read_modules(tree: Tree) -> Modules:
    """Work out the import roots of ``tree`` from its layout and settings, and list its modules."""
    settings = _pyproject(tree)
    roots = _import_roots(tree, settings)
    paths: dict[str, str] = {}
    for root in roots:
        for path in sorted(tree):
            dotted = _dotted(path, root)
            if dotted is not None:
                _add(paths, dotted, path, root)
    project = _normal(_project_name(tree, settings))
    bare = re.sub(r"^(python|py)_|_(python|py)$", "", project)
    held = {name.partition(".")[0] for name, path in paths.items() if not is_test_path(path)}
    return Modules(roots, paths, frozenset({*held, project, bare} - {""}))


def _add(paths: dict[str, str], dotted: str, path: str, root: str) -> None:
    paths.setdefault(dotted, path)
    parts = dotted.split(".")
    prefix = f"{root}/" if root else ""
    for length in range(1, len(parts)):
        package = ".".join(parts[:length])
        folder = f"{prefix}{'/'.join(parts[:length])}/"
        if path.startswith(folder):
            paths.setdefault(package, folder)
    if path.endswith("/__init__.py"):
        # a regular package wins over the namespace package that an earlier file suggested
        folder = path[: -len("__init__.py")]
        if paths[dotted] == folder:
            paths[dotted] = path


def _dotted(path: str, root: str) -> str | None:
    prefix = f"{root}/" if root else ""
    if not path.endswith(".py") or not path.startswith(prefix):
        return None
    parts = path[len(prefix) : -3].split("/")
    if parts[-1] == "__init__":
        parts.pop()
    if not parts or not all(part.isidentifier() for part in parts):
        return None
    if len(parts) > 1 and parts[0] in _NOT_PACKAGES:
        return None
    return ".".join(parts)


# --- settings ---------------------------------------------------------------------------------


def package_roots(tree: Tree) -> tuple[str, ...]:
    """The folders that an editable installation puts on the import path ("" is the root)."""
    return _package_roots(tree, _pyproject(tree))


def _package_roots(tree: Tree, settings: Mapping[str, object]) -> tuple[str, ...]:
    cleaned = map(_clean, _package_folders(tree, settings))
    declared = dict.fromkeys(folder for folder in cleaned if folder is not None)
    is_source = _has_sources(tree) and "src/__init__.py" not in tree
    return tuple(declared) or ("src" if is_source else "",)


def _import_roots(tree: Tree, settings: Mapping[str, object]) -> tuple[str, ...]:
    configured = map(_clean, _python_paths(tree, settings))
    roots = [folder for folder in configured if folder is not None]
    roots += _package_roots(tree, settings)
    roots += ["src"] if _has_sources(tree) else []
    return tuple(dict.fromkeys([*roots, "", *sorted(_test_roots(tree))]))


def _has_sources(tree: Tree) -> bool:
    return any(path.startswith("src/") and path.endswith(".py") for path in tree)


def _clean(folder: str) -> str | None:
    pure = PurePosixPath(folder)
    if pure.is_absolute() or ".." in pure.parts:
        return None
    return "" if str(pure) == "." else str(pure)


def _test_roots(tree: Tree) -> Iterator[str]:
    """Pytest's default import mode puts the first folder without ``__init__.py`` on the path."""
    folders = {
        PurePosixPath(path).parent for path in tree if is_test_path(path) and path.endswith(".py")
    }
    for folder in folders:
        at = folder
        while str(at) != "." and f"{at}/__init__.py" in tree:
            at = at.parent
        yield "" if str(at) == "." else str(at)


def _python_paths(tree: Tree, settings: Mapping[str, object]) -> Iterator[str]:
    for keys in (("tool", "pytest", "ini_options"), ("tool", "pytest")):
        value = table(settings, *keys).get("pythonpath")
        yield from strings(value)
    for path, section in (
        ("pytest.ini", "pytest"),
        (".pytest.ini", "pytest"),
        ("tox.ini", "pytest"),
        ("setup.cfg", "tool:pytest"),
    ):
        yield from _ini_value(tree, path, section, "pythonpath").split()


def _package_folders(tree: Tree, settings: Mapping[str, object]) -> Iterator[str]:
    setuptools = table(settings, "tool", "setuptools")
    yield from strings(table(setuptools, "packages", "find").get("where"))
    yield from strings(table(setuptools, "package-dir").get(""))
    yield from _ini_value(tree, "setup.cfg", "options.packages.find", "where").split()
    folders = _ini_value(tree, "setup.cfg", "options", "package_dir").splitlines()
    yield from (line.partition("=")[2].strip() for line in folders if line.strip().startswith("="))
    yield from _SETUP_FOLDER.findall(text_or_empty(tree, "setup.py"))
    for entry in tables(table(settings, "tool", "poetry").get("packages")):
        yield from strings(entry.get("from"))
    wheel = table(settings, "tool", "hatch", "build", "targets", "wheel")
    yield from (str(PurePosixPath(package).parent) for package in strings(wheel.get("packages")))
    yield from strings(wheel.get("sources"))


def _project_name(tree: Tree, settings: Mapping[str, object]) -> str:
    for keys in (("project",), ("tool", "poetry"), ("tool", "flit", "metadata")):
        name = table(settings, *keys).get("name")
        if isinstance(name, str):
            return name
    match = re.search(r"""\bname\s*=\s*["']([^"']+)["']""", text_or_empty(tree, "setup.py"))
    return _ini_value(tree, "setup.cfg", "metadata", "name") or (match[1] if match else "")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _pyproject(tree: Tree) -> Mapping[str, object]:
    with suppress(tomllib.TOMLDecodeError, RecursionError):
        return tomllib.loads(text_or_empty(tree, "pyproject.toml"))
    return {}


def _ini_value(tree: Tree, path: str, section: str, key: str) -> str:
    with suppress(ValueError):
        return read_ini(text_or_empty(tree, path)).get(section, {}).get(key, "")
    return ""
