"""Contradictions are reported with both places, and nothing that could be satisfied is."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent, indent

import pytest

from egbot.nodeids import file_of
from egbot.records import Example, Span, Target
from egbot.source.contradictions import contradictions
from tests.shelf import tree_of

ONE = "test_a.py::test_one"
TWO = "test_b.py::test_two"
SPAN = Span(0, 0, 1, 1)
Said = tuple[str, str, str]  # the call, the relation, what is expected


def example(said: Said, test: str, line: int = 6) -> Example:
    return Example(*said, test, file_of(test), line, exact=True)


def found(
    *examples: Example,
    first: str = "def test_one():\n    check()",
    second: str = "def test_two():\n    check()",
    node_ids: list[str] | None = None,
    qualname: str = "f",
    **files: str,
) -> tuple[str, ...]:
    tests = ("test_a.py", "test_b.py")
    others = {f"{name}.py": text for name, text in files.items()}
    tree = tree_of({"test_a.py": dedent(first), "test_b.py": dedent(second), **others})
    target = Target("mod.py", qualname, "stub", "", "", SPAN, "", tests, examples=examples)
    return contradictions(target, tree, tests if node_ids is None else node_ids)


def judged(first: Said, second: Said) -> tuple[str, ...]:
    return found(example(first, ONE), example(second, TWO, 9))


DISAGREE = (example(("f(2)", "eq", "4"), ONE), example(("f(2)", "eq", "5"), TWO, 9))


def test_two_files_that_disagree_are_both_named() -> None:
    told = "test_a.py:6 expects f(2) to be 4, but test_b.py:9 expects it to be 5"
    assert found(*DISAGREE) == (told,)


def test_rows_of_one_table_that_disagree_are_found() -> None:
    table = """
    @pytest.mark.parametrize("n, expected", [(1, 1), (2, 4), (2, 5)])
    def test_one(n, expected):
        assert f(n) == expected
    """
    rows = [example(("f(2)", "eq", value), f"{ONE}[2-{value}]", 4) for value in ("4", "5")]
    told = found(*rows, first=table)
    assert told == ("test_a.py:4 expects f(2) to be 4, but test_a.py:4 expects it to be 5",)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (("f(2)", "eq", "4"), ("f(2)", "raises", "ValueError"), "to raise ValueError"),
        (("f(2)", "true", ""), ("f(2)", "eq", "0"), "to be true"),
        (("f(2)", "true", ""), ("f(2)", "false", ""), "to be false"),
        (("f(2)", "is", "None"), ("f(2)", "eq", "0"), "to be None"),
        (("f(a=1, b=2)", "eq", "1"), ("f(b=2, a=1)", "eq", "2"), "f(a=1, b=2)"),
        (("await f('a')", "eq", "'b'"), ("await f('a')", "eq", "'c'"), "to be 'c'"),
    ],
)
def test_other_kinds_of_expectations_clash(first: Said, second: Said, words: str) -> None:
    assert words in judged(first, second)[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("f(2)", "eq", "4"), ("f(3)", "eq", "5")),
        (("f(2)", "eq", "4"), ("f(2.0)", "eq", "5")),
        (("f(1)", "eq", "4"), ("f(True)", "eq", "5")),
        (("f(2)", "eq", "4"), ("f(2)", "eq", "4.0")),
        (("f(2)", "approx", "0.3"), ("f(2)", "eq", "0.30000000001")),
        (("f()", "eq", "1"), ("f()", "eq", "2")),
        (("f(2)", "len", "1"), ("f(2)", "eq", "[1, 2]")),
        (("f(2)", "", ""), ("f(2)", "raises", "ValueError")),
        (("f([1])", "eq", "1"), ("f((1,))", "eq", "2")),
        (("f(2)[0]", "eq", "1"), ("f(2)[1]", "eq", "2")),
        (("f(2)", "raises", "ValueError"), ("f(2)", "raises", "Exception")),
        (("f(2)", "eq", "X"), ("f(2)", "eq", "Y")),
        (("f(", "eq", "1"), ("f(", "eq", "2")),
    ],
)
def test_no_false_alarm(first: Said, second: Said) -> None:
    assert judged(first, second) == ()


@pytest.mark.parametrize(
    "body",
    [
        "def test_one(monkeypatch):\n    check()",
        "def test_one():\n    with mock.patch('x'):\n        check()",
        "def test_one():\n    os.environ['X'] = '1'\n    check()",
        "def test_one():\n    try:\n        check()\n    except AssertionError:\n        pass",
        "def test_one():\n    with pytest.raises(AssertionError):\n        check()",
        "@pytest.mark.xfail\ndef test_one():\n    check()",
        "def setup_function():\n    pass\n\ndef test_one():\n    check()",
        "@pytest.fixture(autouse=True)\ndef fresh():\n    pass\n\ndef test_one():\n    check()",
        "def test_other():\n    check()",
    ],
)
def test_what_prepares_a_test_excuses_it(body: str) -> None:
    assert found(*DISAGREE, first=body) == ()


def test_a_fixture_of_the_conftest_excuses() -> None:
    conftest = "@pytest.fixture(autouse=True)\ndef fresh():\n" + indent("pass\n", "    ")
    assert found(*DISAGREE, conftest=conftest) == ()


def test_a_test_that_asks_twice_shows_a_state() -> None:
    state = [example(("f(1)", "eq", value), ONE, line) for line, value in enumerate("12", 3)]
    assert found(*state, example(("f(1)", "eq", "1"), TWO)) == ()


def test_neither_methods_nor_calls_with_objects_are_judged() -> None:
    assert found(*DISAGREE, qualname="C.f") == ()
    assert found(*(replace(one, exact=False) for one in DISAGREE)) == ()


def test_only_the_tests_asked_for_are_judged() -> None:
    assert found(*DISAGREE, node_ids=[ONE]) == ()
    assert len(found(*DISAGREE, node_ids=[ONE, f"{TWO}[x]"])) == 1
