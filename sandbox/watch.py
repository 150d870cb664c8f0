"""One forked child as the supervisor sees it: its pipes, its frames, what is kept of its tests.

It starts nothing and sets no deadlines. Only frames with the nonce given to the child count; a
child that ends without a frame for its test has crashed, whatever its exit status says.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from typing import Any, NamedTuple

from sandbox import kernel
from sandbox.reprs import printable, shorten
from sandbox.wire import Message, Reader, WireError
from sandbox.zygote import EXIT_MEMORY, Channel, ZygoteLostError

FORK_S = 10.0
MAX_CHILD_FRAME_BYTES = 16 * 1024 * 1024
SHORT_CHARS = 200
"""What is kept of a test's output, and of its fault's message, once there is no more room."""
ROOM_CHARS = 512 * 1024
EVIDENCE_CHARS = 24 * 1024 * 1024
"""What a probe's sights of all tests may come to."""

_MAX_READS = 16
_CHUNK_BYTES = 1 << 16


class Ended(NamedTuple):
    """How one forked child ended: ``done``, ``stop``, ``afresh``, ``invalid``, or a fault."""

    how: str
    detail: str = ""


class Room:
    """The ``outcomes`` by node id: the room in one answer, with ``max_events`` for traces.

    Whole, up to their own limit, are the traces of the first test that fails and of the first that
    passes; of the others as many as there is room for. Of one more, the last outermost call and how
    it ended are left.
    """

    def __init__(self, max_events: int) -> None:
        self.outcomes: dict[str, dict[str, Any]] = {}
        self._events_left = max_events
        self._chars_left = ROOM_CHARS
        self._evidence_left = EVIDENCE_CHARS
        self._seen: set[bool] = set()

    def add(self, outcome: dict[str, Any], output: str, trace: dict[str, Any] | None) -> None:
        """Keep what there is room for."""
        fault = outcome.get("fault")
        used = len(output) + (len(fault["message"]) if fault else 0)
        if used > self._chars_left:
            output = _short(output)
            if fault:
                outcome["fault"] = dict(fault, message=_short(fault["message"]))
        self._chars_left -= min(used, self._chars_left)
        if trace is not None:
            trace = self._fit_trace(trace, outcome["status"] == "passed")
        evidence = outcome.get("evidence")
        if evidence is not None:
            self._evidence_left -= len(json.dumps(evidence))
            if self._evidence_left < 0:
                note = "there was no more room for what happened in this test"
                outcome["evidence"] = dict(evidence, sights=[], notes=[*evidence["notes"], note])
        self.outcomes[outcome["node_id"]] = dict(outcome, output=output, trace=trace)

    def _fit_trace(self, trace: dict[str, Any], passed: bool) -> dict[str, Any]:
        """Return the trace, or of its last outermost call the arguments, and its last event."""
        events = trace["events"]
        if passed not in self._seen:
            self._seen.add(passed)
            return trace
        if len(events) <= self._events_left:
            self._events_left -= len(events)
            return trace
        starts = [one for one in events if one["kind"] == "call" and one["depth"] == 0]
        kept = [*starts[-1:], *(events[-1:] if events[-1:] != starts[-1:] else [])]
        num_dropped = trace["num_dropped"] + len(events) - len(kept)
        return dict(trace, events=kept, num_dropped=num_dropped)


