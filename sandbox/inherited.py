"""What a forked run must inherit to be like a fresh pytest process, and does not by itself.

It knows the habits of single libraries and nothing of processes.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from typing import Any

_TEXT_STRATEGIES = ("text", "characters", "from_regex", "from_type", "builds", "emails")


class RandomState:
    """The state of ``random``, which a fork seeds anew.

    A test module that seeds it while it is imported relies on what comes next; where nothing
    touched it, every run shall draw other numbers, as every pytest process does.
    """

    def __init__(self) -> None:
        self._before = random.getstate()
        self._kept: Any = None

    def keep(self) -> None:
        """Collection is over: if it seeded or drew, its state is what runs shall have."""
        now = random.getstate()
        self._kept = now if now != self._before else None

    def restore(self) -> None:
        """Put the kept state in place; for the forked process."""
        if self._kept is not None:
            random.setstate(self._kept)


def warm_hypothesis(items: list[Any], modules: Mapping[str, Any]) -> None:
    """Make hypothesis's table of characters where tests ask for text: seconds, else in every run.

    ``items`` are pytest's, ``modules`` those that are imported.
    """
    strategies = modules.get("hypothesis.strategies")
    if strategies is None:
        return
    with contextlib.suppress(Exception):
        given = [item for item in items if item.get_closest_marker("hypothesis")]
        if any(map(_asks_for_text, {str(item.path) for item in given})):
            strategies.text().validate()


def _asks_for_text(path: str) -> bool:
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    return any(word + "(" in text for word in _TEXT_STRATEGIES)
