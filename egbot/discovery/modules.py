"""Owns missing modules: which are the repository's to have, and where their files are to lie."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from egbot.records import Probe, Tree

_PATH = "name its folder in pythonpath of pytest's settings"


def missing_modules(
    asked: Iterable[str], tree: Tree, probe: Probe, there: Mapping[str, str], *, is_bold: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The files of missing modules by their dotted names, and problems as sentences.

    Those are the repository's that belong to packages ``there`` (files by names), that it provides,
    that a test file is named after, or all for who asks ``is_bold``.
    """
    ours = _ours(asked, tree, probe, there, is_bold=is_bold)
    found: dict[str, str] = {}
    problems: dict[str, None] = {}
    for name in sorted(ours, key=lambda one: one.count(".")):
        parent, _, last = name.rpartition(".")
        is_package = any(one.startswith(f"{name}.") for one in ours)
        folder = _folder(name, {**there, **found}, probe.root)
        single, package = f"{folder}{last}.py", f"{folder}{last}/__init__.py"
        if other := "" if parent else _elsewhere(name, tree, probe):
            problems[f"{name} lies in {other}, which is not on the import path: {_PATH}"] = None
        elif folder is None:
            problems[f"{name} cannot be a module: {parent} is none"] = None
        elif single in tree and is_package:
            problems[f"{name} is the module {single}, no package"] = None
        elif single not in tree and package not in tree:
            is_package = is_package or has_files(f"{folder}{last}/", tree)
            found[name] = package if is_package else single
    return found, tuple(problems)


def _ours(
    asked: Iterable[str], tree: Tree, probe: Probe, there: Iterable[str], *, is_bold: bool
) -> tuple[str, ...]:
    stems = {PurePosixPath(path).stem for path in probe.test_paths}
    known = {*there, *probe.own, *(path.partition("/")[0] for path in tree if "/" in path)}

    def is_ours(name: str) -> bool:
        top = name.partition(".")[0]
        if not is_dotted(name) or top in sys.stdlib_module_names or top.lower() in probe.declared:
            return False
        is_named = not stems.isdisjoint({f"test_{top}", f"{top}_test", f"tests_{top}"})
        return is_bold or is_named or top in known

    return tuple(filter(is_ours, dict.fromkeys(asked)))


def _folder(name: str, files: Mapping[str, str], root: str) -> str | None:
    """Where the module goes: into its package, or into the folder of the repository's packages."""
    parent = name.rpartition(".")[0]
    if not parent:
        return f"{root}/" if root else ""
    path = files.get(parent)
    if path is not None:
        return path.removesuffix("__init__.py") if path.endswith("__init__.py") else None
    above = _folder(parent, files, root)  # a package without a file of its own
    return None if above is None else f"{above}{parent.rpartition('.')[2]}/"


def _elsewhere(top: str, tree: Tree, probe: Probe) -> str:
    """Where the tree has a package or module of a name that nothing imports, "" for nowhere."""
    wanted = re.compile(rf"(.*/)?{re.escape(top)}(\.py|/__init__\.py)")
    tests = set(probe.test_paths)
    return next((path for path in tree if path not in tests and wanted.fullmatch(path)), "")


def is_kept_back(path: str, ignored: Iterable[str]) -> bool:
    """Whether a module is among paths that the snapshot does not reach (folders with a / at the end)."""
    stem = path.removesuffix(".py").removesuffix("/__init__")
    return any(
        one.startswith((f"{stem}.", f"{stem}/")) or (one[-1] == "/" and path.startswith(one))
        for one in ignored
    )


def has_files(folder: str, tree: Tree) -> bool:
    """Whether a path is a folder of the tree."""
    return folder[-1:] == "/" and any(path.startswith(folder) for path in tree)


def is_dotted(name: str) -> bool:
    """Whether a stranger's word is a name, or names with dots between them."""
    parts = name.split(".")
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)
