"""Owns the text of a patch: git's unified diff of one file. It does not know who applies it."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator, Sequence

_CONTEXT_LINES = 3
_MAX_STEPS = 1_000_000  # about half a second, or 700 edits
_BINARY_LINE_BYTES = 52  # what git puts on one line of a binary patch
_PLAIN = frozenset(range(0x20, 0x7F)) - {ord('"'), ord("\\")}
_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}

Opcode = tuple[str, int, int, int, int]


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
    for group in _groups(opcodes(old, new)):
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


def opcodes(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    """A shortest edit from ``old`` to ``new``, in the form of difflib's opcodes.

    Where it would take long to find, what is not shared at both ends is one whole replacement: so
    the time is bounded by the number of lines, whatever they say.
    """
    shortest = min(len(old), len(new))
    head = 0
    while head < shortest and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle = _pairs(old[head : len(old) - tail], new[head : len(new) - tail])
    pairs = [(n, n) for n in range(head)] + [(a + head, b + head) for a, b in middle]
    pairs += [(len(old) - n, len(new) - n) for n in range(tail, 0, -1)]
    return _coded(pairs, len(old), len(new))


def _coded(pairs: list[tuple[int, int]], num_old: int, num_new: int) -> list[Opcode]:
    """Opcodes from the places of all equal lines, in their order."""
    codes: list[Opcode] = []
    a = b = 0
    for next_a, next_b in [*pairs, (num_old, num_new)]:
        if next_a > a or next_b > b:
            kind = "replace" if next_a > a and next_b > b else "delete" if next_a > a else "insert"
            codes.append((kind, a, next_a, b, next_b))
        if next_a == num_old and next_b == num_new:
            break
        start_a, start_b = next_a, next_b
        if codes and codes[-1][0] == "equal":
            _, start_a, _, start_b, _ = codes.pop()
        a, b = next_a + 1, next_b + 1
        codes.append(("equal", start_a, a, start_b, b))
    return codes


def _pairs(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The places of equal lines along a shortest edit; none where that takes too many steps.

    Myers, "An O(ND) Difference Algorithm and Its Variations" (1986): ``far[k]`` is how far one
    gets in ``old`` on the diagonal k, with one edit more in each round.
    """
    num_old, num_new, steps_left = len(old), len(new), _MAX_STEPS
    far, rounds = {1: 0}, list[dict[int, int]]()
    for num_edits in range(num_old + num_new + 1):
        rounds.append(dict(far))
        for k in range(-num_edits, num_edits + 1, 2):
            is_down = k == -num_edits or (k != num_edits and far[k - 1] < far[k + 1])
            a = start = far[k + 1] if is_down else far[k - 1] + 1
            while a < num_old and a - k < num_new and old[a] == new[a - k]:
                a += 1
            far[k] = a
            steps_left -= 4 + a - start
            if a >= num_old and a - k >= num_new:
                return _traced_back(rounds, num_old, num_new)
        if steps_left < 0:
            break
    return []


def _traced_back(rounds: list[dict[int, int]], a: int, b: int) -> list[tuple[int, int]]:
    """The equal lines on the way that reached ``a`` and ``b``."""
    found: list[tuple[int, int]] = []
    for num_edits in range(len(rounds) - 1, -1, -1):
        far, k = rounds[num_edits], a - b
        down = int(k == -num_edits or (k != num_edits and far[k - 1] < far[k + 1]))
        before = k + 1 if down else k - 1
        start_a = far[before]
        start_b = start_a - before
        while a > start_a + 1 - down and b > start_b + down:
            a, b = a - 1, b - 1
            found.append((a, b))
        a, b = start_a, start_b
    return found[::-1]


def _groups(codes: list[Opcode]) -> Iterator[list[Opcode]]:
    """Hunks: changes with their context; equal stretches of more than two contexts part them."""
    group: list[Opcode] = []
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
