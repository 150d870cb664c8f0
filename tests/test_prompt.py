"""The prompt holds the task in words, and both sides of the guidance share its beginning."""

from __future__ import annotations

import ast
import re

import pytest

from egbot.prompt import Style, make_prompt
from egbot.records import Prompt

STYLES = pytest.mark.parametrize("style", ["plain", "few_shot", "long_code"])


def prompt(style: Style = "plain", **changes: str) -> Prompt:
    parts = {
        "name": "total",
        "opening": 'def total(xs):\n    """Add up."""',
        "body_indent": "    ",
        "tests": "assert total([1]) == 1",
        "context": "RATE = 2",
        **changes,
    }
    return make_prompt(**parts, style=style)


@STYLES
def test_the_model_reads_the_name_the_opening_the_tests_and_the_context(style: Style) -> None:
    text = prompt(style).head
    for part in ("`total`", 'def total(xs):\n    """Add up."""\n    ...', "assert total([1]) == 1"):
        assert part in text
    assert "RATE = 2" in text


@STYLES
def test_the_answer_starts_with_a_fence_and_the_opening_without_a_newline(style: Style) -> None:
    made = prompt(style)
    assert made.response_prefix == '```python\ndef total(xs):\n    """Add up."""'


@STYLES
def test_the_signal_s_slot_is_behind_the_tests(style: Style) -> None:
    """As late as possible, so that both sides share the key-value cache of all before."""
    made = prompt(style)
    assert made.head.rstrip().endswith("assert total([1]) == 1\n```")
    assert "assert" not in made.tail


def test_styles_differ_only_where_they_should() -> None:
    plain, few, long = (prompt(style) for style in ("plain", "few_shot", "long_code"))
    assert few.head.endswith(plain.head)
    assert len(few.head) > len(plain.head)
    assert "small statements" in long.head
    assert {one.response_prefix for one in (plain, few, long)} == {plain.response_prefix}


def test_the_examples_of_the_few_shot_style_are_true() -> None:
    """An example whose own asserts fail would teach the wrong thing."""
    shown = prompt("few_shot").head.removesuffix(prompt().head)
    blocks = re.findall(r"```python\n(.*?)```", shown, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        ast.parse(block)
        exec(block, {})


@pytest.mark.parametrize("context", ["", "  \n"])
def test_without_context_nothing_is_said_of_it(context: str) -> None:
    assert "already has" not in prompt(context=context).head


@pytest.mark.parametrize("field", ["opening", "tests", "context"])
def test_a_fence_in_the_code_does_not_end_its_block(field: str) -> None:
    """Tests and docstrings are other people's text; theirs may hold Markdown."""
    text = prompt("plain", **{field: 'x = """\n```\n````\n"""'}).head
    fences = re.findall(r"^(`{3,})python$", text, re.MULTILINE)
    assert max(fences, key=len) == "`````"
    assert text.count("\n`````\n") + text.endswith("\n`````") >= 1


def test_the_prompt_is_the_same_every_time() -> None:
    assert prompt() == prompt()
