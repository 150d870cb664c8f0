"""The process forked ahead for the next run: what a run does to it harms no later one."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from egbot.execution.process import ProcessSandbox
from egbot.records import Job, Limits, Program, TreeFile

TESTS = """
import os, pathlib, time
from app import answer

def siblings():
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getppid() and fields[0] != "Z":
                yield int(entry.name)

def test_signal():
    deadline = time.monotonic() + 5
    while not (found := list(siblings())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert found
    for pid in found:
        os.kill(pid, answer())

def test_fine():
    assert answer() == 7
"""
APP = "def answer():\n    return {}\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT])
def test_a_run_that_signals_the_next_ones_process_does_not_harm_it(number: signal.Signals) -> None:
    tree = {"app.py": TreeFile(APP.format(1).encode()), "test_app.py": TreeFile(TESTS.encode())}
    with ProcessSandbox(sys.executable).open(tree, (), Limits()) as executor:
        first = Job(("test_app.py::test_signal",), Program("app.py", "answer", APP.format(+number)))
        assert executor.run(first).outcomes[0].status == "passed"
        started_s = time.monotonic()
        for _ in range(3):
            second = Job(("test_app.py::test_fine",), Program("app.py", "answer", APP.format(7)))
            execution = executor.run(second)
            assert execution.status == "ok", execution
            assert execution.outcomes[0].status == "passed"
        assert time.monotonic() - started_s < 5


def test_no_process_and_no_descriptor_is_left_by_many_runs() -> None:
    """Each run forks the next one's process; none of them may stay, nor what they talked over."""
    tree = {"app.py": TreeFile(APP.format(7).encode()), "test_app.py": TreeFile(TESTS.encode())}
    with ProcessSandbox(sys.executable).open(tree, (), Limits()) as executor:
        link = executor._link
        assert link is not None
        seen = []
        family: list[int] = []
        for _ in range(25):
            source = APP.format(7)
            job = Job(("test_app.py::test_fine",), Program("app.py", "answer", source))
            assert executor.run(job).outcomes[0].status == "passed"
            family = _family(link.pid)
            seen.append((len(family), max(_num_descriptors(pid) for pid in family)))
    assert max(seen[5:]) <= max(seen[:5])
    time.sleep(0.2)
    assert [pid for pid in family if _is_alive(pid)] == []


def _family(pid: int) -> list[int]:
    """The runner and its zygotes; runs' own processes come and go."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _num_descriptors(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
