"""Owns the text of a patch: git's unified diff of one file. It does not know who applies it."""

from __future__ import annotations

import base64
import difflib
import hashlib
import io
import zlib
from collections import Counter
from collections.abc import Iterator

_CONTEXT_LINES = 3
_MAX_PAIRS = 1_000_000  # of equal lines, one of each side: difflib looks at them many times
_BINARY_LINE_BYTES = 52  # what git puts on one line of a binary patch
_PLAIN = frozenset(range(0x20, 0x7F)) - {ord('"'), ord("\\")}
_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}


def unified_diff(path: str, before: bytes | None, after: bytes, *, mode: int = 0o100644) -> str:
    """The patch that turns ``before`` (None: no such file) into ``after``; "" if they are equal.

    ``git apply`` takes its UTF-8 bytes. A file that is not UTF-8 becomes one of git's binary
    patches, since its bytes would not survive in text. ``mode`` is the new file's, in git's form.
    """
    if before == after:
        return ""
    old, new = quoted_path("a/" + path), quoted_path("b/" + path)
    head = f"diff --git {old} {new}\n"
    if before is None:
        head += f"new file mode {mode:06o}\n"
    try:
        old_text, new_text = (before or b"").decode(), after.decode()
    except UnicodeDecodeError:
        old_text = new_text = "\0"
    if "\0" in old_text or "\0" in new_text:
        return head + _binary_patch(before, after, mode)
    if not after and before is None:
        return head + f"index {'0' * 40}..{_object_id(b'')}\n"
    tab = "\t" if " " in path else ""  # so that a reader finds the end of the name, as git does
    source = "/dev/null" if before is None else old + tab
    lines = [list(io.StringIO(text, newline="\n")) for text in (old_text, new_text)]
    marked = patch_lines(lines[0], lines[1], source, new + tab)
    no_end = "\n\\ No newline at end of file\n"
    return head + "".join(line if line[-1] == "\n" else line + no_end for line in marked)


def quoted_path(path: str) -> str:
    """A path as git writes it with ``core.quotePath``: in quotes and escaped where needed."""
    quoted = "".join(map(_quoted_byte, path.encode("utf-8", "surrogateescape")))
    return path if quoted == path else f'"{quoted}"'


def _quoted_byte(byte: int) -> str:
    if byte in _PLAIN:
        return chr(byte)
    return "\\" + _ESCAPES.get(byte, f"{byte:03o}")


def patch_lines(old: list[str], new: list[str], source: str, target: str) -> Iterator[str]:
    """The lines of a patch from ``old`` to ``new``, with the names of both.

    Where the sides have too much in common for difflib, all but their shared ends is one change.
    """
    numbers, others = Counter(old), Counter(new)
    popular = 1 + len(new) // 100  # difflib leaves out what is so frequent
    common = ((number, others[line]) for line, number in numbers.items() if line in others)
    if sum(number * other for number, other in common if other <= popular) <= _MAX_PAIRS:
        yield from difflib.unified_diff(old, new, source, target, n=_CONTEXT_LINES)
        return
    above = _num_shared(old, new)
    below = _num_shared(old[above:][::-1], new[above:][::-1])
    first, last = max(0, above - _CONTEXT_LINES), max(0, below - _CONTEXT_LINES)
    sizes = [len(side) - last - first for side in (old, new)]
    yield f"--- {source}\n"
    yield f"+++ {target}\n"
    yield f"@@ -{first + 1},{sizes[0]} +{first + 1},{sizes[1]} @@\n"
    yield from (f" {line}" for line in old[first:above])
    yield from (f"-{line}" for line in old[above : len(old) - below])
    yield from (f"+{line}" for line in new[above : len(new) - below])
    yield from (f" {line}" for line in old[len(old) - below : len(old) - last])


def _num_shared(old: list[str], new: list[str]) -> int:
    """How many lines both begin with."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(old), len(new)))


def _object_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _binary_patch(before: bytes | None, after: bytes, mode: int) -> str:
    """Git's binary patch: both contents in full, deflated and in base 85 (git's diff.c)."""
    old_id = "0" * 40 if before is None else _object_id(before)
    suffix = "" if before is None else f" {mode:06o}"
    literals = _literal(after) + _literal(before or b"")
    return f"index {old_id}..{_object_id(after)}{suffix}\nGIT binary patch\n{literals}"


def _literal(data: bytes) -> str:
    packed = zlib.compress(data)
    lines = [f"literal {len(data)}\n"]
    for start in range(0, len(packed), _BINARY_LINE_BYTES):
        piece = packed[start : start + _BINARY_LINE_BYTES]
        size = len(piece)
        letter = chr(size + 64) if size <= 26 else chr(size + 70)  # A-Z, then a-z
        lines.append(letter + base64.b85encode(piece, pad=True).decode() + "\n")
    return "".join(lines) + "\n"
