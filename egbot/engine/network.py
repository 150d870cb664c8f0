"""Owns one causal language model and its tokenizer. It does not know prompts, guidance or sampling."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from egbot.errors import ModelError

_END_OF_TURN = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|EOT|>", "<|end|>", "<|endoftext|>")
"""End-of-turn markers of common chat formats, for tokenizers that do not flag them as special."""


@dataclass(frozen=True, slots=True)
class Network:
    """A model in evaluation mode. Nothing here changes after loading.

    ``model`` and ``tokenizer`` are transformers objects. ``num_context_tokens`` is 0 where the
    model states no limit.
    """

    name: str
    model: Any
    tokenizer: Any
    end_ids: frozenset[int]
    num_context_tokens: int
    takes_logits_to_keep: bool
    takes_positions: bool = False

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.model.device
        return device

    def forward(
        self,
        tokens: list[list[int]],
        cache: Any,
        num_logits: int = 1,
        padding: Sequence[int] = (),
    ) -> tuple[Tensor, Any]:
        """Run ``tokens`` (rows, n) after what ``cache`` holds (None: nothing), and extend it.

        ``padding`` says how many cells in front of each row's tokens hold nothing; only a model
        that takes positions may be given some. Returns the logits (rows, num_logits, V) of the
        last positions, and the cache. Raises ModelError when the model gives no usable cache or
        the device is out of memory.
        """
        ids = torch.tensor(tokens, dtype=torch.long, device=self.device)  # (rows, n)
        options: dict[str, Any] = _places(ids, cache, padding) if any(padding) else {}
        if self.takes_logits_to_keep:
            options["logits_to_keep"] = num_logits
        try:
            with torch.inference_mode():
                output = self.model(input_ids=ids, past_key_values=cache, use_cache=True, **options)
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"{self.name} ran out of memory on {self.device} at {ids.numel()} tokens",
                hint="Use a smaller model, fewer candidates, or --device cpu.",
            ) from error
        extended = getattr(output, "past_key_values", None)
        if extended is None:
            raise ModelError(
                f"{self.name} keeps no KV cache that egbot can use",
                hint="Choose a transformer language model; `egbot models list` names some.",
            )
        logits: Tensor = output.logits[:, -num_logits:, :]
        return logits, extended

    def checked(self, log_probs: Tensor) -> Tensor:
        """``log_probs`` itself. Raises ModelError when it holds NaN."""
        if bool(torch.isnan(log_probs).any()):
            raise ModelError(
                f"{self.name} computed NaN in {self.model.dtype} on {self.device}",
                hint="Use float32 (--dtype float32).",
            )
        return log_probs


def _places(ids: Tensor, cache: Any, padding: Sequence[int]) -> dict[str, Any]:
    """The mask (rows, cells) and the positions (rows, n) of rows with padding in front."""
    num_before = cache.get_seq_length()
    empty = torch.tensor(padding, device=ids.device)[:, None]  # (rows, 1)
    cells = torch.arange(num_before + ids.shape[1], device=ids.device)[None]
    return {
        "attention_mask": (cells >= empty).long(),
        "position_ids": cells[:, num_before:] - empty,
    }


def network(name: str, model: Any, tokenizer: Any) -> Network:
    """Wrap a transformers causal language model and its tokenizer."""
    model.eval()
    config = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None)
    parameters = inspect.signature(model.forward).parameters
    return Network(
        name=name,
        model=model,
        tokenizer=tokenizer,
        end_ids=_end_ids(model, tokenizer),
        num_context_tokens=int(limit or 0),
        takes_logits_to_keep="logits_to_keep" in parameters,
        takes_positions="position_ids" in parameters and "attention_mask" in parameters,
    )


def special_tokens(tokenizer: Any) -> dict[str, int]:
    """The tokens that a text can spell but must not mean: text to id."""
    special = {
        token.content: index
        for index, token in tokenizer.added_tokens_decoder.items()
        if token.special
    }
    ids = tokenizer.convert_tokens_to_ids(list(_END_OF_TURN))  # unknown ones: None or "unknown"
    named = zip(_END_OF_TURN, ids, strict=True)
    unknown = (None, tokenizer.unk_token_id)
    return special | {text: index for text, index in named if index not in unknown}


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every id that ends an answer: the declared ends and all control tokens but "unknown".

    A control token is never part of a function, so that one ends the answer wherever it comes.
    """
    ends = set(special_tokens(tokenizer).values())
    if tokenizer.unk_token_id != tokenizer.eos_token_id:
        ends.discard(tokenizer.unk_token_id)
    for owner in (getattr(model, "generation_config", None), model.config, tokenizer):
        declared = getattr(owner, "eos_token_id", None)
        ends.update([declared] if isinstance(declared, int) else declared or [])
    return frozenset(ends)
