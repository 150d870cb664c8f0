"""Records what one function does while a test runs: calls, lines, returns, exceptions.

It knows nothing of pytest. Only frames whose code lies in the function's own lines are followed
(nested functions, comprehensions and generators too).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.monitoring import MonitoringFeed
from sandbox.record import COUNT_FACTOR, MAX_CHANGES, Event, Record
from sandbox.reprs import Reprs
from sandbox.settrace import SettraceFeed

__all__ = ["COUNT_FACTOR", "FEEDS", "MAX_CHANGES", "Tracer"]

Feed = MonitoringFeed | SettraceFeed
FEEDS: tuple[Callable[[Record], Feed], ...] = (MonitoringFeed, SettraceFeed)
"""Where events come from, the cheapest first; one that cannot start leaves it to the next."""


class Tracer:
    """One test's trace of the function ``qualname``, whose definition spans ``lines`` of ``path``.

    ``path`` is the file name in the code objects. At most ``max_events`` events are kept.
    """

    feeds: Sequence[Callable[[Record], Feed]] = FEEDS

    def __init__(
        self, path: str, lines: range, qualname: str, max_events: int, reprs: Reprs
    ) -> None:
        self._record = Record(path, lines, qualname, max_events, reprs)
        self._record.on_end = self._pause
        self._feed: Feed | None = None
        self._num_starts = 0

    def start(self) -> None:
        """Begin or go on, in this thread and in those that it starts. Calls may nest."""
        self._num_starts += 1
        if self._num_starts > 1 or self._record.is_ended:
            return
        if self._feed is not None:
            self._feed.start()
            return
        for make in self.feeds:
            self._feed = make(self._record)
            if self._feed.start():
                return

    def stop(self) -> None:
        """Pause, and put back the trace function that was there before."""
        self._num_starts -= 1
        if self._num_starts == 0:
            self._pause()

    def close(self) -> None:
        """End: threads that go on are followed no more."""
        self._record.is_ended = True
        self._pause()
        if self._feed is not None:
            self._feed.close()

    def _pause(self) -> None:
        if self._feed is not None:
            self._feed.stop()

    @property
    def events(self) -> list[Event]:
        """The events so far: kind, function, line, depth, changes, value."""
        return self._record.events

    @property
    def num_dropped(self) -> int:
        """How many events did not fit."""
        return self._record.num_dropped

    def record(self) -> dict[str, Any]:
        """Return the trace as it travels."""
        keys = ("kind", "function", "line", "depth", "changes", "value")
        return {
            "events": [dict(zip(keys, event, strict=True)) for event in self.events],
            "num_dropped": self.num_dropped,
            "lines": self._record.lines_run,
        }
