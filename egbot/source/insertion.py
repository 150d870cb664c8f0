"""Owns where new code goes in a file: functions, members of classes, whole definitions.

It does not know what the code does, and replaces nothing but an empty class's ``pass``. What the
file's encoding lacks becomes an escape.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

import libcst as cst

from egbot.errors import UsageError
from egbot.source.imports import above_comments, opening_end
from egbot.source.layout import (
    CANONICAL,
    CANONICAL_UNIT,
    SourceSyntaxError,
    Style,
    end_row,
    leading,
    relayout,
    split_lines,
    unify_newlines,
)
from egbot.source.outline import Outline, Site, indent_of, only_definition, read_outline, unit_of


@dataclass(frozen=True, slots=True)
class _Edit:
    """Put ``lines`` (without newlines) in place of the characters from ``start`` to ``end``."""

    start: int
    end: int
    lines: tuple[str, ...]


def insert(source: bytes | None, qualname: str, code: str) -> bytes:
    """The file with a new function (``code`` is canonical) where a careful colleague would put it.

    A module's function stands two blank lines below the last function or class, above an
    ``if __name__ == "__main__":``; a method at the end of its class, in place of a lone ``pass``
    or ``...``. Missing classes are created; None is a new file. All other bytes stay. Raises
    SourceSyntaxError, and UsageError if the function is there already or cannot be encoded.
    """
    outline = read_outline(source or b"")
    if outline.function(qualname):
        raise UsageError(f"{qualname} is already defined; it can only be replaced")
    classes = qualname.split(".")[:-1]
    code = outline.source.fitted(only_definition(code, qualname))
    known = len(classes)
    while known and outline.klass(".".join(classes[:known])) is None:
        known -= 1
    for name in reversed(classes[known:]):
        code = f"class {name}:\n" + relayout(code, CANONICAL, Style(CANONICAL_UNIT, CANONICAL_UNIT))
    site = outline.klass(".".join(classes[:known])) if known else None
    edit = _into_class(outline, site, code) if site else _into_module(outline, code)
    return _edited(outline, edit)


def insert_top(source: bytes | None, code: str) -> bytes:
    """The file with the definitions ``code`` (canonical) below its imports, two blank lines apart.

    None is a new file. All other bytes stay. Raises SourceSyntaxError, and UsageError if the code
    cannot be encoded.
    """
    outline = read_outline(source or b"")
    code = outline.source.fitted(code)
    lines = relayout(code.rstrip("\n"), CANONICAL, Style("", outline.unit)).split("\n")
    text = outline.source.text
    at = _row_offset(text, opening_end(unify_newlines(text), outline.tree) if text.strip() else 0)
    above, below = text[:at], text[at:]
    if not below.strip():
        end = () if above.strip() and not above.endswith(("\n", "\r")) else ("",)
        return _edited(outline, _Edit(at, at, (*_gap(above), *lines, *end)))
    num_empty = unify_newlines(below[: len(below) - len(below.lstrip())]).count("\n")
    return _edited(outline, _Edit(at, at, (*_gap(above), *lines, *[""] * (3 - num_empty))))


def insert_member(source: bytes, owner: str, code: str) -> bytes:
    """The file with ``code`` (canonical: an attribute, a class) at the top of the class ``owner``.

    All other bytes stay. Raises SourceSyntaxError (also without such a class), and UsageError if
    the code cannot be encoded.
    """
    outline = read_outline(source)
    site = outline.klass(owner)
    if site is None:
        raise SourceSyntaxError(f"there is no class {owner}")
    code = outline.source.fitted(code.rstrip("\n"))
    return _edited(outline, _into_class(outline, site, code, is_first=True))


def _edited(outline: Outline, edit: _Edit) -> bytes:
    text = outline.source.text
    new = outline.source.newline.join(edit.lines)
    result = text[: edit.start] + new + text[edit.end :]
    return outline.source.bom + outline.source.encode(result)


def _into_class(outline: Outline, site: Site, code: str, *, is_first: bool = False) -> _Edit:
    text = outline.source.text
    base = indent_of(text, site.start)
    unit = unit_of(outline, site.node)
    lines = tuple(relayout(code, CANONICAL, Style(base + unit, unit)).split("\n"))
    node = cst.ensure_type(site.node, cst.ClassDef)
    last = node.body.body[-1]
    if isinstance(node.body, cst.SimpleStatementSuite):
        return _into_one_liner(outline, site, lines, base + unit)
    if isinstance(last, cst.SimpleStatementLine) and _is_filler(last.body):
        start = site.end - len(_last_line(text, site.end).lstrip(" \t\f"))
        before = text[:start].rstrip(" \t\f")
        is_apart = len(node.body.body) == 1 or before.endswith(("\n\n", "\r\r", "\n\r\n"))
        return _Edit(len(before), site.end, lines if is_apart else ("", *lines))
    if is_first:
        return _to_the_top(text, site, lines)
    end = _below_comments(text, site.end, base)
    return _Edit(end, end, ("", "", *lines))


def _to_the_top(text: str, site: Site, lines: tuple[str, ...]) -> _Edit:
    """Under the class's docstring, else above its first statement."""
    has_docstring = site.node.get_docstring() is not None
    at = len(text[: site.body]) - len(_last_line(text, site.body))
    if has_docstring:
        at = _row_offset(text, end_row(split_lines(text), site.syntax.body[0]))
    above = [""] if has_docstring else []
    if not text[:at].endswith(("\n", "\r")):
        return _Edit(at, at, ("", *above, *lines))
    below = [""] if "".join(split_lines(text[at:])[:1]).strip() else []
    return _Edit(at, at, (*above, *lines, *below, ""))


