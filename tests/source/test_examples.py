"""Examples: what is shown of a call is what a test expects of it, as Python text that is true."""

from __future__ import annotations

import ast
import doctest

import pytest

from egbot.records import Expectation, Place, Seen, Sight, TreeFile
from egbot.source.examples import Expressions, argument_names, doctest_lines, examples_of


def seen(value: object) -> Seen:
    """A literal as a recorder tells of it."""
    return Seen(repr(value), type(value).__name__, repr(value))


def shown(
    *expected: Expectation, args: tuple[Seen, ...] = (seen("a"),), detail: str = ""
) -> list[str]:
    """What a docstring says of one call of ``f``."""
    call = Sight("call", "box:f", detail, args=args, expected=expected)
    return doctest_lines(examples_of("f", call, None, "t", is_function=True), 10)


ROWS = [
    ("eq", "", seen(3), ">>> f('a')\n3"),
    ("eq", "", seen(None), ">>> f('a') is None\nTrue"),
    ("is", "", seen(None), ">>> f('a') is None\nTrue"),
    ("true", "", seen(True), ">>> bool(f('a'))\nTrue"),
    ("false", "", seen(False), ">>> bool(f('a'))\nFalse"),
    ("eq", ".x[0]", seen("q"), ">>> f('a').x[0]\n'q'"),
    ("eq", ".__iter__()[1]", seen(2), ">>> list(f('a'))[1]\n2"),
    ("eq", ".rows.__iter__()[0].x", seen(2), ">>> list(f('a').rows)[0].x\n2"),
    ("eq", ".__next__()[0]", seen(2), None),  # it may never end
    ("eq", ".__add__()", seen(2), None),  # with what, nobody knows
    ("eq", ".__enter__()", seen(2), None),
    ("len", "", seen(2), ">>> len(f('a'))\n2"),
    ("str", "", seen("x"), ">>> str(f('a'))\n'x'"),
    ("contains", "", seen("x"), ">>> 'x' in f('a')\nTrue"),
    ("lacks", "", seen("x"), ">>> 'x' not in f('a')\nTrue"),
    ("gt", "", seen(2), ">>> f('a') > 2\nTrue"),
    ("approx", "", seen(2.5), ">>> f('a')  # approximately\n2.5"),
    (
        "raises",
        "",
        Seen("ValueError", "type"),
        ">>> f('a')\nTraceback (most recent call last):\n    ...\nValueError",
    ),
    (
        "raises",
        "",
        Seen("box.Oops", "type", who="box:Oops"),
        ">>> f('a')\nTraceback (most recent call last):\n    ...\nbox.Oops",
    ),
    ("raises", "", Seen("<box:oops()>", "unwritten", who="box:oops()"), None),
    ("warns", "", Seen("UserWarning", "type"), None),
    ("isinstance", "", Seen("int", "type"), None),
    ("eq", "", Seen("<box:X>", "unwritten", who="box:X"), None),
    ("eq", "", Seen("<object>", "object"), None),
    ("eq", "", seen("x" * 300), None),
]


@pytest.mark.parametrize(("relation", "via", "value", "text"), ROWS)
def test_a_docstring_shows_what_is_expected(
    relation: str, via: str, value: Seen, text: str | None
) -> None:
    lines = shown(Expectation(via, relation, value))
    assert lines == ([] if text is None else [text])
    for line in lines:
        assert doctest.DocTestParser().get_examples(line)


def test_a_coroutine_and_arguments_that_are_no_literals_are_not_shown() -> None:
    expected = Expectation("", "eq", seen(1))
    assert shown(expected, detail="coroutine") == []
    assert shown(expected, args=(Seen("<object>", "object"),)) == []
    assert shown(expected, args=()) == [">>> f()\n1"]


def test_arguments_are_called_what_they_are_called_at_the_call() -> None:
    call = ast.parse("f(path, self.size, make_key(), 3, x[0], ValueError, Upper)", mode="eval").body
    assert argument_names(call, 7) == ("path", "size", "make_key", "", "", "", "upper")
    assert argument_names(ast.parse("f(*rows)", mode="eval").body, 2) == ()
    assert argument_names(None, 2) == ()


def test_an_expression_is_found_by_its_place() -> None:
    tree = {"test_a.py": TreeFile(b"def test():\n    assert f(1) == 2\n"), "bad.py": TreeFile(b"(")}
    found = Expressions(tree)
    node = found.at(Place("test_a.py", 2, 11, 2, 15))
    assert node is not None
    assert ast.unparse(node) == "f(1)"
    assert found.at(Place("test_a.py", 2, 11, 2, 14)) is None
    assert found.at(Place("bad.py", 1, 0, 1, 1)) is None
    assert found.at(Place("none.py", 1, 0, 1, 1)) is None
    assert found.at(None) is None
