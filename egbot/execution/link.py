"""One running sandbox: bytes out, one line back, before a deadline.

All waiting is bounded: a sandbox that dies, hangs, floods its output or stops reading ends as
LinkLostError.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Literal, cast

from typing_extensions import override

from egbot.errors import SandboxError
from egbot.execution.protocol import MAX_FRAME_BYTES

CHUNK_BYTES = 1 << 16
_STDERR_TAIL_BYTES = 16 * 1024
_FAREWELL_S = 1.0
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""By SIGKILL; the second is how bwrap and the engine tell it of the process inside."""


class LinkLostError(Exception):
    """The sandbox died (``crash``) or said nothing in time (``timeout``)."""

    def __init__(self, kind: Literal["crash", "timeout"], detail: str) -> None:
        super().__init__(detail)
        self.kind: Literal["crash", "timeout"] = kind


class KilledError(LinkLostError):
    """The sandbox was killed: out of memory, most often."""

    def __init__(self, detail: str) -> None:
        super().__init__("crash", detail)


class Link(ABC):
    """A sandbox that runs, over the descriptors of its streams.

    ``work`` is the folder, as the sandbox sees it, below which the tree is unpacked; ``walls`` are
    what must stand around it (``egbot.execution.confinement``).
    """

    def __init__(self, work: str, walls: Sequence[str], input_: int, outputs: set[int]) -> None:
        self.work = work
        self.walls = tuple(walls)
        self._input = input_
        self._outputs = outputs
        self._stderr_tail = b""
        self._received = bytearray()
        self._closed = False

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
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise self._lost("timeout", f"no answer within {timeout_s:.0f} s")
            for descriptor, events in self._ready(left_s, is_sending=bool(unsent)):
                try:
                    if descriptor in self._outputs and events & ~select.POLLOUT:
                        line = self._line(descriptor)
                        if line is not None:
                            return line
                    if unsent and descriptor == self._input and events & ~select.POLLIN:
                        unsent = unsent[self._write(unsent[:CHUNK_BYTES]) :]
                except (EOFError, OSError) as error:
                    raise self._died() from error

    def _ready(self, timeout_s: float, *, is_sending: bool = False) -> list[tuple[int, int]]:
        """Wait for the descriptors that something can be done with."""
        masks = dict.fromkeys(self._outputs, select.POLLIN)
        if is_sending:
            masks[self._input] = masks.get(self._input, 0) | select.POLLOUT
        poll = select.poll()
        for descriptor, mask in masks.items():
            poll.register(descriptor, mask)
        return poll.poll(timeout_s * 1000)

    def _line(self, descriptor: int) -> bytes | None:
        start = len(self._received)
        self._received += self._take(descriptor)
        end = self._received.find(b"\n", start)
        if end < 0:
            if len(self._received) > MAX_FRAME_BYTES:
                raise self._lost("crash", "the sandbox sent a line longer than a frame may be")
            return None
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _take(self, descriptor: int) -> bytes:
        out, err = self._read(descriptor)
        self._stderr_tail = (self._stderr_tail + err)[-_STDERR_TAIL_BYTES:]
        return out

    def _died(self) -> LinkLostError:
        self.drain()
        code = self._exit_code(_FAREWELL_S)
        if code in _KILLED:
            return KilledError(f"the sandbox was killed:\n{self.stderr_text}".rstrip(":\n"))
        how = "closed its output" if code is None else f"ended with {_exit_text(code)}"
        return self._lost("crash", f"the sandbox {how}")

    def _lost(self, kind: Literal["crash", "timeout"], detail: str) -> LinkLostError:
        text = self.stderr_text
        return LinkLostError(kind, f"{detail}:\n{text}" if text else detail)

    def drain(self) -> None:
        """Take what a sandbox that is about to end still writes to its standard error."""
        deadline = time.monotonic() + _FAREWELL_S
        with contextlib.suppress(EOFError, OSError):
            while self._outputs and (left_s := deadline - time.monotonic()) > 0:
                for descriptor, _ in self._ready(left_s):
                    self._take(descriptor)

    def close(self) -> None:
        """End the sandbox and all that it started. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._end()

    @abstractmethod
    def _write(self, data: memoryview) -> int:
        """Send some of ``data`` without waiting; return how many bytes. Raises OSError."""

    @abstractmethod
    def _read(self, descriptor: int) -> tuple[bytes, bytes]:
        """Return what came on standard output and error. Raises EOFError at the output's end."""

    @abstractmethod
    def _exit_code(self, timeout_s: float) -> int | None:
        """Return the status of the first process, negative for a signal, None while it runs."""

    @abstractmethod
    def _end(self) -> None:
        """End what runs and take away what is left of it."""


class Child(Link):
    """A sandbox that is a process of this machine with three pipes.

    ``on_close`` is called once, after the process has ended. Raises SandboxError when it cannot be
    started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        work: str,
        walls: Sequence[str] = (),
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_close = on_close
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            on_close()
            raise SandboxError(
                f"the sandbox could not be started: {argv[0]}: {error.strerror}",
                hint="check that the program exists and may be run",
            ) from error
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, self._stdout, self._stderr = cast("tuple[IO[bytes], ...]", streams)
        for stream in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(stream.fileno(), False)
        outputs = {self._stdout.fileno(), self._stderr.fileno()}
        super().__init__(work, walls, self._stdin.fileno(), outputs)

    @property
    def pid(self) -> int:
        """The process id of the sandbox's first process."""
        return self._process.pid

    @override
    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._input, data)
        except BlockingIOError:
            return 0

    @override
    def _read(self, descriptor: int) -> tuple[bytes, bytes]:
        try:
            chunk = os.read(descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return b"", b""
        is_output = descriptor == self._stdout.fileno()
        if not chunk:
            self._outputs.discard(descriptor)
            if is_output:
                raise EOFError
        return (chunk, b"") if is_output else (b"", chunk)

    @override
    def _exit_code(self, timeout_s: float) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout_s)
        return None

    @override
    def _end(self) -> None:
        """Asked first by closing its input, the process is killed with its group."""
        try:
            with contextlib.suppress(OSError):
                self._stdin.close()
            self._exit_code(_FAREWELL_S)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._exit_code(_FAREWELL_S)
            self._stdout.close()
            self._stderr.close()
            self._on_close()


def _exit_text(code: int) -> str:
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"
