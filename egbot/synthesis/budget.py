"""Counts what a run may still spend: seconds by the clock and tokens forwarded.

It does not know what the tokens were spent on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True, slots=True)
class _Spending:
    """Work under way: ``count`` was ``before`` when it began, ``num_aside`` tokens are for it."""

    count: Callable[[], int]
    before: int
    num_aside: int

    @property
    def num_tokens(self) -> int:
        return self.count() - self.before

    @property
    def num_tokens_ahead(self) -> int:
        return max(self.num_aside - self.num_tokens, 0)


@dataclass(slots=True)
class Budget:
    """A budget over targets and attempts; agents may spend it at the same time.

    ``clock`` returns seconds, from any start.
    """

    max_s: float
    max_tokens: int
    clock: Callable[[], float]
    parent: Budget | None = None
    start_s: float = field(init=False)
    _num_booked: int = 0
    _spendings: list[_Spending] = field(default_factory=list, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        self.start_s = self.clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self.start_s

    @property
    def deadline_s(self) -> float:
        """When the time is over, on ``clock``; a share's is never later than the whole's."""
        own_s = self.start_s + self.max_s
        return own_s if self.parent is None else min(own_s, self.parent.deadline_s)

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, 0 after it."""
        return max(self.deadline_s - self.clock(), 0.0)

    @property
    def num_tokens_spent(self) -> int:
        """Tokens that were forwarded, those of work that is not done included."""
        with self._lock:
            return self._num_spent()

    @property
    def num_tokens_left(self) -> int:
        """Tokens that may still be forwarded and are not set aside."""
        with self._lock:
            return max(self._num_left(), 0)

    def spend(self, num_tokens: int) -> None:
        """Book tokens that were forwarded."""
        with self._lock:
            self._num_booked += num_tokens
        if self.parent is not None:
            self.parent.spend(num_tokens)

    @contextmanager
    def spending(self, count: Callable[[], int], num_expected: int = 0) -> Iterator[bool]:
        """Spend what ``count`` grows by inside, while it grows; a parent is told at the end.

        Whether ``num_expected`` tokens are left is what the block is told. If they are, they are
        set aside until it ends, so that several at the same time cannot count on the same ones.
        """
        with self._lock:
            is_left = self._num_left() >= num_expected
            one = _Spending(count, count(), num_expected if is_left else 0)
            self._spendings.append(one)
        try:
            yield is_left
        finally:
            with self._lock:
                self._spendings.remove(one)
                num_tokens = one.num_tokens
                self._num_booked += num_tokens
            if self.parent is not None:
                self.parent.spend(num_tokens)

    def _num_spent(self) -> int:
        return self._num_booked + sum(one.num_tokens for one in self._spendings)

    def _num_left(self) -> int:
        num_aside = sum(one.num_tokens_ahead for one in self._spendings)
        return self.max_tokens - self._num_spent() - num_aside

    def share(self, num_parts: float, *, least_s: float = 0.0, kept_s: float = 0.0) -> Budget:
        """One of ``num_parts`` equal parts of what is left; what it saves stays with the whole.

        It has at least ``least_s`` seconds where the whole has them. ``kept_s`` of its seconds,
        but half of them at most, are kept back for what comes after it.
        """
        part_s = min(max(self.left_s / num_parts, least_s), self.left_s)
        return Budget(
            max_s=max(part_s - kept_s, part_s / 2),
            max_tokens=int(self.num_tokens_left / num_parts),
            clock=self.clock,
            parent=self,
        )

    @property
    def is_late(self) -> bool:
        """Whether the time is over."""
        return self.clock() >= self.deadline_s

    @property
    def too_little(self) -> str:
        """That something was left out which the tokens left would not have paid for, in words."""
        return f"of the token budget of {self.max_tokens:,} too little was left to go on"

    @property
    def exhausted(self) -> str:
        """Which limit is reached, in words, or "" while there is something left."""
        if self.is_late and self.parent is not None and not self.parent.is_late:
            return f"its share of the time budget, {round(self.max_s, 1):g} s, is used up"
        if self.is_late:
            whole = self
            while whole.parent is not None:
                whole = whole.parent
            return f"the time budget of {round(whole.max_s, 1):g} s is used up"
        if self.num_tokens_spent >= self.max_tokens:
            return f"the token budget of {self.max_tokens:,} tokens forwarded is used up"
        return ""
