"""Owns a Python file as text: bytes and characters, newlines, lines, indentation, what can be parsed."""

from __future__ import annotations

import ast
import io
import re
import threading
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise

from egbot.errors import UsageError

_BOM = b"\xef\xbb\xbf"
_NEWLINE = re.compile(r"\r\n|\r|\n")
_ROW = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_JOINED = re.compile(r"[ \t\f]*\\[\r\n]+")
_REST = re.compile(r"[ \t\f;]*\\[\r\n]+")
_LEAD = re.compile(r"[ \t\f]*")
# Formatted strings are one token up to Python 3.11 and a START/END pair from 3.12 on.
_STARTS = frozenset(getattr(tokenize, name, None) for name in ("FSTRING_START", "TSTRING_START"))
_ENDS = frozenset(getattr(tokenize, name, None) for name in ("FSTRING_END", "TSTRING_END"))
_SILENT = frozenset({tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER, tokenize.ENCODING})
_LOCK = threading.RLock()
"""Which warnings are shown is one setting of the whole process: threads must take turns."""


class SourceSyntaxError(Exception):
    """A text is not Python that can be read. ``line`` counts from 1; 0 means the whole file."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.message = message
        self.line = line


@contextmanager
def quietly() -> Iterator[None]:
    """What is parsed or compiled inside warns nobody: doubtful code is its author's affair."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def readable() -> Iterator[None]:
    """What cannot be read inside raises SourceSyntaxError, whatever the reason."""
    try:
        with quietly():
            yield
    except SyntaxError as error:
        raise SourceSyntaxError(error.msg or "invalid syntax", error.lineno or 0) from error
    except tokenize.TokenError as error:
        raise SourceSyntaxError(str(error.args[0]), error.args[1][0]) from error
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        raise SourceSyntaxError(f"cannot be parsed: {reason}") from error


def parse_text(text: str) -> ast.Module:
    """Parse text without side effects. Raises SourceSyntaxError."""
    with readable():
        return ast.parse(text)


# --- a file's bytes ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edit:
    """Put ``lines`` (without newlines) in place of the rows (from 0) from ``start`` to ``end``."""

    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file's text without its byte order mark, and what is needed to write it back."""

    text: str
    encoding: str
    bom: bytes
    newline: str

    def fitted(self, code: str) -> str:
        """Code for this file: what its encoding lacks is escaped, where that means the same."""
        escaped = code.encode(self.encoding, "backslashreplace").decode(self.encoding)
        if escaped == code:
            return code
        try:
            is_same = ast.dump(parse_text(escaped)) == ast.dump(parse_text(code))
        except SourceSyntaxError:
            is_same = False
        return escaped if is_same else code

    def encode(self, text: str, path: str = "the file") -> bytes:
        """Turn text of this file into its bytes. Raises UsageError for what the file can't hold."""
        try:
            return self.bom + text.encode(self.encoding)
        except UnicodeEncodeError as error:
            character = text[error.start]
            line = text.count("\n", 0, error.start) + 1
            raise UsageError(
                f"{path} is encoded in {self.encoding}, which has no character {character!r} "
                f"(U+{ord(character):04X}, line {line} of the new text)",
                hint="save the file as UTF-8, or keep the function to characters it can hold",
            ) from error

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """The file with ``edits``, none if they do nothing. Raises SourceSyntaxError, UsageError."""
        text = put_rows(self.text, edits, self.newline)
        parse_text(text)
        return self.encode(text)


def read_source(source: bytes) -> SourceText:
    """Decode a Python file as the interpreter would. Raises SourceSyntaxError where it can't."""
    if b"\0" in source:
        raise SourceSyntaxError(
            "the file contains NUL bytes", source[: source.index(b"\0")].count(b"\n") + 1
        )
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    except (SyntaxError, UnicodeError) as error:
        raise SourceSyntaxError(f"the encoding cannot be read: {error}", 1) from error
    bom = _BOM if source.startswith(_BOM) else b""
    encoding = "utf-8" if encoding == "utf-8-sig" else encoding
    body = source[len(bom) :]
    try:
        text = body.decode(encoding)
        same = text.encode(encoding) == body
    except (LookupError, ValueError) as error:
        raise SourceSyntaxError(f"the file is not valid {encoding}: {error}", 1) from error
    if not same:
        raise SourceSyntaxError(f"the file's bytes do not survive a round trip through {encoding}")
    return SourceText(text, encoding, bom, dominant_newline(text) or "\n")


