"""Owns the list of failing tests: from runs in a sandbox, and the tests that were asked for.

It knows nothing of why a test fails or of what would mend it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from egbot.errors import UsageError, near
from egbot.nodeids import file_of, names_of
from egbot.records import FAILED, Collection, FailingTest, Fault, TestOutcome, Tree
from egbot.repository import Repository
from egbot.source.text import text_of

MAX_SELECTED = 2000


def failing_tests(
    collection: Collection, outcomes: Iterable[TestOutcome]
) -> tuple[FailingTest, ...]:
    """The modules that could not be collected, then the tests that failed, each once."""
    found: dict[tuple[str, str], FailingTest] = {}
    for error in collection.errors:
        found.setdefault((error.node_id, error.phase), error)
    for outcome in outcomes:
        if outcome.status not in FAILED:
            continue
        fault = outcome.fault or Fault(outcome.status.title(), outcome.output.strip()[-400:])
        made = FailingTest(outcome.node_id, outcome.phase, fault, outcome.status)
        found.setdefault((made.node_id, made.phase), made)
    return tuple(found.values())


def selected_tests(wanted: Iterable[str], tree: Tree) -> tuple[str, ...]:
    """The node ids and paths that a person asked for, checked against the tree, each once.

    A folder stands for itself. Raises UsageError for what the tree does not hold, with the names
    that come near, and for paths that leave the repository.
    """
    found: dict[str, None] = {}
    for spec in wanted:
        if spec.strip():
            found.setdefault(_checked(spec.strip(), tree))
    if len(found) > MAX_SELECTED:
        raise UsageError(
            f"{len(found)} tests were named; at most {MAX_SELECTED} can be",
            hint="name folders or files instead",
        )
    return tuple(found)


def from_root(
    specs: Iterable[str], tree: Tree, root: Path, folders: Iterable[Path]
) -> tuple[str, ...]:
    """Tests or functions (PATH::NAME) that are named from one of ``folders``, by paths in the tree.

    ``root`` is the repository's, without links. The first folder from which a path leads into
    ``tree`` is meant; a path that leads nowhere stays, so that it is told as it was written.
    """
    folders = tuple(folders)
    return tuple(_from_root(spec.strip(), tree, root, folders) for spec in specs)


def within(repository: Repository, tree: Tree, folder: Path) -> Repository:
    """The repository with the folder in it that is meant by a place on the disk."""
    (inside,) = from_root((".",), tree, repository.root, (folder,))
    return repository._replace(folder="" if inside == "." else inside)


def _from_root(spec: str, tree: Tree, root: Path, folders: tuple[Path, ...]) -> str:
    path = file_of(spec)
    if not path or "\\" in path or _has_control(path):
        return spec
    # a link on the way counts by its own name where git has it, else by where it leads
    starts = (os.path.realpath(folder) for folder in (*folders, root))
    ways = (os.path.join(start, path) for start in starts)  # noqa: PTH118  it keeps ..
    found = (place for way in ways for place in (os.path.normpath(way), os.path.realpath(way)))
    inside = [os.path.relpath(one, root) for one in found if Path(one).is_relative_to(root)]
    for place in inside:
        if place in tree or _is_folder(place, tree):
            return place + spec.removeprefix(path)
    is_plain = not path.startswith("/") and ".." not in path.split("/")
    return spec if is_plain or not inside else inside[0] + spec.removeprefix(path)


def _is_folder(path: str, tree: Tree) -> bool:
    return path == "." or any(name.startswith(f"{path}/") for name in tree)


def _checked(spec: str, tree: Tree) -> str:
    path, separator, rest = spec.partition("::")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or _has_control(path):
        raise UsageError(f"{spec!r} does not lie in the repository", hint="give a path inside it")
    clean = str(pure)
    if clean not in tree and (separator or not _is_folder(clean, tree)):
        raise UsageError(f"there is no test file {clean}", hint=near(clean, tree))
    if separator:
        _check_name(clean, rest, tree)
    return f"{clean}{separator}{rest}"


def _check_name(path: str, rest: str, tree: Tree) -> None:
    """A misspelt test is told early; names that are made at run time are given the benefit."""
    name = (names_of(f"{path}::{rest}") or [""])[-1]
    text = text_of(tree[path].data)
    if not name:
        raise UsageError(f"{path}:: names no test", hint="write PATH::test_name")
    if name.isidentifier() and not re.search(rf"\b{re.escape(name)}\b", text):
        names = re.findall(r"(?:def|class)\s+(\w+)", text)
        raise UsageError(f"{path} has no test {name}", hint=near(name, names))


def _has_control(text: str) -> bool:
    return any(ord(character) < 32 for character in text)
