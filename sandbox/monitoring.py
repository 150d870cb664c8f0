"""Feeds a record from ``sys.monitoring`` (CPython 3.12 and newer). It keeps no events itself.

Lines, returns and yields are asked for in the recorded function's code alone. Other code costs one
call when it first starts, and one for each exception, which cannot be asked for by code.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any

from sandbox.record import REPEATS_LINES, FrameRecord, Record

_TOOL_NAME = "egbot trace"
_TOOLS = (4, 3)  # 0, 1, 2 and 5 are spoken for


def monitoring_of(interpreter: Any = sys) -> Any:
    """Return ``sys.monitoring``, or None where the interpreter has none."""
    return getattr(interpreter, "monitoring", None)


class MonitoringFeed:
    """Follows all threads while it is on."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._monitoring = monitoring_of()
        self._tool = 0
        self._on = False
        self._frames: dict[FrameType, FrameRecord] = {}
        self._codes: dict[int, CodeType] = {}
        self._disable = getattr(self._monitoring, "DISABLE", None)

    def start(self) -> bool:
        """Begin or go on; False when the interpreter has no monitoring or no tool is free."""
        monitoring = self._monitoring
        if monitoring is None:
            return False
        for tool in _TOOLS:
            if monitoring.get_tool(tool) is None:
                self._tool = tool
                self._start(monitoring)
                return True
        return False

    def _start(self, monitoring: Any) -> None:
        self._on = True
        monitoring.use_tool_id(self._tool, _TOOL_NAME)
        for event, callback in self._callbacks(monitoring.events):
            monitoring.register_callback(self._tool, event, callback)
        for code in self._codes.values():
            self._ask(code)
        monitoring.restart_events()  # what an earlier record had no use for may be ours
        wanted = monitoring.events
        monitoring.set_events(
            self._tool,
            wanted.PY_START | wanted.PY_RESUME | wanted.PY_THROW | wanted.RAISE | wanted.PY_UNWIND,
        )

    def stop(self) -> None:
        """Pause."""
        if self._on:
            self._on = False
            monitoring = self._monitoring
            monitoring.set_events(self._tool, 0)
            for code in self._codes.values():
                monitoring.set_local_events(self._tool, code, 0)
            for event, _ in self._callbacks(monitoring.events):
                monitoring.register_callback(self._tool, event, None)
            monitoring.free_tool_id(self._tool)

    def close(self) -> None:
        """Nothing more will come."""
        self._frames.clear()

    def _callbacks(self, events: Any) -> list[tuple[int, Any]]:
        return [
            (events.PY_START, self._on_start),
            (events.PY_RESUME, self._on_start),
            (events.PY_THROW, self._on_throw),
            (events.LINE, self._on_line),
            (events.JUMP, self._on_jump),
            (events.RAISE, self._on_raise),
            (events.PY_RETURN, self._on_return),
            (events.PY_YIELD, self._on_yield),
            (events.PY_UNWIND, self._on_unwind),
        ]

    def _ask(self, code: CodeType) -> None:
        """Have the events of this code sent. JUMP tells loops that stand on one line."""
        events = self._monitoring.events
        wanted = events.LINE | events.JUMP | events.PY_RETURN | events.PY_YIELD
        self._monitoring.set_local_events(self._tool, code, wanted)

    def _on_start(self, code: CodeType, _offset: int) -> Any:
        record = self._record
        name = record.name_of(code)
        if name is None or record.is_ended:
            return self._disable
        if id(code) not in self._codes:
            self._codes[id(code)] = code
            self._ask(code)
        frame = sys._getframe(1)  # noqa: SLF001 (the only way to the frame)
        known = self._frames.get(frame)
        if known is None:
            self._frames[frame] = FrameRecord(record, frame, name)
        else:
            known.resume()
        return None

    def _on_throw(self, _code: CodeType, _offset: int, _error: BaseException) -> None:
        known = self._frames.get(sys._getframe(1))  # noqa: SLF001
        if known is not None and not self._record.is_ended:
            known.resume()

    def _on_line(self, _code: CodeType, line: int) -> None:
        frame = sys._getframe(1)  # noqa: SLF001
        known = self._frames.get(frame)
        if known is None or self._record.is_ended or (REPEATS_LINES and known.line == line):
            return
        known.begin_line(frame, line)

    def _on_jump(self, code: CodeType, offset: int, target: int) -> Any:
        """Take a jump back to the line that it is on for that line's beginning."""
        if target >= offset:
            return self._disable
        frame = sys._getframe(1)  # noqa: SLF001
        line = frame.f_lineno
        if _line_at(code, target) != line:  # the line's own event comes
            return self._disable
        known = self._frames.get(frame)
        if known is not None and not self._record.is_ended:
            known.begin_line(frame, line)
        return None

    def _on_raise(self, code: CodeType, _offset: int, error: BaseException) -> None:
        if id(code) in self._codes:
            frame = sys._getframe(1)  # noqa: SLF001
            known = self._frames.get(frame)
            if known is not None and not self._record.is_ended:
                known.fail(frame, type(error), error)

    def _on_return(self, _code: CodeType, _offset: int, value: object) -> None:
        frame = sys._getframe(1)  # noqa: SLF001
        known = self._frames.pop(frame, None)
        if known is not None and not self._record.is_ended:
            known.finish(frame, value)

    def _on_yield(self, _code: CodeType, _offset: int, value: object) -> None:
        frame = sys._getframe(1)  # noqa: SLF001
        known = self._frames.get(frame)
        if known is not None and not self._record.is_ended:
            known.suspend(frame, value)

    def _on_unwind(self, code: CodeType, _offset: int, _error: BaseException) -> None:
        if id(code) in self._codes:
            frame = sys._getframe(1)  # noqa: SLF001
            known = self._frames.pop(frame, None)
            if known is not None and not self._record.is_ended:
                known.unwind(frame)


def _line_at(code: CodeType, offset: int) -> int | None:
    """Return the line of the instruction at ``offset``."""
    for start, end, line in code.co_lines():
        if start <= offset < end:
            return line
    return None