def text_of(source: bytes) -> str:
    """A file's text as the interpreter reads it; what is no Python file counts as UTF-8."""
    try:
        return read_source(source).text
    except SourceSyntaxError:
        return source.decode("utf-8-sig", "replace")


# --- lines -------------------------------------------------------------------------------------


def dominant_newline(text: str) -> str:
    """The newline that ends most lines, or "" for a single line."""
    found = _NEWLINE.findall(text)
    return max(("\n", "\r\n", "\r"), key=found.count) if found else ""


def unify_newlines(text: str) -> str:
    """The text with every newline as "\\n", which is how Python itself reads it."""
    return _NEWLINE.sub("\n", text) if "\r" in text else text


def split_rows(text: str) -> list[str]:
    """The lines of a text with what ends them, where Python ends them: never at a form feed."""
    return _ROW.findall(text)


class Rows:
    """A text's rows (from 0), and where in it the interpreter's positions are."""

    def __init__(self, text: str) -> None:
        self.rows = split_rows(text)
        self.starts = [0, *accumulate(map(len, self.rows))]

    def offset(self, line: int, column: int) -> int:
        """Characters up to a position; ``column`` counts the line's bytes in UTF-8."""
        piece = self.rows[line - 1] if line <= len(self.rows) else ""
        return self.starts[line - 1] + len(piece.encode()[:column].decode())

    def first(self, row: int) -> int:
        """The first row of the statement that begins at ``row``, after rows of a backslash alone."""
        while row and _JOINED.fullmatch(self.rows[row - 1]):
            row -= 1
        return row

    def below(self, node: ast.stmt) -> int:
        """The row below the last line of ``node``, with empty ones that a backslash takes along."""
        end = node.end_lineno or node.lineno
        rest = self.rows[end - 1].encode()[node.end_col_offset or 0 :].decode()
        while _REST.fullmatch(rest) and end < len(self.rows):
            rest = self.rows[end]
            end += 1
        return end

    def indent(self, row: int) -> str:
        """The indentation of the statement that begins at ``row``, as the interpreter counts it."""
        return leading(self.rows[self.first(row)]).rpartition("\f")[2]


def leading(line: str) -> str:
    """The white space that a line starts with."""
    found = _LEAD.match(line)
    return found.group() if found else ""


def put_rows(text: str, edits: Iterable[Edit], newline: str) -> str:
    """The text with ``edits``; all other characters stay, and so does the lack of a last newline."""
    rows = split_rows(text)
    is_open = bool(rows) and not rows[-1].endswith(("\n", "\r"))
    if is_open:
        rows[-1] += newline
    for edit in sorted(edits, key=lambda one: one.start, reverse=True):
        rows[edit.start : edit.end] = [line + newline for line in edit.lines]
    result = "".join(rows)
    return result[: len(result) - len(newline)] if is_open else result


# --- code in another layout --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """How a block is indented: its first line, what is below it, and what each level more adds."""

    base: str
    body: str
    unit: str

    def at(self, level: int) -> str:
        """The indentation of a level, from 0."""
        return self.body + self.unit * (level - 1) if level else self.base


CANONICAL = Layout("", "    ", "    ")


