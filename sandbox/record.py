"""What is recorded of one traced function: its events, and what is known of each of its frames.

It does not know where events come from (see ``settrace`` and ``monitoring``). A line's event carries
the variables that running it changed, which is known when the frame's next event comes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from sandbox.reprs import ATOMS, Reprs, message_of, shorten

MAX_CHANGES = 64
MAX_CHARS = 256 * 1024
"""What the names and values of one trace may come to; a last outermost call may have a quarter more."""
COUNT_FACTOR = 20
"""Dropped events are counted up to this many times the limit; then tracing ends."""
TAIL_FACTOR = 4
"""And up to this many times, the last outermost call is kept as well: it is the one that failed."""

REPEATS_LINES = sys.version_info[:2] == (3, 12)
"""3.12 tells a line again where a jump leads into the middle of it."""

_ASYNC = 0x80 | 0x200  # coroutine, async generator
_HAS_QUALNAME = sys.version_info >= (3, 11)
_NOT_KEPT = object()

Event = list[Any]  # kind, function, line, depth, changes, value


class Record:
    """The events of the function ``qualname``, whose definition spans ``lines`` of ``path``.

    ``path`` is the file name in the code objects. At most ``max_events`` events are kept.
    ``on_end`` is called once when far more than that have come.
    """

    def __init__(
        self, path: str, lines: range, qualname: str, max_events: int, reprs: Reprs
    ) -> None:
        self.path = path
        self.max_events = max_events
        self.reprs = reprs
        self._head: list[Event] = []
        self._tail: list[Event] = []
        self._tail_room = 0
        self._num_dropped = 0
        self._lines_run: set[int] = set()
        self.num_chars = 0
        self.is_ended = False
        self.on_end: Callable[[], None] | None = None
        self._lines = lines
        self._qualname = qualname
        self._names: dict[int, str | None] = {}
        self._codes: list[CodeType] = []  # keeps the ids in _names from being used again
        self._depths: dict[int, int] = {}

    def name_of(self, code: CodeType) -> str | None:
        """Return the name under which frames of ``code`` are recorded; None: not at all."""
        key = id(code)
        if key in self._names:
            return self._names[key]
        name: str | None = None
        if code.co_filename == self.path and code.co_firstlineno in self._lines:
            name = self._full_name(code)
        self._names[key] = name
        self._codes.append(code)
        return name

    def _full_name(self, code: CodeType) -> str | None:
        if code.co_name == "<module>":  # a file imported late begins at line 1 too
            return None
        if _HAS_QUALNAME:
            return str(code.co_qualname)[:1000]
        last = self._qualname.rsplit(".", 1)[-1]
        if code.co_firstlineno == self._lines[0] and code.co_name == last:
            return self._qualname
        return f"{self._qualname}.<locals>.{code.co_name}"

    @property
    def events(self) -> list[Event]:
        """The first events; where there were too many, the last outermost call's after them."""
        tail = self._tail
        return self._head[: self.max_events - len(tail)] + tail

    @property
    def num_dropped(self) -> int:
        """How many events are left out."""
        tail = self._tail
        cut = max(0, len(self._head) + len(tail) - self.max_events)
        return self._num_dropped + cut

    @property
    def lines_run(self) -> list[int] | None:
        """The lines that ran, those of dropped events too; None where not all were followed."""
        if self._num_dropped > COUNT_FACTOR * self.max_events:
            return None
        return sorted(self._lines_run)

    def enter(self) -> int:
        """Count one more frame of the function on this thread; return how many were there."""
        thread = threading.get_ident()
        depth = self._depths.get(thread, 0)
        self._depths[thread] = depth + 1
        return depth

    def leave(self) -> None:
        """Count one frame less."""
        self._depths[threading.get_ident()] -= 1

    def note_line(self, line: int) -> None:
        """Remember that ``line`` ran, whether or not its event is kept."""
        self._lines_run.add(line)

    def begin_call(self) -> None:
        """An outermost call begins; where the limit is reached, it takes the last one's place."""
        if self._is_head_full:
            self._num_dropped += len(self._tail)
            self.num_chars = min(self.num_chars, MAX_CHARS)
            self._tail = []
            is_early = self._num_dropped <= TAIL_FACTOR * self.max_events
            self._tail_room = self.max_events // 4 if is_early else 0

    def add(self, event: Event) -> bool:
        """Keep an event, or count it as dropped and return False."""
        if len(self._head) < self.max_events and self.num_chars < MAX_CHARS:
            self._head.append(event)
            return True
        if not self.is_full:
            self._tail.append(event)
            return True
        self._num_dropped += 1
        if self._num_dropped > COUNT_FACTOR * self.max_events and not self.is_ended:
            self.is_ended = True
            if self.on_end is not None:
                self.on_end()
        return False

    @property
    def is_full(self) -> bool:
        """Would the next event be dropped?"""
        is_tail_full = len(self._tail) >= self._tail_room or self.num_chars >= MAX_CHARS * 5 // 4
        return self._is_head_full and is_tail_full

    @property
    def _is_head_full(self) -> bool:
        return len(self._head) >= self.max_events or self.num_chars >= MAX_CHARS


