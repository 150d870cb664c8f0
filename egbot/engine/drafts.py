"""Owns guessing which tokens come next from drafts. It knows no models: a guess may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MAX_GUESS = 48
"""Logits are held for each guessed token: 48 x 150,000 x 4 bytes are 29 MB."""

_MIN_OVERLAP = 2
_MAX_OVERLAP = 6
_MAX_REJOINED = 8
"""Behind an overlap a guess is less sure than along a draft from its start, so it is short."""


@dataclass(frozen=True, slots=True)
class Drafts:
    """Token sequences that may be what is decoded, the likeliest first."""

    sequences: tuple[tuple[int, ...], ...] = ()

    def guess(self, written: Sequence[int], max_tokens: int) -> list[int]:
        """The tokens that may follow ``written``, at most ``max_tokens``; often none.

        A draft that starts with ``written`` is followed to its end. Where the text has left all
        drafts, it rejoins one where its last few tokens (2 to 6, the more the better) stand in it.
        """
        start = tuple(written)
        for draft in self.sequences:
            if len(draft) > len(start) and draft[: len(start)] == start:
                rest = draft[len(start) :]
                return list(rest[: min(max_tokens, _MAX_GUESS)])
        return list(self._rejoined(start)[: max(max_tokens, 0)])

    def _rejoined(self, written: tuple[int, ...]) -> tuple[int, ...]:
        for size in range(min(_MAX_OVERLAP, len(written)), _MIN_OVERLAP - 1, -1):
            end = written[-size:]
            for draft in self.sequences:
                for place in range(size, len(draft)):
                    if draft[place - size : place] == end:
                        return draft[place : place + _MAX_REJOINED]
        return ()


NO_DRAFTS = Drafts()
