"""A decoder that writes what a script says, token by token, and keeps a record of what was asked.

It knows no model: the same script gives the same tokens, on every machine and in every process.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from egbot.errors import ModelError
from egbot.ports import StopRule
from egbot.records import GuidedText, Prompt, Sample, TokenChoice, Usage

_TOKEN = re.compile(r"\n[ \t]*| ?\w+|[ \t]+|.", re.DOTALL)
_LOGP_PLAIN = -1.0
_LOGP_CONDITIONED = -0.5

Tokeniser = Callable[[str], list[str]]
_Finish = Literal["stop", "eos", "length"]


class ScriptError(Exception):
    """The script does not fit what was asked of it: the test is wrong, not the code under test."""


@dataclass(frozen=True, slots=True)
class Script:
    """What the model writes in one session; every text is a whole answer, from its first token.

    ``answer`` is what plain decoding writes before it ends, ``guided`` (where it is not None) what
    a signal with a gamma above 0 makes of it; it goes on there without a signal. ``samples`` are
    the rows of the first, the second, ... call of ``sample``: the part of a row behind the text
    written so far is drawn. Rows that the script lacks, and all rows at temperature 0, are what
    plain decoding would write.
    """

    answer: str
    guided: str | None = None
    samples: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """One call of ``sample`` and the text that stood there when it came."""

    text: str
    num_samples: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    starts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advance:
    """One call of ``advance`` and the text that stood there when it came."""

    text: str
    signal: str
    gamma: float
    max_tokens: int
    drafts: tuple[str, ...] = ()


def pieces(text: str) -> list[str]:
    """The tokens of ``text``: a newline takes the next line's indentation with it.

    That is the hardest thing that real tokenizers do to whoever looks for the end of a line.
    """
    return _TOKEN.findall(text)


class ScriptedSession:
    """Implements ``egbot.ports.DecodeSession``; ``samplings`` and ``advances`` say what was asked."""

    def __init__(self, script: Script, num_prompt_tokens: int, tokenise: Tokeniser) -> None:
        self.samplings: list[Sampling] = []
        self.advances: list[Advance] = []
        self._script = script
        self._tokenise = tokenise
        self._num_unread = num_prompt_tokens
        self._text = ""
        self._finished = False
        self._usage = Usage()

    @property
    def text(self) -> str:
        """The answer so far, without the prompt's ``response_prefix``."""
        return self._text

    @property
    def usage(self) -> Usage:
        """What this session has cost so far: a token that is written is forwarded once."""
        return self._usage

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
        """Draw the next rows of the script. Raises ScriptError for a row that left the text.

        A row that has a start must go on from it: the script says how. Greedy rows have none.
        """
        if starts and temperature <= 0.0:
            raise ScriptError(f"greedy rows begin with {starts}, but all of them are the same")
        call = len(self.samplings)
        self.samplings.append(
            Sampling(self._text, num_samples, temperature, top_p, max_tokens, seed, starts)
        )
        if self._finished:
            return (Sample("", 0, "eos"),) * num_samples
        rows: tuple[str, ...] = ()
        if temperature > 0 and call < len(self._script.samples):
            rows = self._script.samples[call]
        drawn = []
        for index in range(num_samples):
            row = rows[index] if index < len(rows) else self._path()
            start = starts[index] if index < len(starts) else ""
            if index >= len(rows) and not row.startswith(self._text + start):
                row = self._text + start
            if not row.startswith(self._text + start):
                raise ScriptError(f"row {index} is {row!r}, but it must begin with {start!r}")
            tokens, finish = self._walk(row, max_tokens, stop)
            drawn.append(Sample("".join(tokens), len(tokens), finish))
        self._book(max([1, *(sample.num_tokens for sample in drawn)]), 0)
        return tuple(drawn)

    def cost(self, signal: str, *, max_tokens: int) -> int:  # noqa: ARG002 - the port's
        """A token for each of the signal's characters."""
        return len(signal)

    def advance(
        self,
        *,
        signal: str,
        gamma: float,
        max_tokens: int,
        stop: StopRule,
        drafts: tuple[str, ...] = (),
    ) -> GuidedText:
        """Follow the script from where ``text`` ends. Raises ScriptError where it left the text."""
        self.advances.append(Advance(self._text, signal, gamma, max_tokens, drafts))
        if self._finished:
            return GuidedText("", (), "eos")
        followed = self._path()
        if signal and gamma > 0 and self._script.guided is not None:
            followed = self._script.guided
        tokens, finish = self._walk(followed, max_tokens, stop)
        self._text += "".join(tokens)
        self._finished = finish == "eos"
        self._book(max(1, len(tokens)), 0, len(tokens) if gamma > 0 else 0)
        choices = tuple(
            TokenChoice(token, _LOGP_PLAIN, _LOGP_CONDITIONED, token) for token in tokens
        )
        return GuidedText("".join(tokens), choices, finish)

    def _path(self) -> str:
        """What plain decoding follows: ``answer``, or ``guided`` once a signal has led there."""
        script = self._script
        has_left = script.guided is not None and not script.answer.startswith(self._text)
        return script.guided or "" if has_left else script.answer

    def _walk(self, whole: str, max_tokens: int, stop: StopRule) -> tuple[list[str], _Finish]:
        """The tokens behind ``text`` up to the one that satisfies ``stop``."""
        if not whole.startswith(self._text):
            raise ScriptError(f"the script says {whole!r}, but {self._text!r} is written already")
        written: list[str] = []
        for token in self._tokenise(whole[len(self._text) :]):
            if len(written) == max_tokens:
                return written, "length"
            written.append(token)
            self._book(0, 1)
            if stop("".join(written)):
                return written, "stop"
        return written, "eos"

    def _book(self, num_forwards: int, num_tokens: int, num_guided: int = 0) -> None:
        """Tokens count when they are written, forwards when all rows are: they advance together."""
        old = self._usage
        self._usage = Usage(
            num_forwards=old.num_forwards + num_forwards,
            num_tokens_forwarded=old.num_tokens_forwarded + self._num_unread + num_tokens,
            num_tokens_generated=old.num_tokens_generated + num_tokens,
            num_guided_tokens=old.num_guided_tokens + num_guided,
        )
        self._num_unread = 0


