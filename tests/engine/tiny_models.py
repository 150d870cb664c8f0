"""Tiny random models with a real byte-level tokenizer, built in memory for the engine's tests."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from egbot.engine.network import Network, network
from egbot.records import Prompt

KINDS = ("llama", "qwen2", "gemma2", "gemma3", "gpt2")
LINES = (
    "def add(a, b):\n    return a + b\n",
    "for i in range(10):\n        print(i)\n",
    "assert add(1, 2) == 3  # é ü 漢字\n",
    "if x is None:\n    raise ValueError(x)\n",
)
TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
PROMPT = Prompt(
    system="Write Python.",
    head="Make this pass:\nassert add(1, 2) == 3\nassert add(2, 2) == 4\n",
    tail="Answer with the function only.\n",
    response_prefix="```python\ndef add(a, b):\n",
)
SIGNAL = "# candidate 1\n    return a - b\n# add(1, 2) gave -1\n"


@functools.cache
def tokenizer(template: str = TEMPLATE) -> Any:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|start|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(LINES, trainer)
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=raw, eos_token="<|end|>", chat_template=template or None)


@functools.cache
def tiny(kind: str, *, template: str = TEMPLATE, num_context_tokens: int = 512) -> Network:
    """A two-layer model that never ends its answer; its weights leave no near ties."""
    words = tokenizer(template)
    sizes: dict[str, Any] = {
        "vocab_size": len(words),
        "bos_token_id": None,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": None,
    }
    if kind != "gpt2":
        sizes |= {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "max_position_embeddings": num_context_tokens,
            "initializer_range": 0.3,
        }
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(7)
        model = _MAKERS[kind](sizes, num_context_tokens)
    return replace(network(kind, model, words), end_ids=frozenset())


def _gpt2(sizes: dict[str, Any], num_context_tokens: int) -> Any:
    config = GPT2Config(
        **sizes,
        n_positions=num_context_tokens,
        n_embd=32,
        n_layer=2,
        n_head=4,
        initializer_range=0.3,
    )
    return GPT2LMHeadModel(config)


_MAKERS: dict[str, Any] = {
    "llama": lambda sizes, _: LlamaForCausalLM(LlamaConfig(**sizes)),
    "qwen2": lambda sizes, _: Qwen2ForCausalLM(Qwen2Config(**sizes)),
    "gemma2": lambda sizes, _: Gemma2ForCausalLM(
        Gemma2Config(**sizes, sliding_window=12, query_pre_attn_scalar=8)
    ),
    "gemma3": lambda sizes, _: Gemma3ForCausalLM(
        Gemma3TextConfig(
            **sizes,
            sliding_window=12,
            layer_types=["sliding_attention", "full_attention"],
            query_pre_attn_scalar=8,
        )
    ),
    "gpt2": _gpt2,
}


def in_float64(one: Network) -> Network:
    """The same model with less rounding: low temperatures make much of the last bits of float32.

    Two sums in another order then draw the same tokens, unless something is wrong.
    """
    doubled = network(one.name, copy.deepcopy(one.model).double(), one.tokenizer)
    return replace(doubled, end_ids=one.end_ids)


def never(text: str) -> bool:
    return False


def at_line_end(text: str) -> bool:
    return "\n" in text
