"""Owns the fitting of a text into a forge's limit: whole sections go, nothing is cut in the middle.

It does not know what the sections say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A closed piece of a text. Rank 0 always stays; of the others the highest rank goes first."""

    name: str
    text: str
    rank: int


def num_units(text: str) -> int:
    """The length in UTF-16 code units.

    The forge's documentation says "characters"; code units are never fewer than code points, so
    that a text which fits by this count fits by either.
    """
    return len(text) + sum(char > "\uffff" for char in text)


def fit(parts: Sequence[Part], limit: int, *, else_look: str) -> str:
    """The parts as paragraphs, at most ``limit`` UTF-16 units long.

    Where some had to go, a line in front of the last part names them and says where to look
    (``else_look``, a clause). Raises ValueError when the parts of rank 0 alone are too long.
    """
    kept = [part for part in parts if part.text]
    order = sorted(range(len(kept)), key=lambda number: (kept[number].rank, number))
    units = sum(num_units(part.text) + 2 for part in kept)
    dropped: set[int] = set()
    while True:
        if units <= limit + 1:  # the last part ends with one line break, not two
            text = _joined(kept, dropped, else_look)
            if num_units(text) <= limit:
                return text
        if not order or kept[order[-1]].rank == 0:
            raise ValueError(f"{units} of {limit} characters cannot be left out")
        worst = order.pop()
        dropped.add(worst)
        units -= num_units(kept[worst].text) + 2


def _joined(parts: Sequence[Part], dropped: set[int], else_look: str) -> str:
    texts = [part.text for number, part in enumerate(parts) if number not in dropped]
    if dropped:
        unique = list(dict.fromkeys(parts[number].name for number in sorted(dropped)))
        names = ", ".join(unique) if len(unique) <= 6 else f"{len(dropped)} sections"
        texts.insert(
            max(len(texts) - 1, 0), f"_Left out to keep this short: {names}; {else_look}._"
        )
    return "\n\n".join(texts) + "\n"
