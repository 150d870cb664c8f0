"""Owns choosing tokens greedily from the guided distribution of two sides. It knows no prompts.

Tokens that drafts foretell are verified many in one forward (Leviathan et al., arXiv 2211.17192,
for greedy decoding); what is chosen does not depend on the drafts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from egbot.engine.drafts import NO_DRAFTS, Drafts
from egbot.engine.driving import Meter
from egbot.engine.guidance import combine, log_probs
from egbot.engine.piece import Steps
from egbot.engine.side import Side, look_ahead
from egbot.engine.text import decode_ids
from egbot.records import GuidedText, TokenChoice


@dataclass(frozen=True, slots=True)
class Sides:
    """The plain side and, where there is a signal, the conditioned side, at the same position.

    ``joins`` lets both share a forward where the network packs.
    """

    meter: Meter
    plain: Side
    conditioned: Side | None
    joins: bool = True


@dataclass(frozen=True, slots=True)
class Course:
    """How to decode: the guidance scale, the most tokens, and what may come."""

    gamma: float
    max_tokens: int
    drafts: Drafts = NO_DRAFTS


@dataclass(frozen=True, slots=True)
class Guided:
    """What was decoded. ``num_foretold`` tokens came without a forward of their own."""

    tokens: tuple[int, ...]
    text: GuidedText
    num_foretold: int


def decode_guided(
    sides: Sides,
    course: Course,
    text_of: Callable[[list[int]], str],
    stop: Callable[[str], bool],
) -> Steps[Guided]:
    """Append chosen tokens to both sides until ``stop``, the answer's end or the most tokens.

    At gamma 1 the plain side has no say in the choice: it then reads all tokens in one forward at
    the end, which costs it no step per token. Raises ModelError on NaN.
    """
    run = _Run(sides, course)
    text = ""
    finish: Literal["stop", "eos", "length"] = "length"
    while len(run.tokens) < course.max_tokens:
        goes_on = yield from run.step()
        if not goes_on:
            finish = "eos"
            break
        text = text_of(run.tokens)
        if stop(text):
            finish = "stop"
            break
    choices = yield from run.close()
    return Guided(tuple(run.tokens), GuidedText(text, choices, finish), run.num_foretold)


@dataclass(slots=True)
class _Window:
    """Log-probabilities behind the tokens so far and behind each token of ``guess`` (n).

    ``plain`` and ``conditioned`` are (n + 1, V); None where that side has no say. ``place`` is how
    many tokens of the guess were chosen.
    """

    guess: list[int]
    plain: Tensor | None
    conditioned: Tensor
    place: int = 0


class _Run:
    """The tokens of one call and what each side thought of them."""

    def __init__(self, sides: Sides, course: Course) -> None:
        self.tokens: list[int] = []
        self.num_foretold = 0
        self._sides = sides
        self._course = course
        self._is_plain_behind = sides.conditioned is not None and course.gamma == 1.0
        leader = sides.conditioned or sides.plain
        self._active = [leader] if self._is_plain_behind else [sides.plain]
        if sides.conditioned is not None and not self._is_plain_behind:
            self._active.append(sides.conditioned)
        self._window: _Window | None = None
        self._plain_views: list[_View] = []
        self._conditioned_logps: list[float] = []

    def step(self) -> Steps[bool]:
        """Choose a token and append it to the sides; False when the answer ends here."""
        window = self._window or (yield from self._look_ahead())
        checked = self._sides.meter.network.checked
        conditioned = checked(window.conditioned[window.place])
        plain = None if window.plain is None else checked(window.plain[window.place])
        scores = conditioned if plain is None else combine(plain, conditioned, self._course.gamma)
        token = int(scores.argmax())
        if token in self._sides.meter.network.end_ids:
            return False
        self.tokens.append(token)
        self._conditioned_logps.append(float(conditioned[token]))
        if plain is not None:
            self._plain_views.append(_view(plain, token))
        if window.place > 0:
            self.num_foretold += 1
        if window.place < len(window.guess) and token == window.guess[window.place]:
            window.place += 1
        else:
            self._settle()
            self._append(token)
        return True

    def close(self) -> Steps[tuple[TokenChoice, ...]]:
        """Bring both sides to the same position; the tokens with both sides' views."""
        self._settle()
        if self._is_plain_behind and self.tokens:
            behind = yield from self._sides.plain.append_scored(self.tokens)
            rows = log_probs(behind)  # (n, V)
            self._sides.meter.network.checked(rows)
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

    def _look_ahead(self) -> Steps[_Window]:
        """Forward what is pending, and with it what the drafts say comes next."""
        guess: list[int] = []
        if all(side.can_look_ahead for side in self._active):
            most = self._course.max_tokens - len(self.tokens) - 1
            guess = self._course.drafts.guess(self.tokens, most)
        meter, joins = self._sides.meter, self._sides.joins
        rows = yield from look_ahead(meter, self._active, guess, joins=joins)
        scores = [log_probs(one) for one in rows]  # (n + 1, V) each
        plain = None if self._is_plain_behind else scores[0]
        self._window = _Window(guess, plain, scores[-1])
        return self._window

    def _settle(self) -> None:
        """Keep what was chosen of the guess and drop the rest of it."""
        if self._window is None:
            return
        for side in self._active:
            side.keep(self._window.place)
        self._window = None

    def _append(self, token: int) -> None:
        for side in self._active:
            side.append([token])

    def _text(self, token: int) -> str:
        return decode_ids(self._sides.meter.network.tokenizer, [token])


@dataclass(frozen=True, slots=True)
class _View:
    """What a side thought of one token, and which token it would have taken."""

    logp: float
    favourite: int


def _view(scores: Tensor, token: int) -> _View:
    return _View(float(scores[token]), int(scores.argmax()))
