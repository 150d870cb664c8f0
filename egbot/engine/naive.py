"""Owns the slow twin of ``decode.Session``: the whole prompt is forwarded for every token.

It is the yardstick of tests and benchmarks and shares only the prompt, the formula and the drawing
of one token with the fast session. Candidates are drawn one after another from the prompt on,
with a cache of their own, as a library's ``generate`` would.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from egbot.engine.decode import open_prompt, shortened_signal
from egbot.engine.guidance import combine, log_probs
from egbot.engine.network import Network
from egbot.engine.sampling import draw, row_generator
from egbot.engine.side import Forward, Meter, Side
from egbot.engine.text import decode_ids, visible_text
from egbot.ports import StopRule
from egbot.records import GuidedText, Prompt, Sample, TokenChoice, Usage


class NaiveSession:
    """Implements ``egbot.ports.DecodeSession`` without any of the savings."""

    def __init__(
        self, network: Network, prompt: Prompt, *, log: list[Forward] | None = None
    ) -> None:
        """Start an answer to ``prompt``. ``log`` is told every forward."""
        self._network = network
        self._prompt = open_prompt(network, prompt)
        self._meter = Meter(network, log)
        self._answer: list[int] = []
        self._finished = False

    @property
    def text(self) -> str:
        """The answer so far, without the prompt's ``response_prefix``."""
        return self._text_of(())

    @property
    def usage(self) -> Usage:
        """How many forwards and tokens this session has cost; it keeps no times."""
        return Usage(self._meter.num_forwards, self._meter.num_tokens_forwarded)

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
        """Draw continuations of ``text``, each from the prompt on. Temperature 0 is greedy."""
        samples = []
        for row in range(num_samples):
            generator = row_generator(seed, row)
            side = Side(self._meter, [*self._prompt.whole(), *self._answer])
            tokens: list[int] = []
            finish, text = "length", ""
            while not self._finished and len(tokens) < max_tokens:
                scores = self._network.checked(log_probs(side.logits()))
                token = draw(scores, temperature, top_p, generator)
                if token in self._network.end_ids:
                    finish = "eos"
                    break
                tokens.append(token)
                side.append([token])
                text = self._text_of(tokens)[len(self.text) :]
                if stop(text):
                    finish = "stop"
                    break
            finish = "eos" if self._finished else finish
            samples.append(Sample(text, len(tokens), finish))  # type: ignore[arg-type]
        return tuple(samples)

    def advance(
        self,
        *,
        signal: str,
        gamma: float,
        max_tokens: int,
        stop: StopRule,
        drafts: tuple[str, ...] = (),  # noqa: ARG002 - the port's; it changes no token
    ) -> GuidedText:
        """Decode greedily from the guided distribution and append what was decoded to ``text``.

        At gamma 1 the plain side is read once, at the line's end: nobody needs it before.
        """
        num_others = len(self._prompt) + len(self._answer)
        tokens = shortened_signal(self._network, signal if gamma else "", num_others, max_tokens)
        before, start = self.text, len(self._answer)
        plains: list[Tensor] = []
        conditioned: list[Tensor] = []
        finish = "eos" if self._finished else "length"
        while not self._finished and len(conditioned) < max_tokens:
            scores = seen = self._scores(tokens)
            if gamma != 1.0 and tokens:
                plains.append(self._scores(()))
                scores = combine(plains[-1], seen, gamma)
            token = int(scores.argmax())
            if token in self._network.end_ids:
                self._finished, finish = True, "eos"
                break
            conditioned.append(seen)
            self._answer.append(token)
            if stop(self.text[len(before) :]):
                finish = "stop"
                break
        if gamma == 1.0 and tokens:
            plains = self._plain_rows(len(conditioned))
        views = zip(self._answer[start:], plains or conditioned, conditioned, strict=False)
        choices = tuple(self._choice(*view) for view in views)
        return GuidedText(self.text[len(before) :], choices, finish)  # type: ignore[arg-type]

    def _text_of(self, tokens: Sequence[int]) -> str:
        answer = [*self._answer, *tokens]
        return visible_text(self._network.tokenizer, self._prompt.whole(), answer)

    def _scores(self, signal: Sequence[int]) -> Tensor:
        """Log-probabilities (V) of the next token, from a forward over everything."""
        ids = [*self._prompt.before, *signal, *self._prompt.after, *self._answer]
        logits, _ = self._meter.forward([ids], None)
        return self._network.checked(log_probs(logits[0, -1]))

    def _plain_rows(self, num_tokens: int) -> list[Tensor]:
        """Log-probabilities (V) from which the plain side predicts each of the last tokens."""
        if not num_tokens:
            return []
        ids = [*self._prompt.whole(), *self._answer[:-1]]
        logits, _ = self._meter.forward([ids], None, num_tokens)
        return list(self._network.checked(log_probs(logits[0])))

    def _choice(self, token: int, plain: Tensor, conditioned: Tensor) -> TokenChoice:
        return TokenChoice(
            text=decode_ids(self._network.tokenizer, [token]),
            logp_plain=float(plain[token]),
            logp_conditioned=float(conditioned[token]),
            plain_choice=decode_ids(self._network.tokenizer, [int(plain.argmax())]),
        )
