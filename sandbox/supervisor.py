"""Runs one job at a time: which zygote forks, how long each test may take, what came of it.

It holds no test code, and does not judge what a child says (see ``watch``).
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sandbox import kernel
from sandbox.child import PARTIAL_SIGNAL
from sandbox.watch import FORK_S, Child, Ended, Room
from sandbox.wire import Message
from sandbox.zygote import Channel, ZygoteLostError

MAX_FORKS = 4
"""The first and at most three more for the tests that a dead child left."""

PARTIAL_S = 0.2
PLACE_S = 5.0


def _tells_lines(outcomes: Mapping[str, Any], test: str) -> bool:
    """Whether a test fails over a traceback's text, whose lines a swap in place leaves wrong."""
    fault = outcomes[test].get("fault") or {}
    return "Traceback" in str(fault.get("message"))


class Supervisor:
    """Runs jobs over two zygotes: one with the tests collected (or None), one without.

    ``is_abandoned`` is asked while waiting, with the descriptor ``stop_fd`` readable: True means
    that the bot is gone.
    """

    def __init__(
        self,
        collected: Channel | None,
        fresh: Channel,
        *,
        stop_fd: int,
        is_abandoned: Callable[[], bool],
    ) -> None:
        self._collected = collected
        self._fresh = fresh
        self._stop_fd = stop_fd
        self._is_abandoned = is_abandoned
        self._finished: Child | None = None

    def run(self, request: Message, *, afresh: bool, afresh_s: float) -> dict[str, Any]:
        """Run one request; return ``status``, ``detail`` and ``outcomes`` by node id.

        ``afresh``: do not try to swap. ``afresh_s``: how long collecting from scratch may take.
        """
        status, detail = "ok", ""
        room = Room(request["limits"]["max_events"])
        forks = 0
        while forks < MAX_FORKS:
            waiting = [test for test in request["tests"] if test not in room.outcomes]
            if not waiting and forks and request["program"] and self._collected and not afresh:
                told = partial(_tells_lines, room.outcomes)
                afresh, waiting = True, [*filter(told, request["tests"])]
            if not waiting and forks:
                break
            forks += 1
            channel = None if afresh else self._collected
            collect_s = 0.0 if channel else afresh_s
            job = dict(request, tests=waiting)
            ended = self._attempt(job, channel or self._fresh, collect_s, room)
            if ended.how == "afresh":
                afresh, forks = True, 0
                continue
            if ended.how in ("done", "stop"):
                continue
            if status == "ok":
                status, detail = ("timeout" if ended.how == "late" else ended.how), ended.detail
            if ended.how in ("invalid", "protocol_error", "late"):
                break
            if ended.how == "timeout" and not request["patient"]:
                break
        faults = [one.get("fault") or {} for one in room.outcomes.values()]
        if status == "ok" and "MemoryError" in [one.get("type_name") for one in faults]:
            status = "oom"
        return {"status": status, "detail": detail, "outcomes": room.outcomes}

    def tidy(self) -> None:
        """See the last child end and kill what is left of its process group."""
        child, self._finished = self._finished, None
        if child is None:
            return
        kernel.wake_group()  # the zygotes are in it, the runs are not
        if child.exit_code is None:
            try:
                self._await_exit(child, 1.0)
            except ZygoteLostError:
                child.exit_code = 0
        kernel.kill_group(child.pid)
        child.close()

    def _await_exit(self, child: Child, grace_s: float) -> None:
        try:
            answer = child.channel.receive(grace_s)
        except ZygoteLostError:
            child.kill()
            answer = child.channel.receive(FORK_S)
        child.exit_code = answer["code"] if answer else 0

    def _attempt(self, request: Message, channel: Channel, collect_s: float, room: Room) -> Ended:
        self.tidy()
        try:
            child = self._finished = Child(channel, request, room)
        except ZygoteLostError as error:
            if channel is self._fresh:
                raise
            self._collected = None
            return Ended("afresh", str(error))
        return self._follow(child, request["limits"]["test_s"], collect_s, request["until_s"])

    def _follow(self, child: Child, test_s: float, collect_s: float, until_s: float) -> Ended:
        """Listen to the child until it is done, has died, or has run out of time.

        A test that has is asked for its trace so far, then killed. At ``until_s`` (on the monotonic
        clock) the child is killed, and nothing is said of its test.
        """
        zygote_fd = child.channel.end.fileno()
        deadline = time.monotonic() + PLACE_S + collect_s + test_s
        is_late = False
        while child.ended is None:
            now_s = time.monotonic()
            if now_s >= until_s:
                child.kill()
                return Ended("late", "the time for the whole job was over")
            if now_s >= deadline or (is_late and child.partial):
                if is_late or not child.is_placed:
                    return self._time_out(child, test_s)
                is_late, deadline = True, now_s + PARTIAL_S
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, PARTIAL_SIGNAL)
            ready = self._wait(child, zygote_fd, min(deadline, until_s) - now_s)
            if child.output_fd in ready:
                child.drain_output()
            if child.reader.fd in ready:
                child.read(is_late)
            if child.take_progress():
                deadline = time.monotonic() + test_s
            if zygote_fd in ready and child.ended is None:
                self._await_exit(child, FORK_S)
                return self._time_out(child, test_s) if is_late else child.died()
        return child.ended

    def _time_out(self, child: Child, test_s: float) -> Ended:
        child.kill()
        child.give_up("timeout")
        what = "a test" if child.is_placed else "putting the program in place"
        return Ended("timeout", f"{what} took longer than {test_s:.3g} s")

    def _wait(self, child: Child, zygote_fd: int, left_s: float) -> list[int]:
        """Wait for something to read; leave when the bot is gone."""
        fds = [zygote_fd, self._stop_fd]
        if not child.reader.at_end:
            fds.append(child.reader.fd)
        if not child.is_silent:
            fds.append(child.output_fd)
        has_frame = child.channel.has_frame
        ready = select.select(fds, [], [], 0 if has_frame else left_s)[0]
        if has_frame:
            ready.append(zygote_fd)
        if self._stop_fd in ready and self._is_abandoned():
            child.kill()
            raise SystemExit(0)
        return ready
