"""Owns the placing of a complete class in a file. It does not know what the class is for."""

from __future__ import annotations

import ast

from egbot.source.layout import SourceSyntaxError


def insert_class(source: bytes | None, text: str) -> bytes:
    """The file with the class ``text`` below its imports, two blank lines on either side.

    All other bytes stay as they are. Raises SourceSyntaxError when the file cannot be read.
    """
    if not source or not source.strip():
        return text.encode()
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SourceSyntaxError(str(error), getattr(error, "lineno", None) or 0) from error
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


def _last_header_line(module: ast.Module) -> int:
    """The last line of the docstring and the imports that open the module."""
    last = 0
    for place, node in enumerate(module.body):
        is_docstring = place == 0 and isinstance(node, ast.Expr)
        if not is_docstring and not isinstance(node, ast.Import | ast.ImportFrom):
            break
        last = node.end_lineno or node.lineno
    return last
