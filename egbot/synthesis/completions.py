"""Makes partial code runnable: the longest part that compiles, with open blocks closed.

It changes no statement that the model completed and never looks at what the code does.
"""

from __future__ import annotations

import ast
import re
from itertools import dropwhile

from egbot.source.text import quietly
from egbot.synthesis.answer import Frame, is_open, parse_quietly

_COLON = re.compile(r":\s*(?:#.*)?$")
_WHILE = re.compile(r"\s*while\b")
_TRY = re.compile(r"(\s*)try\s*:\s*(?:#.*)?$")
_HANDLER = re.compile(r"(\s*)(?:except|finally)\b")


def make_runnable(frame: Frame, body: str) -> str | None:
    """The definition with the longest runnable part of ``body``, or None if no statement runs.

    Lines are dropped from the end until the rest compiles; a trailing block header gets ``pass`` (``while``: ``break``)
    and a ``try`` without handlers a ``finally: pass``. The result is normalised: comments and the
    body's own docstring are gone, one statement a line, so that equal programs are equal text.
    """
    lines = body.split("\n")
    for count in range(len(lines), 0, -1):
        if not lines[count - 1].strip():
            continue
        for closed in _closings(lines[:count]):
            code = frame.code("\n".join(closed))
            normal = normalise(code)
            if normal is not None:
                return normal if _has_statement(normal) else None
    return None


def is_viable(frame: Frame, body: str) -> bool:
    """Whether ``body`` can still become a function: all of it runs, or a bracket is open."""
    lines = [line for line in body.split("\n") if line.strip()]
    while lines and lines[-1].lstrip().startswith("#"):
        lines.pop()
    if not lines:
        return True
    if any(normalise(frame.code("\n".join(["", *way]))) for way in _closings(lines)):
        return True
    return is_open(frame, body)


def normalise(code: str) -> str | None:
    """``code`` without comments, docstrings and layout, or None when it is not one definition."""
    try:
        tree = parse_quietly(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    definition = tree.body[0]
    for node in ast.walk(definition):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.body = _without_docstring(node.body)
    try:
        with quietly():
            compile(tree, "<candidate>", "exec", dont_inherit=True)
        return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """The body without the strings that it starts with: a second one is no docstring, but idle."""
    kept = list(dropwhile(_is_string, body))
    return kept or [ast.copy_location(ast.Pass(), body[0])]


def _is_string(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _has_statement(normal: str) -> bool:
    definition = parse_quietly(normal).body[0]
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101
    return not all(isinstance(node, ast.Pass) for node in definition.body)


def _closings(lines: list[str]) -> list[list[str]]:
    """The ways to close what is open at the end of ``lines``, the plainest first."""
    ways = [lines]
    if _COLON.search(lines[-1]):
        # an empty `while` would run until the time limit and tell nothing more than one look at it
        filler = "break" if _WHILE.match(lines[-1]) else "pass"
        ways.append([*lines, f"{_indentation(lines[-1])}    {filler}"])
    handlers = [
        part for margin in _open_tries(lines) for part in (f"{margin}finally:", f"{margin}    pass")
    ]
    if handlers:
        ways += [[*way, *handlers] for way in ways]
    return ways


def _open_tries(lines: list[str]) -> list[str]:
    """The margins of the ``try`` headers that have no handler yet, the innermost first."""
    margins: list[str] = []
    for line in lines:
        handler = _HANDLER.match(line)
        if handler and handler.group(1) in margins:
            margins.remove(handler.group(1))
        opening = _TRY.match(line)
        if opening:
            margins.append(opening.group(1))
    return margins[::-1]


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
