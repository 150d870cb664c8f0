"""Owns the slow twin of ``decode.Session.advance``: no cache, the whole prompt for every token.

It is the yardstick of tests and benchmarks and shares only the prompt and the formula with the
fast session; it knows nothing of sampling.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from egbot.engine.decode import open_prompt, shortened_signal
from egbot.engine.guidance import combine, log_probs
from egbot.engine.network import Network
from egbot.engine.text import decode_ids, visible_text
from egbot.ports import StopRule
from egbot.records import GuidedText, Prompt, TokenChoice


class NaiveSession:
    """``advance`` as ``DecodeSession`` promises it, without any of the savings."""

    def __init__(self, network: Network, prompt: Prompt) -> None:
        self._network = network
        self._prompt = open_prompt(network, prompt)
        self._answer: list[int] = []
        self._finished = False

    @property
    def text(self) -> str:
        """The answer so far, without the prompt's ``response_prefix``."""
        return visible_text(self._network.tokenizer, self._prompt.whole(), self._answer)

    def advance(self, *, signal: str, gamma: float, max_tokens: int, stop: StopRule) -> GuidedText:
        """Decode greedily from the guided distribution and append what was decoded to ``text``."""
        num_others = len(self._prompt) + len(self._answer)
        tokens = shortened_signal(self._network, signal if gamma else "", num_others, max_tokens)
        before = self.text
        choices: list[TokenChoice] = []
        while not self._finished and len(choices) < max_tokens:
            plain = self._scores(())
            conditioned = self._scores(tokens)
            token = int(combine(plain, conditioned, gamma).argmax())
            if token in self._network.end_ids:
                self._finished = True
                break
            self._answer.append(token)
            choices.append(self._choice(token, plain, conditioned))
            if stop(self.text[len(before) :]):
                return GuidedText(self.text[len(before) :], tuple(choices), "stop")
        return GuidedText(
            self.text[len(before) :], tuple(choices), "eos" if self._finished else "length"
        )

    def _scores(self, signal: Sequence[int]) -> Tensor:
        """Log-probabilities (V) of the next token, from a forward over everything."""
        ids = [*self._prompt.before, *signal, *self._prompt.after, *self._answer]
        logits, _ = self._network.forward([ids], None)
        return self._network.checked(log_probs(logits[0, -1]))

    def _choice(self, token: int, plain: Tensor, conditioned: Tensor) -> TokenChoice:
        return TokenChoice(
            text=decode_ids(self._network.tokenizer, [token]),
            logp_plain=float(plain[token]),
            logp_conditioned=float(conditioned[token]),
            plain_choice=decode_ids(self._network.tokenizer, [int(plain.argmax())]),
        )
