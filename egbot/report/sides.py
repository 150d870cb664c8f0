"""The two sides of a failed comparison, cut into what is the same and what is not.

It does not know what the values mean: both are text.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

Pieces = list[tuple[str, str]]
"""(kind, text): kind is "differs" or ""; joined, the texts are the side."""

_MAX_TOKENS = 400
_TOKEN = re.compile(r"\w+|\s+|.", re.DOTALL)


def sides(left: str, right: str) -> tuple[Pieces, Pieces]:
    """Both sides in pieces. Sides of more than 400 words and signs are compared as wholes."""
    a, b = _TOKEN.findall(left), _TOKEN.findall(right)
    if max(len(a), len(b)) > _MAX_TOKENS:
        kind = "differs" if left != right else ""
        return [(kind, left)], [(kind, right)]
    found_a: Pieces = []
    found_b: Pieces = []
    for tag, a_from, a_to, b_from, b_to in SequenceMatcher(None, a, b, False).get_opcodes():
        kind = "" if tag == "equal" else "differs"
        if a_to > a_from:
            found_a.append((kind, "".join(a[a_from:a_to])))
        if b_to > b_from:
            found_b.append((kind, "".join(b[b_from:b_to])))
    return found_a, found_b
