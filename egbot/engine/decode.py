"""Owns the decoding session: one answer, sampled ahead of and decoded under guidance.

It knows neither Python nor tests: a signal is text and a line's end is what the stop rule says.
The answer is kept as tokens and never tokenised again; the plain side's cache lives as long as
the session, and the prompt's part before the signal's slot is forwarded once for both sides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from egbot.engine.chat import encode_text
from egbot.engine.drafts import Drafts
from egbot.engine.driving import Alone, Drive, Meter
from egbot.engine.guided import Course, Guided, Sides, decode_guided
from egbot.engine.network import Network
from egbot.engine.opening import Opening, open_prompt, room_of, shortened_signal
from egbot.engine.piece import Forward, Steps
from egbot.engine.samples import Draw, Drawn, draw_samples
from egbot.engine.side import Side
from egbot.engine.text import visible_text
from egbot.ports import StopRule
from egbot.records import GuidedText, Prompt, Sample, Usage


class Session:
    """Implements ``egbot.ports.DecodeSession``; the one object of the engine that changes."""

    def __init__(
        self,
        network: Network,
        prompt: Prompt | Opening,
        *,
        joins: bool = True,
        log: list[Forward] | None = None,
        drive: Drive | None = None,
    ) -> None:
        """Start an answer to ``prompt``. Raises ModelError when it leaves no room for one.

        ``joins`` lets both sides share a forward where the network packs. ``log`` is told every
        forward. ``drive`` forwards what the session asks for: by default in the caller's thread.
        """
        self._network = network
        self._joins = joins
        self._opening = prompt if isinstance(prompt, Opening) else None
        self._prompt = (
            prompt.prompt if isinstance(prompt, Opening) else open_prompt(network, prompt)
        )
        self._meter = prompt.meter if isinstance(prompt, Opening) else Meter(network)
        self._drive: Drive = drive or Alone(network, log)
        self._answer: list[int] = []
        self._text = ""
        self._finished = False
        self._num_generated = 0
        self._num_guided = 0
        self._num_foretold = 0
        self._drawn: dict[str, tuple[int, ...]] = {}  # samples from the current position
        self._sample_s = 0.0
        self._decode_s = 0.0
        self._prefix: Side | None = self._opening.prefix if self._opening else None
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
            num_guided_tokens=self._num_guided,
            num_draft_tokens_accepted=self._num_foretold,
            sample_s=self._sample_s,
            decode_s=self._decode_s,
        )

    def sample(  # noqa: PLR0913  each says how to draw
        self,
        num_samples: int,
        *,
        temperature: float,
        top_p: float,
        max_tokens: int,
        seed: int,
        stop: StopRule,
        starts: tuple[str, ...] = (),
    ) -> tuple[Sample, ...]:
        """Draw continuations of ``text`` from the plain side. Temperature 0 is greedy.

        Row i depends on ``seed``, i and its start alone. A row that the context cuts short ends in
        "length". A start that is left of an earlier sample keeps that sample's own tokens.
        """
        if self._finished:
            return (Sample("", 0, "eos"),) * num_samples
        started_s = time.perf_counter()
        limit = min(max_tokens, self._room_left())
        how = Draw(num_samples, temperature, top_p, limit, seed)
        rows, num_given = self._drive(self._sampling(how, starts, stop))
        samples = tuple(row.sample for row in rows)
        self._drawn.update((row.sample.text, row.tokens) for row in rows)
        drawn = samples if temperature > 0.0 else samples[:1]
        self._num_generated += sum(sample.num_tokens for sample in drawn) - num_given
        self._sample_s += time.perf_counter() - started_s
        return samples

    def cost(self, signal: str, *, max_tokens: int) -> int:
        """How many tokens ``advance`` forwards to read ``signal``, before it writes anything."""
        return self._drive(self._costing(signal, max_tokens))

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
        done = self._drive(self._advancing(signal, gamma, max_tokens, stop, drafts))
        self._answer.extend(done.tokens)
        self._drawn = left_of(self._drawn, done.tokens, done.text.text)
        self._num_generated += len(done.tokens)
        self._num_guided += len(done.tokens) if gamma > 0.0 else 0
        self._num_foretold += done.num_foretold
        self._text += done.text.text
        self._finished = done.text.finish == "eos"
        self._decode_s += time.perf_counter() - started_s
        return done.text

    def _sampling(
        self, how: Draw, starts: tuple[str, ...], stop: StopRule
    ) -> Steps[tuple[tuple[Drawn, ...], int]]:
        """The rows, and how many of their tokens were given.

        Texts are read here, by whoever drives: a tokenizer serves one thread at a time.
        """
        how = replace(how, starts=tuple(self._tokens_of(text) for text in starts))
        plain = yield from self._plain()
        rows = yield from draw_samples(self._meter, plain, how, self._text_of, stop)
        return rows, sum(len(tokens) for tokens in how.starts)

    def _advancing(
        self,
        signal: str,
        gamma: float,
        max_tokens: int,
        stop: StopRule,
        drafts: tuple[str, ...],
    ) -> Steps[Guided]:
        plain = yield from self._plain()
        conditioned = None
        if gamma != 0.0:
            conditioned = yield from self._conditioned_side(signal, max_tokens)
        limit = self._room_left()
        if conditioned is not None:
            limit = min(limit, room_of(self._network) - len(conditioned))
        done = yield from decode_guided(
            Sides(self._meter, plain, conditioned, self._joins),
            Course(gamma, min(max_tokens, limit), self._drafts(drafts, stop)),
            self._text_of,
            stop,
        )
        return done

    def _drafts(self, texts: tuple[str, ...], stop: StopRule) -> Drafts:
        """The tokens of ``texts`` up to where ``stop`` would end them.

        A sample's own tokens are used, which a tokenizer might spell otherwise.
        """
        sequences: dict[tuple[int, ...], None] = {}
        for text in texts:
            tokens = self._tokens_of(text)
            ends = (n for n in range(1, len(tokens) + 1) if stop(self._text_of(list(tokens[:n]))))
            sequences.setdefault(tokens[: next(ends, len(tokens))])
        return Drafts(tuple(sequences))

    def _tokens_of(self, text: str) -> tuple[int, ...]:
        return self._drawn.get(text) or tuple(encode_text(self._network.tokenizer, text))

    def _text_of(self, tokens: list[int]) -> str:
        """What ``tokens`` add to the answer's text."""
        answer = [*self._answer, *tokens]
        whole = visible_text(self._network.tokenizer, self._prompt.whole(), answer)
        return whole[len(self._text) :]

    def _room_left(self) -> int:
        return room_of(self._network) - len(self._prompt) - len(self._answer)

    def _plain(self) -> Steps[Side]:
        if self._plain_side is None:
            if self._opening is not None:
                self._plain_side = yield from self._opening.plain.fork(self._meter, ())
            else:
                self._plain_side = yield from self._grown(self._prompt.after)
        return self._plain_side

    def _grown(self, tokens: tuple[int, ...]) -> Steps[Side]:
        """A side of the shared prefix and ``tokens``."""
        if not self._prompt.before:
            return Side(self._meter, tokens)
        if self._prefix is None:
            self._prefix = Side(self._meter, self._prompt.before)
        side = yield from self._prefix.fork(self._meter, tokens)
        return side

    def _conditioned_side(self, signal: str, max_tokens: int) -> Steps[Side | None]:
        """The conditioned prompt with the answer so far; None when no line of the signal fits.

        The last one is kept: what a signal has in common with it needs no forward.
        """
        tokens = self._signal_tokens(signal, max_tokens)
        if not tokens:
            return None
        if self._conditioned is None or not self._is_read(tokens):
            whole = (*tokens, *self._prompt.after, *self._answer)
            side = self._rewound(whole) or (yield from self._grown(whole))
            self._conditioned = (tokens, side)
        return self._conditioned[1]

    def _costing(self, signal: str, max_tokens: int) -> Steps[int]:
        """Forwards nothing; but the tokenizer is used by whoever drives."""
        yield from ()
        tokens = self._signal_tokens(signal, max_tokens)
        if not tokens or self._is_read(tokens):
            return 0
        whole = (*tokens, *self._prompt.after, *self._answer)
        return len(whole) - self._num_shared(whole)

    def _signal_tokens(self, signal: str, max_tokens: int) -> tuple[int, ...]:
        others = len(self._prompt) + len(self._answer)
        return shortened_signal(self._network, signal, others, max_tokens)

    def _is_read(self, signal: tuple[int, ...]) -> bool:
        """Whether the last conditioned side is just that one.

        It may have the signal and lack lines: those that were written without one.
        """
        if self._conditioned is None or self._conditioned[0] != signal:
            return False
        num_tokens = len(self._prompt) + len(signal) + len(self._answer)
        return len(self._conditioned[1]) == num_tokens

    def _num_shared(self, whole: tuple[int, ...]) -> int:
        """How many of the tokens ``whole`` the last conditioned side begins with and may keep."""
        if self._conditioned is None or not self._conditioned[1].can_look_ahead:
            return 0
        signal, side = self._conditioned
        num_before = len(self._prompt.before)
        old = (*signal, *self._prompt.after, *self._answer)[: len(side) - num_before]
        num_shared = next(
            (place for place, (a, b) in enumerate(zip(old, whole, strict=False)) if a != b),
            min(len(old), len(whole)),
        )
        return min(num_shared, len(whole) - 1)  # something must be forwarded for its logits

    def _rewound(self, whole: tuple[int, ...]) -> Side | None:
        """The last conditioned side, cut to what it shares with ``whole`` and grown to that."""
        if self._conditioned is None or not self._conditioned[1].can_look_ahead:
            return None
        side = self._conditioned[1]
        num_shared = self._num_shared(whole)
        side.rewind(len(self._prompt.before) + num_shared)
        side.append(whole[num_shared:])
        return side


def left_of(
    drawn: Mapping[str, tuple[int, ...]], tokens: tuple[int, ...], text: str
) -> dict[str, tuple[int, ...]]:
    """What is left of samples that begin with ``tokens``, whose text is ``text``."""
    return {
        sample.removeprefix(text): own[len(tokens) :]
        for sample, own in drawn.items()
        if own[: len(tokens)] == tokens and len(own) > len(tokens) and sample.startswith(text)
    }
