"""Owns driving one work alone, and counting what it costs. It does not know what the work is."""

from __future__ import annotations

from typing import Protocol, TypeVar

from egbot.engine.batch import forward_all
from egbot.engine.network import Network
from egbot.engine.piece import Forward, Piece, Result, Steps
from egbot.errors import ModelError

T = TypeVar("T")


class Drive(Protocol):
    """Whoever forwards what a work asks for, until it is done."""

    def __call__(self, steps: Steps[T]) -> T:
        """The work's result. Raises what it raises."""
        ...


class Alone:
    """Drives works one at a time, in the caller's thread. ``log`` is told every forward."""

    def __init__(self, network: Network, log: list[Forward] | None = None) -> None:
        self._network = network
        self._log = log

    def __call__(self, steps: Steps[T]) -> T:
        """The work's result."""
        try:
            pieces = next(steps)
            while True:
                try:
                    results = forward_all(self._network, pieces, self._log)
                except ModelError as error:
                    pieces = steps.throw(error)
                else:
                    pieces = steps.send(results)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            steps.close()


class Meter:
    """A network with counters: every forward of a session passes here and is counted once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.num_forwards = 0
        self.num_tokens_forwarded = 0

    def forward(self, pieces: list[Piece]) -> Steps[list[Result]]:
        """The results of ``pieces``, which may share a forward."""
        if not pieces:
            return []
        self.num_tokens_forwarded += sum(piece.num_tokens for piece in pieces)
        results = yield pieces
        self.num_forwards += len({id(result.forward) for result in results})
        return results
