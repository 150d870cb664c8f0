"""Owns the way from test files to stubs: rounds of survey and writing until nothing is missing.

It runs no test and knows no model; what a stub says is inferred in egbot/source.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import stat
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from egbot.dependencies import declared_imports
from egbot.errors import UsageError
from egbot.formatting import formatted, formatter_of
from egbot.nodeids import file_of
from egbot.records import Patch, Tree, TreeFile
from egbot.source.diff import unified_diff
from egbot.source.edit import insert, insert_member, insert_top
from egbot.source.imports import add_imports
from egbot.source.lacking import Lack, lacking, used_files
from egbot.source.modules import is_test_path
from egbot.source.newmodules import Installed, new_modules
from egbot.source.signatures import gather
from egbot.source.skeleton import Skeleton, skeleton
from egbot.source.symbols import Code
from egbot.source.text import SourceSyntaxError

SCHEMA = "egbot.stubs/1"
MAX_ROUNDS = 6
_TOPS = ("constant", "exception", "class")


@dataclass(frozen=True, slots=True)
class StubItem:
    """One thing that was missing, and where the tests use it (PATH:LINE)."""

    path: str
    name: str
    kind: str
    places: tuple[str, ...]


@dataclass(slots=True)
class Stubs:
    """What was missing. ``files`` are the changed and new files; ``problems`` are sentences."""

    items: list[StubItem] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def make_stubs(tree: Tree, tests: Iterable[str], installed: Installed) -> Stubs:
    """Stubs for everything that ``tests`` (paths, folders, node ids) use and the tree lacks.

    Raises UsageError when the tests use nothing of the repository.
    """
    declared = declared_imports(tree)
    code = Code(tree, declared)
    chosen = _chosen_files(tree, tests)
    made = Stubs()
    paths = used_files(code, chosen)
    made.problems += [problem for path in paths if (problem := code.problem(path))]
    new = new_modules(code, paths, installed)
    made.problems += new.problems
    if not new.num_own and not made.problems:
        listed = f" (only {', '.join(new.foreign)})" if new.foreign else ""
        raise UsageError(
            f"the tests import nothing of this repository{listed}: {', '.join(chosen[:3])}",
            hint="give tests that import what is to be written here; a package that is installed "
            "or declared as a dependency is never stubbed",
        )
    files = dict(tree)
    for path, place in new.files.items():
        _create(files, made, path, place)
    _place_names(Code(files, declared), files, made, paths)
    attempted: set[tuple[str, str]] = set()
    for _ in range(MAX_ROUNDS):
        if not _round(Code(files, declared), files, made, paths, attempted):
            break
    made.files = {
        path: file.data for path, file in files.items() if path not in tree or tree[path] != file
    }
    return made


def patches_of(made: Stubs, tree: Tree, root: Path) -> tuple[Patch, ...]:
    """The changes to the files, in the layout of the repository's formatter."""
    command = formatter_of(tree, root)
    patches = []
    for path, data in sorted(made.files.items()):
        old = tree[path].data if path in tree else None
        new = formatted(command, root, path, old or b"", data)
        digest = "" if old is None else hashlib.sha256(old).hexdigest()
        patches.append(Patch(path, digest, unified_diff(path, old, new), ""))
    return tuple(patches)


def check_writable(patches: Iterable[Patch], root: Path) -> None:
    """Refuse before anything is written. Raises UsageError for a read-only file or folder."""
    for patch in patches:
        place = root / patch.path
        while not place.exists():
            place = place.parent
        if not place.stat().st_mode & stat.S_IWUSR:
            raise UsageError(
                f"{place.relative_to(root)} is read-only; no stub was written",
                hint=f"make it writable (chmod u+w {place.relative_to(root)}) and run again",
            )


def installed_place(root: Path) -> Installed:
    """A question for this interpreter: where is a top-level package installed, outside ``root``?"""

    def place(name: str) -> str:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            return ""
        if spec is None:
            return ""
        where = spec.origin or next(iter(spec.submodule_search_locations or ()), "")
        is_ours = (
            where and Path(where).resolve().is_relative_to(root) and "site-packages" not in where
        )
        return "" if is_ours else where

    return place


def stubs_json(made: Stubs, diff: str) -> str:
    """The stubs for machines: one object with ``stubs``, ``problems`` and the ``diff``."""
    value = {
        "schema": SCHEMA,
        "stubs": [asdict(item) for item in made.items],
        "problems": made.problems,
        "diff": diff,
    }
    return json.dumps(value, indent=2)


# --- what is asked for ------------------------------------------------------------------------


