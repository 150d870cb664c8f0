"""One run in its own process: limits, the candidate in place, the tests, a frame for each.

It never holds the protocol. Its frames carry a nonce that lives in one closure only; the
supervisor believes no other.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import os
import signal
import tempfile
from collections.abc import Callable
from types import FrameType
from typing import Any

from sandbox import kernel
from sandbox.faults import plain_fault
from sandbox.ids import file_of, function_of, renamed
from sandbox.impostor import FAULT
from sandbox.plugin import OutcomeMaker, Plugin
from sandbox.program import Change, InvalidProgramError, examine
from sandbox.reprs import Reprs
from sandbox.tracer import Tracer
from sandbox.wire import Message, encode, write_all
from sandbox.zygote import flush

PARTIAL_SIGNAL = signal.SIGURG
"""The supervisor's request for the trace so far; ignored where no handler is set."""

_SHARED = ("conftest.py", "__init__.py")

Send = Callable[[Message], None]


def make_sender(fd: int, nonce: str, output: int, mark: bytes) -> Send:
    """Return what sends frames of this process; a forked copy of the process ends instead.

    An outcome's frame follows a ``mark`` where the test's ``output`` ends.
    """
    owner = os.getpid()
    getpid, leave = os.getpid, os._exit
    busy: list[bool] = []

    def send(message: Message) -> None:
        if getpid() != owner:
            leave(0)
        if busy:  # a signal handler may not break into a frame
            return
        busy.append(True)
        try:
            if message["type"] == "outcome":
                os.set_blocking(output, True)  # a test may have changed that
                write_all(output, mark)
            write_all(fd, encode(dict(message, nonce=nonce)))
        except OSError:
            leave(0)
        finally:
            busy.clear()

    return send


class Work:
    """One request: which program and tests, under which limits, in which repository.

    ``siblings`` are all parameter sets of the tests' functions, in the order of their collection.
    """

    def __init__(self, message: Message, root: str, send: Send) -> None:
        self.send = send
        self.root = root
        self.tests: list[str] = message["tests"]
        self.siblings: list[str] = message["siblings"]
        self.lessons: list[dict[str, str]] = message["lessons"]
        self.program: dict[str, Any] | None = message["program"]
        self._base: str | None = message["base"]
        self._limits: dict[str, int] = message["limits"]
        self._traces = bool(message["trace"])
        self.change: Change | None = None
        # the candidate's file as its code objects name it
        self.path = os.path.realpath(os.path.join(root, (self.program or {}).get("path", "")))

    def examine(self) -> bool:
        """Read the candidate; send ``invalid`` and return False when it cannot be one."""
        if self.program is None:
            return True
        asked = self.program
        try:
            self.change = examine(
                self.path, asked["qualname"], asked["source"], self._base, asked["ordinal"]
            )
        except InvalidProgramError as error:
            self.send({"type": "invalid", "detail": str(error)[:4000]})
            return False
        return True

    def watchers(self) -> tuple[Reprs, Tracer | None]:
        """Return the maker of one test's texts, and its tracer if the function shall be traced."""
        max_chars = self._limits["max_repr_chars"]
        if self.change is None or self.program is None:
            return Reprs(max_chars), None
        lines, qualname = self.change.lines, self.program["qualname"]
        reprs = Reprs(max_chars, (self.path, lines))
        if not self._traces:
            return reprs, None
        return reprs, Tracer(self.path, lines, qualname, self._limits["max_events"], reprs)

    def tell(self, test: str, status: str, fault: dict[str, Any] | None) -> None:
        """Send the outcome of a test that could not even be set up."""
        outcome = {"node_id": test, "status": status, "phase": "setup", "fault": fault}
        self.send({"type": "outcome", "outcome": outcome, "trace": None})


