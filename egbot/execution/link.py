"""One sandbox process and its three pipes: bytes out, one line back, before a deadline.

It knows nothing of what the lines say. All waiting is bounded: a process that dies, hangs, floods
its output or stops reading ends as LinkLostError.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Literal

from egbot.errors import SandboxError, SurroundingsError
from egbot.execution.protocol import MAX_FRAME_BYTES

_CHUNK_BYTES = 1 << 16
_STDERR_TAIL_BYTES = 16 * 1024
_FAREWELL_S = 1.0
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""By SIGKILL; the second is how bwrap and docker tell it of the process inside."""


def _nothing() -> None:
    return


def _unexplained(_text: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class Launch:
    """How a backend starts one fresh sandbox: what to run, and what to undo afterwards.

    ``work`` is the folder, as the sandbox sees it, below which the tree is unpacked.
    ``walls`` are what must stand around it (``egbot.execution.confinement``).
    ``on_close`` is called once, after the process has ended. ``explain`` is asked, with the end
    of its error output, when one did not come to life: it returns the error to raise, if it knows.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    work: str
    cwd: str | None = None
    walls: tuple[str, ...] = ()
    on_close: Callable[[], None] = field(default=_nothing)
    explain: Callable[[str], SurroundingsError | None] = field(default=_unexplained)


class LinkLostError(Exception):
    """The sandbox died (``crash``) or said nothing in time (``timeout``)."""

    def __init__(self, kind: Literal["crash", "timeout"], detail: str) -> None:
        super().__init__(detail)
        self.kind: Literal["crash", "timeout"] = kind


class KilledError(LinkLostError):
    """The sandbox was killed: out of memory, most often."""

    def __init__(self, detail: str) -> None:
        super().__init__("crash", detail)


class Link:
    """A running sandbox process. Raises SandboxError when it cannot be started at all."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._stderr_tail = b""
        self._received = bytearray()
        self._closed = False
        try:
            self._process = subprocess.Popen(
                launch.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(launch.env),
                cwd=launch.cwd,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            launch.on_close()
            raise SandboxError(
                f"the sandbox could not be started: {launch.argv[0]}: {error.strerror}",
                hint="check that the program exists and may be run",
            ) from error
        self._stdin = _pipe(self._process.stdin)
        self._stdout = _pipe(self._process.stdout)
        self._stderr = _pipe(self._process.stderr)

    @property
    def pid(self) -> int:
        """The process id of the sandbox's first process."""
        return self._process.pid

    @property
    def stderr_text(self) -> str:
        """The end of what the sandbox wrote to its standard error."""
        return self._stderr_tail.decode("utf-8", "replace").strip()

    def exchange(self, data: bytes, timeout_s: float) -> bytes:
        """Send ``data`` and return the line that comes back, without its newline.

        Raises LinkLostError when the sandbox dies or ``timeout_s`` seconds pass before.
        """
        deadline = time.monotonic() + timeout_s
        unsent = memoryview(data)
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            selector.register(self._stderr, selectors.EVENT_READ)
            if unsent:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while True:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise self._lost("timeout", f"no answer within {timeout_s:.0f} s")
                for key, _ in selector.select(left_s):
                    if key.fileobj is self._stdin:
                        unsent = unsent[self._write(unsent) :]
                        if not unsent:
                            selector.unregister(self._stdin)
                    elif key.fileobj is self._stderr:
                        if not self._read_stderr():
                            selector.unregister(self._stderr)
                    elif (line := self._read_line()) is not None:
                        return line

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._stdin.fileno(), data[:_CHUNK_BYTES])
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._died() from error

    def _read_stderr(self) -> bool:
        try:
            chunk = os.read(self._stderr.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return True
        self._stderr_tail = (self._stderr_tail + chunk)[-_STDERR_TAIL_BYTES:]
        return bool(chunk)

    def _read_line(self) -> bytes | None:
        try:
            chunk = os.read(self._stdout.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return None
        if not chunk:
            raise self._died()
        start = len(self._received)
        self._received += chunk
        end = self._received.find(b"\n", start)
        if end < 0:
            if len(self._received) > MAX_FRAME_BYTES:
                raise self._lost("crash", "the sandbox sent a line longer than a frame may be")
            return None
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _died(self) -> LinkLostError:
        self.drain_stderr()
        try:
            code: int | None = self._process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            code = None
        if code in _KILLED:
            return KilledError(f"the sandbox was killed:\n{self.stderr_text}".rstrip(":\n"))
        how = "closed its output" if code is None else f"ended with {_exit_text(code)}"
        return self._lost("crash", f"the sandbox {how}")

    def _lost(self, kind: Literal["crash", "timeout"], detail: str) -> LinkLostError:
        text = self.stderr_text
        return LinkLostError(kind, f"{detail}:\n{text}" if text else detail)

    def drain_stderr(self) -> None:
        """Take what a sandbox that is about to end still writes to its standard error."""
        deadline = time.monotonic() + _FAREWELL_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._stderr, selectors.EVENT_READ)
            while (left_s := deadline - time.monotonic()) > 0:
                if not selector.select(left_s) or not self._read_stderr():
                    return

    def close(self) -> None:
        """End the process and its group; asked first by closing its input. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        try:
            with contextlib.suppress(OSError):
                self._stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_FAREWELL_S)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_FAREWELL_S)
            self._stdout.close()
            self._stderr.close()
            self._launch.on_close()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise SandboxError("the sandbox was started without its pipes")
    os.set_blocking(stream.fileno(), False)
    return stream


def _exit_text(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"
