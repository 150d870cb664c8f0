"""Owns what is written into a Python file: a function's new body, and definitions that it lacks.

Bytes outside of what is written stay as they are. ``prepare`` reads a file once, for any number of
candidates; what the file's encoding lacks becomes an escape in what is inserted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, takewhile

from egbot.errors import UsageError
from egbot.source.imports import (
    above_comments,
    bound_names,
    missing_imports,
    opening_end,
    place_imports,
    read_bindings,
    used_at_import,
)
from egbot.source.outline import (
    Definition,
    Function,
    Outline,
    Site,
    describe,
    header_dump,
    only_definition,
    read_outline,
    start_of,
)
from egbot.source.text import (
    CANONICAL,
    Edit,
    Layout,
    SourceSyntaxError,
    dominant_newline,
    leading,
    parse_text,
    put_rows,
    relayout,
    split_rows,
    unify_newlines,
)

# --- a function's body -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slot:
    """A function's place in a file that has been read. Its header's text stays where it can."""

    path: str
    definition: Definition
    outline: Outline
    site: Site
    bindings: frozenset[str] | None

    def fill(self, code: str) -> bytes:
        """The file's bytes with ``code`` (canonical) as the function and the imports it lacks.

        Raises SourceSyntaxError if ``code`` is not one definition of this function, UsageError
        if the file's encoding lacks one of its characters.
        """
        return self.outline.source.encode(self.fill_text(code), self.path)

    def fill_text(self, code: str) -> str:
        """The same as text, without a byte order mark; newlines are the file's."""
        lines = missing_imports(only_definition(code, self.definition.qualname)[0], self.bindings)
        edits = place_imports(self.outline, lines) if lines else ()
        return put_rows(self._replaced(code), edits, self.outline.source.newline)

    def settled(self, code: str) -> str:
        """``code`` with the header that is in the file, if that means the same.

        Raises SourceSyntaxError.
        """
        code, node, colon = only_definition(code, self.definition.qualname)
        is_same = header_dump(node) == header_dump(self.site.node)
        return (self.definition.header + code[colon:] if is_same else code) + "\n"

    def _replaced(self, code: str) -> str:
        code = only_definition(code, self.definition.qualname)[0]
        text, site, header = self.outline.source.text, self.site, self.definition.header
        if code == self.definition.code:
            return text
        layout = self.outline.layout(site)
        newline = dominant_newline(text[site.start : site.end]) or self.outline.source.newline
        styled = relayout(code, CANONICAL, layout).removeprefix(layout.base)
        if not code.startswith(header):
            return text[: site.start] + styled.replace("\n", newline) + text[site.end :]
        rows = styled.split("\n")[header.count("\n") :]
        rows[0] = code[len(header) :].partition("\n")[0]
        return text[: site.colon] + newline.join(rows) + text[site.end :]


def prepare(
    source: bytes, qualname: str, path: str = "the file", ordinal: int | None = None
) -> Slot:
    """Read a file once, for many candidates. ``path`` names it in messages; names are as in ``find``.

    Raises SourceSyntaxError, and UsageError if it does not define the function.
    """
    outline = read_outline(source)
    site = outline.function(qualname, ordinal)
    if site is None:
        raise UsageError(
            f"{path} defines no function {qualname}", hint="insert it first, or correct the name"
        )
    return Slot(path, describe(outline, site), outline, site, read_bindings(outline.tree))


# --- what changed ------------------------------------------------------------------------------


def changed_outside(
    before: bytes, after: bytes, qualname: str, ordinal: int | None = None
) -> tuple[str, ...]:
    """What differs apart from the function and added top-level imports; empty is as it should be.

    Each difference is a sentence; files that cannot be read are a difference, too.
    """
    try:
        old, new = read_outline(before), read_outline(after)
    except SourceSyntaxError as error:
        return (f"a file cannot be read: {error}",)
    was, now = old.function(qualname, ordinal), new.function(qualname, ordinal)
    if was is None or now is None:
        return (f"{qualname} is gone" if was else f"{qualname} is not in the file as it was",)
    problems = []
    if (old.source.bom, old.source.encoding) != (new.source.bom, new.source.encoding):
        problems.append("the file's encoding changed")
    if old.source.text[was.end :] != new.source.text[now.end :]:
        problems.append(f"the text below {qualname} changed")
    above_old = split_rows(old.source.text[: was.start])
    above_new = split_rows(new.source.text[: now.start])
    return (*problems, *_changes_above(above_old, above_new, _import_rows(new.tree)))


