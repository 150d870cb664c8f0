"""Owns what a repository says that its tests need. It does not know how that gets installed.

Files are read, never run: ``setup.py`` is looked at as a syntax tree. A file that cannot be read
is left out and named, with the reason. Links, addresses and pip options in requirement files are
left out too: a pull request must not choose where the host downloads from.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from egbot.execution.declared import (
    Declared,
    Lines,
    from_pyproject,
    from_requirements_text,
    from_setup_cfg,
    from_setup_py,
    is_requirements_path,
)
from egbot.execution.hints import from_uv_lock
from egbot.execution.importnames import import_names
from egbot.records import Tree

BUILDER_VERSION = 2
"""Changes whenever environments or images are built in another way: old ones are not reused."""

MAX_FILE_BYTES = 1024 * 1024
_ANY_REQUIREMENTS = re.compile(r"(.*/)?([^/]*requirements[^/]*|requirements/[^/]+)\.(txt|in)")

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
    ``sources`` are the files that said so.
    """

    lines: tuple[str, ...]
    requires_python: str = ""
    sources: tuple[str, ...] = ()
    ignored: tuple[Ignored, ...] = ()

    def digest(self, *salt: str) -> str:
        """Return the SHA-256 (hex) of the lines, the builder's version and ``salt``."""
        parts = [BUILDER_VERSION, sorted(self.lines), list(salt)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def detect(tree: Tree) -> Requirements:
    """Read every dependency file of ``tree``. Never raises on what a file holds."""
    ignored: list[Ignored] = []
    declared = _read(tree, _readers(tree), ignored)
    if not any(map(_asks_for_pytest, declared)):
        declared += _read(tree, [("uv.lock", from_uv_lock)] if "uv.lock" in tree else [], ignored)
    name = next((found.project for found in declared if found.project), "")
    extras: dict[str, tuple[str, ...]] = {}
    for found in declared:
        extras.update(found.extras)
    lines: dict[str, None] = {}
    for found in declared:
        ignored.extend(Ignored(found.path, why) for why in found.ignored)
        kept, spare = _normalised(found, name, extras, ignored)
        lines |= dict.fromkeys([*kept, *_spoken_of(spare, tree)])
    listed = [Requirement(line) for line in lines]
    if not any(one.name == "pytest" and one.marker is None for one in listed):
        lines = {"pytest": None, **lines}
    return Requirements(
        lines=tuple(lines),
        requires_python=_python_range(declared, ignored),
        sources=tuple(sorted(found.path for found in declared if found.requirements)),
        ignored=tuple(ignored),
    )


def declared_imports(tree: Tree) -> frozenset[str]:
    """The import names (lower case) of all that ``tree`` declares, for whatever purpose.

    They are others' to provide, whether or not they are installed. Never raises.
    """
    texts = [path for path in tree if _ANY_REQUIREMENTS.fullmatch(path)]
    readers = {**dict.fromkeys(texts, _following(tree)), **dict(_readers(tree))}
    declared = _read(tree, readers.items(), [])
    names: set[str] = set()
    for found in declared:
        known = (found.requirements, found.spare, found.other, *found.extras.values())
        for line in chain(*known):
            with suppress(InvalidRequirement):
                names.add(canonicalize_name(Requirement(line).name))
    return frozenset(chain(*map(import_names, names - {found.project for found in declared})))


_Reader = Callable[[str, str], Declared]


def _read(
    tree: Tree, readers: Iterable[tuple[str, _Reader]], ignored: list[Ignored]
) -> list[Declared]:
    declared: list[Declared] = []
    for path, read in readers:
        try:
            declared.append(read(path, text_of(tree, path)))
        except (ValueError, RecursionError, MemoryError, tomllib.TOMLDecodeError) as error:
            ignored.append(Ignored(path, _first_line(error)))
    return declared


def _asks_for_pytest(found: Declared) -> bool:
    """Say whether a file tells what the tests run with."""
    return any(re.match(r"pytest(?![\w-])", line, re.IGNORECASE) for line in found.requirements)


def _readers(tree: Tree) -> list[tuple[str, _Reader]]:
    known = {
        "pyproject.toml": from_pyproject,
        "setup.cfg": from_setup_cfg,
        "setup.py": from_setup_py,
    }
    found = [(path, read) for path, read in known.items() if path in tree]
    texts = sorted(path for path in tree if is_requirements_path(path))
    return found + [(path, _following(tree)) for path in texts]


def _following(tree: Tree) -> _Reader:
    """Make a reader of requirement files that follows ``-r other.txt`` inside ``tree``."""

    def include(path: str, name: str) -> str:
        parts: list[str] = []
        for part in (PurePosixPath(path).parent / name).parts:
            if part == "..":
                parts = parts[:-1]
            else:
                parts.append(part)
        return "/".join(parts)

    def read(path: str, text: str) -> Declared:
        waiting, seen = [(path, text)], {path}
        requirements: list[str] = []
        spare: list[str] = []
        others: list[str] = []
        ignored: list[str] = []
        while waiting:
            here, content = waiting.pop()
            found = from_requirements_text(here, content)
            requirements.extend(found.requirements)
            spare.extend(found.spare)
            others.extend(found.other)
            ignored.extend(found.ignored)
            for name in found.includes:
                other = include(here, name)
                if other in tree and other not in seen:
                    seen.add(other)
                    waiting.append((other, text_of(tree, other)))
                elif other not in seen:
                    ignored.append(f"{name} is not in the repository")
        return Declared(
            path, tuple(requirements), tuple(spare), other=tuple(others), ignored=tuple(ignored)
        )

    return read


def text_of(tree: Tree, path: str) -> str:
    """The text of a file that is small and no link. Raises KeyError, ValueError."""
    file = tree[path]
    if file.mode == 0o120000:
        raise ValueError("it is a link")
    if len(file.data) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES} bytes")
    return file.data.decode("utf-8-sig")


