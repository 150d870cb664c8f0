"""Turns a record of MBPP, or of MBPP-ET, into a task.

Format: Austin et al., "Program Synthesis with Large Language Models" (arXiv 2108.07732): a text and
asserts, which are given to the model and judge it as well. It does not know how tasks are solved.
"""

from __future__ import annotations

import ast
import builtins
import textwrap
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from itertools import zip_longest

from egbot.bench.tasks import (
    JUDGE,
    SOLUTION,
    VISIBLE,
    BadRecordError,
    Function,
    Record,
    Task,
    docstring_lines,
    id_field,
    list_field,
    parsed,
    test_module,
    text_field,
    tree_of,
)

_NAMES = {
    **dict.fromkeys(("list", "tuple", "set"), "items"),
    **dict.fromkeys(("int", "float"), "number"),
    "str": "text",
    "dict": "mapping",
    "bool": "flag",
}
"""What to call a parameter of a type."""

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def make_task(record: Record) -> Task:
    """Raises BadRecordError."""
    tests = list_field(record, "test_list")
    if not tests:
        raise BadRecordError("test_list is empty")
    setup = "\n".join((*list_field(record, "test_imports"), _setup(record)))
    checks = [parsed(test, f"test {number}") for number, test in enumerate(tests, 1)]
    code = text_field(record, "code", "reference_code", default="")
    defined = _definitions(code)
    name = _function_name(checks, parsed(setup, "the set-up of the tests"), defined)
    helpers = [one for one in _names(checks) if one in defined and one != name]
    imports = f"from {SOLUTION.removesuffix('.py')} import {', '.join([name, *helpers])}"
    head = f"{imports}\n\n{setup.strip()}"
    visible, visible_names = test_module(head, tests, "test")
    judging, judge_names = test_module(head, tests, "test_judge")
    context = "\n\n\n".join(ast.unparse(defined[one]) for one in helpers)
    description = docstring_lines(text_field(record, "text", "prompt"))
    stub = f"{_header(name, checks)}\n{description}\n    raise NotImplementedError\n"
    return Task(
        task_id=id_field(record, "task_id"),
        place=record.place,
        work=Function(
            tree=tree_of({SOLUTION: f"{context}\n\n\n{stub}".lstrip(), VISIBLE: visible}),
            qualname=name,
            visible=tuple(f"{VISIBLE}::{one}" for one in visible_names),
            hidden=tree_of({JUDGE: judging}),
            judges=tuple(f"{JUDGE}::{one}" for one in judge_names),
            reference=textwrap.dedent(code).encode() if code else None,
        ),
    )


def _setup(record: Record) -> str:
    return text_field(record, "test_setup_code", default="")


def _header(name: str, checks: Sequence[ast.Module]) -> str:
    """A signature that every call in ``checks`` fits; parameters are named by what they are given.

    The set's own solution must not give names away.
    """
    nodes = [node for check in checks for node in ast.walk(check)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and _is_named(node.func, name)]
    keywords = Counter(one.arg for call in calls for one in call.keywords)
    if any(isinstance(one, ast.Starred) for call in calls for one in call.args):
        parts = ["*args"]
    else:
        parts = _positional(zip_longest(*(call.args for call in calls)), keywords)
        parts += ["*"] if any(keywords) else []
    for keyword in filter(None, keywords):
        parts.append(keyword if keywords[keyword] == len(calls) else f"{keyword}=None")
    parts += ["**kwargs"] if None in keywords else []
    compared = (node for node in nodes if isinstance(node, ast.Compare))
    kind = _kind(
        one.comparators[0]
        for one in compared
        if isinstance(one.left, ast.Call) and _is_named(one.left.func, name)
    )
    return f"def {name}({', '.join(parts)}){f' -> {kind}' if kind else ''}:"


def _positional(
    columns: Iterable[Sequence[ast.expr | None]], taken: Container[str | None]
) -> list[str]:
    """A parameter for each position; None stands where a call ends before it."""
    parts: list[str] = []
    names: Counter[str] = Counter()
    for values in columns:
        given = [one for one in values if one is not None]
        kind = _kind(given)
        base = _NAMES.get(kind, "value")
        names[base] += 1
        name = {1: base, 2: f"other_{base}"}.get(names[base], f"{base}_{names[base]}")
        name = f"{name}_" if name in taken else name
        default = "" if len(given) == len(values) else " = None" if kind else "=None"
        parts.append(f"{name}: {kind}{default}" if kind else f"{name}{default}")
    return parts


def _kind(values: Iterable[ast.expr]) -> str:
    """The name of the type that all ``values`` have; "" where they differ or are no literals."""
    try:
        kinds = {type(ast.literal_eval(one)).__name__ for one in values}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ""
    kinds -= {"int"} if kinds == {"int", "float"} else set()
    return kinds.pop() if len(kinds) == 1 and kinds <= _NAMES.keys() else ""


def _is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _definitions(code: str) -> dict[str, _Definition]:
    """What the reference defines at its top; nothing where it is no Python, which its run shows."""
    try:
        body = parsed(code, "").body
    except BadRecordError:
        return {}
    return {one.name: one for one in body if isinstance(one, _Definition)}


def _function_name(
    checks: Iterable[ast.Module], setup: ast.Module, defined: dict[str, _Definition]
) -> str:
    """The function that most tests call, among those that the reference defines if it is known."""
    known = _bound(setup) | set(dir(builtins))
    called = Counter(
        name
        for check in checks
        for name in dict.fromkeys(_called(check))
        if (name in defined if defined else name not in known)
        and not isinstance(defined.get(name), ast.ClassDef)
    )
    if not called:
        raise BadRecordError("its tests call no function that could be written")
    return called.most_common(1)[0][0]


def _called(check: ast.Module) -> list[str]:
    """Names that are called, the innermost last in ``walk``'s order."""
    return [
        node.func.id
        for node in ast.walk(check)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]


def _names(checks: Iterable[ast.Module]) -> list[str]:
    found = (node.id for one in checks for node in ast.walk(one) if isinstance(node, ast.Name))
    return list(dict.fromkeys(found))


def _bound(module: ast.Module) -> set[str]:
    """The names that the set-up code brings."""
    names = {node.name for node in module.body if isinstance(node, _Definition)}
    for node in ast.walk(module):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names
