"""Answers as text: whole characters only, and what was shown stays."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from egbot.engine.text import visible_text
from tests.engine.tiny_models import tokenizer


def test_half_a_character_is_held_back() -> None:
    """A character of three bytes appears with its third byte."""
    words = tokenizer()
    ids = words("a\U0001f600b")["input_ids"]
    shown = [visible_text(words, (), ids[:count]) for count in range(len(ids) + 1)]
    assert shown == ["", "a", "a", "a", "a", "a\U0001f600", "a\U0001f600b"]


@given(st.text(), st.text())
def test_text_only_grows(before: str, answer: str) -> None:
    """Each step shows the step before and more; in the end everything."""
    words = tokenizer()
    context = words(before)["input_ids"]
    ids = words(answer, split_special_tokens=True)["input_ids"]
    shown = [visible_text(words, context, ids[:count]) for count in range(len(ids) + 1)]
    assert all(late.startswith(early) for early, late in pairwise(shown))
    assert shown[-1] == answer.rstrip("\ufffd")
