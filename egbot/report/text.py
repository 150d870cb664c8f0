"""Text from outside made fit to be looked at: visible, bounded, safe to write anywhere.

It does not know Markdown, HTML or terminals; each of those escapes once more in its own way.
"""

from __future__ import annotations

import math
import re

SHORT_CHARS = 160
WHY_CHARS = 500
"""So much of why a test was left alone: its last words are the command to paste."""
LONG_CHARS = 4_000
CODE_CHARS = 60_000
_COMMAND = re.compile(r"(^|(?<=[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]))([^\S\n]*)::")


def visible(text: str, *, keep: str = "\n\t") -> str:
    """Replace every character that does not show by its escape, as ``\\x1b`` or ``\\u202e``.

    That covers control and format characters (ANSI escapes, bidirectional overrides, zero-width
    characters), lone surrogates, private and unassigned code points; ``keep`` names exceptions.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else _escape(char)
        for char in text.replace("\r\n", "\n")
    )


def one_line(text: str, limit_chars: int = SHORT_CHARS) -> str:
    """Visible text on one line, line breaks shown as ``\\n``, at most about ``limit_chars`` long."""
    return clip(visible(clip(text, limit_chars), keep=""), limit_chars)


def block(text: str, limit_chars: int = LONG_CHARS) -> str:
    """Visible text of several lines, at most about ``limit_chars`` long, tabs and breaks kept."""
    return clip(visible(clip(text, limit_chars)), limit_chars)


def defused(text: str) -> str:
    """``text`` without what GitHub's runner takes for a command where it is printed.

    That is ``::`` where a line begins, spaces or not, and ``##[`` wherever it stands.
    """
    return _COMMAND.sub(r"\1\2: :", text).replace("##[", "## [")


def clip(text: str, limit_chars: int) -> str:
    """The first ``limit_chars`` characters and a note of how many were cut."""
    if len(text) <= limit_chars:
        return text
    return f"{text[:limit_chars]}… (+{len(text) - limit_chars:,} characters)"


def seconds(value_s: float) -> str:
    """Seconds as people read them: ``85 ms``, ``4.2 s``, ``3 min 05 s``."""
    if not math.isfinite(value_s) or value_s < 0:
        return "? s"
    if value_s < 0.9995:
        return f"{value_s * 1000:.0f} ms"
    if value_s < 59.95:
        return f"{value_s:.1f} s"
    minutes, rest = divmod(round(value_s), 60)
    return f"{minutes} min {rest:02d} s"


def percent(logp: float) -> str:
    """The probability that a natural-log probability stands for, as a percentage."""
    if math.isnan(logp):
        return "?"
    value = math.exp(min(logp, 0.0)) * 100
    return "<0.1%" if 0 < value < 0.1 else f"{value:.1f}%"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 test``, ``2 tests``, ``1,204 tokens``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def passing(passed: int, total: int) -> str:
    """``1 of 3 tests passes``, ``2 of 3 tests pass``."""
    return f"{passed:,} of {count(total, 'test')} {'passes' if passed == 1 else 'pass'}"


def test_name(node_id: str) -> str:
    """The part of a node id that tells tests apart: what stands after the file's path."""
    head, found, tail = node_id.partition("::")
    return tail if found and tail else head


def _escape(char: str) -> str:
    names = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    if char in names:
        return names[char]
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
