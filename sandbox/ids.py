"""Owns the names of tests whose ids change with every collection (addresses, random data, times)."""

from __future__ import annotations

from collections.abc import Iterable


def function_of(node_id: str) -> str:
    """Return the id without its parameters."""
    path, separator, name = node_id.partition("::")
    return path + separator + name.partition("[")[0]


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
