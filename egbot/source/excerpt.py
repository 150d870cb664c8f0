"""Owns the text of the failing tests as a small language model should see it.

It knows nothing of prompts or models; it returns Python text within a limit of characters.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from egbot.nodeids import names_of, without_row
from egbot.records import Target, Tree
from egbot.source.examples import Example, Key, examples
from egbot.source.layout import text_of
from egbot.source.reach import TestFunction, find_test
from egbot.source.scopes import find_fixture, parameter_names
from egbot.source.stubs import plain_text
from egbot.source.symbols import Code, Function
from egbot.source.tables import literal, unparse

_MAX_LINE_CHARS = 240


@dataclass(frozen=True, slots=True)
class _Block:
    """A piece of the excerpt; ``rank`` 0 is wanted most."""

    rank: int
    text: str


def test_excerpt(target: Target, tree: Tree, node_ids: Iterable[str], max_chars: int) -> str:
    """The tests ``node_ids`` that need the target, as short Python text.

    Asserts that stand alone are written out with their rows' values, one a line, in the order of
    the tests; other tests appear as source, without decorators, after the fixtures that they use.
    What does not fit into ``max_chars`` is left out, whole asserts or tests at a time.
    """
    code = Code(tree)
    key = (target.path, target.qualname)
    wanted = list(dict.fromkeys(map(without_row, node_ids)))
    blocks: list[_Block] = []
    fixtures: dict[str, str] = {}
    for node_id in wanted:
        test = find_test(code, node_id)
        if test is None:
            continue
        lines = _assert_lines(code, key, test, node_id)
        if lines:
            blocks.extend(_Block(place, line) for place, line in enumerate(lines))
        else:
            fixtures.update(_fixture_texts(code, test))
            blocks.append(_Block(0, _source(code, test.path, test.function)))
    blocks = [*(_Block(1, text) for text in fixtures.values()), *blocks]
    return _fitted(list(dict.fromkeys(blocks)), max_chars)


test_excerpt.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever its name says


def _assert_lines(code: Code, key: Key, test: TestFunction, node_id: str) -> list[str]:
    """The test as plain asserts, or [] when it does more than that."""
    name = "::".join(names_of(node_id))
    found = [item for item in examples(code, key, [test.path]) if item.test == name]
    if not found or not all(_stands_alone(code, item) for item in found):
        return []
    if len(_simple_statements(test.function)) > len({item.line for item in found}):
        return []
    lines = [_assert_line(key, item) for item in found]
    fits = all(line and len(line) <= _MAX_LINE_CHARS for line in lines)
    return list(dict.fromkeys(lines)) if fits else []


def _simple_statements(function: Function) -> list[ast.stmt]:
    """The statements that check something; assignments and docstrings only prepare."""
    return [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Assert | ast.Raise | ast.Delete | ast.Global)
        or (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant))
    ]


def _stands_alone(code: Code, example: Example) -> bool:
    if not example.certain or example.relation == "called":
        return False
    inner = {
        getattr(part, "id", getattr(part, "arg", ""))
        for part in ast.walk(example.subject)
        if isinstance(part, ast.arg) or (isinstance(part, ast.Name) and _is_bound(part))
    }
    names = {
        part.id
        for root in (example.subject, example.expected)
        for part in (ast.walk(root) if root is not None else ())
        if isinstance(part, ast.Name)
    }
    return not (names - inner) & _local_names(code, example.path, example.test)


def _is_bound(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _local_names(code: Code, path: str, test: str) -> set[str]:
    node = code.definition(path, test.replace("::", "."))
    if not isinstance(node, Function):
        return set()
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and _is_bound(n)}
    return stored | set(parameter_names(node))


def _assert_line(key: Key, example: Example) -> str:
    subject = plain_text(key, example)
    expected = unparse(example.expected) if example.expected is not None else ""
    if not subject:
        return ""
    if example.relation == "raises":
        return f"with pytest.raises({expected}): {subject}"
    if example.relation in {"true", "false"}:
        return f"assert {subject}" if example.relation == "true" else f"assert not ({subject})"
    if example.relation == "approx" and example.expected is not None and literal(example.expected):
        expected = f"pytest.approx({expected})"
    operator = "is" if expected in {"None", "True", "False"} else "=="
    return f"assert {subject} {operator} {expected}"


def _fixture_texts(code: Code, test: TestFunction) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = list(parameter_names(test.function))
    while waiting and len(found) < 8:
        name = waiting.pop(0)
        fixture = find_fixture(code, test.path, name, test.owner)
        if fixture is not None and name not in found:
            path, function = fixture
            found[name] = "# fixture\n" + _source(code, path, function)
            waiting.extend(parameter_names(function))
    for node in test.owner.body if test.owner is not None else []:
        if isinstance(node, Function) and node.name in {"setUp", "setup_method"}:
            found[node.name] = _source(code, test.path, node)
    return found


def _source(code: Code, path: str, function: Function) -> str:
    """The function's own text, dedented, without decorators, docstring lines kept."""
    text = text_of(code.tree[path].data)
    lines = re.split(r"\r\n|\r|\n", text)[function.lineno - 1 : function.end_lineno]
    return textwrap.dedent("\n".join(lines)).rstrip()


def _fitted(blocks: list[_Block], max_chars: int) -> str:
    """The blocks of the best ranks that fit, in their own order."""
    kept: set[int] = set()
    left = max_chars
    for place in sorted(range(len(blocks)), key=lambda place: (blocks[place].rank, place)):
        size = len(blocks[place].text) + 2
        if size <= left:
            kept.add(place)
            left -= size
    parts: list[str] = []
    for place in sorted(kept):
        text = blocks[place].text
        if parts and ("\n" in text or "\n" in parts[-1]):
            parts.append("")
        parts.append(text)
    return "\n".join(parts)
