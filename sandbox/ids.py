"""Owns tests' ids: taken apart, named to pytest, and matched where they change with every collection.

pytest's command line takes a bracket or ``::`` for a part of a test's id, wherever it stands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

_FILE = re.compile(r"(?s).*?\.\w+(?=::)|.*?(?=::|\Z)")


def file_of(node_id: str) -> str:
    """The path of the file that holds a test; of a path, itself."""
    found = _FILE.match(node_id)
    return found[0] if found else node_id


def function_of(node_id: str) -> str:
    """Return the id without its parameters."""
    path = file_of(node_id)
    return path + node_id[len(path) :].partition("[")[0]


def by_function(node_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the ids in their order, by function."""
    found: dict[str, list[str]] = {}
    for one in node_ids:
        found.setdefault(function_of(one), []).append(one)
    return found


def renamed(node_ids: list[str], known: list[str]) -> list[str]:
    """Return ``node_ids`` by the names that an earlier collection gave them, ``known``.

    An id that is known stays. Of the others of a function the first one is called as the first one
    that is not there any more, and so on; where there are not as many of both, they stay as well.
    """
    if not known:
        return node_ids
    own, names = set(node_ids), set(known)
    gone = by_function(one for one in known if one not in own)
    new = by_function(one for one in node_ids if one not in names)
    found: dict[str, str] = {}
    for function, ids in new.items():
        if len(ids) == len(gone.get(function, ())):
            found.update(zip(ids, gone[function], strict=True))
    return [found.get(one, one) for one in node_ids]


def from_root(folder: str, node_id: str) -> str:
    """Return an id or path that pytest gave in ``folder`` as it is from the repository's root."""
    if not folder:
        return node_id
    path = file_of(node_id)
    return os.path.normpath(os.path.join(folder, path)) + node_id[len(path) :]


def arguments(root: str, folder: str, tests: Iterable[str]) -> list[str]:
    """What to call pytest with in ``folder`` of ``root`` to collect ``tests``, ids or paths.

    For a file that it cannot name this is a folder above.
    """
    return list(dict.fromkeys(_argument(root, folder, test) for test in tests))


def _argument(root: str, folder: str, test: str) -> str:
    path = file_of(test)
    while path and ("[" in path or "::" in path or not os.path.exists(os.path.join(root, path))):
        path = test = os.path.dirname(path)
    near = os.path.relpath(path or os.curdir, folder or os.curdir) + test[len(path) :]
    if near.startswith(".." + os.sep) or near == "..":  # above the project
        near = os.curdir
    # a file whose name begins as an option's is a file
    return os.path.join(os.curdir, near) if near[:1] == "-" else near


def is_below(path: str, tests: Iterable[str]) -> bool:
    """Whether a file holds one of ``tests`` or lies below one; a path may have been cut at ``::``."""
    return any(
        one in (os.curdir, path) or path.startswith((one + "::", one + "/"))
        for one in map(file_of, tests)
    )