class ScriptedDecoder:
    """Implements ``egbot.ports.Decoder``; ``prompts`` and ``sessions`` are all that were opened.

    ``script`` is one script for all sessions, or a function that is given the prompt and how many
    sessions the same answer was started in before.
    """

    def __init__(
        self,
        script: Script | Callable[[Prompt, int], Script],
        *,
        context_tokens: int | None = None,
        tokenise: Tokeniser = pieces,
    ) -> None:
        self.prompts: list[Prompt] = []
        self.sessions: list[ScriptedSession] = []
        self._script = script
        self._context_tokens = context_tokens
        self._tokenise = tokenise

    @property
    def name(self) -> str:
        """``scripted``."""
        return "scripted"

    def open(self, prompt: Prompt) -> ScriptedSession:
        """Start an answer to ``prompt``. Raises ModelError when it exceeds ``context_tokens``."""
        whole = "".join((prompt.system, prompt.head, prompt.tail, prompt.response_prefix))
        num_tokens = self.count_tokens(whole)
        if self._context_tokens is not None and num_tokens > self._context_tokens:
            raise ModelError(
                f"the prompt needs {num_tokens} tokens, but scripted reads {self._context_tokens}",
                hint="Name fewer tests.",
            )
        script = self._script
        if not isinstance(script, Script):
            same = [one for one in self.prompts if one.response_prefix == prompt.response_prefix]
            script = script(prompt, len(same))
        session = ScriptedSession(script, num_tokens, self._tokenise)
        self.prompts.append(prompt)
        self.sessions.append(session)
        return session

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` has."""
        return len(self._tokenise(text))
