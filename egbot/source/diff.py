"""Owns the text of a patch: git's unified diff of one file. It does not know who applies it."""

from __future__ import annotations

import base64
import difflib
import hashlib
import zlib
from collections.abc import Iterator

_CONTEXT_LINES = 3
_BINARY_LINE_BYTES = 52  # what git puts on one line of a binary patch
_PLAIN = frozenset(range(0x20, 0x7F)) - {ord('"'), ord("\\")}
_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}

_Opcode = tuple[str, int, int, int, int]


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
    hunks = "".join(_hunks(_lines(old_text), _lines(new_text)))
    return f"{head}--- {source}\n+++ {new}{tab}\n{hunks}"


def quoted_path(path: str) -> str:
    """A path as git writes it with ``core.quotePath``: in quotes and escaped where needed."""
    data = path.encode("utf-8", "surrogateescape")
    if all(byte in _PLAIN for byte in data):
        return path
    return '"' + "".join(map(_quoted_byte, data)) + '"'


def _quoted_byte(byte: int) -> str:
    if byte in _PLAIN:
        return chr(byte)
    return "\\" + _ESCAPES.get(byte, f"{byte:03o}")


def _lines(text: str) -> list[str]:
    """Lines with their "\\n"; the last one may lack it. No other character ends a line."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _hunks(old: list[str], new: list[str]) -> Iterator[str]:
    for group in _groups(_opcodes(old, new)):
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
        for kind, old_start, old_end, new_start, new_end in group:
            if kind == "equal":
                yield from _marked(" ", old[old_start:old_end])
            else:
                yield from _marked("-", old[old_start:old_end])
                yield from _marked("+", new[new_start:new_end])


def _marked(mark: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        end = "" if line.endswith("\n") else "\n\\ No newline at end of file\n"
        yield mark + line + end


def _range(start: int, end: int) -> str:
    """Lines from 0, end excluded, in the diff's notation; an empty range names the line above it."""
    count = end - start
    return f"{start + 1 if count else start}" + ("" if count == 1 else f",{count}")


def _opcodes(old: list[str], new: list[str]) -> list[_Opcode]:
    """difflib's opcodes. What both sides share at their ends is cut off first: that is quick."""
    shortest = min(len(old), len(new))
    head = 0
    while head < shortest and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    old_end, new_end = len(old) - tail, len(new) - tail
    matcher = difflib.SequenceMatcher(None, old[head:old_end], new[head:new_end], autojunk=False)
    codes: list[_Opcode] = [("equal", 0, head, 0, head)] if head else []
    codes += [
        (k, a + head, b + head, c + head, d + head) for k, a, b, c, d in matcher.get_opcodes()
    ]
    if tail:
        codes.append(("equal", old_end, len(old), new_end, len(new)))
    return codes


def _groups(codes: list[_Opcode]) -> Iterator[list[_Opcode]]:
    """Hunks: changes with their context; equal stretches of more than two contexts part them."""
    group: list[_Opcode] = []
    for number, (kind, a, b, c, d) in enumerate(codes):
        if kind != "equal":
            group.append((kind, a, b, c, d))
            continue
        is_last = number == len(codes) - 1
        if group and (is_last or b - a > 2 * _CONTEXT_LINES):
            below = min(_CONTEXT_LINES, b - a)
            group.append((kind, a, a + below, c, c + below))
            yield group
            group = []
        if not is_last:
            above = b - a if group else min(_CONTEXT_LINES, b - a)
            group.append((kind, b - above, b, d - above, d))
    if any(code[0] != "equal" for code in group):
        yield group


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
