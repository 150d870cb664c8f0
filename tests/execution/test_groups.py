"""Control groups bound memory and processes as sums, and leave nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from egbot.execution.groups import Group, make_group
from egbot.execution.options import MIB

HOGS = """
import os, signal
children = set()
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        kept = bytearray(60 << 20)
        signal.pause()
    children.add(pid)
killed, status = os.wait()
print(os.WTERMSIG(status))
for pid in children - {killed}:
    os.kill(pid, 9)
"""
FORKS = """
import os, signal
children = []
try:
    for _ in range(40):
        children.append(os.fork())
        if not children[-1]:
            signal.pause()
except BlockingIOError:
    pass
print(len(children))
for pid in children:
    os.kill(pid, 9)
"""


@pytest.fixture
def group() -> Group:
    made = make_group(128 * MIB, 20)
    if not made.folders:
        pytest.skip("no control group can be made here")
    return made


def run_in(group: Group, code: str) -> int:
    command = group.entered([sys.executable, "-c", code])
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_memory_and_processes_are_bounded_as_sums_and_nothing_is_left(group: Group) -> None:
    """Each of four processes would fit, all together do not."""
    assert run_in(group, HOGS) == signal.SIGKILL
    assert 10 <= run_in(group, FORKS) < 20
    assert all(folder.is_dir() for folder in group.folders)
    group.remove()
    assert not any(folder.exists() for folder in group.folders)
    group.remove()


def test_groups_of_dead_bots_are_reaped(group: Group) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], check=True, capture_output=True
    )
    dead = group.folders[0].parent / f"egbot-{int(gone.stdout)}-00000000"
    dead.mkdir()
    other = make_group(128 * MIB, 20)
    assert not dead.exists()
    assert all(folder.is_dir() for folder in group.folders), "ours is alive"
    group.remove()
    other.remove()


@pytest.mark.parametrize("layout", [(), ("memory", "pids")], ids=["version 2", "version 1"])
def test_where_the_kernel_makes_no_files_there_is_no_group(
    tmp_path: Path, layout: tuple[str, ...]
) -> None:
    """An ordinary folder, a foreign system, missing rights: limits for each process remain."""
    for name in layout:
        (tmp_path / name).mkdir()
    assert make_group(128 * MIB, 20, root=tmp_path) == Group(())
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith("egbot-")]
    assert make_group(128 * MIB, 20, root=tmp_path / "missing") == Group(())