class FrameRecord:
    """What is known of one frame between two of its events. Made when the frame starts.

    ``line`` is the line that began last.
    """

    __slots__ = ("_depth", "_errors", "_name", "_pending", "_raising", "_record", "_seen", "line")

    def __init__(self, record: Record, frame: FrameType, name: str) -> None:
        self._record = record
        self._name = name
        self._depth = record.enter()
        self._seen: dict[str, tuple[Any, str]] = {}
        self._pending: Event | None = None
        self._raising: Event | None = None
        self._errors: list[str] = []
        self.line = 0
        if self._depth == 0:
            record.begin_call()
        event: Event = ["call", name, frame.f_lineno, self._depth, [], None]
        if not record.is_full:
            self._note_changes(frame, event)
        record.add(event)

    @property
    def is_raising(self) -> bool:
        """Has an exception been raised, or passed on, since the last line began?"""
        return self._raising is not None

    def resume(self) -> None:
        """The frame, a generator's or a coroutine's, goes on.

        What was sent in is assigned by the line that waited, so that line stays pending.
        """
        self._depth = self._record.enter()

    def begin_line(self, frame: FrameType, line: int) -> None:
        """A line begins, and the one before is over."""
        pending = self._pending
        if pending is not None:
            self._note_changes(frame, pending)
        self._raising = None
        self.line = line
        self._record.note_line(line)
        event: Event = ["line", self._name, line, self._depth, [], None]
        self._pending = event if self._record.add(event) else None

    def fail(self, frame: FrameType, kind: type, error: object) -> None:
        """An exception was raised in the frame, or came out of a call that it made."""
        if self._pending is not None:
            self._note_changes(frame, self._pending)
        self._raising = []
        if kind is GeneratorExit:  # closing a generator is no news, and 3.13.0 does not tell it
            return
        max_chars = self._record.reprs.max_chars
        text = kind.__name__
        if isinstance(error, BaseException):
            message = message_of(error, max_chars)
            text = f"{text}: {message}" if message else text
        text = shorten(text, max_chars)
        event: Event = ["exception", self._name, frame.f_lineno, self._depth, [], text]
        if kind is StopIteration or kind is StopAsyncIteration:
            self._raising = event  # how an iterator ends is no news unless it leaves the function
            return
        self._record.add(event)
        if text not in self._errors and len(self._errors) < 2:
            self._errors.append(text)

    def finish(self, frame: FrameType, value: object) -> None:
        """The frame returns."""
        self._give(frame, value)
        self._leave()

    def suspend(self, frame: FrameType, value: object) -> None:
        """The frame yields; what a coroutine tells its event loop is not shown."""
        pending = self._pending
        if frame.f_code.co_flags & _ASYNC:
            if pending is not None:
                self._note_changes(frame, pending)
        else:
            self._give(frame, value)
        self._pending = pending
        self._raising = None
        self._record.leave()

    def unwind(self, frame: FrameType) -> None:
        """An exception leaves the frame.

        It has been recorded where it was raised, and is once more if lines have run since (of a
        ``finally``, or a ``with``), unless there were several and it is not known which one left.
        """
        if self._pending is not None:
            self._note_changes(frame, self._pending)
        if self._raising:
            self._record.add(self._raising)
        elif self._raising is None and len(self._errors) == 1:
            line, text = frame.f_lineno, self._errors[0]
            self._record.add(["exception", self._name, line, self._depth, [], text])
        self._leave()

    def _give(self, frame: FrameType, value: object) -> None:
        if self._pending is not None:
            self._note_changes(frame, self._pending)
        record = self._record
        text = None if record.is_full else record.reprs(value)
        record.add(["return", self._name, frame.f_lineno, self._depth, [], text])

    def _leave(self) -> None:
        self._pending = self._raising = None
        self._record.leave()
        self._seen = {}

    def _note_changes(self, frame: FrameType, event: Event) -> None:
        """Add the variables that are new or look different since the last event to ``event``.

        Only values that never change are held on to, so that no object lives longer than it would.
        """
        seen = self._seen
        reprs = self._record.reprs
        variables = frame.f_locals
        changes: list[list[str]] = event[4]
        for name, value in variables.items():
            before = seen.get(name)
            if type(value) in ATOMS:
                if before is not None and before[0] is value:
                    continue
                kept = value
            else:
                kept = _NOT_KEPT
            if before is None and (name[:2] == "__" or not name.isidentifier()):
                continue  # what Python itself keeps there
            text = reprs(value)
            seen[name] = (kept, text)
            if before is None or before[1] != text:
                changes.append([name, text])
                self._record.num_chars += len(name) + len(text)
        if len(seen) > len(variables):
            for name in [name for name in seen if name not in variables]:
                del seen[name]
        if len(changes) > MAX_CHANGES:
            more = len(changes) - MAX_CHANGES
            changes[MAX_CHANGES:] = [["...", f"{more} more variables"]]
