"""Owns where a function fits a pull request's diff as a suggestion, line for line, or why it does not.

It does not know the words around it, nor who posts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from egbot.forge import ChangedFile
from egbot.publish.hunks import Hunk, read_hunks
from egbot.publish.recheck import Contents, Function

MAX_SUGGESTED_CHARS = 30_000


@dataclass(frozen=True, slots=True)
class Fit:
    """Lines ``first_line`` .. ``last_line`` (both included) of a file become ``lines``."""

    function: Function
    first_line: int
    last_line: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fits:
    """A place in the diff for every function, or ``why_not`` as a clause."""

    fits: tuple[Fit, ...] = ()
    why_not: str = ""


def place_all(
    functions: tuple[Function, ...], contents: Contents, files: tuple[ChangedFile, ...]
) -> Fits:
    """Every function's place in the diff. All of them fit, apart from each other, or none does."""
    patches = {file.path: file.patch for file in files if file.status != "removed"}
    fits: list[Fit] = []
    for function in functions:
        found = place(function, contents, patches)
        if isinstance(found, str):
            return Fits(why_not=f"{function.qualname}: {found}")
        fits.append(found)
    for number, one in enumerate(fits):
        for other in fits[:number]:
            if one.function.path == other.function.path and _touch(one, other):
                return Fits(why_not="two of the functions change the same lines")
    return Fits(tuple(fits))


def place(function: Function, contents: Contents, patches: Mapping[str, str]) -> Fit | str:
    """A function's place in the diff, or why it has none.

    The whole change, imports included, must lie in one hunk on its right side (context counts),
    and the hunk must say what the file says.
    """
    before, after = contents.get(function.path), function.alone
    if before is None or after is None:
        return "the file is new"
    if function.path not in patches:
        return "the diff does not touch its file"
    if b"\r" in before + after:
        return "the file's lines end in carriage returns, which suggestions do not keep"
    try:
        old, new = _lines(before), _lines(after)
    except UnicodeDecodeError:
        return "the file is not UTF-8"
    start, old_end, new_end = _changed(old, new)
    hunks = read_hunks(patches[function.path])
    for first, end in _ranges(start, old_end, len(old)):
        lines = tuple(new[first : new_end + end - old_end])
        if any(_holds(hunk, first, end, old) for hunk in hunks):
            return _whole(before, after, Fit(function, first + 1, end, lines))
    return "its lines are not in the diff"


def _whole(before: bytes, after: bytes, fit: Fit) -> Fit | str:
    """``fit``, unless a suggestion would not carry its text to the letter."""
    num_lines = len(_lines(before))
    if fit.last_line == num_lines and not (before.endswith(b"\n") and after.endswith(b"\n")):
        return "the file's last line has no line break"
    if fit.first_line == 1 and before.startswith(b"\xef\xbb\xbf"):
        return "the file starts with a byte order mark"
    text = "\n".join(fit.lines)
    if (
        len(text) > MAX_SUGGESTED_CHARS
        or not text.replace("\n", "").replace("\t", "").isprintable()
    ):
        return "its text does not survive in a comment"
    return fit


def _lines(data: bytes) -> list[str]:
    lines = data.decode("utf-8").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _changed(old: list[str], new: list[str]) -> tuple[int, int, int]:
    """Where both sides part, and where the differing lines end on the old and the new side."""
    shortest = min(len(old), len(new))
    start = 0
    while start < shortest and old[start] == new[start]:
        start += 1
    tail = 0
    while tail < shortest - start and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return start, len(old) - tail, len(new) - tail


def _ranges(start: int, end: int, num_lines: int) -> list[tuple[int, int]]:
    """Old lines (from 0, end excluded) to replace; a pure insertion takes a neighbour along."""
    if start < end:
        return [(start, end)]
    above = [(start - 1, end)] if start > 0 else []
    below = [(start, end + 1)] if end < num_lines else []
    return above + below


def _holds(hunk: Hunk, first: int, end: int, old: list[str]) -> bool:
    """Whether a hunk shows the old lines ``first`` .. ``end`` (from 0, end excluded) as they are."""
    offset = hunk.first_line - 1
    if first < offset or end > hunk.last_line:
        return False
    return list(hunk.lines[first - offset : end - offset]) == old[first:end]


def _touch(one: Fit, other: Fit) -> bool:
    return one.first_line <= other.last_line and other.first_line <= one.last_line
