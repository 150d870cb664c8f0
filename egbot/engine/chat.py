"""Owns turning a Prompt into the model's tokens, chat template included. It knows no decoding.

The prompt becomes two runs of tokens with the signal's slot between them. They are tokenised
apart from the signal, so that the plain and the conditioned prompt share their tokens exactly.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from egbot.engine.network import special_tokens
from egbot.records import Prompt

_SYSTEM = "EGBOTSYSTEMSLOT"
_USER = "EGBOTUSERSLOT"


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """The prompt's tokens before and after the signal's slot."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    def whole(self) -> tuple[int, ...]:
        """The plain prompt."""
        return self.before + self.after

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the prompt. Only the template's own text may spell control tokens."""

    text: str
    is_template: bool = False


def tokenise(tokenizer: Any, prompt: Prompt) -> PromptTokens:
    """The tokens of ``prompt``; the template's frame if the tokenizer has one, else plain text."""
    before, after = _pieces(tokenizer, prompt)
    ids = _encode(tokenizer, before)
    start = _start_id(tokenizer)
    if start is not None and ids[:1] != [start]:
        ids = [start, *ids]
    return PromptTokens(tuple(ids), tuple(_encode(tokenizer, after)))


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """The tokens of ``text``, which is data: what spells a control token becomes plain tokens."""
    return _encode(tokenizer, [_Piece(text)])


def fit_signal(tokenizer: Any, signal: str, max_tokens: int) -> list[int]:
    """The tokens of ``signal``, without as many of its last lines as ``max_tokens`` demands."""
    ids = encode_text(tokenizer, signal)
    if len(ids) <= max_tokens:
        return ids
    lines = signal.splitlines(keepends=True)

    def tokens_of(num_lines: int) -> int:
        return len(encode_text(tokenizer, "".join(lines[:num_lines])))

    kept = bisect_right(range(len(lines)), max_tokens, key=tokens_of) - 1
    return encode_text(tokenizer, "".join(lines[:kept])) if kept > 0 else []


def _pieces(tokenizer: Any, prompt: Prompt) -> tuple[list[_Piece], list[_Piece]]:
    prefix = _Piece(prompt.response_prefix)
    head, tail = _Piece(prompt.head), _Piece(prompt.tail)
    merged = [_Piece(prompt.system + "\n\n"), head] if prompt.system else [head]
    if not tokenizer.chat_template:
        return merged, [tail, prefix]
    if prompt.system and (frame := _frame(tokenizer, with_system=True)):
        opening, rest = frame.split(_SYSTEM)
        between, closing = rest.split(_USER)
        first = [_Piece(opening, True), _Piece(prompt.system), _Piece(between, True), head]
        return first, [tail, _Piece(closing, True), prefix]
    if frame := _frame(tokenizer, with_system=False):
        opening, closing = frame.split(_USER)
        return [_Piece(opening, True), *merged], [tail, _Piece(closing, True), prefix]
    return merged, [tail, prefix]


def _frame(tokenizer: Any, *, with_system: bool) -> str:
    """The rendered template with slots for the texts, or "" where it does not take them."""
    system = [{"role": "system", "content": _SYSTEM}] if with_system else []
    messages = [*system, {"role": "user", "content": _USER}]
    try:
        text = str(
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )
    except TemplateError:  # the usual answer of a template that knows no system role
        return ""
    in_order = text.find(_SYSTEM) < text.find(_USER)
    complete = text.count(_USER) == 1 and text.count(_SYSTEM) == int(with_system)
    return text if complete and in_order else ""


def _encode(tokenizer: Any, pieces: list[_Piece]) -> list[int]:
    """One run of tokens; cut at the pieces only where data spells a control token."""
    control = special_tokens(tokenizer)
    if any(name in piece.text for piece in pieces if not piece.is_template for name in control):
        return [index for piece in pieces for index in _encode_apart(tokenizer, piece)]
    return _ids(tokenizer, "".join(piece.text for piece in pieces), split=False)


def _encode_apart(tokenizer: Any, piece: _Piece) -> list[int]:
    return _ids(tokenizer, piece.text, split=not piece.is_template)


def _ids(tokenizer: Any, text: str, *, split: bool) -> list[int]:
    """Token ids. Lone surrogates, which a repr can hold and UTF-8 cannot, become "?"."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    encoded = tokenizer(clean, add_special_tokens=False, split_special_tokens=split)
    return list(encoded["input_ids"])


def _start_id(tokenizer: Any) -> int | None:
    """The beginning-of-sequence id if the tokenizer would write one of itself."""
    start: int | None = tokenizer.bos_token_id
    written = tokenizer("x", add_special_tokens=True)["input_ids"]
    return start if start is not None and written[0] == start else None
