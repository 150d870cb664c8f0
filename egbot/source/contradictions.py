"""Owns the search for tests that contradict each other: one call, two different expectations.

It knows nothing of runs. It reports only what no implementation of a plain function could satisfy:
equal literal arguments, unequal literal expectations, in tests without fixtures or conditions.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from egbot.nodeids import files_of, without_row
from egbot.records import Target, Tree
from egbot.source.calls import shape
from egbot.source.examples import Example, Key, examples
from egbot.source.symbols import Code
from egbot.source.tables import last_name, literal, unparse

_UNSTEADY = frozenset({"random", "time", "datetime", "uuid", "secrets", "monkeypatch", "patch"})
_APPROX_RELATIVE = 1e-6  # pytest.approx's default; absolute 1e-12
_APPROX_ABSOLUTE = 1e-12
MAX_SENTENCES = 10


@dataclass(frozen=True, slots=True)
class _Expectation:
    """``value`` is the literal's value; for ``raises`` the exception's name."""

    example: Example
    value: object

    @property
    def place(self) -> str:
        return f"{self.example.path}:{self.example.line}"


def contradictions(
    target: Target, tree: Tree, node_ids: Iterable[str] | None = None
) -> tuple[str, ...]:
    """Sentences, each naming two places that expect different results of the same call.

    Only the tests ``node_ids`` (default: the target's own) are looked at, all rows of each. Only
    plain functions are judged: a method may answer differently each time.
    """
    if "." in target.qualname:
        return ()
    wanted = set(map(without_row, node_ids or target.tests))
    paths = sorted(files_of(wanted))
    key = (target.path, target.qualname)
    calls: dict[str, list[_Expectation]] = {}
    for example in examples(Code(tree), key, paths):
        names = {example.path, f"{example.path}::{example.test}"}
        made = _expectation(example) if names & wanted else None
        if made is not None:
            calls.setdefault(_arguments(example), []).append(made)
    found = (_sentences(key, group) for group in calls.values())
    return tuple(sentence for sentences in found for sentence in sentences)[:MAX_SENTENCES]


def _sentences(key: Key, group: list[_Expectation]) -> list[str]:
    clashes = [(a, b) for a, b in combinations(group, 2) if _clash(a, b)]
    tables = all(_is_table(a.example, b.example) for a, b in clashes)
    if any(a.example.test == b.example.test for a, b in clashes) and not tables:
        # one test that asks twice and wants two answers means that the function has a state
        return []
    found: dict[str, None] = {}
    for first, second in clashes:
        call = f"{key[1]}({_arguments(first.example)})"
        found.setdefault(
            f"{first.place} expects {call} {_said(first)}, "
            f"but {second.place} expects it {_said(second)}"
        )
    return list(found)


def _is_table(first: Example, second: Example) -> bool:
    """Rows of one table run as separate tests, so that they are as good as two tests."""
    return first.path != second.path or first.test != second.test or first.line == second.line


def _said(expectation: _Expectation) -> str:
    example = expectation.example
    if example.relation == "raises":
        return f"to raise {expectation.value}"
    if example.relation in {"true", "false"}:
        return f"to be {example.relation}"
    text = unparse(example.expected) if example.expected is not None else "None"
    return f"to be {'about ' if example.relation == 'approx' else ''}{_value_text(text)}"


def _value_text(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _expectation(example: Example) -> _Expectation | None:
    """The example as a value that can be compared, or None where it cannot be judged."""
    if not (example.exact and example.isolated and example.certain) or _is_unsteady(example):
        return None
    call = example.call
    if not isinstance(call, ast.Call) or not (call.args or call.keywords):
        return None
    arguments = shape(call)
    values = [*arguments.positional, *(value for _, value in arguments.keywords)]
    if arguments.open_positional or arguments.open_keywords or not all(map(literal, values)):
        return None
    if example.relation == "raises":
        name = last_name(example.expected) if example.expected is not None else ""
        return _Expectation(example, name) if name else None
    if example.relation in {"true", "false"}:
        return _Expectation(example, example.relation == "true")
    expected = example.expected
    if example.relation == "approx" and isinstance(expected, ast.Call):
        expected = expected.args[0] if len(expected.args) == 1 and not expected.keywords else None
    if example.relation not in {"equal", "approx"} or expected is None or not literal(expected):
        return None
    try:
        return _Expectation(example, ast.literal_eval(expected))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _is_unsteady(example: Example) -> bool:
    names = {
        last_name(part)
        for part in ast.walk(example.subject)
        if isinstance(part, ast.Name | ast.Attribute)
    }
    return bool(names & _UNSTEADY)


def _arguments(example: Example) -> str:
    """The arguments as canonical text: 1 and 1.0 and True are told apart, keywords are sorted."""
    call = example.call
    if not isinstance(call, ast.Call):
        return ""
    given = shape(call)
    keywords = sorted(f"{name}={unparse(value)}" for name, value in given.keywords)
    return ", ".join([*map(unparse, given.positional), *keywords])


def _clash(first: _Expectation, second: _Expectation) -> bool:
    kinds = {first.example.relation, second.example.relation}
    if "raises" in kinds:
        # two exceptions may be related by inheritance; only an answer clashes with a raise
        return len(kinds) == 2
    if kinds & {"true", "false"}:
        return _truth(first) != _truth(second)
    if "approx" in kinds:
        return not _near(first.value, second.value)
    return not _equal(first.value, second.value)


def _truth(expectation: _Expectation) -> bool:
    return bool(expectation.value)


def _equal(first: object, second: object) -> bool:
    if isinstance(first, float) and isinstance(second, float) and math.isnan(first + second):
        return True
    return first == second


def _near(first: object, second: object) -> bool:
    if isinstance(first, int | float) and isinstance(second, int | float):
        # each side may be off by its own tolerance
        allowed = 2 * max(_APPROX_RELATIVE * max(abs(first), abs(second)), _APPROX_ABSOLUTE)
        return _equal(first, second) or abs(first - second) <= allowed
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_near, first, second))
    # other shapes cannot be judged; no false alarm
    return True
