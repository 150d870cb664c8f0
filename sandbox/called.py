"""Which of the repository's functions run: while tests are collected, or in one test of a probe.

A function that ran at collection has left results behind (a table, a decorated function), which
swapping its code later would not renew.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

_OPTIMIZED = 0x1  # which modules and the bodies of classes are not
_TOOL_NAME = "egbot functions"


class CallWatch:
    """Notes the code of every function below ``root`` that is called, once."""

    def __init__(self, root: str) -> None:
        self._codes: dict[CodeType, None] = {}
        self._prefix = root + os.sep
        self._tool: int | None = None
        self._tracing = False

    @property
    def called(self) -> set[tuple[str, int]]:
        """Their file names and first lines."""
        return {(one.co_filename, one.co_firstlineno) for one in self._codes}

    def entered(self, relative: Callable[[str], str | None]) -> list[tuple[str, str, int]]:
        """Their paths, names and first lines in the order of their first calls.

        ``relative`` tells a file name's path in the repository, None where it is not of it.
        """
        found = [
            (
                relative(one.co_filename),
                getattr(one, "co_qualname", one.co_name),
                one.co_firstlineno,
            )
            for one in self._codes
        ]
        return [(path, name, line) for path, name, line in found if path is not None]

    def start(self, *, threads: bool = False) -> None:
        """Begin to watch this thread (from Python 3.12 on, or with ``threads``, all threads)."""
        if "monitoring" in sys.__dict__:
            self._start_monitoring()
        else:
            sys.settrace(self._on_call)
            if threads:
                threading.settrace(self._on_call)
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
            threading.settrace(None)
        self._tracing = False

    def _start_monitoring(self) -> None:
        monitoring = sys.__dict__["monitoring"]
        for tool in (4, 3):
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, _TOOL_NAME)
                monitoring.register_callback(tool, monitoring.events.PY_START, self._on_start)
                monitoring.restart_events()  # what an earlier watch had seen is new to this one
                monitoring.set_events(tool, monitoring.events.PY_START)
                self._tool = tool
                return

    def _on_start(self, code: CodeType, _offset: int) -> Any:
        self._add(code)
        return sys.__dict__["monitoring"].DISABLE  # this place is known now

    def _on_call(self, frame: FrameType, _event: str, _arg: Any) -> None:
        self._add(frame.f_code)

    def _add(self, code: CodeType) -> None:
        if code.co_filename.startswith(self._prefix) and code.co_flags & _OPTIMIZED:
            self._codes[code] = None
