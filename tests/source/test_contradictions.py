"""Contradictions are reported with both places, and nothing that could be satisfied is."""

from __future__ import annotations

import textwrap

import pytest

from egbot.records import Span, Target, Tree, TreeFile
from egbot.source.contradictions import contradictions


def target(qualname: str = "f") -> Target:
    return Target(
        "mod.py", qualname, "stub", "", "", Span(0, 0, 1, 1), "", ("test_a.py", "test_b.py")
    )


def tree(first: str, second: str = "", top: str = "") -> Tree:
    head = "import pytest\nimport unittest\nfrom mod import f\n"
    files = {
        "mod.py": "def f(*a):\n    raise NotImplementedError\n",
        "test_a.py": head + textwrap.dedent(top) + textwrap.dedent(first),
        "test_b.py": head + textwrap.dedent(second),
    }
    return {path: TreeFile(text.encode()) for path, text in files.items()}


def one(body: str, name: str = "test_one") -> str:
    return f"\ndef {name}():\n" + textwrap.indent(textwrap.dedent(body), "    ") + "\n"


def test_two_files_that_disagree_are_both_named() -> None:
    found = contradictions(target(), tree(one("assert f(2) == 4"), one("assert f(2) == 5")))
    assert found == ("test_a.py:6 expects f(2) to be 4, but test_b.py:6 expects it to be 5",)


def test_rows_of_one_table_that_disagree_are_found() -> None:
    test = """
        @pytest.mark.parametrize("n, expected", [(1, 1), (2, 4), (2, 5)])
        def test_rows(n, expected):
            assert f(n) == expected
    """
    found = contradictions(target(), tree(test))
    assert len(found) == 1
    assert "f(2) to be 4" in found[0]


def test_unittest_and_plain_asserts_are_compared() -> None:
    klass = "\nclass TestF(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(f('a'), 'b')\n"
    assert len(contradictions(target(), tree(klass, one("assert 'c' == f('a')")))) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("assert f(2) == 4", "with pytest.raises(ValueError):\n    f(2)"),
        ("assert f(2) == pytest.approx(4)", "assert f(2) == 5"),
        ("assert f(2)", "assert f(2) == 0"),
        ("assert f(2) is None", "assert f(2) == 0"),
    ],
)
def test_other_kinds_of_expectations_clash(first: str, second: str) -> None:
    assert len(contradictions(target(), tree(one(first), one(second)))) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("assert f(2) == 4", "assert f(3) == 5"),
        ("assert f(2) == 4", "assert f(2.0) == 5"),
        ("assert f(2) == 4", "assert f(2) == 4.0"),
        ("assert f(2) == pytest.approx(0.3)", "assert f(2) == 0.1 + 0.2"),
        ("assert f(2) == pytest.approx(0.3)", "assert f(2) == 0.30000000001"),
        ("assert f() == 1", "assert f() == 2"),
        ("assert f(x) == 1", "assert f(x) == 2"),
        ("if cond:\n    assert f(2) == 4", "assert f(2) == 5"),
        ("assert f(1) == 1\nassert f(1) == 2", "assert f(1) == 1"),
        ("assert len(f(2)) == 1", "assert f(2) == [1, 2]"),
        ("assert f([1]) == 1", "assert f((1,)) == 2"),
        ("with pytest.raises(ValueError):\n    f(2)", "with pytest.raises(Exception):\n    f(2)"),
    ],
)
def test_no_false_alarm(first: str, second: str) -> None:
    assert contradictions(target(), tree(one(first), one(second))) == ()


def test_fixtures_and_setups_excuse() -> None:
    mocked = "\ndef test_one(monkeypatch):\n    assert f(2) == 4\n"
    assert contradictions(target(), tree(mocked, one("assert f(2) == 5"))) == ()
    setup = "\ndef setup_function():\n    pass\n\n@pytest.fixture(autouse=True)\ndef fresh():\n    pass\n"
    assert (
        contradictions(target(), tree(one("assert f(2) == 4"), one("assert f(2) == 5"), setup))
        == ()
    )


def test_only_the_tests_asked_for_are_judged() -> None:
    files = tree(one("assert f(2) == 4"), one("assert f(2) == 5"))
    assert contradictions(target(), files, ["test_a.py::test_one"]) == ()
    assert (
        len(contradictions(target(), files, ["test_a.py::test_one", "test_b.py::test_one[x]"])) == 1
    )
