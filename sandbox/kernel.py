"""What is asked of the Linux kernel beyond ``os``: prctl flags, limits, walls, orphans.

It knows nothing of jobs.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import socket
import time
from typing import Any

_SET_PDEATHSIG = 1
_SET_DUMPABLE = 4
_SET_CHILD_SUBREAPER = 36
_MAX_SWEEPS = 50

REPORT_BYTES = 64 * 1024 * 1024
"""Address space beyond the limit, for telling that the limit was reached."""

THREAD_STACK_BYTES = 1024 * 1024
"""Reserved for each thread, as on Windows; the limit would allow a hundred of the usual 8 MiB."""


@functools.cache
def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None)


def _prctl(option: int, value: int) -> None:
    """Set a flag of this process; a Python that was built without libffi cannot."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        _libc().prctl(option, value, 0, 0, 0)


def set_dumpable(allowed: bool) -> None:
    """Allow or refuse that processes of the same user trace this one or open its /proc files."""
    _prctl(_SET_DUMPABLE, int(allowed))


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose parents end."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def missing_walls(promised: list[str]) -> list[str]:
    """Return which of the ``promised`` walls do not stand around this process."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        parts = [line.partition(":") for line in file]
    status = {name: value.strip() for name, _, value in parts}
    stands = {
        "user": os.getuid() != 0,
        "capabilities": int(status.get("CapPrm", "1"), 16) == 0,
        "privileges": status.get("NoNewPrivs") == "1",
        "seccomp": status.get("Seccomp") == "2",
        "network": {name for _, name in socket.if_nameindex()} <= {"lo"},
    }
    return [wall for wall in promised if not stands.get(wall)]


def limit_resources(memory_bytes: int, file_bytes: int) -> None:
    """Limit this process: address space beyond what is mapped now, file size, no core dumps."""
    for kind, soft, spare in (
        (resource.RLIMIT_AS, mapped_bytes() + memory_bytes, REPORT_BYTES),
        (resource.RLIMIT_FSIZE, file_bytes, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        allowed = resource.getrlimit(kind)[1]
        most = soft + spare if allowed == resource.RLIM_INFINITY else allowed
        resource.setrlimit(kind, (min(soft, most), min(soft + spare, most)))


def spare_memory() -> None:
    """Give out the address space kept back for reporting that memory ran out."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


@functools.cache
def mapped_bytes() -> int:
    """Return how much this process had mapped when it, or the process it was forked from, asked.

    A zygote asks before it forks, because that costs each child over a millisecond.
    """
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def offer_to_oom_killer() -> None:
    """Let this process and its children be killed first where a group's memory is used up (proc(5))."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def kill_group(pid: int) -> None:
    """Kill a process and, when it leads one, its process group. The pid must not be reaped yet."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def wake_group() -> None:
    """Let the stopped processes of this one's group go on; a test may have stopped them."""
    with contextlib.suppress(OSError):
        os.killpg(0, signal.SIGCONT)


def kill_orphans(spared: set[int]) -> None:
    """Kill and reap every child but ``spared``, and what they leave."""
    for _ in range(_MAX_SWEEPS):
        strays = _children() - spared
        if not strays:
            return
        for pid in strays:
            kill_group(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> set[int]:
    """Return the process ids of this process's children; none of them is reaped meanwhile."""
    parent = os.getpid()
    own = f"/proc/{parent}/task/{parent}/children"
    with contextlib.suppress(OSError), open(own, encoding="ascii") as file:
        return set(map(int, file.read().split()))
    found: set[int] = set()  # a kernel without CONFIG_PROC_CHILDREN
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if _state(pid)[1] == str(parent):
                found.add(int(pid))
    return found


def _state(pid: int | str) -> list[str]:
    """Return what the kernel tells of a process, from its state on. Raises OSError."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def how_ended(pid: int, parent: int) -> int | None:
    """Return the exit status, or minus the signal, of a process whose ``parent`` is our child.

    None when it runs on or cannot be told. The parent is killed for it: then its zombie is ours.
    """
    try:
        for _ in range(100):
            if _state(pid)[0] in "ZX":
                break
            time.sleep(0.01)
        else:
            return None
        if pid != parent:
            os.kill(parent, signal.SIGKILL)
            os.waitpid(parent, 0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except (OSError, OverflowError):
        return None
