"""Owns where the version of a project that is not installed is written."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.version import InvalidVersion, Version

from egbot.execution.requirements import text_of
from egbot.records import Tree

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
