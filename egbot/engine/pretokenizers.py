"""Owns how text is cut before its bytes are merged to tokens, for the kinds that GGUF files name.

A GGUF file holds a vocabulary and merges, and of the cutting only a name. The wrong one makes other
tokens than the model was trained on. The patterns are the models' own (their tokenizer.json).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Regex, pre_tokenizers
from transformers.integrations.gguf.reader import read_gguf_metadata

from egbot.errors import ModelError

_ENDINGS = "'s|'t|'re|'ve|'m|'ll|'d"
_SPACE = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT2 = _ENDINGS + r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_WORDS = rf"(?i:{_ENDINGS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+"
_MARKS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*" + _SPACE
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CAMEL = r"[^\r\n\p{L}\p{N}]?" + f"{_UPPER}*{_LOWER}+@|" + r"[^\r\n\p{L}\p{N}]?"
_CAMEL += f"{_UPPER}+{_LOWER}*@"
_PATHS = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*" + _SPACE

_PATTERNS = {
    ("gpt-2", "phi-2", "mpt", "olmo", "gigachat", "mellum"): (_GPT2,),
    ("smollm", "starcoder", "refact", "command-r", "codeshell"): (r"\p{N}", _GPT2),
    ("llama-bpe", "llama-v3", "llama3", "falcon3", "falcon-h1", "pixtral", "lfm2", "midm-2.0"): (
        _WORDS + r"|\p{N}{1,3}" + _MARKS,
    ),
    ("smaug-bpe", "dbrx"): (_WORDS + r"|\p{N}{1,3}" + _MARKS,),
    ("qwen2", "deepseek-r1-qwen", "stablelm2", "megrez"): (_WORDS + r"|\p{N}" + _MARKS,),
    ("tekken",): (_CAMEL.replace("@", "") + r"|\p{N}" + _PATHS,),
    ("gpt-4o", "llama4"): (_CAMEL.replace("@", f"(?i:{_ENDINGS})?") + r"|\p{N}{1,3}" + _PATHS,),
    ("deepseek-coder",): (
        r"[\r\n]",
        r"\s?\p{L}+",
        r"\s?\p{P}+",
        "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
        r"\p{N}",
    ),
    ("deepseek-v3",): (
        r"\p{N}{1,3}",
        "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
        r"[!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
        r"| ?[\p{P}\p{S}]+[\r\n]*" + _SPACE,
    ),
    # what llama.cpp takes for files that name nothing
    ("default",): (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]"),
}
SPLITS = {kind: patterns for kinds, patterns in _PATTERNS.items() for kind in kinds}
"""The patterns of each kind, one applied to the pieces that those before it leave."""

_WHOLE_WORDS = frozenset(
    [
        "llama-bpe",
        "llama-v3",
        "llama3",
        "falcon3",
        "falcon-h1",
        "pixtral",
        "lfm2",
        "midm-2.0",
        "tekken",
    ]
)
"""Kinds where a piece that is a token is one, whatever the merges would make of it."""


def restore(tokenizer: Any, gguf: Path) -> None:
    """Give the tokenizer that was read from ``gguf`` the cutting that the file names.

    Raises ModelError for a kind that neither egbot nor transformers knows.
    """
    metadata, _ = read_gguf_metadata(str(gguf))
    if metadata.get("tokenizer.ggml.model") != "gpt2":
        return  # the other models cut in a way of their own, which transformers knows
    kind = str(metadata.get("tokenizer.ggml.pre", "default"))
    backend = tokenizer.backend_tokenizer
    if kind in SPLITS:
        cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in SPLITS[kind]]
        last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([*cuts, last])
        backend.model.ignore_merges = kind in _WHOLE_WORDS
    elif isinstance(backend.pre_tokenizer, pre_tokenizers.ByteLevel):  # transformers' last resort
        raise ModelError(
            f"{gguf} cuts text in the way {kind[:80]!r}, which egbot does not know; its tokens would "
            "not be those that the model was trained on",
            hint="Give the model's folder with its tokenizer.json, or its name on the hub.",
        )
