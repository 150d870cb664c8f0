"""Owns ending work that does not look at the clock itself: builds, downloads, loading a model."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from egbot.errors import OutOfTimeError

_AGAIN_S = 2.0  # Python swallows what is raised in a callback of the import system, for instance
_LONGEST_S = 1e7
_held: list[None] = []  # one for each block that is not to be interrupted


class _LateError(BaseException):
    """Raised where the work is, as KeyboardInterrupt is on Ctrl-C."""


@contextmanager
def ended_after(left_s: float, what: str) -> Iterator[None]:
    """Raise OutOfTimeError, which names ``what``, unless the block ends within ``left_s`` seconds.

    Only the main thread can be interrupted; elsewhere a block that has begun ends when it does.
    """
    if left_s <= 0:
        raise OutOfTimeError(what)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    begun_s = time.monotonic()
    handler = signal.signal(signal.SIGALRM, _raise)
    before_s, interval_s = signal.setitimer(signal.ITIMER_REAL, min(left_s, _LONGEST_S), _AGAIN_S)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
            if before_s:  # somebody else's alarm
                rest_s = before_s - (time.monotonic() - begun_s)
                signal.setitimer(signal.ITIMER_REAL, max(rest_s, 0.001), interval_s)
    except _LateError:
        raise OutOfTimeError(what) from None


@contextmanager
def held() -> Iterator[None]:
    """Put the end off until after the block, which starts what must have somebody who ends it."""
    _held.append(None)
    try:
        yield
    finally:
        _held.pop()


def _raise(*_: object) -> None:
    if not _held:
        raise _LateError
    signal.setitimer(signal.ITIMER_REAL, 0.01, _AGAIN_S)
