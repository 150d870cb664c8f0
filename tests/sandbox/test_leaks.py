"""Many runs leave nothing behind: no descriptor, no process, no growing memory."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from egbot.errors import SandboxError
from egbot.execution.bubblewrap import (
    BubblewrapSandbox,
    find_bubblewrap,
    try_namespaces,
    way_in,
)
from egbot.execution.interpreter import describe
from egbot.execution.options import SandboxOptions
from egbot.execution.process import ProcessSandbox
from egbot.execution.warm import WarmExecutor
from egbot.records import Job, Limits, Program, TreeFile

NUM_RUNS = {"process": 1000, "bubblewrap": 200}
NUM_WARM_RUNS = 30
MAX_LASTING = 8
"""bubblewrap's two processes, the launcher, the supervisor, two zygotes, a spare child of each."""

MAX_GROWTH_BYTES = 1024 * 1024
"""Of each process, over all runs: a kilobyte a run would be seen."""

PROGRAMS = (
    "def f(n):\n    return n + 1\n",
    "def f(n):\n    return [n] * 10000\n",
    "import os\n\ndef f(n):\n    os._exit(3)\n",
    "import os, time\n\ndef f(n):\n    if os.fork() == 0:\n        time.sleep(60)\n    return n + 1\n",
)
ORDER = (0, 1, 0, 1, 0, 1, 0, 1, 0, 2, 3)
"""Which program each run takes; the third ends its process, the last leaves one behind."""

TREE = {
    "m.py": TreeFile(b"def f(n):\n    raise NotImplementedError\n"),
    "test_m.py": TreeFile(b"from m import f\n\ndef test():\n    assert f(1) == 2\n"),
}


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds."""

    num_descriptors: int
    memory_bytes: int


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(one) for one in (task / "children").read_text().split()]
    return found


def family(pid: int) -> list[int]:
    """The process and all that came of it."""
    return [pid] + [one for child in children(pid) for one in family(child)]


def is_alive(pid: int) -> bool:
    """Not a zombie; the last run's child stays one until the next run, so that its id stays its own."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def held_by(pid: int) -> Held:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {
        key: int(value.split()[0]) for key, _, value in (line.partition(":") for line in lines)
    }
    num_descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Held(num_descriptors, sizes["Anonymous"] * 1024)


def runners(executor: WarmExecutor) -> dict[int, Held]:
    """The supervisor and its zygotes, which are what lasts from run to run."""
    link = executor._link
    assert link is not None
    pids: list[int] = []
    for _ in range(50):
        time.sleep(0.2)  # the supervisor kills what a run left once it has told the result
        pids = family(link.pid)
        alive = [pid for pid in pids if is_alive(pid)]
        if len(pids) - len(alive) <= 1 and len(alive) <= MAX_LASTING:
            return {pid: held_by(pid) for pid in alive}
    raise AssertionError(f"too many processes: {pids}")


def run_many(executor: WarmExecutor, num_runs: int) -> None:
    limits = Limits(test_s=20)
    for number in range(num_runs):
        source = PROGRAMS[ORDER[number % len(ORDER)]]
        job = Job(("test_m.py::test",), Program("m.py", "f", source), number % 2 == 0, limits)
        (outcome,) = executor.run(job).outcomes
        expected = ("passed", "failed", "crash", "passed")[PROGRAMS.index(source)]
        assert outcome.status == expected, outcome


def open_backend(backend: str, tmp_path: Path) -> WarmExecutor:
    if backend == "process":
        return ProcessSandbox().open(TREE, (), Limits())
    try:
        program = find_bubblewrap()
        try_namespaces(program)
    except SandboxError as error:
        pytest.skip(error.message)
    python = describe(Path(sys.executable))
    options = SandboxOptions()
    sandbox = BubblewrapSandbox(program, way_in(), python, tmp_path / "payload", options, print)
    executor = sandbox.open(TREE, (), Limits())
    assert isinstance(executor, WarmExecutor)
    return executor


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "backend", ["process", pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)]
)
def test_many_runs_leak_nothing(backend: str, tmp_path: Path) -> None:
    """About 20 s on a calm machine; some runs crash, and some leave a process behind."""
    with open_backend(backend, tmp_path) as executor:
        run_many(executor, NUM_WARM_RUNS)
        before, own_before = runners(executor), held_by(os.getpid())
        run_many(executor, NUM_RUNS[backend])
        after, own_after = runners(executor), held_by(os.getpid())
    assert len(after) == len(before)
    lasting = after.keys() & before.keys()
    assert len(lasting) >= 3, "the supervisor and both zygotes; the spare children are new ones"
    for pid in lasting:
        assert after[pid].num_descriptors == before[pid].num_descriptors
        assert after[pid].memory_bytes - before[pid].memory_bytes < MAX_GROWTH_BYTES
    assert own_after.num_descriptors == own_before.num_descriptors
    assert own_after.memory_bytes - own_before.memory_bytes < 4 * MAX_GROWTH_BYTES