def _chosen_files(tree: Tree, tests: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for spec in tests:
        path = file_of(spec)
        if path in tree:
            found.setdefault(path)
            continue
        prefix = "" if path == "." else f"{path}/"
        inside = [p for p in sorted(tree) if p.startswith(prefix) and p.endswith(".py")]
        found.update(dict.fromkeys(p for p in inside if is_test_path(p)))
    if not found:
        raise UsageError(
            "there are no test files", hint="name files or folders that hold test_*.py"
        )
    return tuple(found)


# --- modules ----------------------------------------------------------------------------------


def _create(files: dict[str, TreeFile], made: Stubs, path: str, place: str) -> None:
    if path in files:
        return
    pure = PurePosixPath(path)
    name = pure.parent.name if pure.name == "__init__.py" else pure.stem
    files[path] = TreeFile(f'"""The module {name}, as its tests use it."""\n'.encode())
    made.items.append(StubItem(path, "", "module", (place,)))
    parent = pure.parent
    while str(parent) != "." and pure.name != "__init__.py":
        above = f"{parent}/__init__.py"
        if parent.name == "src" or any(
            other.startswith(f"{parent}/") and other.endswith(".py") and other != path
            for other in files
        ):
            break
        files[above] = TreeFile(f'"""The package {parent.name}."""\n'.encode())
        parent = parent.parent


def _place_names(
    code: Code, files: dict[str, TreeFile], made: Stubs, paths: tuple[str, ...]
) -> None:
    """Modules that are only used by their members; names that a package takes from its modules."""
    found = lacking(code, paths)
    for (path, name), lack in found.items():
        if not path.endswith("__init__.py"):
            continue
        folder = path.removesuffix("__init__.py")
        package = code.modules.names(path)[:1]
        inner = [
            other
            for other, same in found
            if same == name and other != path and other.startswith(folder)
        ]
        if inner and package:
            module = code.modules.names(inner[0])[:1]
            line = f"from {module[0] if module else package[0]} import {name}"
            files[path] = TreeFile(add_imports(files[path].data, (line,)))
            made.items.append(StubItem(path, name, "import", tuple(lack.places)))
        elif _is_module(code, lack):
            _create(files, made, f"{folder}{name}.py", next(iter(lack.places)))
            if not lack.imported and package:
                line = f"from {package[0]} import {name}"
                files[path] = TreeFile(add_imports(files[path].data, (line,)))


def _is_module(code: Code, lack: Lack) -> bool:
    name = lack.key[1]
    plain = name == name.lower() and "." not in name and not name.startswith("__")
    is_standard = not lack.imported and importlib.util.find_spec(name) is not None
    if not plain or not lack.parts or is_standard:
        return False
    found = gather(code, lack.key).uses
    holds_classes = any(part[:1].isupper() and not part.isupper() for part in lack.parts)
    return not found or (holds_classes and {use.role for use in found} == {"value"})


# --- names ------------------------------------------------------------------------------------


def _round(
    code: Code,
    files: dict[str, TreeFile],
    made: Stubs,
    paths: tuple[str, ...],
    attempted: set[tuple[str, str]],
) -> bool:
    """Write a stub for everything that is missing now; False when there was nothing new."""
    found = {k: lack for k, lack in lacking(code, paths).items() if k not in attempted}
    attempted.update(found)
    written: dict[str, list[Skeleton]] = {}
    for key, lack in found.items():
        item = skeleton(code, lack)
        if item.problem:
            made.problems.append(item.problem)
            continue
        written.setdefault(key[0], []).append(item)
        made.items.append(StubItem(*key, item.kind, tuple(lack.places)))
    for path, items in written.items():
        files[path] = TreeFile(_with_all(files[path].data, items, made), files[path].mode)
    return bool(found)


def _with_all(data: bytes, items: list[Skeleton], made: Stubs) -> bytes:
    """The file with all of ``items``: what others may need to stand above them comes first."""
    tops = [item for kind in _TOPS for item in items if item.kind == kind and _is_top(item)]
    blocks = ["".join(item.text for item in tops if item.kind == "constant")]
    blocks += [item.text for item in tops if item.kind != "constant"]
    functions = [item for item in items if item.kind == "function" and _is_top(item)]
    if not _has_code(data):
        blocks += [item.text for item in functions]
        functions = []
    text = "\n\n".join(block for block in blocks if block)
    if text:
        data = _placed(data, items, made, partial(insert_top, data, text))
    for item in (*functions, *(item for item in items if item not in tops and not _is_top(item))):
        data = _placed(data, [item], made, partial(_with_one, data, item))
    for item in items:
        if item.kind == "import":
            data = add_imports(data, (item.text.strip(),))
    return data


def _placed(data: bytes, items: list[Skeleton], made: Stubs, place: Callable[[], bytes]) -> bytes:
    try:
        return place()
    except (SourceSyntaxError, UsageError) as error:
        names = ", ".join(item.key[1] for item in items)
        made.problems.append(f"no stub for {names} fits into {items[0].key[0]}: {error}")
        return data


def _with_one(data: bytes, item: Skeleton) -> bytes:
    name = item.key[1]
    if item.kind in {"function", "method", "property"}:
        return insert(data, name, item.text)
    return insert_member(data, name.rpartition(".")[0], item.text)


def _is_top(item: Skeleton) -> bool:
    return "." not in item.key[1]


def _has_code(data: bytes) -> bool:
    plain = (ast.Import, ast.ImportFrom, ast.Expr)
    return not all(isinstance(node, plain) for node in ast.parse(data).body)
