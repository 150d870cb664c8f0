"""The agents of a task read its prompt once, and are not changed by those before them."""

from __future__ import annotations

from dataclasses import replace

from egbot.engine.decode import Session
from egbot.engine.model import LoadedModel
from egbot.ports import DecodeSession
from tests.engine.tiny_models import PROMPT, SIGNAL, at_line_end, tiny

OTHER = replace(PROMPT, head=PROMPT.head + "assert add(0, 0) == 0\n")


def written(session: DecodeSession) -> str:
    """Two lines, one of them under a signal."""
    for gamma in (0.0, 1.5):
        session.advance(signal=SIGNAL, gamma=gamma, max_tokens=9, stop=at_line_end)
    return session.text


def test_a_prompt_is_read_once_for_sessions_that_follow_each_other() -> None:
    model = LoadedModel(tiny("llama"))
    first, second = model.open(PROMPT), model.open(PROMPT)
    num_prompt_tokens = Session(tiny("llama"), PROMPT).num_prompt_tokens
    assert first.usage.num_tokens_forwarded == num_prompt_tokens
    assert second.usage.num_tokens_forwarded == 0
    expected = written(Session(tiny("llama"), PROMPT))
    assert written(first) == written(second) == written(model.open(PROMPT)) == expected


def test_a_group_goes_on_from_a_prompt_that_was_read_before() -> None:
    model = LoadedModel(tiny("llama"))
    expected = written(model.open(PROMPT))
    with model.together() as group:
        session = group.open(PROMPT)
        assert session.usage.num_tokens_forwarded == 0
        assert written(session) == expected


def test_only_the_last_prompt_is_kept() -> None:
    """Its keys and values take memory."""
    model = LoadedModel(tiny("llama"))
    for prompt in (PROMPT, OTHER, PROMPT):
        assert model.open(prompt).usage.num_tokens_forwarded > 0
