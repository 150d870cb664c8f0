"""Feeds a record from ``sys.settrace``, which every CPython has. It keeps no events itself.

Frames of other code cost one comparison a call.
"""

from __future__ import annotations

import dis
import sys
import threading
from types import FrameType
from typing import Any

from sandbox.record import REPEATS_LINES, FrameRecord, Record

_YIELD_FROM = bytes([dis.opmap.get("YIELD_FROM", 0)])


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

    def close(self) -> None:
        """Nothing more will come. Frames that still run let go at their next event."""

    def _on_call(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        record = self._record
        code = frame.f_code
        if code.co_filename != record.path:
            return None
        name = record.name_of(code)
        if name is None or record.is_ended:
            return None
        earlier = getattr(frame.f_trace, "__self__", None)
        if type(earlier) is _Local:  # a generator or coroutine goes on
            earlier.known.resume()
            return earlier.on_event
        return _Local(record, FrameRecord(record, frame, name)).on_event


class _Local:
    """Takes the events of one frame."""

    __slots__ = ("_record", "known")

    def __init__(self, record: Record, known: FrameRecord) -> None:
        self._record = record
        self.known = known

    def on_event(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Take one event (the frame's local trace function)."""
        if self._record.is_ended:
            frame.f_trace = None
            return None
        if event == "line":
            if not (REPEATS_LINES and self._goes_on(frame)):
                self.known.begin_line(frame, frame.f_lineno)
        elif event == "exception":
            self.known.fail(frame, arg[0], arg[1])
        elif event == "return":
            self._on_return(frame, arg)
        return self.on_event

    def _goes_on(self, frame: FrameType) -> bool:
        """Is the frame further on the line that it was on, and not where a loop begins?"""
        if frame.f_lineno != self.known.line:
            return False
        jumps = (one for one in dis.get_instructions(frame.f_code) if "JUMP_BACK" in one.opname)
        return frame.f_lasti not in {one.argval for one in jumps}

    def _on_return(self, frame: FrameType, arg: Any) -> None:
        """Tell a return, a yield and an exception apart: all three come as a "return"."""
        opname = _opname(frame)
        if arg is None and _unwinds(opname, self.known.is_raising):
            self.known.unwind(frame)
        elif "RETURN" in opname:
            self.known.finish(frame, arg)
        else:
            self.known.suspend(frame, arg)


def _unwinds(opname: str, is_raising: bool) -> bool:
    """An exception thrown into a generator leaves it where it yielded."""
    if "RETURN" in opname:
        return False
    return is_raising or not ("YIELD" in opname or opname in ("SEND", "RESUME"))


def _opname(frame: FrameType) -> str:
    code, place = frame.f_code.co_code, frame.f_lasti
    if place < 0:
        return ""
    if sys.version_info < (3, 11) and code[place + 2 : place + 3] == _YIELD_FROM:
        place += 2  # it is run again for each value, so the frame stands before it
    return dis.opname[code[place]]
