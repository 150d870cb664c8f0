"""Owns where a repository ends on this machine's disk, and which ways lead into it.

It does not know what lies at a path. Folders are compared as the file system knows them, so that
no link, "..", other spelling of a name or mount hides where a way goes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from egbot.errors import UsageError

_MAX_LINKS = 40


def is_below(path: Path, root: Path) -> bool:
    """Does ``path``, or a link that is followed on the way to it, lie in the folder ``root``?

    This is the rule for interpreters: of one below the repository's root, nothing is started on
    the host unless a person named it. What is not there counts by its name.
    """
    return any(_holds(root, hop) for hop in _hops(path))


def refuse_links(path: Path, root: Path) -> None:
    """Raise UsageError when something written to ``path`` would go through a link below ``root``."""
    *links, _ = _hops(path)
    for link in links:
        if _holds(root, link.parent):
            raise UsageError(
                f"{link} is a link of the repository, and egbot writes through none",
                hint="remove it, or name the place that it leads to",
            )


def search_path(root: Path | None = None) -> str:
    """PATH without relative entries, which change with the folder, and those below ``root``."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    kept = [one for one in entries if Path(one).is_absolute()]
    return os.pathsep.join(one for one in kept if root is None or not is_below(Path(one), root))


def _hops(path: Path) -> Iterator[Path]:
    """Every link on the way to ``path``, then the place itself; none has a link before its name."""
    place, waiting, num_links = Path.cwd(), list(reversed(path.parts)), 0
    while waiting:
        part = waiting.pop()
        step = place.parent if part == ".." else place / part
        if part != ".." and num_links < _MAX_LINKS and os.path.islink(step):  # noqa: PTH114  no error
            num_links += 1
            yield step
            waiting += reversed(step.readlink().parts)
        else:
            place = step
    yield place


def _holds(root: Path, place: Path) -> bool:
    home = root.stat()
    for one in (place, *place.parents):
        try:
            if os.path.samestat(home, one.stat()):
                return True
        except (OSError, ValueError):
            continue
    return False
