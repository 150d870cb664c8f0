"""Owns the text of the failing tests as a small language model should see it."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection, Iterable, Sequence

from egbot.nodeids import without_row
from egbot.records import Example, Target, Tree
from egbot.source.testtext import (
    SETUPS,
    Function,
    TestText,
    find_test,
    parameters,
    preparations,
    test_at,
)
from egbot.source.text import text_of

_MAX_LINE_CHARS = 240
_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "is": "is"}
_FORMS = {
    **{name: f"assert {{call}} {sign} {{expected}}" for name, sign in _SIGNS.items()},
    "approx": "assert {call} == pytest.approx({expected})",
    "contains": "assert {expected} in {call}",
    "lacks": "assert {expected} not in {call}",
    "true": "assert {call}",
    "false": "assert not {call}",
    "len": "assert len({call}) == {expected}",
    "str": "assert str({call}) == {expected}",
    "raises": "with pytest.raises({expected}): {call}",
    "warns": "with pytest.warns({expected}): {call}",
}


def test_excerpt(target: Target, tree: Tree, node_ids: Iterable[str], max_chars: int) -> str:
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
            test = test_at(tree, own[0].path, own[0].line)
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


test_excerpt.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever its name says


def _assert_lines(
    test: TestText | None, own: Sequence[Example], fixtures: Collection[str]
) -> list[str]:
    """The test as lines that stand alone, or [] where it does more than assert."""
    num_checks = 0
    if test is not None:
        wanted = set(parameters(test.function))
        body = [one for one in test.function.body if not _is_text(one)]
        used = {one.id for part in body for one in ast.walk(part) if isinstance(one, ast.Name)}
        asserts = [one for one in body if isinstance(one, ast.Assert)]
        if len(body) == len(asserts) and {"self", "cls"} - used >= wanted:
            return _short([ast.unparse(ast.Assert(one.test)) for one in asserts])
        if wanted.intersection(fixtures):
            return []  # which may do something, too
        num_checks = sum(map(_checks, ast.walk(test.function)))
    is_known = num_checks <= len({(one.path, one.line) for one in own})
    if not is_known or not all(one.exact and one.relation in _FORMS for one in own):
        return []
    return _short([_assert_line(one) for one in own])


def _assert_line(example: Example) -> str:
    """The example as one statement; its relation must be one that a line can say."""
    is_single = example.relation == "eq" and example.expected in {"None", "True", "False"}
    form = _FORMS["is" if is_single else example.relation]
    return form.format(call=example.call, expected=example.expected)


def _short(lines: list[str]) -> list[str]:
    """The lines, each once, or [] where one is too long for a line."""
    is_short = all(len(line) <= _MAX_LINE_CHARS and "\n" not in line for line in lines)
    return list(dict.fromkeys(lines)) if is_short else []


def _checks(node: ast.AST) -> bool:
    """Whether a statement may check something; assignments and docstrings only prepare."""
    is_call = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
    return is_call or isinstance(node, ast.Assert | ast.Raise | ast.Delete | ast.Global)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _source(tree: Tree, path: str, function: Function) -> str:
    """The function's own text, dedented, without decorators."""
    lines = re.split(r"\r\n|\r|\n", text_of(tree[path].data))
    return textwrap.dedent("\n".join(lines[function.lineno - 1 : function.end_lineno])).rstrip()


def _fitted(blocks: Sequence[tuple[str, int]], max_chars: int) -> str:
    """The blocks of the best ranks that fit, in their own order."""
    kept: set[int] = set()
    left = max_chars
    for place in sorted(range(len(blocks)), key=lambda place: (blocks[place][1], place)):
        size = len(blocks[place][0]) + 2
        if size <= left:
            kept.add(place)
            left -= size
    parts: list[str] = []
    for place in sorted(kept):
        text = blocks[place][0]
        if parts and ("\n" in text or "\n" in parts[-1]):
            parts.append("")
        parts.append(text)
    return "\n".join(parts)
