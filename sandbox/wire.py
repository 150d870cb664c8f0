"""Frames: one JSON object a line, over a file descriptor. It knows nothing of what they say."""

from __future__ import annotations

import json
import os
from typing import Any

MAX_FRAME_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 1 << 16

Message = dict[str, Any]


class WireError(Exception):
    """What came over a descriptor is not a frame."""


def encode(message: Message) -> bytes:
    """Write one frame, ASCII only, ended by a newline."""
    text = json.dumps(message, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """Read one frame. Raises WireError when it is not a JSON object."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not a JSON frame: {error}") from None
    if not isinstance(message, dict):
        raise WireError("a frame must be a JSON object")
    return message


def write_all(fd: int, data: bytes) -> None:
    """Write every byte of ``data``. Raises OSError when the other side is gone."""
    view = memoryview(data)
    while view:
        written = os.write(fd, view)
        view = view[written:]


class Reader:
    """Frames and raw bytes out of one descriptor, buffered."""

    def __init__(self, fd: int, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self.fd = fd
        self.at_end = False
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._searched = 0

    def fill(self) -> bool:
        """Read what is there (waits when nothing is). False at the end of the stream."""
        chunk = os.read(self.fd, CHUNK_BYTES)
        self._buffer += chunk
        self.at_end = not chunk
        return not self.at_end

    @property
    def has_frame(self) -> bool:
        """Is a whole frame in the buffer, which no ``select`` would tell?"""
        return b"\n" in self._buffer

    def next_frame(self) -> Message | None:
        """Return the next whole frame in the buffer, or None. Raises WireError when it is bad."""
        end = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer) if end < 0 else end
        if self._searched > self._max_bytes:
            raise WireError(f"a frame is longer than {self._max_bytes} bytes")
        return None if end < 0 else decode(self._take(end + 1))

    def wait_frame(self) -> Message | None:
        """Wait for the next frame; None at the end of the stream."""
        while True:
            message = self.next_frame()
            if message is not None or not self.fill():
                return message

    def wait_bytes(self, count: int) -> bytes:
        """Wait for exactly ``count`` raw bytes. Raises WireError when the stream ends before."""
        while len(self._buffer) < count:
            if not self.fill():
                raise WireError(f"the stream ended {count - len(self._buffer)} bytes early")
        return self._take(count)

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = 0
        return data
