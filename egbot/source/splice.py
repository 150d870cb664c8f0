"""Owns the byte-exact change of one function in a Python file. It does not know if it is right.

``prepare`` reads a file once and returns a Slot; ``Slot.fill`` then writes any number of candidates
into it. The sandbox's program and the final patch both come from ``fill``, so they are the same
bytes. Bytes outside the function change only where a new import is added.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from egbot.errors import UsageError
from egbot.source.diff import opcodes
from egbot.source.imports import (
    Bindings,
    Insertion,
    missing_imports,
    place_imports,
    put_lines,
    read_bindings,
)
from egbot.source.insertion import insert
from egbot.source.layout import (
    CANONICAL,
    SourceSyntaxError,
    SourceText,
    Style,
    relayout,
    split_lines,
    unify_newlines,
)
from egbot.source.outline import (
    Definition,
    definitions,
    describe,
    find,
    only_definition,
    read_outline,
)

_MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Slot:
    """A function's place in a file that has been read. ``before`` and ``after`` surround it."""

    path: str
    definition: Definition
    source: SourceText
    tree: ast.Module
    bindings: Bindings
    before: str
    after: str

    def fill(self, code: str) -> bytes:
        """The file's bytes with ``code`` (canonical) as the function and the imports it lacks.

        Raises SourceSyntaxError if ``code`` is not one definition of this function, UsageError
        if the file's encoding lacks one of its characters.
        """
        return self.source.bom + self.source.encode(self.fill_text(code), self.path)

    def fill_text(self, code: str) -> str:
        """The same as text, without a byte order mark; newlines are the file's."""
        code = only_definition(code, self.definition.qualname)
        lines = missing_imports(code, self.bindings)
        before = put_lines(self.before, self._places(lines), self.source.newline)
        return before + self._styled(code) + self.after

    def replace(self, code: str) -> bytes:
        """The file's bytes with ``code`` as the function and no import added. Raises as fill."""
        code = only_definition(code, self.definition.qualname)
        text = self.before + self._styled(code) + self.after
        return self.source.bom + self.source.encode(text, self.path)

    def _places(self, lines: tuple[str, ...]) -> tuple[Insertion, ...]:
        if not lines:
            return ()
        return place_imports(unify_newlines(self.source.text), self.tree, lines)

    def _styled(self, code: str) -> str:
        old = self.definition
        text = relayout(code, CANONICAL, Style(old.indent, old.unit))
        return text.removeprefix(old.indent).replace("\n", old.newline)


def prepare(source: bytes, qualname: str, path: str = "the file") -> Slot:
    """Read a file once, for many candidates. ``path`` names it in messages.

    Raises SourceSyntaxError, and UsageError if it does not define ``qualname``.
    """
    outline = read_outline(source)
    site = outline.function(qualname)
    if site is None:
        raise UsageError(
            f"{path} defines no function {qualname}", hint="insert it first, or correct the name"
        )
    text = outline.source.text
    return Slot(
        path=path,
        definition=describe(outline, site),
        source=outline.source,
        tree=outline.tree,
        bindings=read_bindings(outline.tree),
        before=text[: site.start],
        after=text[site.end :],
    )


def replace(source: bytes, qualname: str, code: str) -> bytes:
    """The file with ``code`` (canonical) as the function; all other bytes stay. Raises as Slot."""
    return prepare(source, qualname).replace(code)


def apply_function(source: bytes, qualname: str, code: str) -> bytes:
    """``replace``, and the standard-library imports that the new code lacks. Raises as Slot."""
    return prepare(source, qualname).fill(code)


def changed_outside(before: bytes | None, after: bytes, qualname: str) -> tuple[str, ...]:
    """What differs apart from the function and added top-level imports; empty is as it should be.

    A function that ``before`` lacks must stand where ``insert`` puts it. Each difference is a
    sentence; files that cannot be read are a difference, too.
    """
    try:
        new = read_outline(after)
        now = new.function(qualname)
        if now is None:
            return (f"{qualname} is gone",)
        old = read_outline(before or b"")
        if old.function(qualname) is None:
            old = read_outline(insert(before, qualname, describe(new, now).code))
    except SourceSyntaxError as error:
        return (f"a file cannot be read: {error}",)
    was = old.function(qualname)
    if was is None:
        return (f"{qualname} cannot be inserted",)
    problems = []
    if (old.source.bom, old.source.encoding) != (new.source.bom, new.source.encoding):
        problems.append("the file's encoding changed")
    if old.source.text[was.end :] != new.source.text[now.end :]:
        problems.append(f"the text below {qualname} changed")
    above_old = split_lines(old.source.text[: was.start])
    above_new = split_lines(new.source.text[: now.start])
    problems.extend(_changes_above(above_old, above_new, _import_lines(new.tree)))
    return tuple(problems)


def _import_lines(tree: ast.Module) -> frozenset[int]:
    """The lines (from 0) that hold nothing but top-level imports."""
    imports: set[int] = set()
    others: set[int] = set()
    for node in tree.body:
        lines = range(node.lineno - 1, node.end_lineno or node.lineno)
        (imports if isinstance(node, (ast.Import, ast.ImportFrom)) else others).update(lines)
    return frozenset(imports - others)


def _changes_above(old: list[str], new: list[str], imports: frozenset[int]) -> list[str]:
    """Lines that went away or came in, other than imports and the empty lines around them."""
    rest = iter(new)
    if all(line in rest for line in old):  # old is what new holds, with lines in between
        position = 0
        extra = []
        for number, line in enumerate(new):
            if position < len(old) and line == old[position]:
                position += 1
            elif line.strip() and number not in imports:
                extra.append(_came(number, line))
        return extra
    problems = []
    for kind, start, end, new_start, new_end in opcodes(old, new):
        if kind != "equal":
            problems += [f"line {n + 1} is gone: {old[n].strip()[:80]}" for n in range(start, end)]
            problems += [_came(n, new[n]) for n in range(new_start, new_end) if n not in imports]
    more = len(problems) - _MAX_PROBLEMS
    return problems[:_MAX_PROBLEMS] + ([f"and {more:,} more lines changed"] if more > 0 else [])


def _came(number: int, line: str) -> str:
    return f"line {number + 1} is new or changed: {line.strip()[:80]}"


__all__ = [
    "Definition",
    "Slot",
    "SourceSyntaxError",
    "apply_function",
    "changed_outside",
    "definitions",
    "find",
    "insert",
    "prepare",
    "replace",
]
