"""Owns how a Python file is laid out: encoding, newlines, indentation; and moves code between layouts.

It does not know functions or patches: it sees text, lines and tokens.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from dataclasses import dataclass

from egbot.errors import UsageError
from egbot.source.quiet import quietly

CANONICAL_UNIT = "    "
_BOM = b"\xef\xbb\xbf"
_NEWLINE = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_CONTINUED = re.compile(r"[ \t\f;]*\\[\r\n]*")
_LEAD = re.compile(r"[ \t\f]*")
# Formatted strings are one token up to Python 3.11 and a START/END pair from 3.12 on.
_STRING_STARTS = frozenset(
    kind for kind in map(vars(tokenize).get, ("FSTRING_START", "TSTRING_START")) if kind is not None
)
_STRING_ENDS = frozenset(
    kind for kind in map(vars(tokenize).get, ("FSTRING_END", "TSTRING_END")) if kind is not None
)
_SILENT = frozenset({tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER, tokenize.ENCODING})


class SourceSyntaxError(Exception):
    """A text is not Python that can be read. ``line`` counts from 1; 0 means the whole file."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.message = message
        self.line = line


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
            return text.encode(self.encoding)
        except UnicodeEncodeError as error:
            character = text[error.start]
            line = text.count("\n", 0, error.start) + 1
            raise UsageError(
                f"{path} is encoded in {self.encoding}, which has no character {character!r} "
                f"(U+{ord(character):04X}, line {line} of the new text)",
                hint="save the file as UTF-8, or keep the function to characters it can hold",
            ) from error


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


def parse_text(text: str) -> ast.Module:
    """Parse text without side effects. Raises SourceSyntaxError, whatever the parser's reason."""
    try:
        with quietly():
            return ast.parse(text)
    except SyntaxError as error:
        raise SourceSyntaxError(error.msg or "invalid syntax", error.lineno or 0) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceSyntaxError(
            f"cannot be parsed: {str(error) or type(error).__name__}"
        ) from error


def dominant_newline(text: str) -> str:
    """The newline that ends most lines, or "" for a single line."""
    found = _NEWLINE.findall(text)
    return max(("\n", "\r\n", "\r"), key=found.count) if found else ""


def unify_newlines(text: str) -> str:
    """The text with every newline as "\\n", which is how Python itself reads it."""
    return _NEWLINE.sub("\n", text) if "\r" in text else text


def split_lines(text: str) -> list[str]:
    """The lines of a text with what ends them, where Python ends them: never at a form feed."""
    return _LINE.findall(text)


def end_row(lines: list[str], node: ast.stmt) -> int:
    """The row (from 0) below a statement that is the last one of its line.

    ``lines`` are the text's; the line may end in a backslash that takes an empty one along.
    """
    end = node.end_lineno or node.lineno
    rest = lines[end - 1].encode()[node.end_col_offset or 0 :].decode()
    while _CONTINUED.fullmatch(rest) and end < len(lines):
        rest = lines[end]
        end += 1
    return end


def leading(line: str) -> str:
    """The white space that a line starts with."""
    found = _LEAD.match(line)
    return found.group() if found else ""


@dataclass(frozen=True, slots=True)
class Style:
    """Where code stands: the indentation of its first line, and what each level adds."""

    base: str
    unit: str


CANONICAL = Style("", CANONICAL_UNIT)


@dataclass(frozen=True, slots=True)
class _Lines:
    """What the tokens say of lines (from 0): blocks deep, inside a string, docstrings."""

    levels: dict[int, int]  # first lines of statements
    statements: dict[int, int]  # other lines of statements: the statement's first line
    inside: frozenset[int]
    docstrings: tuple[tuple[int, int, int], ...]  # first line, last line, first column


def relayout(text: str, old: Style, new: Style) -> str:
    """Move a block of code ("\\n" newlines, first line indented) from one style to another.

    Strings keep their values, except that a docstring moves with its function where its cleaned
    text (``inspect.cleandoc``) stays the same. Raises SourceSyntaxError if it is no whole block.
    """
    lines = text.split("\n")
    known = _read_lines(text, shift=1 if old.base else 0)
    result = [_move_line(lines, number, known, old, new) for number in range(len(lines))]
    for first, last, column in known.docstrings:
        moved = _move_docstring(lines[first : last + 1], column, result[first])
        result[first : last + 1] = moved
    return "\n".join(result)


