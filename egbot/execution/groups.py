"""Owns control groups for sandboxes that no engine limits: memory and processes as sums.

Files and meanings: ``cgroup-v1/memory.rst``, ``cgroup-v1/pids.rst``, ``cgroup-v2.rst`` of the kernel.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_PREFIX = "egbot-"
_FAREWELL_S = 1.0
"""A process that was killed leaves its group when the kernel has cleaned up after it."""


@dataclass(frozen=True, slots=True)
class Group:
    """One control group: a folder in version 2, one for each controller in version 1, or none."""

    folders: tuple[Path, ...]

    @property
    def entrances(self) -> tuple[str, ...]:
        """The files that a process writes its number to, to come in with all its children."""
        return tuple(str(folder / "cgroup.procs") for folder in self.folders)

    def remove(self) -> None:
        """Remove the folders once they are empty; what stays is reaped by a later run."""
        deadline_s = time.monotonic() + _FAREWELL_S
        for folder in self.folders:
            while not _removed(folder) and time.monotonic() < deadline_s:
                time.sleep(0.01)


def make_group(memory_bytes: int, num_processes: int, root: Path = ROOT) -> Group:
    """Make a group with these limits, without folders where none can be had; reap dead bots'."""
    if (root / "memory").is_dir():
        homes, limit = [root / "memory", root / "pids"], "memory.limit_in_bytes"
        swap = ("memory.memsw.limit_in_bytes", memory_bytes)
    else:
        homes, limit = [root / _own_path()], "memory.max"
        swap = ("memory.swap.max", 0)
    name = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    group = Group(tuple(home / name for home in homes))
    memory, pids = group.folders[0], group.folders[-1]
    try:
        for folder in group.folders:
            _reap(folder.parent)
            folder.mkdir()
        _write(memory / limit, memory_bytes)
        _write(pids / "pids.max", num_processes)
    except OSError:
        group.remove()
        return Group(())
    with contextlib.suppress(OSError):  # else what is swapped out is not counted
        _write(memory / swap[0], swap[1])
    return group


def _write(file: Path, value: int) -> None:
    """Write to a file that the kernel has made; never make one."""
    with file.open("r+", encoding="ascii") as stream:
        stream.write(str(value))


def _own_path() -> str:
    """Return this process's own place in version 2's tree."""
    with contextlib.suppress(OSError):
        text = Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape")
        return text.partition("0::/")[2].strip()
    return ""


def _reap(home: Path) -> None:
    for folder in home.glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdecimal() and not Path("/proc", number).exists():
            _removed(folder)


def _removed(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not os.path.lexists(folder)
