"""Owns the outline of a Python file: which functions and classes it defines, and where they stand.

It does not know what will be written there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import libcst as cst

from egbot.records import Span
from egbot.source.layout import (
    CANONICAL,
    SourceSyntaxError,
    SourceText,
    Style,
    dominant_newline,
    leading,
    parse_text,
    read_source,
    relayout,
    tokens_of,
    unify_newlines,
)

_LINE_END = re.compile(r"(?:[ \t\f;]|\\(?:\r\n|\r|\n))*(?:#[^\r\n]*)?")
_INDENT = re.compile(r"[ \t\f]*")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_Defining = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_CST_PARTS = (
    cst.BaseSuite,
    cst.BaseCompoundStatement,
    cst.Else,
    cst.ExceptHandler,
    cst.ExceptStarHandler,
    cst.Finally,
    cst.MatchCase,
)
_AST_PARTS = (ast.stmt, ast.ExceptHandler, ast.match_case)


@dataclass(frozen=True, slots=True)
class Definition:
    """A function as it stands in a file.

    ``span`` reaches from the first decorator to the end of the body's last line (a comment on
    that line included; blank lines and comments below it are not). ``header`` (decorators to
    colon) and ``code`` (all of it) are canonical: dedented, four spaces a level, "\\n" newlines.
    ``indent`` is the definition's own indentation, ``unit`` what one level adds, ``newline`` what
    ends its lines. ``class_header`` is the enclosing class's ``class Name(Base):``.
    """

    qualname: str
    span: Span
    header: str
    docstring: str
    indent: str
    unit: str
    newline: str
    is_method: bool
    is_async: bool
    class_header: str | None
    code: str


@dataclass(frozen=True, slots=True)
class Site:
    """A function or class in the text. ``start`` and ``end`` are offsets in characters.

    ``body`` is where the body's first statement starts, ``body_end`` where its last one ends.
    ``syntax`` is the interpreter's node, ``node`` libcst's.
    """

    qualname: str
    syntax: _Defining
    node: cst.FunctionDef | cst.ClassDef
    start: int
    end: int
    body: int
    body_end: int
    owner: Site | None


@dataclass(frozen=True, slots=True)
class Outline:
    """A parsed file."""

    source: SourceText
    tree: ast.Module
    unit: str
    functions: tuple[Site, ...]
    classes: tuple[Site, ...]

    def function(self, qualname: str) -> Site | None:
        """The definition that counts: the last one that is no overload and no setter."""
        return next((s for s in reversed(self.functions) if s.qualname == qualname), None)

    def klass(self, qualname: str) -> Site | None:
        """The last class of that name."""
        return next((s for s in reversed(self.classes) if s.qualname == qualname), None)


@lru_cache(8)
def read_outline(source: bytes) -> Outline:
    """Parse a file; the last ones are kept, as each of a file's functions asks for its outline.

    Raises SourceSyntaxError.

    libcst gives the structure (indentation units, headers, decorators). The positions are the
    interpreter's own: libcst's are those of the text that it would write, and that text differs
    from the file where a form feed stands in the indentation.
    """
    read = read_source(source)
    tree = parse_text(read.text)
    try:
        module = cst.parse_module(read.text)
        sites = tuple(_SiteReader(read.text).read(tree, module, "", None))
    except cst.ParserSyntaxError as error:
        raise SourceSyntaxError(error.message, error.raw_line) from error
    except RecursionError as error:
        raise SourceSyntaxError("the file is nested too deeply to be rewritten") from error
    functions = tuple(s for s in sites if isinstance(s.node, cst.FunctionDef) and _counts(s.node))
    classes = tuple(s for s in sites if isinstance(s.node, cst.ClassDef))
    return Outline(read, tree, module.default_indent, functions, classes)


class _SiteReader:
    """Pairs the interpreter's nodes with libcst's and turns lines and columns into offsets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(found.end() for found in _NEWLINE.finditer(text))]

    def read(
        self, tree: ast.AST, module: cst.CSTNode, prefix: str, owner: Site | None
    ) -> Iterator[Site]:
        pairs = zip(_defined(tree), _defined_cst(module), strict=True)
        for node, twin in pairs:
            if node.name != twin.name.value:
                raise SourceSyntaxError("the two parsers disagree on this file", node.lineno)
            site = self._site(node, twin, prefix, owner)
            yield site
            if isinstance(node, ast.ClassDef):
                yield from self.read(node, twin.body, site.qualname + ".", site)

    def _site(
        self,
        node: _Defining,
        twin: cst.FunctionDef | cst.ClassDef,
        prefix: str,
        owner: Site | None,
    ) -> Site:
        start, body = self._start(node), self._start(node.body[0])
        body_end = self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        tail = _LINE_END.match(self.text, body_end)
        end = tail.end() if tail else body_end
        end = start + len(self.text[start:end].rstrip())
        return Site(prefix + node.name, node, twin, start, end, body, body_end, owner)

    def _start(self, node: ast.stmt) -> int:
        if isinstance(node, _Defining) and node.decorator_list:
            return self._decorator(node.decorator_list[0])
        return self._offset(node.lineno, node.col_offset)

    def _offset(self, line: int, column: int) -> int:
        """Characters up to a position; ``column`` counts the line's bytes in UTF-8."""
        start = self.starts[line - 1]
        piece = self.text[start : start + column]
        return start + (column if piece.isascii() else len(piece.encode()[:column].decode()))

    def _decorator(self, expression: ast.expr) -> int:
        """The ``@`` of a decorator: parentheses may put it on a line above its expression."""
        line = expression.lineno
        while True:
            found = _INDENT.match(self.text, self.starts[line - 1])
            start = found.end() if found else 0
            if self.text.startswith("@", start) or line == 1:
                return start
            line -= 1


