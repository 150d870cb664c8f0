"""Owns one causal language model and its tokenizer. It does not know prompts, guidance or sampling."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from egbot.engine.attention import NAMES, use_own_attention
from egbot.engine.packing import OPTION, Pack
from egbot.engine.piece import Piece
from egbot.engine.recorded import RecordedSteps, recorded_steps
from egbot.engine.store import Store, windows_of
from egbot.engine.threads import has_small_weights, threads_for
from egbot.errors import ModelError

_END_OF_TURN = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|EOT|>", "<|end|>", "<|endoftext|>")
"""End-of-turn markers of common chat formats, for tokenizers that do not flag them as special."""


@dataclass(frozen=True, slots=True)
class Network:
    """A model in evaluation mode. Nothing here changes after loading.

    ``model`` and ``tokenizer`` are transformers objects. ``num_context_tokens`` is 0 where the
    model states no limit. ``windows`` are the sliding windows of the layers of its cache, None
    where that cannot be a ``Store``; ``packs`` says whether it forwards many contexts as one row;
    ``small_weights`` is for ``threads_for``, ``steps`` are recorded ones where that pays.
    """

    name: str
    model: Any
    tokenizer: Any
    end_ids: frozenset[int]
    num_context_tokens: int
    takes_logits_to_keep: bool
    windows: tuple[int | None, ...] | None = None
    packs: bool = False
    small_weights: bool = False
    steps: RecordedSteps | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.model.device
        return device

    def new_cache(self) -> Any:
        """An empty cache; None where the model makes its own."""
        arena = None if self.steps is None else self.steps.arena
        return None if self.windows is None else Store(self.windows, arena)

    def forward(
        self, tokens: list[list[int]], cache: Any, num_logits: int = 1
    ) -> tuple[Tensor, Any]:
        """Run ``tokens`` (rows, n) after what ``cache`` holds (None: nothing), and extend it.

        Returns the logits (rows, num_logits, V) of the last positions, and the cache. Raises
        ModelError when the model gives no usable cache, and what torch raises without memory.
        """
        ids = torch.tensor(tokens, dtype=torch.long, device=self.device)  # (rows, n)
        options = {"logits_to_keep": num_logits} if self.takes_logits_to_keep else {}
        cache = self.new_cache() if cache is None else cache
        if isinstance(cache, Store) and len(tokens) == 1:
            cache.reserve(ids.shape[1])
        with torch.inference_mode(), self._threads(ids):
            output = self.model(input_ids=ids, past_key_values=cache, use_cache=True, **options)
        extended = getattr(output, "past_key_values", None)
        if extended is None:
            raise ModelError(
                f"{self.name} keeps no KV cache that egbot can use",
                hint="Choose a transformer language model; `egbot models list` names some.",
            )
        logits: Tensor = output.logits[:, -num_logits:, :]
        return logits, extended

    def forward_pack(self, pieces: list[Piece]) -> list[Tensor]:
        """Run all ``pieces``, one row each, in one forward, and extend their stores.

        Returns each piece's logits (1, num_logits, V). Only for a network that packs. Raises what
        torch raises without memory.
        """
        for piece in pieces:
            piece.cache.reserve(piece.num_tokens)
        if self.steps is not None and (found := self.steps.forward(pieces)) is not None:
            return found
        tokens = [token for piece in pieces for token in piece.tokens[0]]
        ids = torch.tensor([tokens], dtype=torch.long, device=self.device)  # (1, n)
        with self._threads(ids):
            return _run_pack(self.model, ids, pieces)

    def _threads(self, ids: Tensor) -> AbstractContextManager[None]:
        return threads_for(ids.numel(), small_weights=self.small_weights)

    def checked(self, log_probs: Tensor) -> Tensor:
        """``log_probs`` itself. Raises ModelError when it holds NaN."""
        if bool(torch.isnan(log_probs).any()):
            raise ModelError(
                f"{self.name} computed NaN in {self.model.dtype} on {self.device}",
                hint="Choose another model, or --device cpu: most CPUs compute in float32.",
            )
        return log_probs


def _run_pack(model: Any, ids: Tensor, pieces: list[Piece]) -> list[Tensor]:
    """The logits (1, num_logits, V) of each piece; CannotPackError where layers go past the pack."""
    wanted: list[int] = []
    end = 0
    for piece in pieces:
        end += piece.num_tokens
        wanted += range(end - piece.num_logits, end)
    with torch.inference_mode():
        pack = Pack(pieces, ids.device)
        output = model(
            input_ids=ids,
            past_key_values=pack,
            use_cache=True,
            position_ids=pack.positions,
            attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool, device=ids.device),
            logits_to_keep=torch.tensor(wanted, dtype=torch.long, device=ids.device),
            **{OPTION: pack},
        )
        if pack.num_attended != len(pieces[0].cache.grown):
            raise CannotPackError
        logits: list[Tensor] = output.logits.split([one.num_logits for one in pieces], dim=1)
    return logits


class CannotPackError(Exception):
    """The model's layers do not all attend through the pack."""


def network(name: str, model: Any, tokenizer: Any) -> Network:
    """Wrap a transformers causal language model and its tokenizer."""
    model.eval()
    use_own_attention(model)
    config = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None)
    parameters = inspect.signature(model.forward).parameters
    windows = _windows(model)
    plain = Network(
        name=name,
        model=model,
        tokenizer=tokenizer,
        end_ids=_end_ids(model, tokenizer),
        num_context_tokens=int(limit or 0),
        takes_logits_to_keep="logits_to_keep" in parameters,
        windows=windows,
        packs=windows is not None and _can_pack(model, windows, parameters),
        small_weights=has_small_weights(model),
    )
    return replace(plain, steps=recorded_steps(plain))


def _windows(model: Any) -> tuple[int | None, ...] | None:
    """The layers' windows, from the cache that the model makes for one token.

    None also without memory for that: the first real forward then says what to do.
    """
    try:
        ids = torch.zeros(1, 1, dtype=torch.long, device=model.device)
        with torch.inference_mode():
            cache = getattr(model(input_ids=ids, use_cache=True), "past_key_values", None)
    except (torch.OutOfMemoryError, MemoryError):
        return None
    return windows_of(cache)


def _can_pack(model: Any, windows: tuple[int | None, ...], parameters: Mapping[str, Any]) -> bool:
    """Whether every layer takes a pack, found out with a forward of three tokens."""
    config = model.config.get_text_config()
    needed = {"position_ids", "attention_mask", "logits_to_keep"}
    is_own = config._attn_implementation in NAMES.values()  # noqa: SLF001
    if not is_own or not needed <= set(parameters) or len(windows) != config.num_hidden_layers:
        return False
    pieces = [Piece([tokens], Store(windows), 1) for tokens in ([0], [0, 0])]
    try:
        _run_pack(model, torch.zeros(1, 3, dtype=torch.long, device=model.device), pieces)
    except (CannotPackError, TypeError, ValueError, RuntimeError, AttributeError, LookupError):
        return False
    return True


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
