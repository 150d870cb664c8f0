"""A process that forks on demand, and the channel to it. It does not know what its children do.

The supervisor (which holds the protocol) asks over a socket; the zygote forks ahead, tells the child's
pid and how it ended, and reaps it only at the next request, so that the pid stays good for a kill.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator

from sandbox import kernel
from sandbox.wire import Message, Reader, decode, encode

_MAX_FDS = 4
_FORK_AGAIN_S = 0.01
EXIT_HARNESS = 70
EXIT_MEMORY = 71


class ZygoteLostError(Exception):
    """The zygote ended or does not answer."""


class Channel:
    """One end of the socket between supervisor and zygote."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._reader = Reader(end.fileno())

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return both ends of a new channel."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(ours), cls(theirs)

    def send(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Send one frame and descriptors with it. Raises ZygoteLostError."""
        data = encode(message)
        try:
            if fds:
                data = data[socket.send_fds(self.end, [data], fds) :]
            self.end.sendall(data)
        except OSError as error:
            raise ZygoteLostError(f"the zygote is gone: {error}") from None

    @property
    def has_frame(self) -> bool:
        """Has a frame come already?"""
        return self._reader.has_frame

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """Wait for a frame; None when the other side closed. Raises ZygoteLostError in time."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            message = self._reader.next_frame()
            if message is not None:
                return message
            left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self.end], [], [], left_s)[0]:
                raise ZygoteLostError("the zygote does not answer")
            try:
                if not self._reader.fill():
                    return None
            except ConnectionResetError:
                return None

    def receive_with_fds(self) -> tuple[Message | None, list[int]]:
        """Wait for a frame that comes with descriptors."""
        fds: list[int] = []
        data = bytearray()
        while not data.endswith(b"\n"):
            chunk, came_along, _, _ = socket.recv_fds(self.end, 1 << 16, _MAX_FDS)
            if not chunk:
                return None, []
            fds += came_along
            data += chunk
        return decode(bytes(data)), fds


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """What is done inside is the last thing that this process does."""
    code = EXIT_HARNESS
    try:
        yield
        code = 0
    except MemoryError:
        code = EXIT_MEMORY
    except BaseException as error:
        os.write(2, f"egbot runner: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def spawn(body: Callable[[], None]) -> int:
    """Fork a process that ends with ``body``, and with this one; return its pid."""
    pid = os.fork()
    if pid == 0:
        with ending():
            kernel.die_with_parent()
            body()
    return pid


def serve(channel: Channel) -> tuple[Message, list[int]]:
    """Fork for every request until the supervisor closes the channel.

    Returns in each forked child (which must end by ``os._exit``), with the request and its
    descriptors. The child of the next request is forked while this one's works, so that no request
    waits for a fork.
    """
    pid = 0
    spare = _Spare(channel)
    while spare.pid:
        message, fds = channel.receive_with_fds()
        if message is None:
            os._exit(0)
        if pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        if not spare.is_fit():
            spare.end()
            spare = _Spare(channel)
            if not spare.pid:
                break
        pid = spare.pid
        spare.hand_over(message, fds)
        channel.send({"type": "forked", "pid": pid})
        spare = _Spare(channel)
        if spare.pid:
            channel.send({"type": "ended", "code": _await_end(pid)})
    return spare.take_over()


class _Spare:
    """A child that was forked ahead and waits for its request. There, ``pid`` is 0."""

    def __init__(self, channel: Channel) -> None:
        flush()
        ours, theirs = Channel.pair()
        self.pid = _fork()
        self._channel, other = (ours, theirs) if self.pid else (theirs, ours)
        other.end.close()
        if self.pid == 0:
            os.setsid()
            kernel.die_with_parent()
            channel.end.close()

    def is_fit(self) -> bool:
        """Is it alive and not stopped? A test may have sent it a signal."""
        states = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.pid, states) is None
        except ChildProcessError:  # the tests' imports ignore SIGCHLD, and it has ended
            return False

    def end(self) -> None:
        """Kill it and see it end."""
        kernel.kill_group(self.pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self._channel.end.close()

    def hand_over(self, message: Message, fds: list[int]) -> None:
        """Give the child its request, and the descriptors away."""
        with contextlib.suppress(ZygoteLostError):  # then it has ended, which shows as its end
            self._channel.send(message, tuple(fds))
        self._channel.end.close()
        for fd in fds:
            os.close(fd)

    def take_over(self) -> tuple[Message, list[int]]:
        """In the child: wait for the request; end when none comes any more."""
        message, fds = self._channel.receive_with_fds()
        self._channel.end.close()
        if message is None:
            os._exit(0)
        return message, fds


def _fork() -> int:
    """Fork, as soon as the processes of a test leave room for one more: they are killed in time."""
    while True:
        with warnings.catch_warnings(), contextlib.suppress(BlockingIOError):
            warnings.simplefilter("ignore")  # threads that the tests' imports left do not matter
            return os.fork()
        time.sleep(_FORK_AGAIN_S)


def _await_end(pid: int) -> int:
    """Wait without reaping; return the exit status, or minus the signal's number."""
    try:
        info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:  # the tests' imports ignore SIGCHLD
        info = None
    if info is None:
        return 0
    return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status


def flush() -> None:
    """Write out what Python's own output streams hold; a test may have broken them."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