def _import_rows(tree: ast.Module) -> frozenset[int]:
    """The rows (from 0) that hold nothing but top-level imports."""
    imports: set[int] = set()
    others: set[int] = set()
    for node in tree.body:
        rows = range(node.lineno - 1, node.end_lineno or node.lineno)
        (imports if isinstance(node, ast.Import | ast.ImportFrom) else others).update(rows)
    return frozenset(imports - others)


def _changes_above(old: list[str], new: list[str], imports: frozenset[int]) -> list[str]:
    """Lines that went away or came in, other than imports and the empty lines around them."""
    position = 0
    extra = []
    for number, line in enumerate(new):
        if position < len(old) and line == old[position]:
            position += 1
        elif line.strip() and number not in imports:
            extra.append(f"line {number + 1} is new or changed: {line.strip()[:80]}")
    if position < len(old):  # all below the first line that is gone looks new
        gone = f"line {position + 1} is gone: {old[position].strip()[:80]}"
        return [gone, *extra[:1]]
    return extra[:20]


# --- new definitions ---------------------------------------------------------------------------


def insert(source: bytes | None, qualname: str, code: str) -> bytes:
    """The file with a new definition (``code`` is canonical); None is a new file.

    A module's function stands two blank lines below the last function or class, above an
    ``if __name__ == "__main__":``; a method at the end of its class, in place of a lone ``pass`` or
    ``...``; a class or value below the imports, or at the top of its class. All stand above what
    needs them at import. Missing classes are created, and ``__all__`` names what is public. Several
    functions of one place have the first one's ``qualname``, classes and values of a module none.

    Raises SourceSyntaxError, and UsageError if the function is there already or cannot be encoded.
    """
    outline = read_outline(source or b"")
    code = outline.source.fitted(code.rstrip("\n"))
    nodes = parse_text(code).body
    is_function = bool(qualname) and isinstance(nodes[0], Function)
    is_several = len(nodes) > 1 and all(isinstance(one, Function) for one in nodes)
    if is_function and not is_several:
        code = only_definition(code, qualname)[0]
    if is_function and outline.same(qualname):
        raise UsageError(f"{qualname} is already defined; it can only be replaced")
    classes = qualname.split(".")[:-1]
    site, missing = None, []
    while classes and (site := outline.klass(".".join(classes))) is None:
        missing.append(classes.pop())
    if "<locals>" in missing:
        raise UsageError(f"{qualname} stands inside a function and can only come with it")
    for name in missing:
        code = f"class {name}:\n" + relayout(code, CANONICAL, _INNER)
    if site:
        edits = [_into_class(outline, site, code, is_last=is_function)]
    else:
        edits = [*_exported(outline, code), _into_module(outline, code, is_last=is_function)]
    return outline.source.edited(edits)


def _exported(outline: Outline, code: str) -> list[Edit]:
    """What adds the public names of ``code`` to a list or tuple ``__all__`` of plain texts."""
    bindings = (one for one in outline.tree.body if "__all__" in bound_names(one))
    listed = getattr(next(bindings, None), "value", None)
    if not isinstance(listed, ast.List | ast.Tuple) or not listed.elts:
        return []
    known = [one.value if isinstance(one, ast.Constant) else None for one in listed.elts]
    bound = [name for node in parse_text(code).body for name in bound_names(node)]
    new = [name for name in bound if name[0] != "_" and name not in known]
    last = listed.elts[-1]
    row, (start, end) = last.lineno - 1, (last.col_offset, last.end_col_offset)
    line = unify_newlines(outline.rows.rows[row]).rstrip("\n").encode()
    before, text, after = (one.decode() for one in (line[:start], line[start:end], line[end:]))
    if not new or text[1:-1] != known[-1]:
        return []
    texts = [f"{text[0]}{name}{text[0]}" for name in new]
    if before.strip() or not _ALONE.fullmatch(after):
        return [Edit(row, row + 1, (before + ", ".join([text, *texts]) + after,))]
    after = after if after[:1] == "," else f",{after}"
    return [Edit(row, row + 1, (before + text + after, *(f"{before}{one}," for one in texts)))]


_ALONE = re.compile(r",?[ \t]*(#.*)?")


_INNER = Layout(CANONICAL.unit, CANONICAL.unit * 2, CANONICAL.unit)


def _styled(code: str, base: str, unit: str) -> list[str]:
    return relayout(code, CANONICAL, Layout(base, base + unit, unit)).split("\n")


