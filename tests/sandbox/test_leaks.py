"""Many runs leave nothing behind: no descriptor, no process, no growing memory."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from egbot.execution.bubblewrap import bubblewrap_sandbox
from egbot.execution.options import SandboxOptions
from egbot.execution.process import process_sandbox
from egbot.execution.warm import WarmExecutor
from egbot.records import Job, Limits, Program, TreeFile
from tests.machine import family, is_alive, need_bubblewrap, num_descriptors, pid_of, wait_for

NUM_RUNS = {"process": 1000, "bubblewrap": 200}
NUM_WARM_RUNS = 30
MAX_LASTING = 8
"""bubblewrap's two processes, the launcher, the supervisor, two zygotes, a spare child of each."""

MAX_MORE = 10
"""Descriptors: one that each run left behind would be seen as hundreds, one in use now is none."""

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


def held_by(pid: int) -> Held:
    """The memory of a process that hides from ordinary users counts as none."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        rows = []
    sizes = [int(row.split()[1]) * 1024 for row in rows if row.startswith("Anonymous:")]
    return Held(num_descriptors(pid), sum(sizes))


def runners(executor: WarmExecutor) -> dict[int, Held]:
    """The supervisor and its zygotes, which are what lasts from run to run."""
    pid = pid_of(executor)

    def is_settled() -> bool:
        """The supervisor kills what a run left once it has told the result.

        Its last child stays a zombie until the next run, so that its id stays its own.
        """
        alive = [is_alive(one) for one in family(pid)]
        return alive.count(False) <= 1 and sum(alive) <= MAX_LASTING

    assert wait_for(is_settled), family(pid)
    return {one: held_by(one) for one in family(pid) if is_alive(one)}


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
        return process_sandbox().open(TREE, (), Limits())
    need_bubblewrap()
    options = SandboxOptions(python=Path(sys.executable), cache_dir=tmp_path)
    return bubblewrap_sandbox({}, None, options, print).open(TREE, (), Limits())


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
    lasting = after.keys() & before.keys()
    assert len(lasting) >= 3, "the supervisor and both zygotes; the spare children are new ones"
    for pid in lasting:
        assert after[pid].num_descriptors < before[pid].num_descriptors + MAX_MORE
        assert after[pid].memory_bytes - before[pid].memory_bytes < MAX_GROWTH_BYTES
    assert own_after.num_descriptors < own_before.num_descriptors + MAX_MORE
    assert own_after.memory_bytes - own_before.memory_bytes < 4 * MAX_GROWTH_BYTES
