"""Owns control groups for sandboxes that no engine limits: memory and processes as sums.

Files and meanings: ``cgroup-v1/memory.rst``, ``cgroup-v1/pids.rst``, ``cgroup-v2.rst`` of the kernel.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_FAREWELL_S = 1.0  # what was killed leaves its group when the kernel has cleaned up after it


@dataclass(frozen=True, slots=True)
class Group:
    """One control group: a folder in version 2, one for each controller in version 1, or none."""

    folders: tuple[Path, ...]

    def entered(self, command: Sequence[str]) -> list[str]:
        """Return the command that comes in and then becomes ``command``."""
        steps = [f"echo $$ > {shlex.quote(f'{one}/cgroup.procs')}" for one in self.folders]
        return ["/bin/sh", "-c", " && ".join([*steps, 'exec "$@"']), "sh", *command]

    def remove(self) -> None:
        """Remove the folders once they are empty; what stays is reaped by a later run."""
        deadline_s = time.monotonic() + _FAREWELL_S
        for folder in self.folders:
            while not _removed(folder) and time.monotonic() < deadline_s:
                time.sleep(0.01)


def make_group(memory_bytes: int, num_processes: int, root: Path = ROOT) -> Group:
    """Make a group with these limits, without folders where none can be had; reap dead bots'."""
    homes, limit, swap, swap_bytes = [root], "max", "swap.max", 0
    if (root / "memory").is_dir():  # version 1
        homes, limit = [root / "memory", root / "pids"], "limit_in_bytes"
        swap, swap_bytes = "memsw.limit_in_bytes", memory_bytes
    name = f"egbot-{os.getpid()}-{secrets.token_hex(4)}"
    group = Group(tuple(home / name for home in homes))
    try:
        for folder in group.folders:
            _reap(folder.parent)
            folder.mkdir()
        _write(group.folders[0] / f"memory.{limit}", memory_bytes)
        _write(group.folders[-1] / "pids.max", num_processes)
    except OSError:
        group.remove()
        return Group(())
    with contextlib.suppress(OSError):  # else what is swapped out is not counted
        _write(group.folders[0] / f"memory.{swap}", swap_bytes)
    return group


def _write(file: Path, value: int) -> None:
    with file.open("r+", encoding="ascii") as stream:  # the kernel has made it; never make one
        stream.write(str(value))


def _reap(home: Path) -> None:
    for folder in home.glob("egbot-*"):
        pid = folder.name.split("-")[1]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            _removed(folder)


def _removed(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not os.path.lexists(folder)
