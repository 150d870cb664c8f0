"""Signatures inferred from call sites: names, defaults, binding, annotations, and that all bind."""

from __future__ import annotations

import ast
import inspect
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.records import TreeFile
from egbot.source.signatures import gather, infer_signature
from egbot.source.stubs import header, missing_stub
from egbot.source.symbols import Code


def code_of(files: dict[str, str]) -> Code:
    return Code({path: TreeFile(textwrap.dedent(text).encode()) for path, text in files.items()})


def header_for(test: str, qualname: str = "f", module: str = "") -> str:
    code = code_of({"mod.py": module, "test_mod.py": test})
    key = ("mod.py", qualname)
    return header(infer_signature(key, gather(code, key)))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("assert f(2, 3) == 5", "def f(number: int, other_number: int) -> int:"),
        ("assert f('a') == 'b'", "def f(text: str) -> str:"),
        ("assert f([1, 2]) == {'a': 1}", "def f(items: list[int]) -> dict[str, int]:"),
        ("assert f(1) == 1\n    assert f(2.5) == 2.5", "def f(number: float) -> float:"),
        ("assert f('a') == 1\n    assert f('b') is None", "def f(text: str) -> int | None:"),
        ("f('a')\n    f('a', sep='-')", "def f(text: str, *, sep: str | None = None):"),
        ("f('a', '-')\n    f('a', sep='-')", "def f(text: str, sep: str):"),
        (
            "f('a', 1)\n    f('a', sep='-')",
            "def f(text: str, number: int | None = None, *, sep: str | None = None):",
        ),
        ("f(a=1, b=2)", "def f(*, a: int, b: int):"),
        ("f(1)\n    f(1, 2)", "def f(number: int, other_number: int | None = None):"),
        ("row = g()\n    f(*row)", "def f(*args):"),
        ("f(*(1, 'a'))", "def f(number: int, text: str):"),
        ("f(**g())", "def f(**kwargs):"),
        ("f()", "def f():"),
        ("user = g()\n    f(user, user.name)", "def f(user, name):"),
        ("f(lambda x: x, g())", "def f(function, value):"),
        ("sorted([1], key=f)", "def f(value):"),
        ("assert f(-1) == pytest.approx(2)", "def f(number: int) -> float:"),
        ("f(True, b'x')", "def f(flag: bool, data: bytes):"),
        ("assert not f('a')", "def f(text: str):"),
    ],
)
def test_signature_follows_the_calls(body: str, expected: str) -> None:
    assert (
        header_for(f"import pytest\nfrom mod import f\n\ndef test_f():\n    {body}\n") == expected
    )


def test_parametrize_names_and_values_are_used() -> None:
    test = """
        import pytest
        from mod import f

        @pytest.mark.parametrize("word, times, expected", [("a", 2, "aa"), ("b", 0, "")])
        def test_f(word, times, expected):
            assert f(word, times) == expected
    """
    assert header_for(test) == "def f(word: str, times: int) -> str:"


def test_parametrized_star_argument_is_opened() -> None:
    test = """
        import pytest
        from mod import f

        @pytest.mark.parametrize("args, expected", [((1, 2), 3), ((1, 2, 3), 6)])
        def test_f(args, expected):
            assert f(*args) == expected
    """
    assert header_for(test).startswith("def f(number: int, other_number: int, number_3: int | None")


def test_awaited_function_is_async() -> None:
    test = "import asyncio\nfrom mod import f\n\nasync def test_f():\n    assert await f(1) == 1\n"
    assert header_for(test) == "async def f(number: int) -> int:"
    run = "import asyncio\nfrom mod import f\n\ndef test_f():\n    asyncio.run(f(1))\n"
    assert header_for(run) == "async def f(number: int):"


CLASS = "class Point:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n"


@pytest.mark.parametrize(
    ("body", "name", "expected"),
    [
        ("assert Point(1, 2).norm() == 3", "norm", "def norm(self) -> int:"),
        (
            "p = Point(1, 2)\n    p.move(1, by=2)",
            "move",
            "def move(self, number: int, *, by: int):",
        ),
        (
            "assert Point.parse('1') == Point(1, 1)",
            "parse",
            'def parse(cls, text: str) -> "Point":',
        ),
        (
            "assert Point.distance(1, 2) == 1",
            "distance",
            "def distance(number: int, other_number: int) -> int:",
        ),
        ("assert Point(1, 2).length == 2", "length", "def length(self) -> int:"),
    ],
)
def test_members_get_their_binding(body: str, name: str, expected: str) -> None:
    test = f"from mod import Point\n\ndef test_f():\n    {body}\n"
    assert header_for(test, f"Point.{name}", CLASS) == expected


def test_use_as_decorator_and_context_manager_is_noted() -> None:
    test = """
        from mod import f, g, h

        @f
        def one(): ...

        @g(3)
        def two(): ...

        def test_h():
            with h("x") as opened:
                pass
    """
    code = code_of({"mod.py": "", "test_mod.py": test})
    for name, signature, note in [
        ("f", "def f(function):", "It is used as a decorator."),
        ("g", "def g(number: int):", "The result is used as a decorator."),
        ("h", "def h(text: str):", "The result is used as a context manager (`with`)."),
    ]:
        made = infer_signature(("mod.py", name), gather(code, ("mod.py", name)))
        assert header(made) == signature
        assert made.notes == (note,)


def test_calls_in_the_repository_count_as_well() -> None:
    code = code_of(
        {
            "pkg/__init__.py": "from .core import f\n",
            "pkg/core.py": "",
            "pkg/use.py": "from . import core\n\ndef run(path):\n    return core.f(path, strict=True)\n",
            "tests/test_a.py": "from pkg import f as g\n\ndef test_a():\n    assert g('x') == 1\n",
        }
    )
    made = infer_signature(("pkg/core.py", "f"), gather(code, ("pkg/core.py", "f")))
    assert header(made) == "def f(path, *, strict: bool | None = None) -> int:"


ARGUMENTS = st.sampled_from(
    ["1", "'a'", "None", "[1]", "{'k': 2}", "(1, 2)", "2.5", "b'x'", "True"]
)
CALLS = st.lists(
    st.tuples(
        st.lists(ARGUMENTS, max_size=4),
        st.dictionaries(
            st.sampled_from(["a", "b", "text", "number", "items"]), ARGUMENTS, max_size=3
        ),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=120)
@given(CALLS)
def test_every_call_binds_to_the_stub(calls: list[tuple[list[str], dict[str, str]]]) -> None:
    """Whatever the calls are, the compiled stub accepts each of them."""
    texts = [
        f"f({', '.join([*positional, *(f'{name}={value}' for name, value in keywords.items())])})"
        for positional, keywords in calls
    ]
    body = "".join(f"    assert {text} == 1\n" for text in texts)
    code = code_of({"mod.py": "", "test_mod.py": f"from mod import f\n\ndef test_f():\n{body}"})
    stub = missing_stub(code, ("mod.py", "f"))
    assert stub is not None
    space: dict[str, object] = {}
    exec(compile(stub.functions[0][1], "stub", "exec"), space)
    function = space["f"]
    assert callable(function)
    for positional, keywords in calls:
        inspect.signature(function).bind(
            *map(ast.literal_eval, positional),
            **{name: ast.literal_eval(value) for name, value in keywords.items()},
        )
