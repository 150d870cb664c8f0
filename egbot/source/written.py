"""Owns the placing of complete definitions in a file. It does not know what they are for."""

from __future__ import annotations

import ast

from egbot.source.layout import SourceSyntaxError


def insert_class(source: bytes | None, text: str) -> bytes:
    """The file with the class ``text`` below its imports, two blank lines on either side.

    All other bytes stay as they are. Raises SourceSyntaxError when the file cannot be read.
    """
    if not source or not source.strip():
        return text.encode()
    module = _parsed(source)
    newline = b"\r\n" if b"\r\n" in source else b"\n"
    lines = source.splitlines(keepends=True)
    last = _last_header_line(module)
    above, below = b"".join(lines[:last]), b"".join(lines[last:])
    if above and not above.endswith((b"\n", b"\r")):
        above += newline
    body = newline.join(line.encode() for line in text.rstrip("\n").split("\n")) + newline
    gap = newline * 2 if above else b""
    rest = below.lstrip(b"\r\n")
    return above + gap + body + (newline * 2 + rest if rest else b"")


def insert_member(source: bytes, owner: str, text: str) -> bytes:
    """The file with ``text`` (an attribute, a nested class) at the top of the class ``owner``.

    All other bytes stay. Raises SourceSyntaxError when the file cannot be read or the class stands
    on one line.
    """
    node: ast.Module | ast.ClassDef = _parsed(source)
    for name in owner.split("."):
        inner = [item for item in node.body if isinstance(item, ast.ClassDef) and item.name == name]
        if not inner:
            raise SourceSyntaxError(f"there is no class {owner}", 0)
        node = inner[-1]
    first = node.body[0]
    if first.lineno == getattr(node, "lineno", 0):
        raise SourceSyntaxError(f"the class {owner} stands on one line", first.lineno)
    newline = b"\r\n" if b"\r\n" in source else b"\n"
    lines = source.splitlines(keepends=True)
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    at = (first.end_lineno or first.lineno) if is_docstring else _first_line(first) - 1
    if lines and not lines[-1].endswith((b"\n", b"\r")):
        lines[-1] += newline
    indent = lines[first.lineno - 1][: first.col_offset]
    new = [indent + line.encode() + newline if line else newline for line in text.splitlines()]
    above = [newline] if is_docstring else []
    below = [newline] if at < len(lines) and lines[at].strip() else []
    return b"".join([*lines[:at], *above, *new, *below, *lines[at:]])


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _parsed(source: bytes) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SourceSyntaxError(str(error), getattr(error, "lineno", None) or 0) from error


def _last_header_line(module: ast.Module) -> int:
    """The last line of the docstring and the imports that open the module."""
    last = 0
    for place, node in enumerate(module.body):
        is_docstring = place == 0 and isinstance(node, ast.Expr)
        if not is_docstring and not isinstance(node, ast.Import | ast.ImportFrom):
            break
        last = node.end_lineno or node.lineno
    return last