def _into_class(outline: Outline, site: Site, code: str, *, is_last: bool) -> Edit:
    layout, rows = outline.layout(site), outline.rows
    lines = _styled(code, layout.body, layout.unit)
    if not outline.is_open(site):
        return _into_one_liner(outline, site, lines)
    *others, last = site.node.body
    row, end = rows.first(last.lineno - 1), rows.below(last)
    is_all = len(others) <= (ast.get_docstring(site.node) is not None)
    stands_alone = not others or rows.below(others[-1]) <= row
    if _is_filler(last) and stands_alone and (is_last or is_all):
        is_apart = not others or not rows.rows[row - 1].strip()
        return Edit(row, end, tuple(lines if is_apart else ["", *lines]))
    if not is_last:
        return _to_the_top(outline, site, lines)
    end = _below_comments(rows.rows, end, layout.base)
    return Edit(end, end, ("", *lines))


def _to_the_top(outline: Outline, site: Site, lines: list[str]) -> Edit:
    """Under the class's docstring, else under its header."""
    rows = outline.rows
    if ast.get_docstring(site.node) is None:
        row = outline.row(site.colon - 1) + 1
        return Edit(row, row, (*lines, ""))
    row = rows.below(site.node.body[0])
    for node in site.node.body[1:]:  # what shares a line with the docstring
        row = rows.below(node) if node.lineno <= row else row
    below = [""] if "".join(rows.rows[row : row + 1]).strip() else []
    return Edit(row, row, ("", *lines, *below))


def _into_one_liner(outline: Outline, site: Site, lines: list[str]) -> Edit:
    """``class A: pass`` opens up; a comment stays on the header's line."""
    text, rows = outline.source.text, outline.rows
    row = outline.row(site.colon - 1)
    comment = text[site.body_end : site.end].lstrip(" \t\f;\\\r\n")
    header = text[rows.starts[row] : site.colon] + (f"  {comment}" if comment else "")
    body = site.node.body
    if len(body) > 1 or not _is_filler(body[0]):
        kept = unify_newlines(text[site.body : site.body_end])
        lines = [outline.layout(site).body + kept, "", *lines]
    return Edit(row, rows.below(body[-1]), (header, *lines))


def _is_filler(node: ast.stmt) -> bool:
    """Whether a statement only says that nothing is here: ``pass`` or ``...``."""
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(node, ast.Pass) or (isinstance(value, ast.Constant) and value.value is ...)


def _below_comments(rows: list[str], row: int, base: str) -> int:
    """The row below the indented comments that still belong to the block that ends above ``row``."""
    for number in range(row, len(rows)):
        text = rows[number].strip()
        if text and not (text.startswith("#") and len(leading(rows[number])) > len(base)):
            break
        if text:
            row = number + 1
    return row


# --- the top level -----------------------------------------------------------------------------


def _into_module(outline: Outline, code: str, *, is_last: bool) -> Edit:
    """Below the last function or class, above ``if __name__ == "__main__":``; or at the top."""
    rows, body = outline.rows.rows, outline.tree.body
    if not is_last:
        return _at_top_level(outline, code, _below_opening(outline))
    guard = next((node.lineno - 1 for node in body if _is_guard(node)), len(rows))
    above = [one for one in body if isinstance(one, Function | ast.ClassDef)]
    above = [one for one in above if one.lineno <= guard]
    if above:
        guard = _below_comments(rows, outline.rows.below(above[-1]), "")
    return _at_top_level(outline, code, guard if above else above_comments(rows, guard))


def _below_opening(outline: Outline) -> int:
    """The row below the imports, and below ``__all__`` and its like."""
    row = opening_end(outline)
    for node in outline.tree.body:
        end = outline.rows.below(node)
        if end > row and not all(name.startswith("__") for name in bound_names(node) or [""]):
            break
        row = max(row, end)
    return row


def _is_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(one, ast.Name) and one.id == "__name__" for one in ast.walk(node.test)
    )


def _at_top_level(outline: Outline, code: str, row: int) -> Edit:
    """At ``row``, but above what needs ``code`` at import, and below what it needs then itself."""
    rows, body = outline.rows.rows, outline.tree.body
    new = parse_text(code)
    names = bound_names(new)
    for node in body:
        if names & used_at_import([node]):
            start = outline.rows.first(outline.row(start_of(outline.rows, node)))
            row = min(row, above_comments(rows, start))
            break
    for name in used_at_import(new.body) - names:
        binding = next((node for node in body if name in bound_names(node)), None)
        row = max(row, outline.rows.below(binding) if binding else 0)
    if not "".join(rows[row:]).strip():
        row = len(rows)
    above = _num_blank(reversed(rows[:row])) if "".join(rows[:row]).strip() else 2
    below = _num_blank(rows[row:]) if row < len(rows) else 2
    lines = _styled(code, "", outline.unit)
    return Edit(row, row, ("",) * (2 - above) + tuple(lines) + ("",) * (2 - below))


def _num_blank(rows: Iterable[str]) -> int:
    """With how many blank rows they begin, two at most."""
    return len(list(takewhile(lambda row: not row.strip(), islice(rows, 2))))
