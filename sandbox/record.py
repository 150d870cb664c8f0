"""What is recorded of one traced function: its events, and what is known of each of its frames.

It does not know where events come from (see ``tracer``). A line's event carries the variables that
running it changed, which is known when the frame's next event comes.
"""

from __future__ import annotations

import threading
from collections import Counter
from types import CodeType, FrameType
from typing import Any

from sandbox.impostor import equals_anything
from sandbox.reprs import ATOMS, Reprs, message_of, shorten

MAX_CHANGES = 64
MAX_CHARS = 256 * 1024
"""What the names and values of one trace may come to; a last outermost call may have a quarter more."""
COUNT_FACTOR = 20
"""Dropped events are counted up to this many times the limit; then tracing ends."""
TAIL_FACTOR = 4
"""And up to this many times, the last outermost call is kept as well: it is the one that failed."""

_ASYNC = 0x80 | 0x200  # coroutine, async generator
_NOT_KEPT = object()

Event = list[Any]  # kind, function, line, depth, changes, value
_KEYS = ("kind", "function", "line", "depth", "changes", "value")


class Record:
    """The events of the function ``qualname``, whose definition spans ``lines`` of ``path``.

    ``path`` is the file name in the code objects. At most ``max_events`` events are kept; when far
    more have come, it is closed.
    """

    def __init__(
        self, path: str, lines: range, qualname: str, max_events: int, reprs: Reprs
    ) -> None:
        self.path = path
        self.max_events = max_events
        self.reprs = reprs
        self.num_chars = 0
        self.is_ended = False
        self.impostor = ""  # the class of a result that is equal to anything
        self.lines_run: set[int] = set()
        self.depths: Counter[int] = Counter()
        """How many frames of the function each thread is in."""
        self._head: list[Event] = []
        self._tail: list[Event] = []
        self._tail_room = 0
        self._num_dropped = 0
        self._lines = lines
        self._qualname = qualname
        self._names: dict[int, tuple[CodeType, str | None]] = {}

    def name_of(self, code: CodeType) -> str | None:
        """Return the name under which frames of ``code`` are recorded; None: not at all."""
        known = self._names.get(id(code))  # by value, a look at its code would take longer
        if known is None:
            known = self._names[id(code)] = (code, self._full_name(code))
        return known[1]

    def _full_name(self, code: CodeType) -> str | None:
        is_ours = code.co_filename == self.path and code.co_firstlineno in self._lines
        if not is_ours or code.co_name == "<module>":  # a file imported late begins at line 1 too
            return None
        name = getattr(code, "co_qualname", None)  # from Python 3.11 on
        if name is not None:
            return str(name)[:1000]
        last = self._qualname.rsplit(".", 1)[-1]
        if code.co_firstlineno == self._lines[0] and code.co_name == last:
            return self._qualname
        return f"{self._qualname}.<locals>.{code.co_name}"

    @property
    def events(self) -> list[Event]:
        """The first events; where there were too many, the last outermost call's after them."""
        return self._head[: self.max_events - len(self._tail)] + self._tail

    @property
    def num_dropped(self) -> int:
        """How many events are left out."""
        cut = max(0, len(self._head) + len(self._tail) - self.max_events)
        return self._num_dropped + cut

    def told(self) -> dict[str, Any]:
        """Return the trace as it travels, with the lines that ran where all were followed."""
        is_whole = self._num_dropped <= COUNT_FACTOR * self.max_events
        return {
            "events": [dict(zip(_KEYS, event, strict=True)) for event in self.events],
            "num_dropped": self.num_dropped,
            "lines": sorted(self.lines_run) if is_whole else None,
        }

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
        if not self._is_head_full:
            self._head.append(event)
            return True
        if not self.is_full:
            self._tail.append(event)
            return True
        self._num_dropped += 1
        if self._num_dropped > COUNT_FACTOR * self.max_events and not self.is_ended:
            self.close()
        return False

    def close(self) -> None:
        """Nothing more is recorded."""
        self.is_ended = True

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

    ``line`` is the line that began last. ``raising`` is None unless an exception was raised, or
    passed on, since then; else the event that tells it when it leaves the frame, or nothing.
    """

    __slots__ = ("_depth", "_errors", "_name", "_pending", "_seen", "line", "raising", "record")

    def __init__(self, record: Record, frame: FrameType, name: str) -> None:
        self.record = record
        self.line = 0
        self.raising: Event | None = None
        self._name = name
        self._seen: dict[str, tuple[Any, str]] = {}
        self._pending: Event | None = None
        self._errors: list[str] = []
        self.resume()
        if self._depth == 0:
            record.begin_call()
        event: Event = ["call", name, frame.f_lineno, self._depth, [], None]
        if not record.is_full:
            self._note_changes(frame, event)
        record.add(event)

    def resume(self, *_: object) -> None:
        """The frame begins, or, a generator's or a coroutine's, goes on.

        What was sent in is assigned by the line that waited, so that line stays pending.
        """
        thread = threading.get_ident()
        self._depth = self.record.depths[thread]
        self.record.depths[thread] += 1

    def _leave(self) -> None:
        self.record.depths[threading.get_ident()] -= 1

    def begin_line(self, frame: FrameType, line: int) -> None:
        """A line begins, and the one before is over."""
        self._note_changes(frame, self._pending)
        self.raising = None
        self.line = line
        self.record.lines_run.add(line)
        event: Event = ["line", self._name, line, self._depth, [], None]
        self._pending = event if self.record.add(event) else None

    def fail(self, frame: FrameType, error: BaseException) -> None:
        """An exception was raised in the frame, or came out of a call that it made."""
        self._note_changes(frame, self._pending)
        self.raising = []
        kind = type(error)
        if kind is GeneratorExit:  # closing a generator is no news, and 3.13.0 does not tell it
            return
        max_chars = self.record.reprs.max_chars
        message = message_of(error, max_chars)
        text = shorten(f"{kind.__name__}: {message}" if message else kind.__name__, max_chars)
        event: Event = ["exception", self._name, frame.f_lineno, self._depth, [], text]
        if kind is StopIteration or kind is StopAsyncIteration:
            self.raising = event  # how an iterator ends is no news unless it leaves the function
            return
        self.record.add(event)
        if text not in self._errors and len(self._errors) < 2:
            self._errors.append(text)

    def finish(self, frame: FrameType, value: object) -> None:
        """The frame returns."""
        self._judge(value)
        self._give(frame, value)
        self._leave()

    def suspend(self, frame: FrameType, value: object) -> None:
        """The frame yields; what a coroutine tells its event loop is not shown."""
        if frame.f_code.co_flags & _ASYNC:
            self._note_changes(frame, self._pending)
        else:
            self._judge(value)
            self._give(frame, value)
        self.raising = None
        self._leave()

    def _judge(self, value: object) -> None:
        if self._depth == 0 and not self.record.impostor and equals_anything(value):
            self.record.impostor = type(value).__qualname__[:200]

    def unwind(self, frame: FrameType, *_: object) -> None:
        """An exception leaves the frame.

        It has been recorded where it was raised, and is once more if lines have run since (of a
        ``finally``, or a ``with``), unless there were several and it is not known which one left.
        """
        self._note_changes(frame, self._pending)
        if self.raising:
            self.record.add(self.raising)
        elif self.raising is None and len(self._errors) == 1:
            line, text = frame.f_lineno, self._errors[0]
            self.record.add(["exception", self._name, line, self._depth, [], text])
        self._leave()

    def _give(self, frame: FrameType, value: object) -> None:
        self._note_changes(frame, self._pending)
        text = None if self.record.is_full else self.record.reprs(value)
        self.record.add(["return", self._name, frame.f_lineno, self._depth, [], text])

    def _note_changes(self, frame: FrameType, event: Event | None) -> None:
        """Add the variables that are new or look different since the last event to ``event``.

        Only values that never change are held on to, so that no object lives longer than it would.
        """
        if event is None:
            return
        seen = self._seen
        reprs = self.record.reprs
        variables = frame.f_locals
        changes: list[list[str]] = event[4]
        for name, value in variables.items():
            before = seen.get(name)
            kept = value if type(value) in ATOMS else _NOT_KEPT
            if before is not None and kept is not _NOT_KEPT and before[0] is value:
                continue
            if before is None and (name[:2] == "__" or not name.isidentifier()):
                continue  # what Python itself keeps there
            text = reprs(value)
            seen[name] = (kept, text)
            if before is None or before[1] != text:
                changes.append([name, text])
                self.record.num_chars += len(name) + len(text)
        for name in seen.keys() - variables.keys():
            del seen[name]
        if len(changes) > MAX_CHANGES:
            more = len(changes) - MAX_CHANGES
            changes[MAX_CHANGES:] = [["...", f"{more} more variables"]]