def _defined(parent: ast.AST) -> Iterator[_Defining]:
    """The functions and classes that a block defines, also under ``if``, ``try`` and the like."""
    for child in ast.iter_child_nodes(parent):
        if isinstance(child, _Defining):
            yield child
        elif isinstance(child, _AST_PARTS):
            yield from _defined(child)


def _defined_cst(parent: cst.CSTNode) -> Iterator[cst.FunctionDef | cst.ClassDef]:
    for child in parent.children:
        if isinstance(child, (cst.FunctionDef, cst.ClassDef)):
            yield child
        elif isinstance(child, _CST_PARTS):
            yield from _defined_cst(child)


def _counts(node: cst.FunctionDef) -> bool:
    """False for typing overloads and for the setter and deleter of a property."""
    for decorator in node.decorators:
        expression = decorator.decorator
        if isinstance(expression, cst.Name) and expression.value == "overload":
            return False
        if isinstance(expression, cst.Attribute):
            last = expression.attr.value
            of_property = (
                isinstance(expression.value, cst.Name) and expression.value.value == node.name.value
            )
            if last == "overload" or (of_property and last in ("setter", "deleter")):
                return False
    return True


def describe(outline: Outline, site: Site) -> Definition:
    """Everything about one function of the outline."""
    node = site.node
    text = outline.source.text
    piece = text[site.start : site.end]
    indent = indent_of(text, site.start)
    unit = unit_of(outline, node)
    code = relayout(indent + unify_newlines(piece), Style(indent, unit), CANONICAL)
    first = len(_NEWLINE.findall(text[: site.start])) + 1
    start = len(outline.source.bom) + len(outline.source.encode(text[: site.start]))
    span = Span(start, start + len(outline.source.encode(piece)), first, first + code.count("\n"))
    docstring = node.get_docstring()
    return Definition(
        qualname=site.qualname,
        span=span,
        header=header_of(code),
        docstring=docstring if isinstance(docstring, str) else "",
        indent=indent,
        unit=unit,
        newline=dominant_newline(piece) or outline.source.newline,
        is_method=site.owner is not None,
        is_async=isinstance(node, cst.FunctionDef) and node.asynchronous is not None,
        class_header=_class_header(site.owner),
        code=code,
    )


def indent_of(text: str, start: int) -> str:
    """The indentation of what starts at an offset, without form feeds."""
    line = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    return leading(text[line:start]).rpartition("\f")[2]


def unit_of(outline: Outline, node: cst.FunctionDef | cst.ClassDef) -> str:
    """What the body of a function or class adds to its indentation."""
    body = node.body
    return (body.indent if isinstance(body, cst.IndentedBlock) else None) or outline.unit


def header_of(code: str) -> str:
    """The part of a canonical definition (or class) up to and with its colon."""
    depth = lambdas = 0
    begun = False
    lines = code.split("\n")
    for token in tokens_of(code + "\n"):
        begun = begun or token.string in ("def", "class")
        if token.string in ("(", "[", "{"):
            depth += 1
        elif token.string in (")", "]", "}"):
            depth -= 1
        elif begun and depth == 0 and token.string == "lambda":
            lambdas += 1
        elif begun and depth == 0 and token.string == ":":
            if not lambdas:
                row, column = token.end
                return "\n".join([*lines[: row - 1], lines[row - 1][:column]])
            lambdas -= 1
    raise SourceSyntaxError("no definition's header was found", 1)


def _class_header(site: Site | None) -> str | None:
    if site is None:
        return None
    node = cst.ensure_type(site.node, cst.ClassDef)
    bare = node.with_changes(
        decorators=(),
        leading_lines=(),
        lines_after_decorators=(),
        body=cst.SimpleStatementSuite([cst.Pass()]),
    )
    return header_of(unify_newlines(cst.Module([]).code_for_node(bare)))


def find(source: bytes, qualname: str) -> Definition | None:
    """The function that ``qualname`` (``f``, ``Class.method``, ``A.B.f``) names, or None.

    Functions under ``if``, ``try`` and the like are found; functions inside functions are not.
    Of several, the last one counts that is no ``typing.overload`` and no property setter or
    deleter. Raises SourceSyntaxError.
    """
    outline = read_outline(source)
    site = outline.function(qualname)
    return describe(outline, site) if site else None


def definitions(source: bytes) -> tuple[Definition, ...]:
    """What ``find`` would give for each function of the file, in the file's order."""
    outline = read_outline(source)
    last = {site.qualname: site for site in outline.functions}
    return tuple(describe(outline, site) for site in sorted(last.values(), key=lambda s: s.start))


def only_definition(code: str, qualname: str) -> str:
    """The canonical code from the first decorator to the last line, without what surrounds it.

    Raises SourceSyntaxError unless it is one definition of that name and nothing else.
    """
    code = unify_newlines(code).rstrip() + "\n"
    body = parse_text(code).body
    name = qualname.rpartition(".")[2]
    if len(body) != 1 or not isinstance(body[0], (ast.FunctionDef, ast.AsyncFunctionDef)):
        raise SourceSyntaxError(f"expected the definition of {name} and nothing else", 1)
    node = body[0]
    if node.name != name:
        raise SourceSyntaxError(
            f"expected the definition of {name}, not of {node.name}", node.lineno
        )
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(code.split("\n")[first - 1 : node.end_lineno])
