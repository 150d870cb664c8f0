"""Finds the examples in a docstring: doctests, lines such as ``f(1) == 2`` or ``f(1) => 2``, and
sentences such as ``For n = 1 the output should be 2``.

It does not know whether an example is right.
"""

from __future__ import annotations

import ast
import doctest
import re

_ARROW = re.compile(
    r"\s*(?:#\s*)?(?:==>|=>|===|==|=|->|➞|→|(?:should |will )?returns?\b|outputs?\b)\s*(.+)"
)
_FOR = re.compile(r"\bfor \w+ ?= ?(.+?),? [^\n]*?output should be (.+)", re.IGNORECASE)
_INPUT = re.compile(r"\binput: *(?:\w+ *= *)?(.+)\n\s*output: *(.+)", re.IGNORECASE)
_WORDS = {"true": "True", "false": "False", "none": "None", "null": "None"}


def example_asserts(docstring: str, name: str) -> tuple[str, ...]:
    """Asserts on ``name`` with literal arguments and results, in the docstring's order.

    Doctests are read by their own rules; other lines only where call and result are literals, so
    that prose is never taken for a test.
    """
    if ">>>" in docstring:
        found = _doctests(docstring, name)
    else:
        found = _lines(docstring, name) or _sentences(docstring, name)
    return tuple(dict.fromkeys(found))


def _doctests(docstring: str, name: str) -> list[str]:
    try:
        examples = doctest.DocTestParser().get_examples(docstring)
    except ValueError:  # a line break inside a string, most often
        return []
    asserts = []
    for example in examples:
        source, want = example.source.strip(), _literal(example.want.strip())
        if example.exc_msg or not _calls(source, name):
            continue
        if want is not None:
            asserts.append(f"assert {source} == {want}")
        elif not example.want and _is_comparison(source):
            asserts.append(f"assert {source}")
    return asserts


def _is_comparison(source: str) -> bool:
    node = ast.parse(source, mode="eval").body
    return isinstance(node, ast.Compare) and all(_is_literal(one) for one in node.comparators)


def _sentences(docstring: str, name: str) -> list[str]:
    """Examples that name the only argument's value and the result, each a literal."""
    asserts = []
    for found in (*_FOR.finditer(docstring), *_INPUT.finditer(docstring)):
        given, wanted = _literal(found.group(1).strip()), _result(found.group(2))
        if given is not None and wanted is not None:
            asserts.append(f"assert {name}({given}) == {wanted}")
    return asserts


def _calls(source: str, name: str) -> bool:
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return False
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))


def _lines(docstring: str, name: str) -> list[str]:
    asserts = []
    for found in re.finditer(rf"(?<![\w.]){re.escape(name)}\s*\(", docstring):
        call, end = _call(docstring, found.start(), found.end())
        if not call:
            continue
        arrow = _ARROW.match(docstring[end:].partition("\n")[0])
        value = _result(arrow.group(1)) if arrow else None
        if value is not None:
            asserts.append(f"assert {call} == {value}")
    return asserts


def _call(text: str, start: int, after: int) -> tuple[str, int]:
    """The call that starts here, on one line, and where it ends; ("", 0) if there is none."""
    end = after
    while (end := text.find(")", end)) >= 0 and end - start < 2000:
        end += 1
        source = " ".join(text[start:end].split("\n"))
        try:
            node = ast.parse(source, mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            continue
        is_plain = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if not is_plain or not all(_is_literal(one) for one in _arguments(node)):
            return "", 0
        return ast.unparse(node), end
    return "", 0


def _arguments(node: ast.expr) -> list[ast.expr]:
    if not isinstance(node, ast.Call):
        return []
    return [*node.args, *(one.value for one in node.keywords)]


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _result(text: str) -> str | None:
    """The literal in what follows the arrow: before a remark, or behind a last ``=``."""
    plain = text.strip()
    for piece in (plain, plain.split(" #")[0], plain.split(" (")[0], plain.rpartition(" = ")[2]):
        value = _literal(piece.strip().rstrip(".;,").strip())
        if value is not None:
            return value
    return None


def _literal(text: str) -> str | None:
    text = _WORDS.get(text, text)
    try:
        value = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return repr(value) if value is not None else "None"