def relayout(text: str, old: Layout, new: Layout) -> str:
    """Move a block of code ("\\n" newlines, first line indented) from one layout to another.

    Strings keep their values, except that a docstring moves with its function where its cleaned
    text (``inspect.cleandoc``) stays the same. Raises SourceSyntaxError if it is no whole block.
    """
    lines = text.split("\n")
    known = _Statements(text, 1 if old.base else 0)
    levels = {leading(lines[row]): level for row, level in known.levels.items()}
    moved = list(lines)
    for row, line in enumerate(lines):
        lead, first = leading(line), known.first.get(row)
        if row in known.inside:
            continue
        if first == row:
            moved[row] = new.at(known.levels[row]) + line[len(lead) :]
        elif lead == line:
            moved[row] = ""
        else:
            outer = leading(lines[first]) if first is not None else None
            if outer is None or not lead.startswith(outer):
                outer = max((one for one in levels if lead.startswith(one)), key=len, default="")
            hang = _hang(lead[len(outer) :], old, new)
            moved[row] = new.at(levels.get(outer, 0)) + hang + line[len(lead) :]
    for start, end, column in known.docstrings:
        moved[start:end] = _docstring(lines[start:end], column, moved[start])
    return "\n".join(moved)


def _hang(extra: str, old: Layout, new: Layout) -> str:
    """A hanging indent of one or two units follows the unit; anything else was aligned by hand."""
    for depth in (1, 2):
        if extra == old.unit * depth:
            return new.unit * depth
    return extra.replace("\t", CANONICAL.unit) if new == CANONICAL else extra


def _docstring(lines: list[str], column: int, moved: str) -> list[str]:
    """A docstring's lines below ``moved``; untouched where moving would change its text."""
    before, after = leading(lines[0]), leading(moved)
    below = [after + one[len(before) :] if one.startswith(before) else one for one in lines[1:]]
    is_regular = all(one.startswith(before) for one in lines[1:] if one.strip())
    old = _cleaned("\n".join([lines[0][column:], *lines[1:]]))
    new = _cleaned("\n".join([moved[len(after) :], *below]))
    return [moved, *(below if is_regular and old is not None and old == new else lines[1:])]


def _cleaned(code: str) -> str | None:
    try:
        return ast.get_docstring(parse_text(code))
    except SourceSyntaxError:
        return None


class _Statements:
    """What the tokens of a block say of its rows (from 0).

    ``levels`` are those of statements' first rows, ``first`` gives each row of a statement its
    first one, ``inside`` are rows that begin in a string; ``docstrings`` are start, end, column.
    """

    def __init__(self, text: str, shift: int) -> None:
        self.levels: dict[int, int] = {}
        self.first: dict[int, int] = {}
        self.inside: set[int] = set()
        self.docstrings: list[tuple[int, int, int]] = []
        self._open: list[int] = []
        depth, first, is_head, is_opened = -shift, -1, False, False
        code = io.StringIO("if 1:\n" * shift + text + "\n", newline="\n")
        with readable():
            tokens = list(tokenize.generate_tokens(code.readline))
        for token, after in pairwise(tokens):
            row, end = token.start[0] - 1 - shift, token.end[0] - 1 - shift
            if token.type in (tokenize.INDENT, tokenize.DEDENT):
                is_opened = token.type == tokenize.INDENT
                depth += 1 if is_opened else -1
            elif token.type == tokenize.NEWLINE:
                first = -1
            elif token.type not in _SILENT and row >= 0:
                if first < 0:
                    first = row
                    self.levels[row] = depth
                    ends = after.type in (tokenize.NEWLINE, tokenize.COMMENT)
                    if token.type == tokenize.STRING and ends and is_opened and is_head:
                        self.docstrings.append((row, end + 1, token.start[1]))
                    is_head = token.string in ("def", "class", "async")
                    is_opened = False
                self._add(token, row, end, first)

    def _add(self, token: tokenize.TokenInfo, row: int, end: int, first: int) -> None:
        for one in range(row, end + 1):
            self.first.setdefault(one, first)
        if token.type in _STARTS:
            self._open.append(row)
        elif token.type in _ENDS and self._open:
            row = self._open.pop()
            self.inside.update(range(row + 1, end + 1))
        elif token.type == tokenize.STRING:
            self.inside.update(range(row + 1, end + 1))
