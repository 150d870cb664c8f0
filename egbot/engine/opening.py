"""Owns a prompt within the model's context: its tokens, its first forward, room for a signal.

It does not know how answers are decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from egbot.engine.chat import PromptTokens, fit_signal, tokenise
from egbot.engine.driving import Meter
from egbot.engine.network import Network
from egbot.engine.piece import Steps
from egbot.engine.side import Side
from egbot.errors import ModelError
from egbot.records import Prompt

MIN_ANSWER_TOKENS = 32
"""A prompt must leave at least this much of the context for the answer."""

_NO_LIMIT = 1 << 30


def open_prompt(network: Network, prompt: Prompt) -> PromptTokens:
    """The prompt's tokens. Raises ModelError when they leave no room for an answer."""
    tokens = tokenise(network.tokenizer, prompt)
    needed = len(tokens) + MIN_ANSWER_TOKENS
    if needed > room_of(network):
        raise ModelError(
            f"the prompt needs {needed} tokens with room for an answer, "
            f"but {network.name} reads at most {network.num_context_tokens}",
            hint="Choose a model with a longer context, or name fewer tests.",
        )
    return tokens


def room_of(network: Network) -> int:
    """The model's context in tokens; a very large number where it states no limit."""
    return network.num_context_tokens or _NO_LIMIT


def shortened_signal(
    network: Network, signal: str, num_other_tokens: int, max_tokens: int
) -> tuple[int, ...]:
    """The signal's tokens, cut at the end by whole lines until the conditioned prompt fits.

    ``num_other_tokens`` are the prompt's and the answer's. Room is kept for ``max_tokens`` more,
    but for no more than a quarter of the context.
    """
    room = room_of(network)
    reserve = min(max_tokens, room // 4)
    return tuple(fit_signal(network.tokenizer, signal, room - num_other_tokens - reserve))


@dataclass(frozen=True, slots=True)
class Opening:
    """A prompt that has been forwarded: many answers can start from it.

    ``prefix`` is what the plain and the conditioned prompt start with (None: nothing); ``meter``
    holds what it has cost and goes on counting for the answer.
    """

    prompt: PromptTokens
    prefix: Side | None
    plain: Side
    meter: Meter


def forward_prompt(meter: Meter, prompt: Prompt) -> Steps[Opening]:
    """Read ``prompt``. Raises ModelError when it leaves no room for an answer."""
    tokens = open_prompt(meter.network, prompt)
    prefix = Side(meter, tokens.before) if tokens.before else None
    if prefix is None:
        plain = Side(meter, tokens.after)
    else:
        plain = yield from prefix.fork(meter, tokens.after)
    yield from plain.logits()
    return Opening(tokens, prefix, plain, meter)
