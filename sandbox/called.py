"""Which of the repository's functions run while the tests are collected. It keeps nothing else.

A function that ran then has left results behind (a table, a decorated function), which swapping
its code later would not renew.
"""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType
from typing import Any

_TOOL_NAME = "egbot collection"


class CallWatch:
    """Notes (file name, first line) of every function below ``root`` that is called."""

    def __init__(self, root: str) -> None:
        self.called: set[tuple[str, int]] = set()
        self._prefix = root + os.sep
        self._tool: int | None = None
        self._tracing = False

    def start(self) -> None:
        """Begin to watch this thread (from Python 3.12 on: all threads)."""
        if "monitoring" in sys.__dict__:
            self._start_monitoring()
        else:
            sys.settrace(self._on_call)
            self._tracing = True

    def stop(self) -> None:
        """End watching."""
        if self._tool is not None:
            monitoring = sys.__dict__["monitoring"]
            monitoring.set_events(self._tool, 0)
            monitoring.free_tool_id(self._tool)
            self._tool = None
        if self._tracing and sys.gettrace() == self._on_call:
            sys.settrace(None)
        self._tracing = False

    def _start_monitoring(self) -> None:
        monitoring = sys.__dict__["monitoring"]
        for tool in (4, 3):
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, _TOOL_NAME)
                monitoring.register_callback(tool, monitoring.events.PY_START, self._on_start)
                monitoring.set_events(tool, monitoring.events.PY_START)
                self._tool = tool
                return

    def _on_start(self, code: CodeType, _offset: int) -> Any:
        if code.co_filename.startswith(self._prefix) and code.co_name != "<module>":
            self.called.add((code.co_filename, code.co_firstlineno))
        return sys.__dict__["monitoring"].DISABLE  # this place is known now

    def _on_call(self, frame: FrameType, _event: str, _arg: Any) -> None:
        code = frame.f_code
        if code.co_filename.startswith(self._prefix) and code.co_name != "<module>":
            self.called.add((code.co_filename, code.co_firstlineno))
