"""Whole definitions for people: kinds, placeholders that let tests be collected, honest unknowns."""

from __future__ import annotations

import ast
import textwrap

import pytest

from egbot.records import TreeFile
from egbot.source.lacking import lacking
from egbot.source.skeleton import Skeleton, skeleton
from egbot.source.symbols import Code


def made(test: str, module: str = "") -> dict[str, Skeleton]:
    files = {"mod.py": module, "test_mod.py": textwrap.dedent(test)}
    code = Code({path: TreeFile(text.encode()) for path, text in files.items()})
    found = [skeleton(code, lack) for lack in lacking(code, ("test_mod.py",)).values()]
    for item in found:
        ast.parse(item.text)
    return {item.key[1]: item for item in found}


def text_of(name: str, test: str) -> str:
    return made(f"import pytest\nfrom mod import {name}\n{textwrap.dedent(test)}")[name].text


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("LIMIT", "assert LIMIT == 3", "LIMIT = 3\n"),
        ("limit", "assert limit == 3", "limit = 3\n"),
        ("NAMES", "assert 'a' in NAMES", "NAMES = ()  # the tests do not tell its value\n"),
        ("TABLE", "TABLE['a']", "TABLE = {}  # the tests do not tell its value\n"),
        ("STEP", "x = STEP + 1", "STEP = 0  # the tests do not tell its value\n"),
        ("SEP", "x = SEP.join([])", 'SEP = ""  # the tests do not tell its value\n'),
        ("__version__", "assert __version__ == '1.0'", "__version__ = '1.0'\n"),
    ],
)
def test_constants_have_the_value_that_tests_tell(name: str, body: str, expected: str) -> None:
    assert text_of(name, f"def test_a():\n    {body}\n") == expected


@pytest.mark.parametrize(
    ("name", "body", "head"),
    [
        ("OddError", "with pytest.raises(OddError): ...", "class OddError(Exception):"),
        ("Odd", "with pytest.raises(Odd): ...", "class Odd(Exception):"),
        ("AWarning", "with pytest.warns(AWarning): ...", "class AWarning(Warning):"),
        ("E", "assert issubclass(E, ValueError)\n    raise E", "class E(ValueError):"),
        ("frozen", "assert isinstance(3, frozen)", "class frozen:"),
        ("Thing", "Thing(1).go()", "class Thing:"),
        ("f", "f(1)", "def f(number: int):"),
    ],
)
def test_kinds_follow_the_uses(name: str, body: str, head: str) -> None:
    assert text_of(name, f"def test_a():\n    {body}\n").splitlines()[0] == head


def test_an_exception_keeps_what_tests_pass_and_read() -> None:
    test = """
        def test_a():
            with pytest.raises(OddError) as info:
                raise OddError("x", code=3)
            assert info.value.code == 3 and info.value.args
    """
    space: dict[str, type[Exception]] = {}
    exec(text_of("OddError", test), space)
    error = space["OddError"]("x", code=3)  # type: ignore[call-arg]
    assert (error.args, vars(error)) == (("x",), {"code": 3})


def test_members_are_methods_properties_attributes_and_nested_classes() -> None:
    test = """
        def test_a():
            cart = Cart(limit=3)
            assert cart.limit == 3
            cart.add("x", count=2)
            assert Cart.KIND == "plain"
            assert Cart.from_text("a").limit == 1
            assert len(cart) == 1 and "x" in cart and -cart and cart[0] and cart()
            for item in cart: ...
            with cart: ...
            with pytest.raises(Cart.FullError): ...
    """
    text = text_of("Cart", test)
    for line in (
        "    limit: int",
        "    KIND = 'plain'",
        "    def add(self, text: str, *, count: int):",
        "    @classmethod",
        "    def __len__(self) -> int:",
        "    def __contains__(self, item) -> bool:",
        "    def __neg__(self):",
        "    def __getitem__(self, key):",
        "    def __call__(self):",
        "    def __iter__(self):",
        "    def __enter__(self):",
        "    class FullError(Exception):",
    ):
        assert line in text.splitlines()


