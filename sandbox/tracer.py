"""Records what one function does while a test runs: calls, lines, returns, exceptions.

It knows nothing of pytest. Only frames whose code lies in the function's own lines are followed
(nested functions, comprehensions and generators too). ``sys.monitoring``, where there is one (from
CPython 3.12 on), costs other code one call when it first starts, and one for each exception;
``sys.settrace`` slows other code down, as much as seven times.
"""

from __future__ import annotations

import dis
import sys
import threading
from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Any

from sandbox.record import FrameRecord, Record

_TOOL = 4  # of sys.monitoring; no tool that is known takes it
_REPEATS_LINES = sys.version_info[:2] == (3, 12)
"""3.12 tells a line again where a jump leads into the middle of it."""
_YIELD_FROM = bytes([dis.opmap.get("YIELD_FROM", 0)])


class MonitoringFeed:
    """Follows all threads while it is on."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._monitoring: Any = getattr(sys, "monitoring", None)
        self._on = False
        self._frames: dict[FrameType, FrameRecord] = {}
        self._codes: dict[int, CodeType] = {}

    def start(self) -> bool:
        """Begin or go on; False when the interpreter has no monitoring or another tool is at it."""
        monitoring = self._monitoring
        if monitoring is None or monitoring.get_tool(_TOOL) is not None:
            return False
        self._on = True
        monitoring.use_tool_id(_TOOL, "egbot trace")
        for event, callback in self._callbacks().items():
            monitoring.register_callback(_TOOL, event, callback)
        for code in self._codes.values():
            self._ask(code)
        monitoring.restart_events()  # what an earlier record had no use for may be ours
        told = monitoring.events
        everywhere = told.PY_START | told.PY_RESUME | told.PY_THROW | told.RAISE | told.PY_UNWIND
        monitoring.set_events(_TOOL, everywhere)
        return True

    def stop(self) -> None:
        """Pause."""
        if self._on:
            self._on = False
            monitoring = self._monitoring
            monitoring.set_events(_TOOL, 0)
            for code in self._codes.values():
                monitoring.set_local_events(_TOOL, code, 0)
            for event in self._callbacks():
                monitoring.register_callback(_TOOL, event, None)
            monitoring.free_tool_id(_TOOL)

    def _callbacks(self) -> dict[int, Callable[..., Any]]:
        events = self._monitoring.events
        return {
            events.PY_START: self._on_start,
            events.PY_RESUME: self._on_start,
            events.PY_THROW: self._teller(FrameRecord.resume),
            events.LINE: self._on_line,
            events.JUMP: self._on_jump,
            events.RAISE: self._teller(FrameRecord.fail),
            events.PY_RETURN: self._teller(FrameRecord.finish, ends=True),
            events.PY_YIELD: self._teller(FrameRecord.suspend),
            events.PY_UNWIND: self._teller(FrameRecord.unwind, ends=True),
        }

    def _ask(self, code: CodeType) -> None:
        """Have the events of this code sent. JUMP tells loops that stand on one line."""
        events = self._monitoring.events
        wanted = events.LINE | events.JUMP | events.PY_RETURN | events.PY_YIELD
        self._monitoring.set_local_events(_TOOL, code, wanted)

    def _teller(self, told: Callable[..., None], ends: bool = False) -> Callable[..., None]:
        """Return the callback of an event that a frame is told with its value."""

        def callback(_code: CodeType, _offset: int, value: object) -> None:
            frame = sys._getframe(1)  # noqa: SLF001 (the only way to the frame)
            known = self._frames.get(frame)
            if ends:
                self._frames.pop(frame, None)
            if known is not None and not self._record.is_ended:
                told(known, frame, value)

        return callback

    def _on_start(self, code: CodeType, _offset: int) -> Any:
        name = self._record.name_of(code)
        if name is None or self._record.is_ended:
            return self._monitoring.DISABLE
        if id(code) not in self._codes:
            self._codes[id(code)] = code
            self._ask(code)
        frame = sys._getframe(1)  # noqa: SLF001
        known = self._frames.get(frame)
        if known is None:
            self._frames[frame] = FrameRecord(self._record, frame, name)
        else:
            known.resume()
        return None

    def _on_line(self, _code: CodeType, line: int) -> None:
        frame = sys._getframe(1)  # noqa: SLF001
        known = self._frames.get(frame)
        if known is None or self._record.is_ended or (_REPEATS_LINES and known.line == line):
            return
        known.begin_line(frame, line)

    def _on_jump(self, code: CodeType, offset: int, target: int) -> Any:
        """Take a jump back to the line that it is on for that line's beginning."""
        frame = sys._getframe(1)  # noqa: SLF001
        line = frame.f_lineno
        starts = (one for start, end, one in code.co_lines() if start <= target < end)
        if target >= offset or next(starts, None) != line:  # the line's own event comes
            return self._monitoring.DISABLE
        known = self._frames.get(frame)
        if known is not None and not self._record.is_ended:
            known.begin_line(frame, line)
        return None


