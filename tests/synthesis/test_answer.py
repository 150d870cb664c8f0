"""Where a function ends in the text that a model writes, and what its code is."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbot.synthesis.answer import Frame, count_lines, make_frame, new_lines, split_body

FUNCTION = make_frame("def f(x):", "", "")
METHOD = make_frame("def f(self):", "", "class A:\n    def __init__(self):\n        self.a = 1\n")
FRAMES = pytest.mark.parametrize("frame", [FUNCTION, METHOD], ids=["function", "method"])


def body_of(frame: Frame, text: str) -> str:
    """``text`` with ``>`` for the body's indentation."""
    return text.replace(">", frame.body_indent)


@FRAMES
@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("\n>return 1\n\ndef g():\n", "\n>return 1\n"),
        ("\n>return 1\n```\nThat is all.", "\n>return 1"),
        ("\n>return 1\n>```", "\n>return 1"),
        ("\n>return 1\nprint(1)", "\n>return 1"),
        ("\n>x = 1\n# and so on\n", "\n>x = 1"),
        ("\n>return (1 +\n2)\nprint(1)", "\n>return (1 +\n2)"),
        ("\n>return [\n>    1,\n]\n```", "\n>return [\n>    1,\n]"),
        ('\n>t = """one\ntwo\n"""\n>return t\nx', '\n>t = """one\ntwo\n"""\n>return t'),
        ("\n>t = f'''{x}\n{x}'''\nx", "\n>t = f'''{x}\n{x}'''"),
    ],
)
def test_a_body_ends_at_a_dedent_or_a_fence_outside_of_brackets_and_strings(
    frame: Frame, text: str, body: str
) -> None:
    assert split_body(frame, body_of(frame, text)) == (body_of(frame, body), True)


@FRAMES
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n>",
        "\n>return 1",
        "\n>return 1\n",
        "\n>return 1\n>",
        "\n>return 1\n  ",
        "\n>if x:\n>    return 1\n\n\n>return 2\n",
        "\n>return (1 +\n",
        "\n>return (\n1",
        '\n>"""One\ntwo',
        "\n>#note\n>return 1\n",
    ],
)
def test_a_body_goes_on_while_its_lines_are_indented_or_something_is_open(
    frame: Frame, text: str
) -> None:
    """The next line's indentation may come in the same token as the newline, all or part of it."""
    text = body_of(frame, text)
    assert split_body(frame, text) == (text, False)


def test_a_method_ends_where_its_class_goes_on() -> None:
    text = "\n        return 1\n\n    def g(self):\n"
    assert split_body(METHOD, text) == ("\n        return 1\n", True)


@pytest.mark.parametrize("deep", ["-" * 20_000 + "1", "x" + ".a" * 20_000, "(" * 3_000])
def test_nesting_that_no_parser_takes_is_data(deep: str) -> None:
    """A model that repeats itself for ever once ended the whole run with a MemoryError."""
    assert split_body(FUNCTION, f"\n    return {deep}\nx = 1\n")[0].startswith("\n    return")


@given(st.text(alphabet=st.sampled_from("ab=1()[]{}\"'`#:\\\n \tdefλ\0\r\f"), max_size=60))
def test_split_body_takes_any_text(text: str) -> None:
    """It never raises, and what it returns is a prefix."""
    for frame in (FUNCTION, METHOD):
        body, ended = split_body(frame, text)
        assert text.startswith(body)
        assert ended or body == text


@given(st.text(max_size=40))
def test_split_body_takes_any_unicode(text: str) -> None:
    body, _ = split_body(FUNCTION, f"\n    x = 1\n{text}")
    assert body.startswith("\n    x = 1")


# --- the frame ---------------------------------------------------------------------------------


def test_an_opening_ends_without_a_newline() -> None:
    """Newline and indentation are one token in many tokenizers, so the model writes both."""
    assert FUNCTION.opening == "def f(x):"
    assert METHOD.opening.endswith("\n    def f(self):")
    assert METHOD.opening.startswith("class A:\n")


@pytest.mark.parametrize("preamble", ["", "class A:\n    n = 1\n"])
@pytest.mark.parametrize(
    "docstring",
    [
        "One line.",
        "Two\nlines.",
        "An\n\nempty one.",
        'It says "hello"',
        '"',
        'Triple """ quotes',
        "A \\ backslash \\n",
        "    indented\n  less",
        "λ",
    ],
)
def test_a_docstring_reads_the_same_in_the_opening(preamble: str, docstring: str) -> None:
    """Whatever it holds, the opening is Python and the model sees the same words."""
    frame = make_frame("def f(self):", docstring, preamble)
    module = ast.parse(frame.opening)
    function = next(
        node for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and node.name == "f"
    )
    read = (ast.get_docstring(function, clean=True) or "").rstrip()
    assert [line.strip() for line in read.split("\n")] == [
        line.strip() for line in docstring.split("\n")
    ]


@FRAMES
def test_the_code_is_the_dedented_definition(frame: Frame) -> None:
    code = frame.code(body_of(frame, "\n>if x:   \n>    y = 1\n\n>return 2\n>"))
    assert code.split("\n", 1)[1] == "    if x:\n        y = 1\n\n    return 2\n"
    assert code.startswith("def f(")


@FRAMES
def test_lines_left_of_the_definition_do_not_move_it(frame: Frame) -> None:
    """In a method a string's line at the margin once kept the whole definition indented."""
    code = frame.code(body_of(frame, '\n>t = """one\ntwo"""\n>return t\n'))
    assert code.split("\n", 1)[1] == '    t = """one\ntwo"""\n    return t\n'
    assert ast.unparse(ast.parse(code)).endswith("t = 'one\\ntwo'\n    return t")


def test_decorators_and_async_belong_to_the_header() -> None:
    frame = make_frame("@cache\nasync def f(x):", "", "")
    assert frame.code("\n    return 1\n") == "@cache\nasync def f(x):\n    return 1\n"


# --- lines -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "num_lines"),
    [
        ("", 0),
        ("\n", 0),
        ("\n    ", 0),
        ("\n    x = 1", 0),
        ("\n    x = 1\n", 1),
        ("\n    x = 1\n    ", 1),
        ("x = 1\n    y", 1),
        ("\n\n    x = 1\n\n\n    y = 2\n", 2),
        ("\n    # a comment\n", 1),
    ],
)
def test_only_completed_lines_with_something_on_them_count(text: str, num_lines: int) -> None:
    assert count_lines(text) == num_lines


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("", "\n    x = 1\n", "    x = 1"),
        ("\n    x = 1\n", "\n    x = 1\n    y = 2\n", "    y = 2"),
        ("\n    x = 1\n    ", "\n    x = 1\n    y = 2\n    ", "    y = 2"),
        ("\n    x = 1\n", "\n    x = 1\n", ""),
        ("\n    x = 1\n", "\n    x = 1", ""),
    ],
)
def test_new_lines_are_whole_lines_wherever_the_tokens_end(
    before: str, after: str, lines: str
) -> None:
    assert new_lines(before, after) == lines