def _move_line(lines: list[str], number: int, known: _Lines, old: Style, new: Style) -> str:
    line = lines[number]
    if number in known.inside:
        return line
    lead = leading(line)
    rest = line[len(lead) :]
    if not rest:
        return ""
    if number in known.levels:
        return new.base + new.unit * known.levels[number] + rest
    statement = known.statements.get(number)
    if statement is not None:
        outer = leading(lines[statement])
        if lead.startswith(outer):
            extra = _move_hang(lead[len(outer) :], old, new)
            return new.base + new.unit * known.levels[statement] + extra + rest
    lead = lead.removeprefix(old.base)
    depth = 0
    while lead.startswith(old.unit):
        lead = lead[len(old.unit) :]
        depth += 1
    return new.base + new.unit * depth + lead + rest


def _move_hang(extra: str, old: Style, new: Style) -> str:
    """A hanging indent of one or two units follows the unit; anything else was aligned by hand."""
    for depth in (1, 2):
        if extra == old.unit * depth:
            return new.unit * depth
    return extra.replace("\t", CANONICAL_UNIT) if new == CANONICAL else extra


def _move_docstring(lines: list[str], column: int, moved_first: str) -> list[str]:
    """A docstring's lines at their new place; untouched where moving would change its text."""
    before, after = leading(lines[0]), leading(moved_first)
    tail = [line for line in lines[1:] if line.strip()]
    untouched = [moved_first, *lines[1:]]
    if before == after or not all(line.startswith(before) for line in tail):
        return untouched
    moved = [after + line[len(before) :] if line.startswith(before) else line for line in lines[1:]]
    old_text = _docstring_value("\n".join([lines[0][column:], *lines[1:]]))
    new_text = _docstring_value("\n".join([moved_first[len(after) :], *moved]))
    return [moved_first, *moved] if old_text is not None and old_text == new_text else untouched


def _docstring_value(code: str) -> str | None:
    try:
        body = parse_text(code).body
    except SourceSyntaxError:
        return None
    if len(body) == 1 and isinstance(body[0], ast.Expr):
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return inspect.cleandoc(value.value)
    return None


def tokens_of(text: str) -> list[tokenize.TokenInfo]:
    """The tokens of a text with "\\n" newlines. Raises SourceSyntaxError."""
    try:
        return list(tokenize.generate_tokens(io.StringIO(text, newline="\n").readline))
    except (SyntaxError, tokenize.TokenError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else error.args[1][0]
        raise SourceSyntaxError(str(error.args[0]), line or 0) from error


class _LineReader:
    """Walks over tokens and collects what they say of lines. Lines count from 0 after the shift."""

    def __init__(self, shift: int) -> None:
        self.shift = shift
        self.depth = -shift
        self.levels: dict[int, int] = {}
        self.statements: dict[int, int] = {}
        self.inside: set[int] = set()
        self.docstrings: list[tuple[int, int, int]] = []
        self.first: int | None = None  # the current statement's first line
        self.defines = False  # the last header began a function or class
        self.opened = False  # the last token opened a block
        self.open_strings: list[int] = []

    def feed(self, token: tokenize.TokenInfo, after: tokenize.TokenInfo | None) -> None:
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            self.depth += 1 if token.type == tokenize.INDENT else -1
            self.opened = token.type == tokenize.INDENT
            return
        if token.type in _SILENT:
            return
        start, end = token.start[0] - 1 - self.shift, token.end[0] - 1 - self.shift
        if token.type == tokenize.NEWLINE:
            self.first = None
            return
        if self.first is None:
            self.first = start
            self.levels[start] = self.depth
            self._docstring(token, after, start, end)
            self.defines = token.string in ("def", "class", "async")
        for line in range(max(start, self.first + 1), end + 1):
            self.statements.setdefault(line, self.first)
        self._strings(token, start, end)
        self.opened = False

    def _docstring(
        self, token: tokenize.TokenInfo, after: tokenize.TokenInfo | None, start: int, end: int
    ) -> None:
        ends = after is not None and after.type in (tokenize.NEWLINE, tokenize.COMMENT)
        if token.type == tokenize.STRING and self.opened and self.defines and ends and end > start:
            self.docstrings.append((start, end, token.start[1]))

    def _strings(self, token: tokenize.TokenInfo, start: int, end: int) -> None:
        if token.type == tokenize.STRING:
            self.inside.update(range(start + 1, end + 1))
        elif token.type in _STRING_STARTS:
            self.open_strings.append(start)
        elif token.type in _STRING_ENDS and self.open_strings:
            self.inside.update(range(self.open_strings.pop() + 1, end + 1))


def _read_lines(text: str, shift: int) -> _Lines:
    tokens = tokens_of("if 1:\n" * shift + text + "\n")
    reader = _LineReader(shift)
    if shift:  # the block header that stands above indented code is not part of it
        tokens = [token for token in tokens if token.start[0] > 1]
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        reader.feed(token, after)
    return _Lines(
        reader.levels, reader.statements, frozenset(reader.inside), tuple(reader.docstrings)
    )
