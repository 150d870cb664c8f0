"""Records what one function does while a test runs: calls, lines, returns, exceptions.

It knows nothing of pytest. Only frames whose code lies in the function's own lines are followed
(nested functions, comprehensions and generators too); all others cost one comparison a call. A
line's event carries the variables that running it changed, which is known when the frame's next
event comes.
"""

from __future__ import annotations

import dis
import sys
import threading
from types import CodeType, FrameType
from typing import Any, List

from sandbox.reprs import ATOMS, Reprs, message_of, shorten

MAX_CHANGES = 64
COUNT_FACTOR = 20
"""Dropped events are counted up to this many times the limit; then tracing ends."""

_GENERATOR = 0x20
_SUSPENDS = 0x80 | 0x200  # coroutine, async generator
_HAS_QUALNAME = sys.version_info >= (3, 11)

Event = List[Any]  # kind, function, line, depth, changes, value


class Tracer:
    """One test's trace of the function ``qualname``, whose definition spans ``lines`` of ``path``.

    ``path`` is the file name in the code objects. At most ``max_events`` events are kept.
    """

    def __init__(
        self, path: str, lines: range, qualname: str, max_events: int, reprs: Reprs
    ) -> None:
        self._path = path
        self._lines = lines
        self._qualname = qualname
        self._max_events = max_events
        self._reprs = reprs
        self._known: dict[int, str | None] = {}
        self._codes: list[CodeType] = []  # keeps the ids in _known from being used again
        self._depths: dict[int, int] = {}
        self._previous: Any = None
        self._num_starts = 0
        self._ended = False
        self.events: list[Event] = []
        self.num_dropped = 0

    def start(self) -> None:
        """Begin or go on, in this thread and in those that it starts. Calls may nest."""
        self._num_starts += 1
        if self._num_starts == 1 and not self._ended:
            self._previous = sys.gettrace()
            threading.settrace(self._on_call)
            sys.settrace(self._on_call)

    def stop(self) -> None:
        """Pause, and put back the trace function that was there before."""
        self._num_starts -= 1
        if self._num_starts == 0:
            sys.settrace(self._previous)
            threading.settrace(self._previous)

    def close(self) -> None:
        """End: threads that go on are followed no more."""
        self._ended = True

    def record(self) -> dict[str, Any]:
        """Return the trace as it travels."""
        keys = ("kind", "function", "line", "depth", "changes", "value")
        return {
            "events": [dict(zip(keys, event)) for event in self.events],
            "num_dropped": self.num_dropped,
        }

    def _on_call(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        code = frame.f_code
        if code.co_filename != self._path:
            return None
        key = id(code)
        if key in self._known:
            name = self._known[key]
        else:
            name = self._classify(code)
        if name is None or self._ended:
            return None
        earlier = getattr(frame.f_trace, "__self__", None)
        if type(earlier) is _FrameTrace:  # a generator or coroutine goes on
            earlier.resume()
            return earlier.on_event
        return _FrameTrace(self, frame, name).on_event

    def _classify(self, code: CodeType) -> str | None:
        name: str | None = None
        if code.co_firstlineno in self._lines:
            if _HAS_QUALNAME:
                name = code.co_qualname
            elif code.co_firstlineno == self._lines[0] and code.co_name == _last(self._qualname):
                name = self._qualname
            else:
                name = f"{self._qualname}.<locals>.{code.co_name}"
        self._known[id(code)] = name
        self._codes.append(code)
        return name

    def enter(self) -> int:
        """Count one more frame of the function on this thread; return how many were there."""
        thread = threading.get_ident()
        depth = self._depths.get(thread, 0)
        self._depths[thread] = depth + 1
        return depth

    def leave(self) -> None:
        """Count one frame less."""
        self._depths[threading.get_ident()] -= 1

    def add(self, event: Event) -> bool:
        """Keep an event, or count it as dropped and return False."""
        if len(self.events) < self._max_events:
            self.events.append(event)
            return True
        self.num_dropped += 1
        if self.num_dropped > COUNT_FACTOR * self._max_events and not self._ended:
            self._ended = True
            sys.settrace(self._previous)
        return False

    @property
    def is_full(self) -> bool:
        """Would the next event be dropped?"""
        return len(self.events) >= self._max_events

    @property
    def is_ended(self) -> bool:
        """Is nothing recorded or counted any more?"""
        return self._ended

    @property
    def reprs(self) -> Reprs:
        """What makes the texts."""
        return self._reprs


class _FrameTrace:
    """What is known of one frame between two of its events."""

    __slots__ = ("_depth", "_name", "_pending", "_raising", "_seen", "_suspended", "_tracer")

    def __init__(self, tracer: Tracer, frame: FrameType, name: str) -> None:
        self._tracer = tracer
        self._name = name
        self._depth = tracer.enter()
        self._seen: dict[str, tuple[Any, str]] = {}
        self._pending: Event | None = None
        self._raising: Event | None = None
        self._suspended: Event | None = None
        if tracer.is_full:
            tracer.add([])
        else:
            arguments = self._changes(frame)
            tracer.add(["call", name, frame.f_lineno, self._depth, arguments, None])

    def resume(self) -> None:
        """The frame, a generator's or a coroutine's, goes on."""
        self._depth = self._tracer.enter()
        self._pending = self._suspended  # what was sent in is assigned by the line that waited

    def on_event(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Take one trace event of the frame (the local trace function)."""
        if self._tracer.is_ended:
            frame.f_trace = None
            return None
        pending = self._pending
        if pending is not None:
            pending[4] += self._changes(frame)
            self._pending = None
        if event == "line":
            self._raising = None
            line: Event = ["line", self._name, frame.f_lineno, self._depth, [], None]
            if self._tracer.add(line):
                self._pending = line
        elif event == "exception":
            self._on_exception(frame, arg)
        elif event == "return":
            self._suspended = pending
            self._on_return(frame, arg)
        return self.on_event

    def _on_exception(self, frame: FrameType, arg: Any) -> None:
        kind, error = arg[0], arg[1]
        text = kind.__name__
        if isinstance(error, BaseException):
            message = message_of(error, self._tracer.reprs.max_chars)
            text = f"{text}: {message}" if message else text
        text = shorten(text, self._tracer.reprs.max_chars)
        event: Event = ["exception", self._name, frame.f_lineno, self._depth, [], text]
        self._raising = event
        # How an iterator ends is no news unless it leaves the function.
        if kind is not StopIteration and kind is not StopAsyncIteration:
            self._tracer.add(event)
            self._raising = []

    def _on_return(self, frame: FrameType, arg: Any) -> None:
        code = frame.f_code
        opname = _opname(frame) if arg is None or code.co_flags & _SUSPENDS else "RETURN_VALUE"
        unwinding = arg is None and self._raising is not None and "RETURN" not in opname
        suspends = "RETURN" not in opname and not unwinding and code.co_flags & _SUSPENDS
        if unwinding:
            if self._raising:
                self._tracer.add(self._raising)
        elif not suspends:
            text = None if self._tracer.is_full else self._tracer.reprs(arg)
            self._tracer.add(["return", self._name, frame.f_lineno, self._depth, [], text])
        self._raising = None
        self._tracer.leave()
        if not code.co_flags & (_GENERATOR | _SUSPENDS):
            self._seen = {}

    def _changes(self, frame: FrameType) -> list[list[str]]:
        """Return the variables that are new or look different since the last event."""
        changes: list[list[str]] = []
        seen = self._seen
        reprs = self._tracer.reprs
        variables = frame.f_locals
        for name, value in variables.items():
            before = seen.get(name)
            if before is not None and before[0] is value and type(value) in ATOMS:
                continue
            if not (name.isidentifier() and name != "__class__"):
                continue
            text = reprs(value)
            if before is None or before[1] != text:
                changes.append([name, text])
            seen[name] = (value, text)
        if len(seen) > len(variables):
            for name in [name for name in seen if name not in variables]:
                del seen[name]
        return changes[:MAX_CHANGES]


def _opname(frame: FrameType) -> str:
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] if frame.f_lasti >= 0 else ""


def _last(qualname: str) -> str:
    return qualname.rsplit(".", 1)[-1]
