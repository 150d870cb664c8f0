"""Owns reading an answer's tokens as text. It does not know prompts or models.

A token may hold part of a character, so text appears only when its last character is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_NUM_CONTEXT = 16
_REPLACEMENT = "\ufffd"  # what decoders write for bytes that are no whole character


def visible_text(tokenizer: Any, before: Sequence[int], answer: Sequence[int]) -> str:
    """The text of ``answer`` as it reads after the tokens ``before``, without a broken end.

    Decoding with what stands before matters to tokenizers that drop the first space of a text.
    The text of a longer answer always starts with the text of a shorter one.
    """
    context = list(before[-_NUM_CONTEXT:])
    whole = decode_ids(tokenizer, [*context, *answer])
    return whole[len(decode_ids(tokenizer, context)) :].rstrip(_REPLACEMENT)


def decode_ids(tokenizer: Any, ids: list[int]) -> str:
    """The text of ``ids`` with nothing skipped and nothing tidied."""
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
