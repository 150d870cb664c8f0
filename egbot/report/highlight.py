"""Python source and diffs cut into coloured pieces. It does not know how a piece is drawn.

The cutter never fails: text that is no Python at all comes out in plain pieces.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator

Piece = tuple[str, str]
"""A class (``k`` keyword, ``s`` string, ``c`` comment, ``n`` number, ``f`` name, "") and text."""

_PATTERN = r"""
(?P<s>(?:[rRbBuUfF]{0,2})(?:\"\"\"[\s\S]*?(?:\"\"\"|\Z)|'''[\s\S]*?(?:'''|\Z)
     |"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))
|(?P<c>\#[^\n]*)
|(?P<n>\b\d[\w.]*)
|(?P<w>[^\W\d]\w*)
|(?P<o>[^\w"'\#]+|[\s\S])
"""


def python_lines(code: str) -> list[list[Piece]]:
    """The lines of ``code`` as pieces; joined, the pieces are the code without its line breaks."""
    lines: list[list[Piece]] = [[]]
    for kind, text in _pieces(code):
        first, *more = text.split("\n")
        if first:
            lines[-1].append((kind, first))
        lines.extend([(kind, part)] if part else [] for part in more)
    return lines[:-1] if lines[-1] == [] else lines


def _pieces(code: str) -> Iterator[Piece]:
    before = ""
    for found in re.finditer(_PATTERN, code, re.VERBOSE):
        kind, text = found.lastgroup or "", found.group()
        if kind == "w":
            kind = "k" if keyword.iskeyword(text) else "f" if before in ("def", "class") else ""
        yield "" if kind == "o" else kind, text
        if not text.isspace():
            before = text


def diff_lines(diff: str) -> list[Piece]:
    """The lines of a unified diff with a class each: ``add``, ``del``, ``hunk``, ``file`` or ""."""
    found = []
    in_hunk = False
    for line in diff.split("\n"):
        kind = ""
        if line.startswith("@@"):
            kind, in_hunk = "hunk", True
        elif not in_hunk and line:
            kind = "file"
        elif in_hunk and line[:1] in ("+", "-"):
            kind = "add" if line[0] == "+" else "del"
        found.append((kind, line))
    return found[:-1] if found and found[-1][1] == "" else found
