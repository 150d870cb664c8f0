"""Owns the slow twin of ``decode.Session``: the whole prompt is forwarded for every token.

It is the yardstick of tests and benchmarks and shares only the prompt, the formula and the drawing
of one token with the fast session. Candidates are drawn one after another from the prompt on,
with a cache of their own, as a library's ``generate`` would.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from egbot.engine.chat import encode_text
from egbot.engine.decode import left_of
from egbot.engine.driving import Alone, Meter
from egbot.engine.guidance import combine, log_probs
from egbot.engine.network import Network
from egbot.engine.opening import open_prompt, shortened_signal
from egbot.engine.piece import Forward, Piece
from egbot.engine.sampling import nucleus, row_generator
from egbot.engine.side import Side
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
        self._meter = Meter(network)
        self._drive = Alone(network, log)
        self._answer: list[int] = []
        self._finished = False
        self._drawn: dict[str, tuple[int, ...]] = {}

    @property
    def text(self) -> str:
        """The answer so far, without the prompt's ``response_prefix``."""
        return self._text_of(())

    @property
    def usage(self) -> Usage:
        """How many forwards and tokens this session has cost; it keeps no times."""
        return Usage(self._meter.num_forwards, self._meter.num_tokens_forwarded)

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
        """Draw continuations of ``text``, each from the prompt on. Temperature 0 is greedy."""
        samples = []
        begun = [self._tokens_of(text) for text in starts]
        for row in range(num_samples):
            generator = row_generator(seed, row)
            tokens = list(begun[row]) if row < len(begun) else []
            side = Side(self._meter, [*self._prompt.whole(), *self._answer, *tokens])
            text = self._text_of(tokens)[len(self.text) :]
            finish = "stop" if tokens and stop(text) else "length"
            while not self._finished and finish == "length" and len(tokens) < max_tokens:
                scores = self._network.checked(log_probs(self._drive(side.logits())))
                token = nucleus(scores, temperature, top_p).draw(generator)
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
            self._drawn[text] = tuple(tokens)
            samples.append(Sample(text, len(tokens), finish))  # type: ignore[arg-type]
        return tuple(samples)

    def cost(self, signal: str, *, max_tokens: int) -> int:
        """How many tokens the conditioned side has, all of which it forwards for each token."""
        num_others = len(self._prompt) + len(self._answer)
        tokens = shortened_signal(self._network, signal, num_others, max_tokens)
        return num_others + len(tokens) if tokens else 0

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
        written = tuple(self._answer[start:])
        self._drawn = left_of(self._drawn, written, self.text[len(before) :])
        if gamma == 1.0 and tokens:
            plains = self._plain_rows(len(conditioned))
        views = zip(written, plains or conditioned, conditioned, strict=False)
        choices = tuple(self._choice(*view) for view in views)
        return GuidedText(self.text[len(before) :], choices, finish)  # type: ignore[arg-type]

    def _tokens_of(self, text: str) -> tuple[int, ...]:
        return self._drawn.get(text) or tuple(encode_text(self._network.tokenizer, text))

    def _text_of(self, tokens: Sequence[int]) -> str:
        answer = [*self._answer, *tokens]
        return visible_text(self._network.tokenizer, self._prompt.whole(), answer)

    def _scores(self, signal: Sequence[int]) -> Tensor:
        """Log-probabilities (V) of the next token, from a forward over everything."""
        ids = [*self._prompt.before, *signal, *self._prompt.after, *self._answer]
        return self._network.checked(log_probs(self._forward(ids, 1)[-1]))

    def _forward(self, ids: list[int], num_logits: int) -> Tensor:
        """The last logits (num_logits, V) of a forward from the start."""
        piece = Piece([ids], None, num_logits)
        (result,) = self._drive(self._meter.forward([piece]))
        return result.logits[0]

    def _plain_rows(self, num_tokens: int) -> list[Tensor]:
        """Log-probabilities (V) from which the plain side predicts each of the last tokens."""
        if not num_tokens:
            return []
        ids = [*self._prompt.whole(), *self._answer[:-1]]
        return list(self._network.checked(log_probs(self._forward(ids, num_tokens))))

    def _choice(self, token: int, plain: Tensor, conditioned: Tensor) -> TokenChoice:
        return TokenChoice(
            text=decode_ids(self._network.tokenizer, [token]),
            logp_plain=float(plain[token]),
            logp_conditioned=float(conditioned[token]),
            plain_choice=decode_ids(self._network.tokenizer, [int(plain.argmax())]),
        )
