"""The process forked ahead for the next run: what a run does to it harms no later one."""

from __future__ import annotations

import signal
import sys
from operator import sub

import pytest

from egbot.execution.process import process_sandbox
from egbot.records import Job, Limits, Program, TreeFile
from tests.machine import family, is_alive, num_descriptors, pid_of, wait_for

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
    deadline = time.monotonic() + 50
    while not (found := list(siblings())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert found
    for pid in found:
        os.kill(pid, answer())

def test_fine():
    assert answer() == 7
"""
PATIENT = Limits(test_s=60)
"""Who waits for a stopped process waits in vain, and loses the sandbox."""

APP = "def answer():\n    return {}\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT])
def test_a_run_that_signals_the_next_ones_process_does_not_harm_it(number: signal.Signals) -> None:
    tree = {"app.py": TreeFile(APP.format(1).encode()), "test_app.py": TreeFile(TESTS.encode())}
    with process_sandbox(sys.executable).open(tree, (), PATIENT) as executor:
        program = Program("app.py", "answer", APP.format(+number))
        first = Job(("test_app.py::test_signal",), program, limits=PATIENT)
        assert executor.run(first).outcomes[0].status == "passed"
        link = executor._link
        for _ in range(3):
            program = Program("app.py", "answer", APP.format(7))
            second = Job(("test_app.py::test_fine",), program, limits=PATIENT)
            execution = executor.run(second)
            assert execution.status == "ok", execution
            assert execution.outcomes[0].status == "passed"
        assert executor._link is link


def test_no_process_and_no_descriptor_is_left_by_many_runs() -> None:
    """Each run forks the next one's process; none of them may stay, nor what they talked over."""
    tree = {"app.py": TreeFile(APP.format(7).encode()), "test_app.py": TreeFile(TESTS.encode())}
    with process_sandbox(sys.executable).open(tree, (), Limits()) as executor:
        seen = []
        pids: list[int] = []
        for _ in range(25):
            source = APP.format(7)
            job = Job(("test_app.py::test_fine",), Program("app.py", "answer", source))
            assert executor.run(job).outcomes[0].status == "passed"
            pids = family(pid_of(executor))
            seen.append((len(pids), max(num_descriptors(pid) for pid in pids)))
        # what each run left would be there twenty times; a few may be about to end
        assert max(map(sub, seen[-1], seen[4])) < 8
    assert wait_for(lambda: not any(is_alive(pid) for pid in pids))
