"""Stubs: docstrings with examples that read like doctests, classes, and hostile texts."""

from __future__ import annotations

import ast
import doctest
import textwrap

from egbot.records import TreeFile
from egbot.source.signatures import Parameter, Signature
from egbot.source.stubs import missing_stub, stub_code
from egbot.source.symbols import Code


def code_of(test: str, module: str = "") -> Code:
    files = {"mod.py": module, "test_mod.py": textwrap.dedent(test)}
    return Code({path: TreeFile(text.encode()) for path, text in files.items()})


def stub_of(test: str, name: str = "f") -> str:
    stub = missing_stub(code_of(test), ("mod.py", name))
    assert stub is not None
    return "\n".join(text for _, text in stub.functions) + stub.exception


def test_examples_come_from_asserts_tables_unittest_and_raises() -> None:
    text = stub_of(
        """
        import unittest
        import pytest
        import mod
        from mod import f

        def test_plain():
            result = f(2, 3)
            assert result == 5

        @pytest.mark.parametrize("a, b, expected", [(1, 1, 2), pytest.param(0, 7, 7, id="zero")])
        def test_table(a, b, expected):
            assert mod.f(a, b) == expected

        class TestF(unittest.TestCase):
            def test_unit(self):
                self.assertEqual(f(4, 4), 8)

        def test_error():
            with pytest.raises(TypeError, match="no"):
                f("a", 1)
        """
    )
    assert text.startswith("def f(")
    for shown in (
        ">>> f(2, 3)\n    5",
        ">>> f(1, 1)\n    2",
        ">>> f(0, 7)\n    7",
        ">>> f(4, 4)\n    8",
    ):
        assert shown in text
    assert "Traceback (most recent call last):\n        ...\n    TypeError" in text
    assert text.endswith("raise NotImplementedError\n")


def test_examples_are_real_doctests() -> None:
    """Backslashes, newlines and triple quotes in the values survive the way into a docstring."""
    values = ['it\'s\t"""', "a\n\\b", ["é"]]
    lines = "".join(f"    assert f({value!r}) == {value!r}\n" for value in values)
    text = stub_of(f"from mod import f\n\ndef test_f():\n{lines}    assert f('x') is None\n")
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    found = doctest.DocTestParser().get_examples(ast.get_docstring(function) or "")
    assert [ast.literal_eval(example.want) for example in found] == [*values, True]
    assert all(ast.parse(example.source) for example in found)


def test_examples_with_local_names_are_left_out() -> None:
    text = stub_of("from mod import f\n\ndef test_f(tmp_path):\n    assert f(tmp_path) == 1\n")
    assert ">>>" not in text


def test_class_has_its_methods_and_attributes_are_told() -> None:
    text = stub_of(
        """
        from mod import Account

        def test_account():
            account = Account("ada", limit=3)
            account.pay(5)
            assert account.balance == 5
            assert str(account) == "ada: 5"
        """,
        "Account",
    )
    assert "def __init__(self, text: str, *, limit: int) -> None:" in text
    assert "Sets the attributes balance." in text
    assert "def pay(self, number: int):" in text
    assert "def __str__(self) -> str:" in text


def test_exception_is_complete_and_constant_is_refused() -> None:
    test = """
        import pytest
        from mod import LIMIT, OddError, f

        def test_f():
            with pytest.raises(OddError):
                f(LIMIT)
            assert LIMIT == 3
    """
    assert stub_of(test, "OddError") == 'class OddError(Exception):\n    """Odd error."""\n'
    assert missing_stub(code_of(test), ("mod.py", "LIMIT")) is None


def test_stub_code_writes_every_kind_of_parameter() -> None:
    parameters = (
        Parameter("a", "plain", annotation="int"),
        Parameter("rest", "star"),
        Parameter("b", "keyword_only", default="None"),
        Parameter("more", "double_star"),
    )
    text = stub_code(Signature("f", parameters, "staticmethod", "int", is_async=True), "")
    assert text == (
        "@staticmethod\nasync def f(a: int, *rest, b=None, **more) -> int:\n"
        "    raise NotImplementedError\n"
    )