def _normalised(
    found: Declared,
    project: str,
    extras: Mapping[str, tuple[str, ...]],
    ignored: list[Ignored],
) -> tuple[list[str], list[str]]:
    """Return both kinds of lines; a project's own extras (``pkg[test]``) are expanded."""
    lines: tuple[list[str], list[str]] = ([], [])
    waiting = [*((one, False) for one in found.requirements), *((one, True) for one in found.spare)]
    seen: set[str] = set()
    for text, is_spare in waiting:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            ignored.append(Ignored(found.path, f"{_shown(text)}: {_first_line(error)}"))
            continue
        name = canonicalize_name(requirement.name)
        if project and name == project:
            for extra in sorted(map(canonicalize_name, requirement.extras)):
                if extra not in seen:
                    seen.add(extra)
                    own = Lines()
                    own.add(extra, extras.get(extra, ()))
                    waiting.extend((one, is_spare) for one in own.requirements)
                    waiting.extend((one, True) for one in own.spare)
        elif requirement.url is not None:
            why = "a requirement from an address is not downloaded"
            ignored.append(Ignored(found.path, f"{requirement.name}: {why}"))
        else:
            requirement.name = name
            lines[is_spare].append(str(requirement))
    return lines


def _spoken_of(lines: Iterable[str], tree: Tree) -> list[str]:
    """Those of ``lines`` that code imports, or names in a string (``run(["mypy", ...])``)."""
    kept: list[str] = []
    texts: list[str] | None = None
    for line in lines:
        if texts is None:
            paths = [path for path in tree if path.endswith(".py") and not _HELPER.search(path)]
            small = [tree[path].data for path in paths if len(tree[path].data) <= MAX_FILE_BYTES]
            texts = [data.decode("utf-8", "replace") for data in small]
        name = Requirement(line).name.replace("-", "[-_]")
        spoken = re.compile(rf"(?im)^[ \t]*(?:from|import)\s+{name}\b|[\"']{name}[\"'.\s]")
        if any(map(spoken.search, texts)):
            kept.append(line)
    return kept


def _python_range(declared: Iterable[Declared], ignored: list[Ignored]) -> str:
    whole = SpecifierSet()
    for found in declared:
        try:
            whole &= SpecifierSet(found.requires_python)
        except InvalidSpecifier as error:
            ignored.append(Ignored(found.path, f"requires-python: {_first_line(error)}"))
    return str(whole)


def _shown(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
