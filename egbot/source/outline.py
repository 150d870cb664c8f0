"""Owns what a Python file defines: its functions and classes, where they stand, which are stubs.

A name is what Python calls it: ``f``, ``Class.method``, ``outer.<locals>.inner``. Of several that
are equal, the ordinal tells which, from 0 in the file's order; functions and classes count apart.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from egbot.records import Span, StubPlace, Tree
from egbot.source.text import (
    CANONICAL,
    Layout,
    Rows,
    SourceSyntaxError,
    SourceText,
    leading,
    parse_text,
    read_source,
    relayout,
    unify_newlines,
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
_Defining = Function | ast.ClassDef
_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
_END = re.compile(r"(?:(?:[ \t\f]|\\(?:\r\n|\r|\n))*(?:;|#[^\r\n]*))*")
_COLON = re.compile(r"(?:[^:#]|#[^\r\n]*)*:")
_SAME_LINE = re.compile(r"(?:[ \t\f]|\\(?:\r\n|\r|\n))*")
_DECLARING = frozenset(
    {f"abstract{what}" for what in ("method", "property", "classmethod", "staticmethod")}
    | {"overload", "hookspec", "group", "callback"}
)
"""Decorators that take a function without a body: abc's, typing's, pluggy's, click's and typer's."""

_NEVER = frozenset({"NoReturn", "Never"})
_UNWRITTEN = frozenset({"NotImplementedError", "NotImplemented"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or class as it stands in a file.

    ``span`` reaches from the first decorator to the end of the body's last line (a comment on
    that line included; blank lines and comments below it are not). ``header`` (decorators to
    colon) and ``code`` (all of it) are canonical: dedented, four spaces a level, "\\n" newlines.
    """

    qualname: str
    ordinal: int
    span: Span
    header: str
    docstring: str
    code: str


@dataclass(frozen=True, slots=True)
class Site:
    """A function or class in the text; all numbers are offsets in characters.

    ``start`` is the first decorator, ``colon`` what follows the header's colon, ``body`` the first
    statement, ``body_end`` the last one's end, ``end`` that with what else stands on its line.
    """

    qualname: str
    ordinal: int
    node: _Defining
    owner: Site | None
    start: int
    colon: int
    body: int
    body_end: int
    end: int


@dataclass(frozen=True, eq=False)
class Outline:
    """A parsed file; ``functions`` and ``classes`` in the order of the file."""

    source: SourceText
    tree: ast.Module
    rows: Rows
    functions: tuple[Site, ...]
    classes: tuple[Site, ...]

    def same(self, qualname: str) -> list[Site]:
        """The functions of one name, in their order."""
        name = unicodedata.normalize("NFKC", qualname)
        return [site for site in self.functions if site.qualname == name]

    def function(self, qualname: str, ordinal: int | None = None) -> Site | None:
        """A function; without ``ordinal`` the last one, if it can be no overload, setter, deleter."""
        same = self.same(qualname)
        if ordinal is not None:
            return same[ordinal] if 0 <= ordinal < len(same) else None
        found = [site for site in same if not _is_accessory(site.node)] or same
        return found[-1] if found else None

    def klass(self, qualname: str) -> Site | None:
        """The last class of that name."""
        name = unicodedata.normalize("NFKC", qualname)
        return next((s for s in reversed(self.classes) if s.qualname == name), None)

    def row(self, offset: int) -> int:
        """The row (from 0) of an offset."""
        return bisect_right(self.rows.starts, offset, hi=len(self.rows.rows)) - 1

    def is_open(self, site: Site) -> bool:
        """Whether the body stands below the header, not behind its colon."""
        return not _SAME_LINE.fullmatch(self.source.text, site.colon, site.body)

    def layout(self, site: Site) -> Layout:
        """How a definition is indented."""
        base = self.rows.indent(self.row(site.start))
        body = self.rows.indent(self.row(site.body)) if self.is_open(site) else ""
        unit = body[len(base) :] if body.startswith(base) else ""
        unit = unit or self.unit
        return Layout(base, body or base + unit, unit)

    @cached_property
    def unit(self) -> str:
        """What a level of indentation adds, in most blocks of the file; four spaces without any."""
        found: Counter[str] = Counter()
        for node in ast.walk(self.tree):
            body = getattr(node, "body", None)
            if isinstance(node, ast.stmt) and isinstance(body, list) and body:
                base, row = self.rows.indent(node.lineno - 1), body[0].lineno - 1
                is_first = len(leading(self.rows.rows[row])) == body[0].col_offset  # of its row
                inner = self.rows.indent(row) if is_first else ""
                if len(inner) > len(base) and inner.startswith(base):
                    found[inner[len(base) :]] += 1
        return found.most_common(1)[0][0] if found else CANONICAL.unit


@lru_cache(16)
def read_outline(source: bytes) -> Outline:
    """Parse a file; the last ones are kept, as each of a file's functions asks for its outline.

    Raises SourceSyntaxError.
    """
    read = read_source(source)
    tree = parse_text(read.text)
    rows = Rows(read.text)
    sites = tuple(_sites(read.text, tree, rows))
    return Outline(
        source=read,
        tree=tree,
        rows=rows,
        functions=tuple(site for site in sites if isinstance(site.node, Function)),
        classes=tuple(site for site in sites if isinstance(site.node, ast.ClassDef)),
    )


def outline_in(tree: Tree, path: str) -> Outline:
    """The outline of a tree's file; an empty one where it is not there or no Python."""
    try:
        return read_outline(tree[path].data)
    except (KeyError, SourceSyntaxError):
        return read_outline(b"")


def _sites(text: str, tree: ast.Module, rows: Rows) -> Iterator[Site]:
    waiting: list[tuple[ast.AST, Site | None]] = [(tree, None)]
    seen: Counter[tuple[bool, str]] = Counter()
    while waiting:
        node, owner = waiting.pop()
        if isinstance(node, _Defining):
            inside = ".<locals>." if owner and isinstance(owner.node, Function) else "."
            qualname = owner.qualname + inside + node.name if owner else node.name
            key = isinstance(node, ast.ClassDef), qualname
            owner = _site(text, rows, node, qualname, seen[key], owner)
            seen[key] += 1
            yield owner
        inner = [one for name in _BLOCKS for one in getattr(node, name, ())]
        waiting += [(one, owner) for one in reversed(inner)]


def _site(
    text: str, rows: Rows, node: _Defining, qualname: str, ordinal: int, owner: Site | None
) -> Site:
    start, body = start_of(rows, node), start_of(rows, node.body[0])
    body_end = rows.offset(node.end_lineno or 0, node.end_col_offset or 0)
    tail = _END.match(text, body_end)
    end = body_end + len(tail.group().rstrip() if tail else "")
    colon = _colon(text, rows, node)
    return Site(qualname, ordinal, node, owner, start, colon, body, body_end, end)


def _colon(text: str, rows: Rows, node: _Defining) -> int:
    """Where a definition's header ends."""
    ends = [(one.end_lineno, one.end_col_offset) for one in _header_parts(node)]
    found = _COLON.match(text, rows.offset(*max(ends, default=(node.lineno, node.col_offset))))
    if not found:
        raise SourceSyntaxError(f"the header of {node.name} cannot be found", node.lineno)
    return found.end()


def _header_parts(node: _Defining) -> list[Any]:
    """What may hold a colon of its own between a definition's name and its body."""
    parts: list[Any] = [*getattr(node, "type_params", ())]
    if isinstance(node, ast.ClassDef):
        return [*parts, *node.bases, *node.keywords]
    return [*parts, *ast.iter_child_nodes(node.args), *([node.returns] if node.returns else [])]


def start_of(rows: Rows, node: ast.stmt) -> int:
    """Where a statement starts: parentheses may put a decorator's ``@`` above its expression."""
    decorators = node.decorator_list if isinstance(node, _Defining) else []
    if not decorators:
        return rows.offset(node.lineno, node.col_offset)
    row = decorators[0].lineno - 1
    while row and not rows.rows[row].lstrip(" \t\f").startswith("@"):
        row -= 1
    line = rows.rows[row]
    return rows.starts[row] + len(line) - len(line.lstrip(" \t\f"))


def _is_accessory(node: _Defining) -> bool:
    """Whether a function only adds to another one of its name: an overload, a setter or deleter."""
    others = {f"{node.name}.setter", f"{node.name}.deleter"}
    marks = node.decorator_list
    return any(last_name(one) == "overload" or ast.unparse(one) in others for one in marks)


# --- definitions -------------------------------------------------------------------------------


def describe(outline: Outline, site: Site) -> Definition:
    """Everything about one function or class of the outline. Raises SourceSyntaxError."""
    source, layout = outline.source, outline.layout(site)
    piece = unify_newlines(source.text[site.start : site.end])
    code = relayout(layout.base + piece, layout, CANONICAL)
    header = unify_newlines(source.text[site.start : site.colon])
    rest = piece[len(header) :].partition("\n")[0]
    rows = code.split("\n")[: header.count("\n") + 1]
    rows[-1] = rows[-1].removesuffix(rest)
    first = outline.row(site.start) + 1
    return Definition(
        qualname=site.qualname,
        ordinal=site.ordinal,
        span=Span(
            len(source.encode(source.text[: site.start])),
            len(source.encode(source.text[: site.end])),
            first,
            first + code.count("\n"),
        ),
        header="\n".join(rows),
        docstring=ast.get_docstring(site.node) or "",
        code=code,
    )


def find(source: bytes, qualname: str, ordinal: int | None = None) -> Definition | None:
    """The function that ``qualname`` and ``ordinal`` name, or None. Raises SourceSyntaxError.

    Without ``ordinal`` it is the last one that is no overload and no property's setter or deleter.
    """
    outline = read_outline(source)
    site = outline.function(qualname, ordinal)
    return describe(outline, site) if site else None


def definitions(source: bytes) -> tuple[Definition, ...]:
    """All functions of the file, in its order. Raises SourceSyntaxError."""
    outline = read_outline(source)
    return tuple(describe(outline, site) for site in outline.functions)


def only_definition(code: str, qualname: str) -> tuple[str, Function, int]:
    """The canonical code from the first decorator to the last line, without what surrounds it.

    With it come its node and the offset of the header's end.

    Raises SourceSyntaxError unless it is one function of that name and nothing else.
    """
    code = unify_newlines(code).rstrip() + "\n"
    body = parse_text(code).body
    name = unicodedata.normalize("NFKC", qualname.rpartition(".")[2])
    node = body[0] if len(body) == 1 else None
    if not isinstance(node, Function) or node.name != name:
        raise SourceSyntaxError(f"expected the definition of {name} and nothing else", 1)
    rows = Rows(code)
    start = start_of(rows, node)
    end = rows.starts[rows.below(node)]
    return code[start:end].rstrip("\n"), node, _colon(code, rows, node) - start


# --- what is still to be written ---------------------------------------------------------------


def stub_places(path: str, data: bytes) -> tuple[StubPlace, ...]:
    """The functions of a file that are still to be written. Raises SourceSyntaxError."""
    return tuple(
        StubPlace(path, site.qualname, site.ordinal, silent=not refuses(site.node.body))
        for site in read_outline(data).functions
        if is_stub(site.node, site.owner.node if site.owner else None)
    )


def header_dump(node: ast.AST) -> str:
    """A function without its body, as text: equal headers mean the same."""
    parts = {name: [] if name == "body" else value for name, value in ast.iter_fields(node)}
    return ast.dump(type(node)(**parts))


def is_stub(node: ast.AST, owner: ast.AST | None = None) -> bool:
    """Whether a function's body does nothing, or nothing but say that it is not written.

    ``owner`` is the class of a method: a protocol's members, abstract ones and overloads are
    declarations, and what never returns by its annotation is written as it stands.
    """
    bases = owner.bases if isinstance(owner, ast.ClassDef) else []
    if not isinstance(node, Function) or "Protocol" in map(last_name, bases):
        return False
    if _DECLARING & {*map(last_name, node.decorator_list)} or last_name(node.returns) in _NEVER:
        return False
    if refuses(node.body):
        return True
    named = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    is_plain_init = node.name == "__init__" and len(named) == 1  # there is nothing to keep
    return not is_plain_init and all(map(_does_nothing, node.body))


def refuses(body: list[ast.stmt]) -> bool:
    """Whether a body comes straight to a statement that says that it is not written."""
    for node in body:
        if isinstance(node, ast.Raise) and last_name(node.exc) in _UNWRITTEN:
            return True
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant):
            return not node.test.value
        if not says_nothing(node) and not _prepares_message(node):
            return False
    return False


def says_nothing(node: ast.stmt) -> bool:
    """Whether a statement is ``pass``, ``...`` or a string that nobody reads."""
    is_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass) or is_constant


def _does_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Return):
        is_dots = isinstance(node.value, ast.Constant) and node.value.value is ...
        return is_dots or last_name(node.value) == "NotImplemented"
    return says_nothing(node)


def _prepares_message(node: ast.stmt) -> bool:
    """``message = "..."``, or ``del argument`` for those who check for unused ones."""
    is_text = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.JoinedStr)
    return is_text or isinstance(node, ast.Delete)


def last_name(node: ast.expr | None) -> str:
    """The last name of what stands there, without its call or its brackets; "" for no name."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
