"""Owns choosing tokens greedily from the guided distribution of two sides. It knows no prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from egbot.engine.guidance import combine, log_probs
from egbot.engine.network import Network
from egbot.engine.side import Side
from egbot.engine.text import decode_ids
from egbot.records import GuidedText, TokenChoice


@dataclass(frozen=True, slots=True)
class Sides:
    """The plain side and, where there is a signal, the conditioned side, at the same position."""

    network: Network
    plain: Side
    conditioned: Side | None

    def log_probs_of(self, side: Side) -> Tensor:
        """Log-probabilities (V) of the next token on ``side``. Raises ModelError on NaN."""
        return self.network.checked(log_probs(side.logits()))


def decode_guided(
    sides: Sides,
    gamma: float,
    max_tokens: int,
    text_of: Callable[[list[int]], str],
    stop: Callable[[str], bool],
) -> tuple[list[int], GuidedText]:
    """Append chosen tokens to both sides until ``stop``, the answer's end or ``max_tokens``.

    Returns the tokens and what they were. At gamma 1 the plain side has no say in the choice: it
    then reads all tokens in one forward at the end, which costs it no step per token.
    """
    run = _Run(sides, gamma)
    text = ""
    finish: Literal["stop", "eos", "length"] = "length"
    while len(run.tokens) < max_tokens:
        if not run.step():
            finish = "eos"
            break
        text = text_of(run.tokens)
        if stop(text):
            finish = "stop"
            break
    return run.tokens, GuidedText(text, run.choices(), finish)


class _Run:
    """The tokens of one call and what each side thought of them."""

    def __init__(self, sides: Sides, gamma: float) -> None:
        self.tokens: list[int] = []
        self._sides = sides
        self._gamma = gamma
        self._is_plain_behind = sides.conditioned is not None and gamma == 1.0
        self._plain_views: list[_View] = []
        self._conditioned_logps: list[float] = []

    def step(self) -> bool:
        """Choose a token and append it to the sides; False when the answer ends here."""
        sides = self._sides
        plain = None if self._is_plain_behind else sides.log_probs_of(sides.plain)
        conditioned = sides.log_probs_of(sides.conditioned) if sides.conditioned else plain
        assert conditioned is not None
        scores = conditioned if plain is None else combine(plain, conditioned, self._gamma)
        token = int(scores.argmax())
        if token in sides.network.end_ids:
            return False
        self.tokens.append(token)
        self._conditioned_logps.append(float(conditioned[token]))
        if sides.conditioned is not None:
            sides.conditioned.append([token])
        if plain is not None:
            self._plain_views.append(_view(plain, token))
            sides.plain.append([token])
        return True

    def choices(self) -> tuple[TokenChoice, ...]:
        """The tokens with both sides' views. Call it once, at the end."""
        if self._is_plain_behind and self.tokens:
            rows = log_probs(self._sides.plain.append_scored(self.tokens))  # (n, V)
            self._sides.network.checked(rows)
            self._plain_views = [
                _view(row, token) for row, token in zip(rows, self.tokens, strict=True)
            ]
        return tuple(
            TokenChoice(
                text=self._text(token),
                logp_plain=view.logp,
                logp_conditioned=logp,
                plain_choice=self._text(view.favourite),
            )
            for token, view, logp in zip(
                self.tokens, self._plain_views, self._conditioned_logps, strict=True
            )
        )

    def _text(self, token: int) -> str:
        return decode_ids(self._sides.network.tokenizer, [token])


@dataclass(frozen=True, slots=True)
class _View:
    """What a side thought of one token, and which token it would have taken."""

    logp: float
    favourite: int


def _view(scores: Tensor, token: int) -> _View:
    return _View(float(scores[token]), int(scores.argmax()))
