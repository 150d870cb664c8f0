"""What the engine learns about a model before it decodes."""

from __future__ import annotations

from egbot.engine.network import network
from tests.engine.tiny_models import tiny, tokenizer


def test_every_control_token_ends_an_answer() -> None:
    """The declared end and the template's other marks alike."""
    model = tiny("llama").model
    words = tokenizer()
    ends = network("llama", model, words).end_ids
    assert ends == {words.convert_tokens_to_ids(mark) for mark in ("<|start|>", "<|end|>")}


def test_the_context_is_the_models() -> None:
    assert tiny("gpt2").num_context_tokens == 512
    assert tiny("gemma3", num_context_tokens=128).num_context_tokens == 128
