"""Owns the reading of a diff's hunks, as a forge gives them for one file of a pull request.

It does not know what the lines say. A patch that cannot be read has no hunks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")


@dataclass(frozen=True, slots=True)
class Hunk:
    """The new side of a hunk: its first line's number (from 1) and its lines without newlines.

    ``lines`` are the context and the additions: what a review comment on the right side can name.
    """

    first_line: int
    lines: tuple[str, ...]

    @property
    def last_line(self) -> int:
        """The last line's number; below ``first_line`` for a hunk that only deletes."""
        return self.first_line + len(self.lines) - 1


def read_hunks(patch: str) -> tuple[Hunk, ...]:
    """The hunks of a patch. One whose lines do not add up to its header is left out.

    Only "\\n" parts lines: carriage returns and the like belong to them.
    """
    found: list[Hunk] = []
    lines = patch.split("\n")
    number = 0
    while number < len(lines):
        header = _HEADER.match(lines[number])
        number += 1
        if header is None:
            continue
        num_old = int(header[2]) if header[2] is not None else 1
        num_new = int(header[4]) if header[4] is not None else 1
        new, number, is_whole = _body(lines, number, num_old, num_new)
        if is_whole:
            found.append(Hunk(int(header[3]), tuple(new)))
    return tuple(found)


def _body(lines: list[str], number: int, num_old: int, num_new: int) -> tuple[list[str], int, bool]:
    """The new side's lines from ``number`` on, where the hunk ends, and whether it is whole."""
    new: list[str] = []
    while number < len(lines) and (num_old > 0 or num_new > 0):
        mark, text = lines[number][:1], lines[number][1:]
        if mark == "\\":
            number += 1
            continue
        if mark not in ("+", "-", " ", ""):
            break
        num_old -= mark != "+"
        num_new -= mark != "-"
        if mark != "-":
            new.append(text)
        number += 1
    return new, number, num_old == 0 and num_new == 0
