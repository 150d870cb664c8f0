"""Owns models of a published architecture with random weights, for timing. They know no language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from egbot.engine.network import Network, network
from egbot.engine.weights import arrange_weights
from egbot.errors import ModelError

_BROKEN_CONFIGS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)


def random_network(config_file: Path, device: str, dtype: str) -> Network:
    """A model of the architecture in ``config_file`` (a transformers ``config.json``).

    Its tokenizer reads bytes, so that it fits any vocabulary of 256 or more. Raises ModelError
    when the file describes no causal language model.
    """
    try:
        fields: dict[str, Any] = json.loads(config_file.read_text(encoding="utf-8"))
        config: Any = AutoConfig.for_model(**fields)
        with torch.random.fork_rng(devices=[]), torch.device(device):
            torch.default_generator.manual_seed(0)
            make: Any = AutoModelForCausalLM.from_config
            model: Any = make(config, dtype=getattr(torch, dtype))
    except _BROKEN_CONFIGS as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{config_file} is no configuration of a causal language model: {reason}",
            hint="Give the config.json of a model of the Hugging Face hub.",
        ) from error
    if model.config.get_text_config().vocab_size < len(_tokenizer()):
        raise ModelError(
            f"{config_file} has a vocabulary of fewer than {len(_tokenizer())} tokens",
            hint="Give the config.json of a language model.",
        )
    arrange_weights(model)
    return network(config_file.stem, model, _tokenizer())


def _tokenizer() -> Any:
    """A byte a token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate(alphabet)}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=raw)
