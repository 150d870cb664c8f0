"""Models and tokenizers that are not like the others: the session's promises hold for them too."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

from egbot.engine.decode import Session
from egbot.engine.naive import NaiveSession
from egbot.engine.network import Network, network
from egbot.records import Prompt
from tests.engine.tiny_models import PROMPT, SIGNAL, at_line_end, never, tiny, tokenizer

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}


def made(kind: type[Any], config: Any, words: Any) -> Network:
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(11)
        model = kind(config)
    return replace(network("odd", model, words), end_ids=frozenset())


def hybrid() -> Network:
    """Short convolutions, whose states cannot be cut back, between attention."""
    layers = ["conv", "full_attention", "conv"]
    config = Lfm2Config(
        **SIZES,
        num_hidden_layers=3,
        layer_types=layers,
        vocab_size=len(tokenizer()),
        max_position_embeddings=512,
        block_auto_adjust_ff_dim=False,
    )
    return made(Lfm2ForCausalLM, config, tokenizer())


def slanted() -> Network:
    """Distances instead of positions, and attention that no library function replaces."""
    words = tokenizer()
    config = BloomConfig(vocab_size=len(words), hidden_size=32, n_layer=2, n_head=4)
    config.initializer_range = 0.3
    return made(BloomForCausalLM, config, words)


def padded() -> Network:
    """Tied embeddings, and 64 rows more than the tokenizer has tokens."""
    config = LlamaConfig(
        **SIZES,
        num_hidden_layers=2,
        vocab_size=len(tokenizer()) + 64,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    return made(LlamaForCausalLM, config, tokenizer())


def endless() -> Network:
    """A tokenizer with neither a chat template nor an end."""
    words = copy.deepcopy(tokenizer(""))
    words.eos_token = None
    return replace(tiny("qwen2"), tokenizer=words)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("make", [hybrid, slanted, padded, endless])
def test_they_equal_their_slow_twin(make: Any, gamma: float) -> None:
    """With drafts that fit in part, both sides joined where possible, and samples in between."""
    odd = make()
    fast, slow, first = Session(odd, PROMPT), NaiveSession(odd, PROMPT), Session(odd, PROMPT)
    for signal, num_tokens in ((SIGNAL, 8), ("", 4), (SIGNAL + "x = 1\n", 7)):
        first.advance(signal=signal, gamma=gamma, max_tokens=num_tokens, stop=never)
        right = tuple(first._answer[-num_tokens:])
        fast.sample(3, temperature=1.0, top_p=0.95, max_tokens=5, seed=2, stop=never)
        fast._drawn["draft"] = (*right[:3], (right[3] + 1) % 300, *right[4:])
        one = fast.advance(
            signal=signal, gamma=gamma, max_tokens=num_tokens, stop=never, drafts=("draft",)
        )
        other = slow.advance(signal=signal, gamma=gamma, max_tokens=num_tokens, stop=never)
        assert [token.text for token in one.tokens] == [token.text for token in other.tokens]
        assert fast._answer == slow._answer
        for mine, theirs in zip(one.tokens, other.tokens, strict=True):
            assert mine.logp_plain == pytest.approx(theirs.logp_plain, abs=1e-3)
            assert mine.logp_conditioned == pytest.approx(theirs.logp_conditioned, abs=1e-3)


def test_a_cache_that_cannot_be_cut_is_decoded_without_drafts() -> None:
    """Slower, but right: nothing is foretold."""
    session = Session(hybrid(), PROMPT)
    session._drawn["draft"] = (1, 2, 3)
    session.advance(signal=SIGNAL, gamma=1.0, max_tokens=6, stop=never, drafts=("draft",))
    assert session.usage.num_draft_tokens_accepted == 0


@pytest.mark.parametrize("make", [hybrid, slanted, padded])
def test_samples_equal_samples_from_scratch(make: Any) -> None:
    """Rows of one batch are what each would be alone and uncached prefixes would give."""
    odd = make()
    fast, slow = Session(odd, PROMPT), NaiveSession(odd, PROMPT)
    draws = [
        session.sample(3, temperature=1.1, top_p=0.95, max_tokens=9, seed=5, stop=never)
        for session in (fast, slow)
    ]
    assert draws[0] == draws[1]


def says(text: str) -> Network:
    """A model that writes the one token ``text`` again and again."""
    base = tiny("llama")
    words = copy.deepcopy(base.tokenizer)
    words.add_tokens([text])
    token = words.convert_tokens_to_ids(text)
    model = copy.deepcopy(base.model)
    with torch.random.fork_rng():
        model.resize_token_embeddings(token + 1)
    head = torch.nn.Linear(32, token + 1)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        head.bias[token] = 9.0
    model.lm_head = head
    return replace(base, model=model, tokenizer=words)


def test_a_token_that_holds_a_newline_and_the_next_indent_ends_the_line() -> None:
    """It stays whole: the next line starts behind its indent, and nothing is written twice."""
    session = Session(says(":\n        "), PROMPT)
    for count in (1, 2, 3):
        line = session.advance(signal=SIGNAL, gamma=2.0, max_tokens=9, stop=at_line_end)
        assert (line.text, line.finish, len(line.tokens)) == (":\n        ", "stop", 1)
        assert session.text == ":\n        " * count
    drawn = session.sample(2, temperature=0.5, top_p=0.5, max_tokens=9, seed=0, stop=at_line_end)
    assert [sample.num_tokens for sample in drawn] == [1, 1]


def test_identifiers_in_any_script_are_read_and_written() -> None:
    """In the prompt, the signal, the drafts and the answer."""
    name = "größe_漢字"
    prompt = Prompt("", f"Write {name}.\n", "", f"def {name}(ñ):\n")
    session = Session(says(name), prompt)
    line = session.advance(
        signal=f"{name}(ñ) gave é\n", gamma=2.0, max_tokens=3, stop=never, drafts=(name * 3,)
    )
    assert line.text == name * 3
    assert [token.text for token in line.tokens] == [name] * 3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_nan_names_the_number_format(dtype: str) -> None:
    """Overflow in half precision is the usual reason, so the message says which one it was."""
    from egbot.errors import ModelError

    base = tiny("llama")
    model = copy.deepcopy(base.model).to(getattr(torch, dtype))
    with torch.no_grad():
        model.lm_head.weight[3] = float("inf")
        model.lm_head.weight[4] = float("nan")
    with pytest.raises(ModelError, match=f"NaN in torch.{dtype} on cpu") as caught:
        Session(replace(base, model=model), PROMPT).advance(
            signal=SIGNAL, gamma=3.0, max_tokens=4, stop=never
        )
    assert "float32" in caught.value.hint
    assert "--dtype" not in caught.value.hint, "there is no such option"