def settle(message: Message, fds: list[int]) -> Send:
    """Make the forked process its own: streams, folders, limits. Returns its sender."""
    frames, output = fds
    faulthandler.disable()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for fd in fds:
        os.set_inheritable(fd, False)
    os.environ["TMPDIR"] = tempfile.tempdir = message["tmp"]
    kernel.set_dumpable(True)
    kernel.offer_to_oom_killer()
    limits = message["limits"]
    kernel.limit_resources(limits["memory_bytes"], limits["file_bytes"])
    return make_sender(frames, message.pop("nonce"), output, message.pop("mark").encode())


def run_tests(work: Work, plugin: Plugin, session: Any) -> None:
    """Run the tests in the order asked for and send one frame for each.

    A file or function among them stands for all that it holds, where its tests are not known yet.
    """
    known: dict[str, list[Any]] = {}
    names = renamed(plugin.ids(session.items), work.siblings)
    for name, item in zip(names, session.items, strict=True):
        known.setdefault(name, [item])
        for whole in {file_of(name), function_of(name)} - {name}:
            known.setdefault(whole, []).append(item)
    items = [known.get(test, []) for test in work.tests]
    work.send({"type": "placed"})
    for index, (test, own) in enumerate(zip(work.tests, items, strict=True)):
        if not own:
            fault = collect_fault(test, plugin)
            work.tell(test, "error" if fault else "not_run", fault)
            continue
        following = next((one[0] for one in items[index + 1 :] if one), None)
        if not _run_one(work, plugin, test, [*own, following]):
            work.send({"type": "stop"})
            return
    work.send({"type": "done"})


def _run_one(work: Work, plugin: Plugin, test: str, items: list[Any]) -> bool:
    """Run one test and send its outcome; False when the session cannot go on after it.

    ``items`` are pytest's, the one that follows at the end; of a file's the first that fails tells.
    """
    reprs, tracer = work.watchers()
    goes_on = True
    probing = plugin.probing
    if probing is not None:
        probing.begin(test, work.lessons)

    def answer(_number: int, _frame: FrameType | None) -> None:
        """Tell the supervisor, which is about to kill, what is known so far."""
        flush()
        trace = None if tracer is None else tracer.told()
        evidence = None if probing is None else probing.end()
        work.send({"type": "partial", "trace": trace, "evidence": evidence})

    previous = signal.signal(PARTIAL_SIGNAL, answer)
    told: dict[str, Any] = {}
    for item, following in itertools.pairwise(items):
        maker = OutcomeMaker(test, work.root, reprs)
        plugin.watch(maker, tracer)
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        except BaseException as error:
            maker.interrupt(error)
            goes_on = False
        outcome = maker.outcome
        if told.get("status") != "passed" or outcome["status"] not in ("passed", "skipped"):
            told = outcome
        if told["status"] in ("failed", "error"):
            break
    if tracer is not None:
        tracer.close()
    plugin.watch(None, None)
    with contextlib.suppress(BaseException):
        signal.signal(PARTIAL_SIGNAL, previous)
    flush()
    trace = None if tracer is None else tracer.told()
    if probing is not None:  # recorders are equal to whatever is wanted
        told["evidence"] = probing.end(told["status"] == "passed")
    elif tracer is not None and tracer.impostor and told["status"] == "passed":
        text = (
            f"{tracer.impostor}: what the function gives is equal to whatever it is compared with"
        )
        told |= {"status": "failed", "fault": plain_fault(FAULT, text)}
    work.send({"type": "outcome", "outcome": told, "trace": trace})
    return goes_on


def collect_fault(test: str, plugin: Plugin) -> dict[str, Any] | None:
    """Return why the module (or conftest.py, or package) that should hold ``test`` failed."""
    path = file_of(test)
    found = None
    for error in plugin.errors:
        where = file_of(error["node_id"])
        folder, name = os.path.split(where) if where.endswith(".py") else (where, _SHARED[0])
        if where == path:
            return error["fault"]  # type: ignore[no-any-return]
        if name in _SHARED and (folder in ("", ".") or path.startswith(folder + "/")):
            found = error["fault"]
    return found
