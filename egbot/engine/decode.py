"""Owns the decoding session: one answer, sampled ahead of and decoded under guidance.

It knows neither Python nor tests: a signal is text and a line's end is what the stop rule says.
The answer is kept as tokens and never tokenised again; the plain side's cache lives as long as
the session, and the prompt's part before the signal's slot is forwarded once for both sides.
"""

from __future__ import annotations

import time

from egbot.engine.chat import PromptTokens, encode_text, fit_signal, tokenise
from egbot.engine.drafts import Drafts
from egbot.engine.guided import Course, Sides, decode_guided
from egbot.engine.network import Network
from egbot.engine.samples import Draw, draw_samples
from egbot.engine.side import Forward, Meter, Side
from egbot.engine.text import visible_text
from egbot.errors import ModelError
from egbot.ports import StopRule
from egbot.records import GuidedText, Prompt, Sample, Usage

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


class Session:
    """Implements ``egbot.ports.DecodeSession``; the one object of the engine that changes."""

    def __init__(
        self,
        network: Network,
        prompt: Prompt,
        *,
        joins: bool = True,
        log: list[Forward] | None = None,
    ) -> None:
        """Start an answer to ``prompt``. Raises ModelError when it leaves no room for one.

        ``joins`` lets both sides advance as one padded batch where their caches allow it, which on
        two CPU cores took 0.6 of the time of two forwards. ``log`` is told every forward.
        """
        self._network = network
        self._joins = joins
        self._prompt = open_prompt(network, prompt)
        self._meter = Meter(network, log)
        self._answer: list[int] = []
        self._text = ""
        self._finished = False
        self._num_generated = 0
        self._num_foretold = 0
        self._drawn: dict[str, tuple[int, ...]] = {}  # samples from the current position
        self._sample_s = 0.0
        self._decode_s = 0.0
        self._prefix: Side | None = None  # what both prompts start with
        self._plain_side: Side | None = None
        self._conditioned: tuple[tuple[int, ...], Side] | None = None

    @property
    def text(self) -> str:
        """The answer so far, without the prompt's ``response_prefix``."""
        return self._text

    @property
    def num_prompt_tokens(self) -> int:
        """How many tokens the plain prompt has."""
        return len(self._prompt)

    @property
    def usage(self) -> Usage:
        """What this session has cost so far."""
        return Usage(
            num_forwards=self._meter.num_forwards,
            num_tokens_forwarded=self._meter.num_tokens_forwarded,
            num_tokens_generated=self._num_generated,
            num_draft_tokens_accepted=self._num_foretold,
            sample_s=self._sample_s,
            decode_s=self._decode_s,
        )

    def sample(
        self,
        num_samples: int,
        *,
        temperature: float,
        top_p: float,
        max_tokens: int,
        seed: int,
        stop: StopRule,
    ) -> tuple[Sample, ...]:
        """Draw continuations of ``text`` from the plain side. Temperature 0 is greedy.

        Row i depends on ``seed`` and i alone. A row that the context cuts short ends in "length".
        """
        if self._finished:
            return (Sample("", 0, "eos"),) * num_samples
        started_s = time.perf_counter()
        limit = min(max_tokens, self._room_left())
        how = Draw(num_samples, temperature, top_p, limit, seed)
        rows = draw_samples(self._meter, self._plain(), how, self._text_of, stop)
        samples = tuple(row.sample for row in rows)
        self._drawn.update((row.sample.text, row.tokens) for row in rows)
        drawn = samples if temperature > 0.0 else samples[:1]
        self._num_generated += sum(sample.num_tokens for sample in drawn)
        self._sample_s += time.perf_counter() - started_s
        return samples

    def advance(
        self,
        *,
        signal: str,
        gamma: float,
        max_tokens: int,
        stop: StopRule,
        drafts: tuple[str, ...] = (),
    ) -> GuidedText:
        """Decode greedily from the guided distribution and append what was decoded to ``text``.

        An empty signal or gamma 0 is plain greedy decoding. The token that satisfies ``stop``
        belongs to the text; a token that ends the answer does not. ``drafts`` change the cost
        alone. Raises ModelError on NaN.
        """
        if self._finished:
            return GuidedText("", (), "eos")
        started_s = time.perf_counter()
        plain = self._plain()
        conditioned = self._conditioned_side(signal, max_tokens) if gamma != 0.0 else None
        limit = self._room_left()
        if conditioned is not None:
            limit = min(limit, room_of(self._network) - len(conditioned))
        done = decode_guided(
            Sides(self._meter, plain, conditioned, self._joins),
            Course(gamma, min(max_tokens, limit), self._drafts(drafts, stop)),
            self._text_of,
            stop,
        )
        self._answer.extend(done.tokens)
        self._drawn.clear()
        self._num_generated += len(done.tokens)
        self._num_foretold += done.num_foretold
        self._text += done.text.text
        self._finished = done.text.finish == "eos"
        self._decode_s += time.perf_counter() - started_s
        return done.text

    def _drafts(self, texts: tuple[str, ...], stop: StopRule) -> Drafts:
        """The tokens of ``texts`` up to where ``stop`` would end them.

        A sample's own tokens are used, which a tokenizer might spell otherwise.
        """
        sequences: dict[tuple[int, ...], None] = {}
        for text in texts:
            tokens = self._drawn.get(text) or tuple(encode_text(self._network.tokenizer, text))
            ends = (n for n in range(1, len(tokens) + 1) if stop(self._text_of(list(tokens[:n]))))
            sequences.setdefault(tokens[: next(ends, len(tokens))])
        return Drafts(tuple(sequences))

    def _text_of(self, tokens: list[int]) -> str:
        """What ``tokens`` add to the answer's text."""
        answer = [*self._answer, *tokens]
        whole = visible_text(self._network.tokenizer, self._prompt.whole(), answer)
        return whole[len(self._text) :]

    def _room_left(self) -> int:
        return room_of(self._network) - len(self._prompt) - len(self._answer)

    def _shared_prefix(self) -> Side:
        if self._prefix is None:
            self._prefix = Side(self._meter, self._prompt.before)
        return self._prefix

    def _plain(self) -> Side:
        if self._plain_side is None:
            self._plain_side = self._grown(self._prompt.after)
        return self._plain_side

    def _grown(self, tokens: tuple[int, ...]) -> Side:
        """A side of the shared prefix and ``tokens``."""
        if not self._prompt.before:
            return Side(self._meter, tokens)
        return self._shared_prefix().fork(tokens)

    def _conditioned_side(self, signal: str, max_tokens: int) -> Side | None:
        """The conditioned prompt with the answer so far; None when no line of the signal fits.

        The last one is kept: the same signal again needs no forward but of the new tokens.
        """
        others = len(self._prompt) + len(self._answer)
        tokens = shortened_signal(self._network, signal, others, max_tokens)
        if not tokens:
            return None
        if self._conditioned is None or self._conditioned[0] != tokens:
            side = self._grown((*tokens, *self._prompt.after, *self._answer))
            self._conditioned = (tokens, side)
        return self._conditioned[1]