class SettraceFeed:
    """Follows this thread and those that it starts."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._previous: Any = None
        self._on = False

    def start(self) -> bool:
        """Begin or go on."""
        self._previous = sys.gettrace()
        self._on = True
        threading.settrace(self._on_call)
        sys.settrace(self._on_call)
        return True

    def stop(self) -> None:
        """Pause, and put back the trace function that was there before."""
        if self._on:
            self._on = False
            sys.settrace(self._previous)
            threading.settrace(self._previous)

    def _on_call(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        code = frame.f_code
        if code.co_filename != self._record.path:
            return None
        name = self._record.name_of(code)
        if name is None or self._record.is_ended:
            return None
        known = getattr(frame.f_trace, "__self__", None)
        if type(known) is _TracedFrame:  # a generator or coroutine goes on
            known.resume()
            return frame.f_trace
        return _TracedFrame(self._record, frame, name).on_event


class _TracedFrame(FrameRecord):
    """Takes the events of one frame."""

    __slots__ = ()

    def on_event(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Take one event (the frame's local trace function)."""
        if self.record.is_ended:
            frame.f_trace = None
            return None
        if event == "line":
            if not (_REPEATS_LINES and self._goes_on(frame)):
                self.begin_line(frame, frame.f_lineno)
        elif event == "exception":
            self.fail(frame, arg[1])
        elif event == "return":
            self._on_return(frame, arg)
        return self.on_event

    def _goes_on(self, frame: FrameType) -> bool:
        """Is the frame further on the line that it was on, and not where a loop begins?"""
        if frame.f_lineno != self.line:
            return False
        jumps = (one for one in dis.get_instructions(frame.f_code) if "JUMP_BACK" in one.opname)
        return frame.f_lasti not in {one.argval for one in jumps}

    def _on_return(self, frame: FrameType, arg: Any) -> None:
        """Tell a return, a yield and an exception apart: all three come as a "return".

        An exception thrown into a generator leaves it where it yielded.
        """
        opname = _opname(frame)
        yields = "YIELD" in opname or opname in ("SEND", "RESUME")
        if "RETURN" in opname:
            self.finish(frame, arg)
        elif arg is None and (self.raising is not None or not yields):
            self.unwind(frame)
        else:
            self.suspend(frame, arg)


def _opname(frame: FrameType) -> str:
    code, place = frame.f_code.co_code, frame.f_lasti
    if place < 0:
        return ""
    if sys.version_info < (3, 11) and code[place + 2 : place + 3] == _YIELD_FROM:
        place += 2  # it is run again for each value, so the frame stands before it
    return dis.opname[code[place]]


Feed = MonitoringFeed | SettraceFeed
FEEDS: tuple[Callable[[Record], Feed], ...] = (MonitoringFeed, SettraceFeed)
"""Where events come from, the cheapest first; one that cannot start leaves it to the next."""


class Tracer(Record):
    """The record of one test; its parameters are a record's."""

    feeds: Sequence[Callable[[Record], Feed]] = FEEDS
    _num_starts = 0
    _made: Sequence[Feed] = ()

    def start(self) -> None:
        """Begin or go on, in this thread and in those that it starts. Calls may nest."""
        self._num_starts += 1
        if self._num_starts == 1 and not self.is_ended:
            self._made = self._made or [make(self) for make in self.feeds]
            next(feed for feed in self._made if feed.start())

    def stop(self) -> None:
        """Pause, and put back the trace function that was there before."""
        self._num_starts -= 1
        if self._num_starts == 0:
            self._pause()

    def close(self) -> None:  # type: ignore[explicit-override]  # from Python 3.12 on
        """End: threads that go on are followed no more."""
        super().close()
        self._pause()
        self._made = ()

    def _pause(self) -> None:
        for feed in self._made:
            feed.stop()
