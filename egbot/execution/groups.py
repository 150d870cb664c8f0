"""Owns control groups for sandboxes that no engine limits: memory and processes as sums.

It does not know what runs in a group. Where the kernel or this user's rights allow none, there is
none, and limits for each process are what remains. Files and meanings: the kernel's
``admin-guide/cgroup-v1/memory.rst``, ``cgroup-v1/pids.rst`` and ``cgroup-v2.rst``.
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
    """One control group: a folder in version 2, one for each controller in version 1."""

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


def make_group(memory_bytes: int, num_processes: int, root: Path = ROOT) -> Group | None:
    """A new group with these limits, or None where it cannot be had. Reaps those of dead bots."""
    name = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    memory, processes = str(memory_bytes), str(num_processes)
    limits: dict[Path, dict[str, str]]
    if (root / "memory").is_dir():
        limits = {
            root / "memory": {"memory.limit_in_bytes": memory},
            root / "pids": {"pids.max": processes},
        }
    else:
        limits = {root / _own_path(): {"memory.max": memory, "pids.max": processes}}
    group = Group(tuple(home / name for home in limits))
    try:
        for home, values in limits.items():
            _reap(home)
            (home / name).mkdir()
            for file, value in values.items():
                _write(home / name / file, value)
    except OSError:
        group.remove()
        return None
    for folder in group.folders:  # without these, what is swapped out is not counted
        for file, value in (("memory.memsw.limit_in_bytes", memory), ("memory.swap.max", "0")):
            with contextlib.suppress(OSError):
                _write(folder / file, value)
    return group


def _write(file: Path, value: str) -> None:
    """Write to a file that the kernel has made; never make one."""
    with file.open("r+", encoding="ascii") as stream:
        stream.write(value)


def _own_path() -> str:
    """This process's own place in version 2's tree."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
            if line.startswith("0::"):
                return line[3:].strip("/")
    return ""


def _reap(home: Path) -> None:
    for folder in home.glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdecimal() and not Path("/proc", number).exists():
            _removed(folder)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
