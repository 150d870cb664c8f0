"""What the prompt shows of the failing tests: asserts that stand alone, or their source."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from egbot.records import Example, Span, Target
from egbot.source.excerpt import excerpt_of_tests as excerpt
from tests.shelf import tree_of

PATH = "tests/unit/test_mod.py"
HEAD = "import pytest\nimport unittest\nimport mod\n"


def example(test: str, call: str, relation: str, expected: str, line: int = 1) -> Example:
    return Example(call, relation, expected, f"{PATH}::{test}", PATH, line, exact=True)


def excerpt_of(
    test: str, names: list[str], *examples: Example, max_chars: int = 2000, **files: str
) -> str:
    """Keywords are further files: ``tests__conftest`` is tests/conftest.py."""
    others = {f"{name.replace('__', '/')}.py": dedent(text) for name, text in files.items()}
    tree = tree_of({PATH: HEAD + dedent(test), **others})
    span = Span(0, 0, 1, 1)
    target = Target("mod.py", "f", "stub", "def f(x):", "", span, "", (), examples=examples)
    return excerpt(target, tree, [f"{PATH}::{name}" for name in names], max_chars)


ROWS = """
@pytest.mark.parametrize("text, expected", [("abc", "cba"), ("", "")])
@pytest.mark.slow
def test_rows(text, expected):
    assert mod.f(text) == expected

def test_error():
    with pytest.raises(TypeError):
        mod.f(None)
"""


def test_rows_are_written_out_as_asserts_with_the_values_that_came() -> None:
    found = excerpt_of(
        ROWS,
        ["test_rows[abc-cba]", "test_rows[-]", "test_error"],
        example("test_rows[abc-cba]", "f('abc')", "eq", "'cba'"),
        example("test_rows[-]", "f('')", "eq", "''"),
        example("test_error", "f(None)", "raises", "TypeError"),
        example("test_other", "f(1)", "eq", "1"),
    )
    assert found == (
        "assert f('abc') == 'cba'\nassert f('') == ''\nwith pytest.raises(TypeError): f(None)"
    )


def test_without_an_example_a_test_is_shown_as_it_stands() -> None:
    assert excerpt_of(ROWS, ["test_rows[-]"]) == (
        "def test_rows(text, expected):\n    assert mod.f(text) == expected"
    )


@pytest.mark.parametrize(
    ("relation", "expected", "line"),
    [
        ("eq", "None", "assert f(1) is None"),
        ("ne", "2", "assert f(1) != 2"),
        ("approx", "0.3", "assert f(1) == pytest.approx(0.3)"),
        ("contains", "'{x}'", "assert '{x}' in f(1)"),
        ("lacks", "2", "assert 2 not in f(1)"),
        ("true", "", "assert f(1)"),
        ("false", "", "assert not f(1)"),
        ("len", "2", "assert len(f(1)) == 2"),
        ("str", "'2'", "assert str(f(1)) == '2'"),
        ("", "", ""),  # nothing is expected of this call
        ("argument 0 becomes", "[1]", ""),
    ],
)
def test_each_relation_has_its_line_or_leaves_the_source(
    relation: str, expected: str, line: str
) -> None:
    test = "def test_it():\n    value = mod.f(1)\n    assert ask(value)\n"
    found = excerpt_of(test, ["test_it"], example("test_it", "f(1)", relation, expected))
    assert found == (line or test.strip())


@pytest.mark.parametrize(
    "test",
    [
        "def test_it():\n    x = mod\n    assert x.f(1) == 2\n    assert mod.done",
        "def test_it():\n    mod.reset()\n    assert mod.f(1) == 2",
        "def test_it(ready):\n    assert mod.f(1) == 2\n\n@pytest.fixture\ndef ready():\n    mod.go()",
        "class A:\n    def test_it(self):\n        self.go()\n        assert mod.f(1) == 2",
    ],
)
def test_a_test_that_does_more_than_assert_is_shown_whole(test: str) -> None:
    """An assert in place of it would leave out what the result depends on, or what else is asked."""
    name = "A::test_it" if "class" in test else "test_it"
    given = [example(name, "f(1)", "eq", "2")]
    assert "def test_it" in excerpt_of(test, [name], *given)


def test_an_example_that_is_not_exact_leaves_the_source() -> None:
    given = Example("f(<x>)", "eq", "2", f"{PATH}::test_it", PATH, 1, exact=False)
    test = "def test_it():\n    x = object()\n    assert mod.f(x) == 2"
    assert excerpt_of(test, ["test_it"], given) == test


def test_asserts_that_need_nothing_stand_alone_even_without_examples() -> None:
    test = '''
    class TestF:
        def test_one(self):
            """Say."""
            assert mod.f(Pair(1)) == 2, "no"
            assert mod.f(3)
    '''
    assert excerpt_of(test, ["TestF::test_one"]) == "assert mod.f(Pair(1)) == 2\nassert mod.f(3)"


FIXTURES = """
@pytest.fixture
def words(letters):
    return [*letters, "b"]

