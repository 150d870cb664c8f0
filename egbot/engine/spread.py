"""Owns who goes where: sessions spread over several groups, one for each device.

It does not know what a device is, nor how a group advances its sessions.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from egbot.ports import DecodeSession, SessionGroup
from egbot.records import Prompt


class Spread:
    """Implements ``egbot.ports.SessionGroup``. A session stays with the group that it began in."""

    def __init__(self, groups: Sequence[SessionGroup]) -> None:
        """Spread over ``groups``, at least one; none of them is entered yet."""
        self._groups = tuple(groups)
        self._lock = threading.Lock()
        self._num_sessions = [0] * len(self._groups)
        self._entered = ExitStack()

    def open(self, prompt: Prompt) -> DecodeSession:
        """Start an answer in the group with the fewest sessions so far, the first of these.

        Each group reads a prompt once. Raises what the group raises; that counts as no session.
        """
        with self._lock:
            place = self._num_sessions.index(min(self._num_sessions))
            self._num_sessions[place] += 1
        try:
            return self._groups[place].open(prompt)
        except BaseException:
            with self._lock:
                self._num_sessions[place] -= 1
            raise

    def cancel(self) -> None:
        """Cancel every group."""
        for group in self._groups:
            group.cancel()

    def __enter__(self) -> Self:
        """Enter every group; where one fails, those before it are left again."""
        with ExitStack() as entering:
            for group in self._groups:
                entering.enter_context(group)
            self._entered = entering.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel all before leaving any, so that their last forwards are waited for at once."""
        self.cancel()
        self._entered.close()
