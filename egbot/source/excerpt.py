"""Owns what the model reads of a repository: the failing tests, and the code around a target."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection, Iterable, Sequence

from egbot.nodeids import without_row
from egbot.records import Example, Target, Tree
from egbot.source.examples import assert_line
from egbot.source.imports import bound_names
from egbot.source.outline import Function, is_stub, outline_in, says_nothing
from egbot.source.testtext import (
    SETUPS,
    FoundTest,
    find_test,
    function_at,
    parameters,
    preparations,
)
from egbot.source.text import unify_newlines

_MAX_CONTEXT_CHARS = 1500
_MAX_LINE_CHARS = 240


def excerpt_of_tests(target: Target, tree: Tree, node_ids: Iterable[str], max_chars: int) -> str:
    """The tests ``node_ids`` that need the target, as short Python text.

    Asserts that stand alone are written out one a line, those of a table with the values that the
    target's examples have; other tests appear as source, without decorators, after the fixtures
    that they use. What does not fit into ``max_chars`` is left out, whole asserts or tests at a time.
    """
    fixtures: dict[str, None] = {}
    blocks: dict[str, int] = {}  # the texts, and their ranks: 0 is wanted most
    for node_id in dict.fromkeys(map(without_row, node_ids)):
        own = [one for one in target.examples if without_row(one.test) == node_id]
        test = find_test(tree, node_id)
        if test is None and own:  # inherited from another file
            test = function_at(tree, own[0].path, own[0].line)
        prepared = [*preparations(tree, test)] if test is not None else []
        lines = _assert_lines(test, own, {node.name for _, node in prepared})
        for rank, line in enumerate(lines):
            blocks.setdefault(line, rank)
        if test is not None and not lines:
            for path, node in prepared:
                head = "" if node.name in SETUPS else "# fixture\n"
                fixtures.setdefault(head + _source(tree, path, node))
            blocks.setdefault(_source(tree, test.path, test.function), 0)
    return _fitted([*((text, 1) for text in fixtures), *blocks.items()], max_chars)


def _assert_lines(
    test: FoundTest | None, own: Sequence[Example], fixtures: Collection[str]
) -> list[str]:
    """The test as lines that stand alone, or [] where it does more than assert."""
    num_checks = 0
    if test is not None:
        wanted = set(parameters(test.function))
        body = [one for one in test.function.body if not says_nothing(one)]
        used = {one.id for part in body for one in ast.walk(part) if isinstance(one, ast.Name)}
        asserts = [one for one in body if isinstance(one, ast.Assert)]
        if len(body) == len(asserts) and {"self", "cls"} - used >= wanted:
            return _short([ast.unparse(ast.Assert(one.test)) for one in asserts])
        if wanted.intersection(fixtures):
            return []  # which may do something, too
        num_checks = sum(map(_checks, ast.walk(test.function)))
    is_known = num_checks <= len({(one.path, one.line) for one in own})
    lines = [assert_line(one) if one.exact else "" for one in own]
    return _short(lines) if is_known and all(lines) else []


def _short(lines: list[str]) -> list[str]:
    """The lines, each once, or [] where one is too long for a line."""
    is_short = all(len(line) <= _MAX_LINE_CHARS and "\n" not in line for line in lines)
    return list(dict.fromkeys(lines)) if is_short else []


def _checks(node: ast.AST) -> bool:
    """Whether a statement may check something; assignments and docstrings only prepare."""
    is_call = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
    return is_call or isinstance(node, ast.Assert | ast.Raise | ast.Delete | ast.Global)


def _source(tree: Tree, path: str, function: Function) -> str:
    """The function's own text, dedented, without decorators."""
    lines = unify_newlines(outline_in(tree, path).source.text).split("\n")
    return textwrap.dedent("\n".join(lines[function.lineno - 1 : function.end_lineno])).rstrip()


def _fitted(blocks: Sequence[tuple[str, int]], max_chars: int) -> str:
    """The blocks of the best ranks that fit, in their own order."""
    kept: set[str] = set()
    for text, _ in sorted(blocks, key=lambda block: block[1]):
        if sum(len(one) + 2 for one in (*kept, text)) <= max_chars:
            kept.add(text)
    parts: list[str] = []
    for text in (text for text, _ in blocks if text in kept):
        if parts and ("\n" in text or "\n" in parts[-1]):
            parts.append("")
        parts.append(text)
    return "\n".join(parts)


# --- the code around a target -------------------------------------------------------------------


def surroundings(tree: Tree, target: Target, mentioned: str) -> str:
    """The top-level definitions and constants of the target's file that ``mentioned`` names.

    Whole definitions only, as long as they fit; never the target's own class (see
    `class_preamble`), and no stub.
    """
    own = target.qualname.partition(".")[0]
    words = frozenset(re.findall(r"[^\W\d]\w*", mentioned))
    kept: list[str] = []
    for node in outline_in(tree, target.path).tree.body:
        is_kept = isinstance(node, Function | ast.ClassDef | ast.Assign | ast.AnnAssign)
        names = bound_names(node) if is_kept and not is_stub(node) else frozenset()
        if names & words and own not in names:
            piece = ast.unparse(node)
            if sum(map(len, kept)) + len(piece) <= _MAX_CONTEXT_CHARS:
                kept.append(piece)
    return "\n\n".join(kept)


def class_preamble(tree: Tree, target: Target) -> str:
    """What stands above a method: the header of its class and the members that are written.

    Of other definitions of its name (a property's getter, overloads) those that stand above it.
    Only fields and ``__init__`` when all does not fit, the header alone when nothing does. "" for
    a function. Canonical: four spaces a level.
    """
    outline = outline_in(tree, target.path)
    owner = outline.klass(target.qualname.rpartition(".")[0])
    if owner is None or not isinstance(owner.node, ast.ClassDef):
        return ""
    later = {site.node for site in outline.same(target.qualname)[target.ordinal :]}
    members = [
        one
        for one in owner.node.body
        if later.isdisjoint(ast.walk(one)) and not is_stub(one, owner.node)
    ]
    for some in (members, list(filter(_is_state, members))):
        shell = _shell(owner.node, some)
        if len(shell) <= _MAX_CONTEXT_CHARS:
            return shell
    return _shell(owner.node, [])


def _shell(owner: ast.ClassDef, members: list[ast.stmt]) -> str:
    """The class with ``members`` only, open for one more."""
    parts = {**dict(ast.iter_fields(owner)), "body": members or [ast.Pass()]}
    text = ast.unparse(ast.ClassDef(**parts))
    return f"{text}\n" if members else text.removesuffix("\n    pass")


def _is_state(node: ast.stmt) -> bool:
    """Whether a member says what an instance holds: fields, constants, ``__init__``."""
    return isinstance(node, ast.Assign | ast.AnnAssign) or (
        isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
