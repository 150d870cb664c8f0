"""Turns a record of HumanEval, or of HumanEval-ET, into a task.

Format: Chen et al., "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374): the model
sees the prompt with the examples in its docstring, ``test`` judges. It does not know how tasks are
solved.
"""

from __future__ import annotations

import ast

from egbot.bench.examples import example_asserts
from egbot.bench.tasks import (
    JUDGE,
    SOLUTION,
    VISIBLE,
    BadRecordError,
    Function,
    Record,
    Task,
    id_field,
    list_field,
    parsed,
    test_module,
    text_field,
    tree_of,
)

_MODULE = SOLUTION.removesuffix(".py")


def make_task(record: Record) -> Task:
    """Raises BadRecordError."""
    name = text_field(record, "entry_point")
    if not name.isidentifier():
        raise BadRecordError(f"entry_point {name[:40]!r} is no name")
    prompt = text_field(record, "prompt")
    stub = _stub(prompt, name)
    docstring = _docstring(stub, name)
    visible, names = test_module(
        f"from {_MODULE} import {name}", example_asserts(docstring, name), "test"
    )
    judging, judges = _judge(record, name)
    solution = text_field(record, "canonical_solution", default="")
    return Task(
        task_id=id_field(record, "task_id"),
        place=record.place,
        work=Function(
            tree=tree_of({SOLUTION: stub, **({VISIBLE: visible} if names else {})}),
            qualname=name,
            visible=tuple(f"{VISIBLE}::{one}" for one in names),
            hidden=tree_of({JUDGE: judging}),
            judges=tuple(f"{JUDGE}::{one}" for one in judges),
            reference=(prompt + solution).encode() if solution.strip() else None,
        ),
    )


def _stub(prompt: str, name: str) -> str:
    """The prompt, complete: its last function gets a body that raises."""
    text = prompt.rstrip() + "\n"
    try:
        node = _definition(ast.parse(text), name)
        indent = " " * node.body[0].col_offset if node is not None else "    "
    except (SyntaxError, ValueError, RecursionError):
        indent = "    "
    stub = f"{text}{indent}raise NotImplementedError\n"
    if _definition(parsed(stub, "the prompt"), name) is None:
        raise BadRecordError(f"the prompt does not end in the definition of {name}")
    return stub


def _definition(module: ast.Module, name: str) -> ast.FunctionDef | None:
    last = module.body[-1] if module.body else None
    return last if isinstance(last, ast.FunctionDef) and last.name == name else None


def _docstring(stub: str, name: str) -> str:
    node = _definition(ast.parse(stub), name)
    return (ast.get_docstring(node) or "") if node is not None else ""


def _judge(record: Record, name: str) -> tuple[str, tuple[str, ...]]:
    """The file that judges and its tests: ``check``, or a list of asserts (ET)."""
    head = f"from {_MODULE} import *\nfrom {_MODULE} import {name}"
    asserts = list_field(record, "test_case_list")
    if asserts:
        for number, one in enumerate(asserts, 1):
            parsed(one, f"test case {number}")
        return test_module(head, asserts, "test_judge")
    test = text_field(record, "test")
    body = parsed(test, "test").body
    if any(isinstance(one, ast.FunctionDef) and one.name == "check" for one in body):
        return f"{head}\n\n{test.rstrip()}\n\n\ndef test_judge():\n    check({name})\n", (
            "test_judge",
        )
    checks = [ast.unparse(one) for one in body if isinstance(one, ast.Assert)]
    if not checks:
        raise BadRecordError("test defines no check and asserts nothing")
    return test_module(head, checks, "test_judge")