def test_async_contexts_and_iteration_ask_for_their_methods() -> None:
    test = """
        async def test_a():
            async with Client() as client:
                async for item in client: ...
                await client.send("x")
    """
    text = text_of("Client", test)
    names = ("__aenter__", "__aexit__", "__aiter__", "__anext__", "send")
    assert all(f"def {name}(" in text for name in names)
    assert "async def send(self, text: str):" in text


def test_how_results_are_used_is_said() -> None:
    test = """
        def test_a():
            result = f(1)
            assert result.name and result.close() is None
            for item in result: ...
            assert isinstance(g(), dict)
            left, right = h()
    """
    found = made("from mod import f, g, h\n" + textwrap.dedent(test))
    assert "The result is unpacked into 2 values." in found["h"].text
    assert "The result can be iterated over." in found["f"].text
    assert "The result has name, close()." in found["f"].text
    assert "def g() -> dict:" in found["g"].text


def test_a_class_method_that_makes_an_instance_tells_the_instance_s_members() -> None:
    """Through a fixture too; the same name on an instance is an ordinary method."""
    test = """
        import pytest

        @pytest.fixture
        def catalog():
            return Catalog.from_dict({"tea": 3})

        def test_a(catalog):
            assert catalog.price("tea") == 3
            assert catalog.load("x").size == 1
    """
    text = text_of("Catalog", test)
    assert 'def from_dict(cls, mapping: dict[str, int]) -> "Catalog":' in text
    assert "def price(self, text: str) -> int:" in text
    assert "def load(self, text: str):" in text
    assert "def size" not in text


def test_what_every_class_has_is_no_member() -> None:
    text = text_of(
        "Thing", "def test_a():\n    assert Thing(1).f() and Thing.__name__ == 'Thing'\n"
    )
    assert "def f(self" in text
    assert "__name__" not in text.replace(">>> Thing.__name__", "")


def test_what_is_not_told_is_said() -> None:
    found = made("from mod import f, g\n\ndef test_a():\n    f(1)\n")
    assert "The tests do not tell what it returns." in found["f"].text
    assert "The tests do not show how it is called." in found["g"].text


def test_what_runs_at_import_does_not_raise() -> None:
    test = """
        import pytest
        from mod import Version, convert, mark, wrap

        def rows():
            return [convert("a"), *convert("b")]

        @wrap
        def helper(): ...

        @mark("slow")
        def other(): ...

        @pytest.mark.parametrize("row", rows())
        @pytest.mark.parametrize("version", [Version("1")])
        def test_a(row, version): ...
    """
    found = made(test)
    space: dict[str, object] = {}
    for item in found.values():
        assert "while they are collected" in item.text
        exec(item.text, space)
    exec(textwrap.dedent(test).replace("from mod import", "#"), space)


def test_subclasses_in_tests_can_be_made() -> None:
    test = """
        class Mine(Base, key=1):
            def go(self):
                return super().go()

        MINE = Mine(1, flag=True)
    """
    space: dict[str, object] = {}
    exec(text_of("Base", test) + textwrap.dedent(test), space)
    assert "def go(self):" in text_of("Base", test)


@pytest.mark.parametrize(
    "uses",
    [
        ("assert isinstance(1, Thing)", "assert Thing == 3"),
        ("Thing(1)", "assert Thing == 3"),
        ("assert isinstance(1, Thing)", "await Thing()"),
    ],
)
def test_a_name_of_two_kinds_is_told_with_both_places(uses: tuple[str, str]) -> None:
    one, other = uses
    test = f"from mod import Thing\n\nasync def test_a():\n    {one}\n    {other}\n"
    item = made(test)["Thing"]
    assert not item.text
    assert "test_mod.py:4" in item.problem
    assert "test_mod.py:5" in item.problem


def test_a_patched_standard_module_is_imported() -> None:
    test = "def test_a(monkeypatch):\n    monkeypatch.setattr('mod.time.sleep', print)\n"
    assert made(test)["time"].text == "import time\n"
