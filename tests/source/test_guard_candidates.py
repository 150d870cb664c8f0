"""Functions that do no work and would pass their tests are vetoed, their imports in the file or not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from egbot.source.guard import vetoes

STUB = "def f(x):\n    raise NotImplementedError\n"
_TEXT = Path(__file__).with_name("do_nothing.txt").read_text(encoding="utf-8")
_PARTS = re.split(r"^== (.+)\n", _TEXT, flags=re.MULTILINE)[1:]
CANDIDATES = dict(zip(_PARTS[::2], _PARTS[1::2], strict=True))
TESTS = ("check_app.py", "test_app.py")
REACHING = Path(__file__).with_name("reaching.txt").read_text(encoding="utf-8").splitlines()
"""Bodies in one line, each a way out of what a function may use."""


@pytest.mark.parametrize("name", CANDIDATES)
@pytest.mark.parametrize("is_hoisted", [False, True])
def test_a_function_that_does_no_work_is_vetoed(name: str, is_hoisted: bool) -> None:
    assert _found(CANDIDATES[name], is_hoisted=is_hoisted)


@pytest.mark.parametrize("line", REACHING)
@pytest.mark.parametrize("is_hoisted", [False, True])
def test_a_way_out_is_vetoed(line: str, is_hoisted: bool) -> None:
    body = "".join(f"    {one}\n" for one in line.split("; "))
    assert _found(f"def f(x):\n{body}", is_hoisted=is_hoisted)


def _found(code: str, *, is_hoisted: bool) -> tuple[str, ...]:
    nodes = [
        one for one in ast.walk(ast.parse(code)) if isinstance(one, ast.Import | ast.ImportFrom)
    ]
    head = "".join(f"{ast.unparse(one)}\n" for one in nodes) if is_hoisted else ""
    before, after = (head + STUB).encode(), (head + code).encode()
    return vetoes(before, after, "f", path="app.py", test_paths=TESTS)


def test_a_function_that_works_is_let_through() -> None:
    assert vetoes(STUB.encode(), b"def f(x):\n    return x * 2\n", "f", path="app.py") == ()
