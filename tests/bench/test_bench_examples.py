"""Examples in docstrings become asserts, and prose does not."""

from __future__ import annotations

import pytest

from egbot.bench.examples import example_asserts


@pytest.mark.parametrize(
    ("docstring", "asserts"),
    [
        (">>> f(1)\n2\n>>> f(2)\n'x'", ("assert f(1) == 2", "assert f(2) == 'x'")),
        (">>> f([]) == 0\n>>> f([1]) == 0", ("assert f([]) == 0", "assert f([1]) == 0")),
        ("f(1) == 2\nf(2) => true", ("assert f(1) == 2", "assert f(2) == True")),
        ("f('a b') ➞ None  # no", ("assert f('a b') == None",)),
        ("f(5) # returns 'db'\nf(6) returns 'c'.", ("assert f(5) == 'db'", "assert f(6) == 'c'")),
        ("f([1], 2) -> 1 + 9 + 0 = 10", ("assert f([1], 2) == 10",)),
        ("f([\n  [1],\n  [2]\n], 1) == [0]", ("assert f([[1], [2]], 1) == [0]",)),
        ("For num = 'AB' the output should be 1.", ("assert f('AB') == 1",)),
        ("Input: n = 5\nOutput: 1", ("assert f(5) == 1",)),
    ],
)
def test_examples_in_their_common_forms_are_found(docstring: str, asserts: tuple[str, ...]) -> None:
    assert example_asserts(docstring, "f") == asserts


@pytest.mark.parametrize(
    "docstring",
    [
        "",
        "f(a) => False",
        "f(1) is about 2",
        "f(x) = x + 1",
        "the function f(n) returns the sum",
        ">>> f(1)\nTraceback (most recent call last):\n    ...\nValueError: no",
        ">>> g(1)\n2",
        ">>> f(1)\n<object>",
        "f(",
        "other.f(1) == 2 and off(1) == 2",
        ">>> f('a\nb')\n'c'",
    ],
)
def test_what_is_no_example_is_left_alone(docstring: str) -> None:
    assert example_asserts(docstring, "f") == ()
