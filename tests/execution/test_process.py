"""The process backend runs real jobs, hides the host's environment and leaves nothing behind."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from egbot.errors import SandboxError
from egbot.execution.payload import runner_files
from egbot.execution.process import process_sandbox
from egbot.records import Job, Limits, Program, TreeFile
from tests.machine import family, is_alive, pid_of, wait_for

BASE = b"def add(a, b):\n    raise NotImplementedError\n"
TESTS = b"""
import os
from m import add

def test_add():
    assert add(1, 2) == 3

def test_environment():
    print(sorted(os.environ))
    assert 'EGBOT_TOKEN' not in os.environ
    assert os.environ['HOME'].endswith('/home')
"""
TEST_THREADS = b"""
import threading
import pytest

def test_hundreds_of_threads():
    gate = threading.Event()
    threads = [threading.Thread(target=gate.wait) for _ in range(400)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()

def test_memory_beside_threads():
    gate = threading.Event()
    for _ in range(100):
        threading.Thread(target=gate.wait, daemon=True).start()
    with pytest.raises(MemoryError):
        bytearray(1 << 30)
"""
TREE = {"m.py": TreeFile(BASE), "test_m.py": TreeFile(TESTS)}
GOOD = Program("m.py", "add", BASE.decode().replace("raise NotImplementedError", "return a + b"))


def test_a_right_program_passes_and_its_trace_comes_back() -> None:
    with process_sandbox().open(TREE, ["test_m.py"], Limits()) as executor:
        (outcome,) = executor.run(Job(("test_m.py::test_add",), GOOD)).outcomes
        assert outcome.status == "passed"
        assert outcome.trace is not None
        assert [event.kind for event in outcome.trace.events] == ["call", "line", "return"]
        plain = executor.run(Job(("test_m.py::test_add",), GOOD, trace=False))
        assert plain.outcomes[0].trace is None


def test_the_hosts_environment_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGBOT_TOKEN", "secret")
    with process_sandbox().open(TREE, (), Limits()) as executor:
        (outcome,) = executor.run(Job(("test_m.py::test_environment",))).outcomes
    assert outcome.status == "passed"


def test_a_test_may_start_hundreds_of_threads_and_no_more_memory_than_its_own() -> None:
    tests = ("test_t.py::test_hundreds_of_threads", "test_t.py::test_memory_beside_threads")
    with process_sandbox().open({"test_t.py": TreeFile(TEST_THREADS)}, (), Limits()) as executor:
        outcomes = executor.run(Job(tests)).outcomes
    assert [one.status for one in outcomes] == ["passed", "passed"], outcomes


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with process_sandbox().open(TREE, (), Limits()) as executor:
        assert len(list(tmp_path.iterdir())) == 1
        executor.run(Job(("test_m.py::test_add",), GOOD))
    assert list(tmp_path.iterdir()) == []


def test_a_sandbox_killed_from_outside_is_replaced() -> None:
    with process_sandbox().open(TREE, (), Limits()) as executor:
        pid = pid_of(executor)
        pids = family(pid)
        assert len(pids) >= 3
        os.kill(pid, 9)
        assert wait_for(lambda: not any(map(is_alive, pids)))
        assert executor.run(Job(("test_m.py::test_add",), GOOD)).outcomes[0].status == "passed"


def test_an_interpreter_without_pytest_is_said(tmp_path: Path) -> None:
    """``-S`` leaves site-packages, and so pytest, out."""
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    script.chmod(0o755)
    with pytest.raises(SandboxError, match="pytest cannot be imported"):
        process_sandbox(str(script)).open(TREE, (), Limits())


def test_links_in_the_tree_stay_inside() -> None:
    tree = {
        **TREE,
        "inside.py": TreeFile(b"m.py", 0o120000),
        "outside": TreeFile(b"/etc", 0o120000),
        "above": TreeFile(b"../..", 0o120000),
        "test_links.py": TreeFile(
            b"import os\ndef test():\n    assert os.path.islink('inside.py')\n"
            b"    assert not os.path.lexists('outside') and not os.path.lexists('above')\n"
        ),
    }
    with process_sandbox().open(tree, ["test_links.py"], Limits()) as executor:
        assert executor.run(Job(("test_links.py::test",))).outcomes[0].status == "passed"


def test_a_path_that_leaves_the_tree_is_refused() -> None:
    with pytest.raises(SandboxError, match="leaves the tree"):
        process_sandbox().open({"../evil.py": TreeFile(b"")}, (), Limits())


def test_the_runners_files_are_found() -> None:
    files = runner_files()
    assert {"sandbox/__init__.py", "sandbox/runner.py", "sandbox/tracer.py"} <= set(files)
    assert all(path.endswith(".py") for path in files)
