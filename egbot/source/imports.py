"""Owns where a file's top-level imports stand, and puts new ones among them.

It does not know which function needs them; ``egbot.source.names`` says which imports lack.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from egbot.source.layout import (
    SourceSyntaxError,
    end_row,
    parse_text,
    read_source,
    split_lines,
    unify_newlines,
)
from egbot.source.names import Bindings, missing_imports, read_bindings

_SHEBANG = re.compile(r"#!")
_COOKIE = re.compile(r"[ \t\f]*#.*?coding[:=]")
_IDLE = re.compile(r"[ \t\f]*(?:#|$)")


@dataclass(frozen=True, slots=True)
class _Row:
    """One or more statements that share lines (from 0, the end excluded)."""

    start: int
    end: int
    statements: tuple[ast.stmt, ...]

    @property
    def is_future(self) -> bool:
        return any(
            isinstance(s, ast.ImportFrom) and s.module == "__future__" for s in self.statements
        )

    @property
    def is_import(self) -> bool:
        plain = all(isinstance(s, (ast.Import, ast.ImportFrom)) for s in self.statements)
        return plain and not self.is_future

    @property
    def key(self) -> tuple[bool, str]:
        return _key(self.statements[0])


def _key(statement: ast.stmt) -> tuple[bool, str]:
    if isinstance(statement, ast.Import):
        return False, statement.names[0].name.lower()
    if isinstance(statement, ast.ImportFrom):
        return True, ("." * statement.level + (statement.module or "")).lower()
    return True, ""


@dataclass(frozen=True, slots=True)
class Insertion:
    """Lines to put before line ``at`` (from 0) of a file."""

    at: int
    lines: tuple[str, ...]


def place_imports(text: str, tree: ast.Module, lines: Iterable[str]) -> tuple[Insertion, ...]:
    """Where each import line that the file lacks belongs. ``text`` has "\\n" newlines."""
    there = {entry for node in tree.body for entry in _entries(node)}
    new = [line for line in dict.fromkeys(lines) if not _entries(_statement(line)) <= there]
    if not new:
        return ()
    rows = _rows(text.split("\n"), tree)
    group = _standard_group(rows)
    if group:
        return _sort_in(group, new)
    new.sort(key=lambda line: _key(_statement(line)))
    return (_new_group(text.split("\n"), rows, new),)


def _statement(line: str) -> ast.stmt:
    body = parse_text(line).body
    if len(body) != 1 or not isinstance(body[0], (ast.Import, ast.ImportFrom)):
        raise SourceSyntaxError(f"not an import statement: {line!r}", 1)
    return body[0]


def _entries(node: ast.stmt) -> frozenset[tuple[str, str, str]]:
    if isinstance(node, ast.Import):
        return frozenset(("", alias.name, alias.asname or "") for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        return frozenset((module, alias.name, alias.asname or "") for alias in node.names)
    return frozenset()


def opening_end(text: str, tree: ast.Module) -> int:
    """The row (from 0) below the docstring and the imports that open a file, or below its head."""
    lines = text.split("\n")
    end = _below_head(lines)
    for place, row in enumerate(_rows(lines, tree)):
        if not (row.is_future or row.is_import or (place == 0 and _is_docstring(row))):
            break
        end = row.end
    return end


def _rows(lines: list[str], tree: ast.Module) -> list[_Row]:
    """The statements above the first function or class, in rows of whole lines."""
    rows: list[_Row] = []
    for node in tree.body:
        if any(
            isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            for n in ast.walk(node)
        ):
            break
        start, end = node.lineno - 1, end_row(lines, node)
        if rows and start < rows[-1].end:
            last = rows.pop()
            rows.append(_Row(last.start, max(end, last.end), (*last.statements, node)))
        else:
            rows.append(_Row(start, end, (node,)))
    return rows


def _standard_group(rows: list[_Row]) -> list[_Row]:
    """The first block of neighbouring imports that imports from the standard library, or []."""
    groups: list[list[_Row]] = []
    for row in rows:
        if not row.is_import:
            continue
        if groups and groups[-1][-1].end == row.start:
            groups[-1].append(row)
        else:
            groups.append([row])
    for group in groups:
        if any(_is_standard(row.key[1]) for row in group):
            return group
    return []


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def _sort_in(group: list[_Row], new: list[str]) -> tuple[Insertion, ...]:
    """Each line at its place when the block is sorted one of the two usual ways; else at its end."""
    keys = [row.key for row in group]
    by_kind = keys == sorted(keys)  # "import x" above "from x import y"
    by_module = not by_kind and sorted(keys, key=_by_module) == keys
    ordered = sorted(new, key=lambda line: _rank(_key(_statement(line)), by_module=by_module))
    places: dict[int, list[str]] = {}
    for line in ordered:
        rank = _rank(_key(_statement(line)), by_module=by_module)
        above = [
            row
            for row in group
            if not (by_kind or by_module) or _rank(row.key, by_module=by_module) <= rank
        ]
        places.setdefault(above[-1].end if above else group[0].start, []).append(line)
    return tuple(Insertion(at, tuple(lines)) for at, lines in sorted(places.items()))


def _by_module(key: tuple[bool, str]) -> tuple[str, bool]:
    return key[1], key[0]


def _rank(key: tuple[bool, str], *, by_module: bool) -> tuple[str, str]:
    kind = "2" if key[0] else "1"
    return (key[1], kind) if by_module else (kind, key[1])


def _new_group(lines: list[str], rows: list[_Row], new: list[str]) -> Insertion:
    """A block of its own: above the other imports, else under what opens the file."""
    imports = [row for row in rows if row.is_import]
    if imports:
        at = above_comments(lines, imports[0].start)
        return Insertion(at, (*new, ""))
    opening = [row for row in rows if row.is_future] or [
        row for row in rows[:1] if _is_docstring(row)
    ]
    at = opening[-1].end if opening else _below_head(lines)
    above = [""] if at and lines[at - 1].strip() else []
    rest = lines[at:]
    below = rest[0] if rest else ""
    if not below.strip():
        return Insertion(at, (*above, *new))
    blank = 2 if re.match(r"(?:@|def |class |async )", below) else 1
    return Insertion(at, (*above, *new, *[""] * blank))


def _is_docstring(row: _Row) -> bool:
    first = row.statements[0]
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )


def above_comments(lines: list[str], at: int) -> int:
    """Above the comment that belongs to line ``at``, unless that comment opens the file."""
    top = at
    head = _num_magic(lines)
    while top > head and lines[top - 1].lstrip().startswith("#"):
        top -= 1
    return top if top > head else at


def _num_magic(lines: list[str]) -> int:
    """How many lines the shebang and the encoding take: they count at the file's start alone."""
    if len(lines) > 1 and _IDLE.match(lines[0]) and _COOKIE.match(lines[1]):
        return 2
    return int(bool(_SHEBANG.match(lines[0]) or _COOKIE.match(lines[0])))


