"""Owns what is asked of a network: pieces of contexts to forward, and what comes of them.

It does not know why they are asked for, nor in which company they are forwarded.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from egbot.engine.store import Store

_MAX_PACKED_TOKENS = 64
"""More tokens than this use the hardware well alone, and would let the others wait."""


@dataclass(frozen=True, slots=True)
class Branching:
    """How tokens that are no plain sequence see each other.

    ``positions`` (n) are the new tokens', ``cells`` (all cells, new ones last) are everybody's, and
    ``seen`` (n, cells) says which cells a new token sees, windows apart.
    """

    positions: Tensor
    cells: Tensor
    seen: Tensor


@dataclass(frozen=True, slots=True)
class Piece:
    """``tokens`` (rows, n) to forward behind what ``cache`` holds (None: nothing yet).

    Asks for the logits of the last ``num_logits`` tokens of each row.
    """

    tokens: list[list[int]]
    cache: Any
    num_logits: int = 1
    branching: Branching | None = None

    @property
    def num_tokens(self) -> int:
        """All rows' tokens."""
        return len(self.tokens) * len(self.tokens[0])

    @property
    def is_small(self) -> bool:
        """Whether it gains from being forwarded with others."""
        fits = len(self.tokens) == 1 and isinstance(self.cache, Store)
        return fits and (self.num_tokens <= _MAX_PACKED_TOKENS or self.branching is not None)

    def halves(self) -> tuple[Piece, Piece]:
        """Two pieces to forward one after another instead of this one, which has one row."""
        (body,) = self.tokens
        half = len(body) // 2
        num_late = min(self.num_logits, len(body) - half)
        early, late = None, None
        if self.branching is not None:
            positions, cells, seen = (
                self.branching.positions,
                self.branching.cells,
                self.branching.seen,
            )
            num_cells = len(cells) - len(body) + half
            early = Branching(positions[:half], cells[:num_cells], seen[:half, :num_cells])
            late = Branching(positions[half:], cells, seen[half:])
        return (
            Piece([body[:half]], self.cache, max(self.num_logits - num_late, 0), early),
            Piece([body[half:]], self.cache, num_late, late),
        )


@dataclass(frozen=True, slots=True)
class Forward:
    """One forward: its rows, new tokens in a row, and seconds until it was done.

    ``cpu_s`` are this process's on all cores.
    """

    num_rows: int
    num_tokens: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """The logits (rows, num_logits, V) of a piece, its cache, and the forward that it was in."""

    logits: Tensor
    cache: Any
    forward: Forward


T = TypeVar("T")
Steps = Generator[list[Piece], list[Result], T]
"""Work that asks for forwards as it goes: whoever drives it may forward several works at once."""
