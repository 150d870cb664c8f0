"""Partial code becomes a runnable program, or nothing; equal programs become equal text."""

from __future__ import annotations

import ast
import subprocess
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbot.synthesis.answer import Frame, make_frame
from egbot.synthesis.completions import is_viable, make_runnable, normalise

FUNCTION = make_frame("def f(x):", "What it does.", "")
METHOD = make_frame("async def f(self):", "", "class A:\n    n = 1\n")
FRAMES = pytest.mark.parametrize("frame", [FUNCTION, METHOD], ids=["function", "method"])


def runnable(frame: Frame, text: str) -> list[str] | None:
    """The program's body, dedented; ``>`` in ``text`` stands for the body's indentation."""
    program = make_runnable(frame, text.replace(">", frame.body_indent))
    return None if program is None else [line[4:] for line in program.split("\n")[1:] if line]


@FRAMES
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("\n>return 1\n", ["return 1"]),
        ("\n>return 1", ["return 1"]),
        ("\n>x = 1\n>y = (x +", ["x = 1"]),
        ("\n>x = 1\n>retu", ["x = 1", "retu"]),
        ("\n>x = 1\n>return x +", ["x = 1"]),
        ("\n>if x:", ["if x:", "    pass"]),
        ("\n>if x:  # why\n", ["if x:", "    pass"]),
        ("\n>if (x and\n>        y):\n", ["if x and y:", "    pass"]),
        ("\n>if x:\n>    return 1\n>else:\n", ["if x:", "    return 1", "else:", "    pass"]),
        ("\n>for i in x:\n", ["for i in x:", "    pass"]),
        ("\n>while x:\n>    x -= 1\n", ["while x:", "    x -= 1"]),
        ("\n>with x as y:\n", ["with x as y:", "    pass"]),
        ("\n>def g(y):\n", ["def g(y):", "    pass"]),
        ("\n>try:\n", ["try:", "    pass", "finally:", "    pass"]),
        ("\n>try:\n>    x = 1\n", ["try:", "    x = 1", "finally:", "    pass"]),
        (
            "\n>try:\n>    x = 1\n>except ValueError:\n",
            ["try:", "    x = 1", "except ValueError:", "    pass"],
        ),
        (
            "\n>for i in x:\n>    try:\n>        if i:\n",
            [
                "for i in x:",
                "    try:",
                "        if i:",
                "            pass",
                "    finally:",
                "        pass",
            ],
        ),
        ("\n>match x:\n>    case 1:\n", ["match x:", "    case 1:", "        pass"]),
        ('\n>if x == "a: # b": return 1\n', ["if x == 'a: # b':", "    return 1"]),
        ('\n>try:\n>    x = "a: # b"\n', ["try:", "    x = 'a: # b'", "finally:", "    pass"]),
    ],
)
def test_the_longest_part_that_compiles_is_kept_with_its_blocks_closed(
    frame: Frame, text: str, lines: list[str]
) -> None:
    """A header of a block is completed, never dropped; a line that is cut in the middle is."""
    got = runnable(frame, text)
    assert got is not None
    assert [line for line in got if line] == lines


@FRAMES
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n>",
        "\n>x = (",
        "\n># only a comment\n",
        '\n>"""Only a docstring."""\n',
        "\n>pass\n",
        "\n>x = '\0'\n",
        "\n>return return\n",
        "\n>break\n",
        f"\n>return {'-' * 20_000}1\n",
    ],
)
def test_nothing_to_run_is_none(frame: Frame, text: str) -> None:
    assert runnable(frame, text) is None


@pytest.mark.parametrize(
    "variant",
    [
        "\n    y = x + 1\n    return y\n",
        "\n    y = x + 1\n    return y",
        "\n    y = x + 1  # one more\n    # then\n    return y\n",
        '\n    """Add one."""\n    y = x + 1\n    return y\n',
        "\n\n    y = x+1\n\n    return (y)\n    ",
        "\n    y = x + 1; return y\n",
        "\n    y = (x +\n1)\n    return y\n",
    ],
)
def test_variants_of_one_program_are_one_text(variant: str) -> None:
    """Comments, docstrings and layout do not make a new candidate."""
    assert make_runnable(FUNCTION, variant) == "def f(x):\n    y = x + 1\n    return y\n"