def _below_head(lines: list[str]) -> int:
    """Under the shebang, the encoding and a licence comment that an empty line sets apart."""
    end = head = _num_magic(lines)
    while end < len(lines) and lines[end].lstrip().startswith("#"):
        end += 1
    return end if end == len(lines) or not lines[end].strip() else head


def put_lines(text: str, insertions: Iterable[Insertion], newline: str) -> str:
    """The text with the insertions in it; every other character stays."""
    lines = split_lines(text)
    for insertion in sorted(insertions, key=lambda i: i.at, reverse=True):
        new = [line + newline for line in insertion.lines]
        if insertion.at >= len(lines) and lines and not lines[-1].endswith(("\n", "\r")):
            new = [newline + line for line in insertion.lines]
        lines[insertion.at : insertion.at] = new
    return "".join(lines)


def add_imports(source: bytes, lines: tuple[str, ...]) -> bytes:
    """The file with the import statements that it does not have yet, among its own imports.

    They stand with the first imports of the standard library (sorted in if those are sorted), else
    above the other imports, else under the docstring; never inside ``if TYPE_CHECKING``. All
    other bytes stay. Raises SourceSyntaxError, and UsageError if the encoding lacks a character.
    """
    read = read_source(source)
    text = unify_newlines(read.text)
    places = place_imports(text, parse_text(read.text), lines)
    return read.bom + read.encode(put_lines(read.text, places, read.newline)) if places else source


__all__ = [
    "Bindings",
    "Insertion",
    "add_imports",
    "missing_imports",
    "place_imports",
    "put_lines",
    "read_bindings",
]