class Child:
    """A child that runs ``request``; its outcomes go into the ``room``. Raises ZygoteLostError."""

    def __init__(self, channel: Channel, request: Message, room: Room) -> None:
        self.channel = channel
        self.exit_code: int | None = None
        self.ended: Ended | None = None
        self.is_silent = False
        self.is_placed = False
        self.partial: dict[str, Any] | None = None
        self._nonce, mark = secrets.token_hex(16), secrets.token_hex(16)
        self._mark = mark.encode()
        self._room = room
        self._waiting: list[str] = list(request["tests"])
        self._num_tests = len(self._waiting)
        self._started = time.monotonic()
        self._killed = False
        self._progress = False
        self._output_chars: int = request["limits"]["output_chars"]
        self._output = bytearray()
        self._hidden = 0
        self._tail = b""
        self._outputs: list[str] = []
        frames_fd, frames_write = os.pipe()
        self.output_fd, output_write = os.pipe()
        self.reader = Reader(frames_fd, MAX_CHILD_FRAME_BYTES)
        os.set_blocking(frames_fd, False)
        os.set_blocking(self.output_fd, False)
        try:
            channel.send(dict(request, nonce=self._nonce, mark=mark), (frames_write, output_write))
            answer = channel.receive(FORK_S)
            if answer is None:
                raise ZygoteLostError("the zygote ended")
            self.pid = int(answer["pid"])
        except ZygoteLostError:
            self.close()
            raise
        finally:
            os.close(frames_write)
            os.close(output_write)

    def kill(self) -> None:
        """Kill the child's whole process group."""
        self._killed = True
        kernel.kill_group(self.pid)

    def close(self) -> None:
        """Give back the descriptors."""
        os.close(self.reader.fd)
        os.close(self.output_fd)

    # --- what it prints ---

    def drain_output(self) -> None:
        """Take some of what the child printed, and keep its beginning.

        ``is_silent`` tells afterwards whether no process holds the other end any more.
        """
        for _ in range(_MAX_READS):
            try:
                chunk = os.read(self.output_fd, _CHUNK_BYTES)
            except BlockingIOError:
                return
            if not chunk:
                self.is_silent = True
                return
            *ended, rest = (self._tail + chunk).split(self._mark)
            for output in ended:
                self._keep(output)
                if len(self._outputs) < self._num_tests:  # else no mark of ours
                    self._outputs.append(self._bounded())
            self._tail = rest[-len(self._mark) :]  # a mark may come in two reads
            self._keep(rest[: -len(self._mark)])

    def _keep(self, data: bytes) -> None:
        room = max(0, 4 * self._output_chars - len(self._output))
        self._output += data[:room]
        self._hidden += len(data) - len(data[:room])

    def _take_output(self) -> str:
        """Return what the test printed that ended next, or, without a mark, all so far; bounded."""
        self.drain_output()
        if self._outputs:
            return self._outputs.pop(0)
        self._keep(self._tail)
        self._tail = b""
        return self._bounded()

    def _bounded(self) -> str:
        text = printable(self._output.decode("utf-8", "replace"), keep="\n\t")
        if self._hidden:
            text = text[: self._output_chars] + f"\n... {self._hidden} more bytes"
        self._output.clear()
        self._hidden = 0
        return shorten(text, self._output_chars)

    # --- what it tells ---

    def take_progress(self) -> bool:
        """Did a phase or a test end since the last call?"""
        progress, self._progress = self._progress, False
        return progress

    def read(self, late: bool = False) -> bool:
        """Take the frames that are there; ``late`` ones count only as a partial trace.

        False when there was nothing to read.
        """
        try:
            is_open = self.reader.fill()
        except BlockingIOError:
            return False
        try:
            while self.ended is None:
                message = self.reader.next_frame()
                if message is None:
                    break
                self._take(message, late)
        except (WireError, KeyError, TypeError, ValueError, AttributeError) as error:
            self._lie(f"the run sent what is no frame: {error}")
        return is_open

    def _take(self, message: Message, late: bool) -> None:
        if message.get("nonce") != self._nonce:
            self._lie("the run sent a frame that is not the harness's")
            return
        kind = message["type"]
        if kind == "partial":
            self.partial = message
        elif late:
            return
        elif kind == "placed":
            self.is_placed = self._progress = True
            self._started = time.monotonic()
        elif kind == "outcome":
            self._take_outcome(message)
        elif kind in ("done", "stop", "afresh", "invalid"):
            self.ended = Ended(kind, str(message.get("detail", "")))

    def _take_outcome(self, message: Message) -> None:
        outcome = dict(message["outcome"])
        if not self._waiting or outcome["node_id"] != self._waiting[0]:
            self._lie("the run told of a test that did not run")
            return
        self._room.add(outcome, self._take_output(), message["trace"])
        del self._waiting[0]
        self.partial = None
        self._progress = True
        self._started = time.monotonic()

    def _lie(self, detail: str) -> None:
        self.kill()
        self.give_up("crash")
        self.ended = Ended("protocol_error", detail)

    def died(self) -> Ended:
        """The child ended. Unless its last frames say otherwise, its running test crashed."""
        while self.ended is None and self.read():
            pass
        if self.ended is not None:
            return self.ended
        code = self.exit_code or 0
        memory = code == EXIT_MEMORY or (code == -signal.SIGKILL and not self._killed)
        self.give_up("crash")
        what = "the running test" if self.is_placed else "putting the program in place"
        return Ended("oom" if memory else "crash", f"{what} ended the process: {exit_text(code)}")

    def give_up(self, status: str) -> None:
        """Give the running test its status; without one running, all tests."""
        tests = self._waiting[:1] if self.is_placed else self._waiting
        partial = self.partial or {"trace": None, "evidence": None}
        for test in tests:
            outcome = {
                "node_id": test,
                "status": status,
                "phase": "call" if self.is_placed else "setup",
                "duration_s": max(0.0, time.monotonic() - self._started),
                "evidence": partial["evidence"],
            }
            self._room.add(outcome, self._take_output(), partial["trace"])
        self._waiting = self._waiting[len(tests) :]


def _short(text: str) -> str:
    if len(text) <= SHORT_CHARS:
        return text
    return f"{text[:SHORT_CHARS]}... {len(text) - SHORT_CHARS} more characters"


def exit_text(code: int) -> str:
    """Say an exit status, or minus a signal's number, in words."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