def test_a_string_that_is_no_docstring_stays() -> None:
    program = make_runnable(FUNCTION, "\n    x = 1\n    'kept'\n    return 'x'\n")
    assert program is not None
    assert "'kept'" in program


@FRAMES
@pytest.mark.parametrize(
    ("text", "viable"),
    [
        ("", True),
        ("\n># First,\n># then\n", True),
        ("\n>if x:\n>    # First,\n>    # then\n", True),
        ("\n>x = (1,\n", True),
        ("\n>x = 1 + \\\n", True),
        ('\n>"""What\n', True),
        ("\n>try:\n>    x = 1\n>    ", True),
        ("\n>return return\n", False),
        ("\n>x y z\n>return 1\n", False),
    ],
)
def test_a_body_is_viable_while_it_can_become_a_function(
    frame: Frame, text: str, viable: bool
) -> None:
    """A model that starts with two comments was once given up."""
    assert is_viable(frame, text.replace(">", frame.body_indent)) is viable


def test_decorators_and_defaults_are_kept() -> None:
    frame = make_frame(
        "@staticmethod\ndef f(x, *, y: int = 2) -> int:", "", "class A:\n    n = 1\n"
    )
    assert make_runnable(frame, "\n        return x\n") == (
        "@staticmethod\ndef f(x, *, y: int=2) -> int:\n    return x\n"
    )


@pytest.mark.parametrize("code", ["x = 1\n", "def f(): pass\nx = 1\n", "class A: pass\n", "("])
def test_only_one_definition_is_a_candidate(code: str) -> None:
    assert normalise(code) is None


def test_the_model_s_warnings_stay_inside() -> None:
    """Tests run with warnings as errors: a doubtful escape must neither raise nor be lost."""
    assert runnable(FUNCTION, "\n>return '\\d' is 1\n") == ["return '\\\\d' is 1"]


WORDS = st.sampled_from(
    ["\n", "\n    ", "\n        ", "if x:", "try:", "except:", "return ", "x", " = ", "1", "(", ")",
     "[", "]", ":", "# c", '"""', "'", "def g():", "lambda", "\\", "else:", "while x:", "λ", "\0"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=25).map("".join) | st.text(max_size=60))
def test_whatever_is_returned_compiles_and_is_its_own_normal_form(text: str) -> None:
    """It never raises, starts with the header that was given and is stable."""
    for frame in (FUNCTION, METHOD):
        assert is_viable(frame, text) in {True, False}
        program = make_runnable(frame, text)
        if program is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)  # a string that is called, say
                compile(program, "<test>", "exec", dont_inherit=True)
            assert normalise(program) == program
            assert program.startswith(("def f(x):\n", "async def f(self):\n"))


@given(st.lists(st.sampled_from(["x = 1", "y = x", "if x:", "    z = 2", "z = ["]), max_size=8))
def test_the_program_is_made_of_a_prefix_of_the_lines(lines: list[str]) -> None:
    """Nothing is invented but ``pass``, nothing in the middle is dropped."""
    program = make_runnable(FUNCTION, "".join(f"\n    {line}" for line in lines))
    if program is None:
        return
    kept = [line[4:] for line in program.split("\n")[1:] if line and line.strip() != "pass"]
    assert kept == lines[: len(kept)]


def test_the_text_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "from egbot.synthesis.answer import make_frame\n"
        "from egbot.synthesis.completions import make_runnable\n"
        'body = \'\\n    return {"b", "a", "c"} | {1: 2, **x}.keys()\\n\'\n'
        "print(make_runnable(make_frame('def f(x):', '', ''), body))\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(texts) == 1


def test_each_program_parses_as_one_definition() -> None:
    program = make_runnable(METHOD, "\n        return await self.n\n")
    assert program is not None
    assert isinstance(ast.parse(program).body[0], ast.AsyncFunctionDef)
