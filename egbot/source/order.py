"""Owns the order in which targets are written. It knows nothing of how they were found."""

from __future__ import annotations

from collections.abc import Mapping

from egbot.records import Target
from egbot.source.examples import Key
from egbot.source.reach import repository_functions
from egbot.source.symbols import Code


def order_targets(targets: tuple[Target, ...], code: Code) -> tuple[Target, ...]:
    """Put first what makes a test pass soonest; of equals, what others call, then the first found.

    A test that needs only A is served before one that needs A and B.
    """
    by_key = {(target.path, target.qualname): target for target in targets}
    open_needs: dict[str, set[Key]] = {}
    for key, target in by_key.items():
        for test in target.tests:
            open_needs.setdefault(test, set()).add(key)
    callers = _callers(by_key, code)
    waiting = {key: place for place, key in enumerate(by_key)}
    ordered: list[Target] = []
    while waiting:
        best = min(waiting, key=lambda key: _rank(by_key[key], waiting, open_needs, callers))
        del waiting[best]
        ordered.append(by_key[best])
        for test in by_key[best].tests:
            open_needs[test].discard(best)
    return tuple(ordered)


def _rank(
    target: Target,
    waiting: Mapping[Key, int],
    open_needs: Mapping[str, set[Key]],
    callers: Mapping[Key, frozenset[Key]],
) -> tuple[int, int, int, int]:
    key = (target.path, target.qualname)
    sizes = [len(open_needs[test]) for test in target.tests]
    smallest = min(sizes, default=len(waiting) + 1)
    is_called = any(caller in waiting for caller in callers.get(key, frozenset()))
    maker = (key[0], f"{key[1].rpartition('.')[0]}.__init__")
    waits = 1 if maker in waiting and maker != key else 0
    return smallest, waits, 0 if is_called else 1, waiting[key]


def _callers(by_key: Mapping[Key, Target], code: Code) -> dict[Key, frozenset[Key]]:
    """For each target, the other targets that refer to it (parts of them may be written)."""
    refers = {key: repository_functions(code, key) for key in by_key}
    return {
        key: frozenset(other for other, found in refers.items() if key in found and other != key)
        for key in by_key
    }
