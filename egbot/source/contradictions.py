"""Owns the search for tests that contradict each other: one call, two different expectations.

It reports only what no implementation of a plain function could satisfy: equal literal arguments,
unequal literal expectations, in tests that nothing prepares and that look at no clock or mock.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import cache, partial
from itertools import combinations

from egbot.nodeids import file_of, without_row
from egbot.records import Example, Target, Tree
from egbot.source.outline import last_name
from egbot.source.testtext import find_test, parameters, preparations

MAX_SENTENCES = 10
_UNSTEADY = frozenset(
    {"random", "time", "datetime", "uuid", "secrets", "environ", "chdir", "patch", "mock"}
    | {"AssertionError"}  # which a test may want
)
_MARKS = frozenset({"parametrize", "asyncio", "staticmethod"})
_WORDS = {
    "eq": "to be {}",
    "is": "to be {}",
    "true": "to be true",
    "false": "to be false",
    "raises": "to raise {}",
}
_UNKNOWN = object()
_Expectation = tuple[Example, object]
"""An example with the value that it expects, or for ``true`` and ``false`` with that."""


def contradictions(target: Target, tree: Tree, node_ids: Iterable[str]) -> tuple[str, ...]:
    """Sentences, each naming two places that expect different results of the same call.

    Only the examples of the tests ``node_ids`` are looked at, all rows of each. Only plain functions
    are judged: a method may answer differently each time.
    """
    wanted = set(map(without_row, node_ids))
    is_steady = cache(partial(_is_steady, tree))
    calls: dict[str, list[_Expectation]] = {}
    for example in () if "." in target.qualname else target.examples:
        test, arguments, value = (
            without_row(example.test),
            _arguments(example.call),
            _value(example),
        )
        is_told = example.exact and bool(arguments) and value is not _UNKNOWN
        if is_told and {file_of(test), test} & wanted and is_steady(test):
            calls.setdefault(arguments, []).append((example, value))
    found = [_sentences(f"{target.qualname}({key})", group) for key, group in calls.items()]
    return tuple(dict.fromkeys(one for sentences in found for one in sentences))[:MAX_SENTENCES]


def _sentences(call: str, group: Sequence[_Expectation]) -> list[str]:
    clashes = [(a[0], b[0]) for a, b in combinations(group, 2) if _clash(a, b)]
    if any(a.test == b.test for a, b in clashes):
        return []  # one test that asks twice and wants two answers: the function has a state
    return [
        f"{a.path}:{a.line} expects {call} {_said(a)}, but {b.path}:{b.line} expects it {_said(b)}"
        for a, b in clashes
    ]


def _said(example: Example) -> str:
    text = example.expected if len(example.expected) <= 80 else f"{example.expected[:77]}..."
    return _WORDS[example.relation].format(text)


def _arguments(call: str) -> str:
    """A call's arguments as canonical text: 1 and 1.0 and True are told apart, keywords are sorted.

    "" for a call without any, which may answer differently each time, and for what is no call.
    """
    try:
        node = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    node = node.value if isinstance(node, ast.Await) else node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return ""
    return ", ".join([*map(ast.unparse, node.args), *sorted(map(ast.unparse, node.keywords))])


def _is_steady(tree: Tree, node_id: str) -> bool:
    """Whether a test's text shows nothing that could make a call answer otherwise than elsewhere."""
    test = find_test(tree, node_id)
    if test is None or next(preparations(tree, test), None) is not None:
        return False
    nodes = (test.function, *(owner.node for owner in test.owners))
    marks = [mark for node in nodes for mark in node.decorator_list]
    tables = [one.args[0] for one in marks if isinstance(one, ast.Call) and one.args]
    texts = [str(getattr(part, "value", "")) for one in tables for part in ast.walk(one)]
    columns = {name.strip() for text in texts for name in text.split(",")}
    parts = list(ast.walk(test.function))
    names = {getattr(one, "id", getattr(one, "attr", "")) for one in parts}
    return (
        set(map(last_name, marks)) <= _MARKS
        and columns | {"self", "cls"} >= set(parameters(test.function))
        and not names & _UNSTEADY
        and not any(isinstance(one, ast.Try | ast.TryStar) for one in parts)
    )


def _clash(first: _Expectation, second: _Expectation) -> bool:
    kinds = {first[0].relation, second[0].relation}
    if "raises" in kinds:
        # two exceptions may be related by inheritance; only an answer clashes with a raise
        return len(kinds) == 2
    if kinds & {"true", "false"}:
        return bool(first[1]) != bool(second[1])
    return first[1] != second[1]


def _value(example: Example) -> object:
    """What is expected, as a value; _UNKNOWN where that cannot be judged."""
    if example.relation in {"raises", "true", "false"}:
        return example.relation == "true"
    try:
        return ast.literal_eval(example.expected) if example.relation in _WORDS else _UNKNOWN
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _UNKNOWN