def _into_one_liner(outline: Outline, site: Site, lines: tuple[str, ...], indent: str) -> _Edit:
    """``class A: pass`` opens up; a comment stays on the header's line."""
    text = outline.source.text
    body = cst.ensure_type(site.node.body, cst.SimpleStatementSuite)
    comment = text[site.body_end : site.end].lstrip(" \t;")
    header = text[: site.body].rstrip(" \t\f")
    opening = f"  {comment}" if comment else ""
    if _is_filler(body.body):
        return _Edit(len(header), site.end, (opening, *lines))
    kept = indent + text[site.body : site.body_end]
    return _Edit(len(header), site.end, (opening, kept, "", *lines))


def _is_filler(statements: object) -> bool:
    """Is this all of a line that only says that nothing is here: ``pass`` or ``...``?"""
    if not isinstance(statements, (list, tuple)) or len(statements) != 1:
        return False
    only = statements[0]
    is_ellipsis = isinstance(only, cst.Expr) and isinstance(only.value, cst.Ellipsis)
    return isinstance(only, cst.Pass) or is_ellipsis


def _last_line(text: str, end: int) -> str:
    start = max(text.rfind("\n", 0, end), text.rfind("\r", 0, end)) + 1
    return text[start:end]


def _below_comments(text: str, end: int, base: str) -> int:
    """The end of the indented comments that still belong to the block that ends at ``end``."""
    position = end
    for line in split_lines(text[end:]):
        position += len(line)
        body = line.strip()
        inside = len(leading(line)) > len(base)
        if body and not (body.startswith("#") and inside):
            break
        if body:
            end = position - (len(line) - len(line.rstrip()))
    return end


def _into_module(outline: Outline, code: str) -> _Edit:
    text = outline.source.text
    lines = tuple(relayout(code, CANONICAL, Style("", outline.unit)).split("\n"))
    if not text.strip():
        return _Edit(len(text), len(text), (*lines, ""))
    guard = _main_guard(outline)
    above = [
        site
        for site in (*outline.functions, *outline.classes)
        if site.owner is None and not indent_of(text, site.start)
        if guard is None or site.start < guard
    ]
    if above:
        last = max(site.end for site in above)
        end = _below_comments(text, last, "")
        return _Edit(end, end, ("", "", "", *lines))
    if guard is not None:
        return _Edit(guard, guard, (*_gap(text[:guard]), *lines, "", "", ""))
    is_whole = text.endswith(("\n", "\r"))
    tail = ("",) if is_whole else ()
    return _Edit(len(text), len(text), (*_gap(text), *lines, *tail))


def _gap(before: str) -> tuple[str, ...]:
    """Empty lines so that two of them stand between ``before`` and what follows."""
    if not before.strip():
        return ()
    tail = unify_newlines(before[len(before.rstrip()) :])
    return ("",) * max(0, 3 - tail.count("\n"))


def _main_guard(outline: Outline) -> int | None:
    """The offset of the line where ``if __name__ == ...`` and the comment above it start."""
    text = outline.source.text
    for node in outline.tree.body:
        if isinstance(node, ast.If) and "__name__" in {
            n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)
        }:
            return _row_offset(text, above_comments(split_lines(text), node.lineno - 1))
    return None


def _row_offset(text: str, row: int) -> int:
    return sum(map(len, split_lines(text)[:row]))
