"""Turns a record of CodeContests into a task: a function that reads standard input and prints.

Format: Li et al., "Competition-Level Code Generation with AlphaCode" (arXiv 2203.07814): public tests
are shown to the model, private and generated ones judge. Outputs are equal when their lines are, with
runs of white space taken as one. It does not know how tasks are solved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

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
    test_module,
    text_field,
    tree_of,
)

_PYTHON3 = (3, "PYTHON3")
_FEED = "feed.py"
_CASES = "judge_cases.json"
_FEED_TEXT = '''"""Runs a program with a text as its standard input."""

import contextlib
import io
import sys


def output_of(program, text):
    """What ``program`` prints, line by line, with runs of white space as one."""
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(text.encode()))
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            program()
    finally:
        sys.stdin = stdin
    return shape(printed.getvalue())


def shape(text):
    """Lines without white space around them."""
    return "\\n".join(" ".join(line.split()) for line in text.strip().split("\\n"))
'''
_JUDGE_TEXT = f"""import json
import pathlib

import pytest
from feed import output_of, shape
from solution import solve

CASES = json.loads(pathlib.Path(__file__).with_name("{_CASES}").read_text())


@pytest.mark.parametrize("number", range(len(CASES)))
def test_judge(number):
    given, wanted = CASES[number]
    assert output_of(solve, given) == shape(wanted)
"""
_STUB_HEAD = '''import sys


def input(prompt=""):
    """The next line of standard input."""
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\\n")


def solve():
'''

Cases = list[tuple[str, str]]


def make_task(record: Record) -> Task:
    """Raises BadRecordError."""
    public = _cases(record, "public_tests")
    judges = _cases(record, "private_tests") + _cases(record, "generated_tests")
    judges = judges or public
    if not judges:
        raise BadRecordError("it has no tests")
    head = "from feed import output_of\nfrom solution import solve"
    checks = [f"assert output_of(solve, {given!r}) == {_shape(out)!r}" for given, out in public]
    visible, names = test_module(head, checks, "test")
    text = text_field(record, "description").strip()
    docstring = docstring_lines(f"{text}\n\nReads standard input and prints the answer.")
    stub = f"{_STUB_HEAD}{docstring}\n    raise NotImplementedError\n"
    return Task(
        task_id=id_field(record, "name", "task_id"),
        place=record.place,
        work=Function(
            tree=tree_of(
                {SOLUTION: stub, _FEED: _FEED_TEXT, **({VISIBLE: visible} if names else {})}
            ),
            qualname="solve",
            visible=tuple(f"{VISIBLE}::{one}" for one in names),
            hidden=tree_of({JUDGE: _JUDGE_TEXT, _CASES: json.dumps(judges)}),
            judges=tuple(f"{JUDGE}::test_judge[{number}]" for number in range(len(judges))),
            reference=_reference(record),
        ),
    )


def _cases(record: Record, name: str) -> Cases:
    """Pairs of input and output, from columns or from a list of objects."""
    value = record.fields.get(name)
    if value is None:
        return []
    if isinstance(value, Mapping):
        given, wanted = value.get("input"), value.get("output")
        if isinstance(given, list) and isinstance(wanted, list) and len(given) == len(wanted):
            pairs = list(zip(given, wanted, strict=True))
        else:
            raise BadRecordError(f"{name} has no input and output of the same length")
    elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        pairs = [(one.get("input"), one.get("output")) for one in value]
    else:
        raise BadRecordError(f"{name} holds no inputs and outputs")
    if not all(isinstance(one, str) for pair in pairs for one in pair):
        raise BadRecordError(f"{name}: inputs and outputs must be texts")
    return pairs


def _shape(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().split("\n"))


def _reference(record: Record) -> bytes | None:
    """The first Python 3 solution, run as the program that it is."""
    value = record.fields.get("solutions")
    if not isinstance(value, Mapping):
        return None
    languages, programs = value.get("language"), value.get("solution")
    if not isinstance(languages, list) or not isinstance(programs, list):
        return None
    for language, program in zip(languages, programs, strict=False):
        if language in _PYTHON3 and isinstance(program, str):
            return (
                f"_PROGRAM = {program!r}\n\n\ndef solve():\n"
                '    exec(compile(_PROGRAM, "reference", "exec"), {"__name__": "__main__"})\n'
            ).encode()
    return None