def test_fixture(words):
    assert mod.f(words) == ["b", "a"]

class TestIt(unittest.TestCase):
    def setUp(self):
        self.mod = mod

    class TestIn:
        @pytest.fixture
        def words(self):
            return []

        def test_inner(self, words):
            assert mod.f(words) == []

    def test_method(self):
        self.assertEqual(self.mod.f([]), [])
"""
CONFTEST = """
import pytest

@pytest.fixture(name="letters")
def make_letters():
    return ["a"]

@pytest.fixture
def words():
    return "of the outer file"
"""


def test_fixtures_are_shown_with_the_tests_that_use_them() -> None:
    """The nearest one of a name, and those that it uses itself, wherever a conftest.py has them."""
    assert excerpt_of(FIXTURES, ["test_fixture"], tests__conftest=CONFTEST) == (
        '# fixture\ndef words(letters):\n    return [*letters, "b"]\n\n'
        '# fixture\ndef make_letters():\n    return ["a"]\n\n'
        'def test_fixture(words):\n    assert mod.f(words) == ["b", "a"]'
    )
    assert excerpt_of(FIXTURES, ["TestIt::test_method"], tests__conftest=CONFTEST) == (
        "def setUp(self):\n    self.mod = mod\n\n"
        "def test_method(self):\n    self.assertEqual(self.mod.f([]), [])"
    )
    inner = excerpt_of(FIXTURES, ["TestIt::TestIn::test_inner"], tests__conftest=CONFTEST)
    assert inner.startswith("# fixture\ndef words(self):\n    return []\n\ndef test_inner")


def test_an_inherited_test_is_found_in_its_base_class() -> None:
    """By the name of the base in the same file, by the place of its example in another one."""
    base = """
    class Base:
        def test_it(self):
            x = self.make()
            assert mod.f(x)
    """
    child = "class TestA(Base):\n    def make(self):\n        return 1\n"
    assert "x = self.make()" in excerpt_of(dedent(base) + child, ["TestA::test_it"])
    given = Example("f(1)", "true", "", f"{PATH}::TestA::test_it", "tests/base.py", 5, exact=False)
    found = excerpt_of(child, ["TestA::test_it"], given, tests__base=base)
    assert "x = self.make()" in found


@pytest.mark.parametrize("limit", [0, 10, 30, 60, 200])
def test_the_limit_is_kept_by_whole_blocks(limit: int) -> None:
    names = ["test_rows", "test_fixture", "test_error"]
    given = example("test_error", "f(None)", "raises", "TypeError")
    text = excerpt_of(ROWS + FIXTURES, names, given, max_chars=limit)
    assert len(text) <= limit
    ast.parse(text)


@pytest.mark.parametrize("test", ["", "def (", "\0", "class A(A):\n    pass", "x = 1"])
def test_what_cannot_be_found_is_left_out(test: str) -> None:
    assert excerpt_of(test, ["", "test_it", "A::test_it", "B::test_it"]) == ""
