"""Owns advancing several sessions in one batch, each of which is used from a thread of its own.

It does not know what the sessions do. One thread of ours does all the work, in rounds: each round
forwards what every session at work asks for, all of it together. Sessions that are away (their
candidates are being run) are not waited for; they join the round that follows their return.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

import torch

from egbot.engine.batch import forward_all
from egbot.engine.decode import Session
from egbot.engine.driving import Meter
from egbot.engine.network import Network
from egbot.engine.opening import Opening, forward_prompt
from egbot.engine.piece import Forward, Piece, Result, Steps
from egbot.engine.store import Store
from egbot.ports import SessionCancelledError
from egbot.records import Prompt

T = TypeVar("T")

_GRACE_S = 0.003
"""A forward takes 20 to 200 ms; a thread needs well under one to come back."""


@dataclass(slots=True, eq=False)
class _Work:
    """What a session wants done, as far as it has come."""

    steps: Steps[Any]
    done: Future[Any] = field(default_factory=Future)
    asked: list[Piece] = field(default_factory=list)

    def go_on(self, results: list[Result] | BaseException | None) -> bool:
        """Work up to the next forward; False when it is done, well or not."""
        try:
            if results is None:
                self.asked = next(self.steps)
            elif isinstance(results, BaseException):
                self.asked = self.steps.throw(results)
            else:
                self.asked = self.steps.send(results)
        except StopIteration as end:
            self.done.set_result(end.value)
            return False
        except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
            self.done.set_exception(error)
            return False
        return True

    def cancel(self) -> None:
        """End it as cancelled."""
        self.steps.close()
        self.done.set_exception(SessionCancelledError())


class Group:
    """Implements ``egbot.ports.SessionGroup``. Use it in a ``with`` block.

    Where a pool of threads is left by the same ``with``, it stands in front of the group: the group
    is then left first, which ends the calls that the pool waits for.
    """

    def __init__(
        self,
        network: Network,
        *,
        log: list[Forward] | None = None,
        openings: Mapping[Prompt, Opening] | None = None,
    ) -> None:
        """A group without sessions. ``log`` is told every forward.

        ``openings`` are prompts that were read before; nobody else may use them meanwhile.
        """
        self._network = network
        self._log = log
        self._changed = threading.Condition()
        self._new: deque[_Work] = deque()
        self._is_cancelled = False
        self._num_just_done = 0
        self._openings = dict(openings or {})
        self._opening_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="egbot-engine", daemon=True)

    def open(self, prompt: Prompt) -> Session:
        """Start an answer. A prompt that was opened before is not read again.

        Raises ModelError when the prompt exceeds the context, SessionCancelledError when the group
        was cancelled.
        """
        with self._opening_lock:
            meter = Meter(self._network)
            if prompt not in self._openings:
                self._openings[prompt] = self._drive(forward_prompt(meter, prompt))
            opening = replace(self._openings[prompt], meter=meter)
            return Session(self._network, opening, drive=self._drive)

    def cancel(self) -> None:
        """End every call that is under way, and every later one, with SessionCancelledError."""
        with self._changed:
            self._is_cancelled = True
            self._changed.notify()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what is still under way and wait for the forward that is."""
        self.cancel()
        self._thread.join()

    def _drive(self, steps: Steps[T]) -> T:
        """Have ``steps`` done in the group's rounds; called in the sessions' threads."""
        work = _Work(steps)
        with self._changed:
            if self._is_cancelled:
                raise SessionCancelledError
            self._new.append(work)
            self._changed.notify()
        result: T = work.done.result()
        return result

    def _run(self) -> None:
        """The rounds, until the group is cancelled; whoever still waits is told so."""
        works: list[_Work] = []
        try:
            with _current(self._network.device):
                while self._admit(works):
                    self._round(works)
        finally:
            with self._changed:
                self._is_cancelled = True
                works += self._new
            for work in works:
                work.cancel()

    def _admit(self, works: list[_Work]) -> bool:
        """Start what has arrived, waiting for something to do; False when the group is cancelled.

        Sessions whose call has just ended mostly call again at once: they are given a moment.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_cancelled or len(self._new) >= self._num_just_done, _GRACE_S
            )
            self._changed.wait_for(lambda: self._is_cancelled or works or self._new)
            if self._is_cancelled:
                return False
            arrived = list(self._new)
            self._new.clear()
        works += [work for work in arrived if work.go_on(None)]
        return True

    def _round(self, works: list[_Work]) -> None:
        """Forward once for each work and let it go on; those that are done leave ``works``.

        Works with long pieces go first, alone, so that they are part of the batches that follow.
        """
        long = [work for work in works if not all(piece.is_small for piece in work.asked)]
        outcomes = [self._forward([work])[0] for work in long] if long else self._forward(works)
        chosen = long or list(works)
        for work, found in zip(chosen, outcomes, strict=True):
            if not work.go_on(found):
                works.remove(work)
        self._num_just_done = len(chosen) - len([work for work in chosen if work in works])

    def _forward(self, works: list[_Work]) -> list[list[Result] | BaseException]:
        """What each work asked for, or why it cannot be had; one's failure is nobody else's."""
        pieces = [piece for work in works for piece in work.asked]
        num_cells = [getattr(piece.cache, "num_cells", 0) for piece in pieces]
        try:
            results = iter(forward_all(self._network, pieces, self._log))
        except Exception as error:  # noqa: BLE001 - it is raised where the work was asked for
            if len(works) == 1:
                return [error]
            for piece, count in zip(pieces, num_cells, strict=True):
                if isinstance(piece.cache, Store):
                    piece.cache.cut(count)
            return [found for work in works for found in self._forward([work])]
        return [[next(results) for _ in work.asked] for work in works]


def _current(device: torch.device) -> AbstractContextManager[Any]:
    """Make ``device`` this thread's current one, on which torch opens streams and records."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
