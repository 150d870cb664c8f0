"""Whatever a candidate does, its test gets a truthful status and the sandbox lives on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

import pytest

from egbot.execution.warm import WarmExecutor
from egbot.records import Execution, Job, Limits, Program

BASE = "import os\n\n\ndef f():\n    raise NotImplementedError\n"
TESTS = """
from m import f


def test_one():
    assert f() == 1


def test_two():
    pass
"""
GOOD = "return 1"
SHORT = Limits(test_s=1.0, memory_bytes=256 * 1024 * 1024, file_bytes=1024 * 1024)
IDS = ("test_m.py::test_one", "test_m.py::test_two")


@pytest.fixture(scope="module")
def executor(open_sandbox: Callable[..., WarmExecutor]) -> WarmExecutor:
    return open_sandbox({"m.py": BASE, "test_m.py": TESTS})


def run(executor: WarmExecutor, body: str, limits: Limits = SHORT) -> Execution:
    source = BASE.replace("    raise NotImplementedError", indent(dedent(body).strip(), "    "))
    return executor.run(Job(IDS, Program("m.py", "f", source), limits=limits))


# body, status of the run, status of the test that calls it
HOSTILE = {
    "exit 0": ("os._exit(0)", "crash", "crash"),
    "exit 3": ("os._exit(3)", "crash", "crash"),
    "sys.exit": ("import sys\nsys.exit(0)", "ok", "failed"),
    "SystemExit": ("raise SystemExit", "ok", "failed"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "ok", "failed"),
    "pytest.exit": ("import pytest\npytest.exit('enough', 0)", "ok", "failed"),
    "GeneratorExit": ("raise GeneratorExit", "ok", "failed"),
    "recursion": ("return f()", "ok", "failed"),
    "abort": ("os.abort()", "crash", "crash"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "crash", "crash"),
    "own kill": ("import signal\nos.kill(os.getpid(), signal.SIGTERM)", "crash", "crash"),
    "group kill": ("os.killpg(0, 9)", "oom", "crash"),
    "loop": ("while True:\n    pass", "timeout", "timeout"),
    "sleep": ("import time\ntime.sleep(60)", "timeout", "timeout"),
    "deaf": (
        """
        import signal, time
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        time.sleep(60)
        """,
        "timeout",
        "timeout",
    ),
    "swallow": (
        (
            "while True:\n    try:\n        while True:\n            pass\n"
            "    except BaseException:\n        pass"
        ),
        "timeout",
        "timeout",
    ),
    "memory": ("return bytearray(1 << 34)", "oom", "failed"),
    "hoard": ("kept = []\nwhile True:\n    kept.append(bytearray(1 << 20))", "oom", "failed"),
    "file": ("with open('big', 'wb') as file:\n    file.write(bytes(1 << 24))", "ok", "failed"),
    "closes all": ("os.closerange(0, 5000)\nreturn 1", "crash", "crash"),
    "closes, exits": ("os.closerange(0, 5000)\nos._exit(0)", "crash", "crash"),
    "fork": ("if os.fork() == 0:\n    os._exit(0)\nreturn 1", "ok", "passed"),
    "fork on": ("os.fork()\nreturn 1", "ok", "passed"),
    "daemon": (
        """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                import time
                time.sleep(60)
            os._exit(0)
        return 1
        """,
        "ok",
        "passed",
    ),
    "thread": (
        """
        import threading, time
        threading.Thread(target=time.sleep, args=(60,)).start()
        return 1
        """,
        "ok",
        "passed",
    ),
    "exec": ("os.execv('/bin/true', ['true'])", "crash", "crash"),
    "no exit": (
        "import atexit, time\natexit.register(time.sleep, 60)\nreturn 1",
        "ok",
        "passed",
    ),
    "forged frame": (
        """
        frame = b'{"type":"outcome","outcome":{"node_id":"test_m.py::test_one",' \\
            b'"status":"passed"},"trace":null,"nonce":"0"}\\n'
        for fd in range(3, 300):
            try:
                os.write(fd, frame)
            except OSError:
                pass
        """,
        "protocol_error",
        "crash",
    ),
    "noise on every descriptor": (
        """
        for fd in range(3, 300):
            try:
                os.write(fd, b'noise')
            except OSError:
                pass
        return 1
        """,
        "protocol_error",
        "crash",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_candidate_gets_a_truthful_status(name: str, executor: WarmExecutor) -> None:
    body, run_status, test_status = HOSTILE[name]
    pid = executor_pid(executor)
    start = time.monotonic()
    result = run(executor, body)
    assert (result.status, result.outcomes[0].status) == (run_status, test_status), result
    if run_status != "protocol_error":
        assert result.outcomes[1].status == "passed"
    assert time.monotonic() - start < 6
    assert executor_pid(executor) == pid, "the sandbox itself had to be replaced"
    assert run(executor, GOOD).outcomes[0].status == "passed"


def test_gigabytes_of_output_are_cut(executor: WarmExecutor) -> None:
    result = run(executor, "for _ in range(300):\n    print('x' * 1000000)\nreturn 1")
    assert result.outcomes[0].status == "passed"
    assert len(result.outcomes[0].output) <= SHORT.output_chars
    assert "more bytes" in result.outcomes[0].output or "..." in result.outcomes[0].output


def test_endless_output_is_a_timeout(executor: WarmExecutor) -> None:
    result = run(executor, "while True:\n    os.write(1, b'y' * 65536)")
    assert result.outcomes[0].status == "timeout"
    assert result.outcomes[1].status == "passed"


def test_a_timeout_brings_output_and_the_trace_so_far(executor: WarmExecutor) -> None:
    result = run(executor, "print('started')\nn = 0\nwhile True:\n    n += 1")
    outcome = result.outcomes[0]
    assert outcome.output == "started\n"
    assert outcome.trace is not None
    assert outcome.trace.events[0].kind == "call"
    assert ("n", "3") in [change for event in outcome.trace.events for change in event.changes]


def test_a_crash_in_every_test_ends_after_four_forks(
    open_sandbox: Callable[..., WarmExecutor],
) -> None:
    tests = "from m import f\nimport pytest\n@pytest.mark.parametrize('n', range(6))\ndef test(n):\n    f()\n"
    executor = open_sandbox({"m.py": BASE, "test_m.py": tests})
    source = BASE.replace("raise NotImplementedError", "os._exit(0)")
    result = executor.run(Job(executor.collection.node_ids, Program("m.py", "f", source)))
    assert [one.status for one in result.outcomes] == ["crash"] * 4 + ["not_run"] * 2
    assert result.status == "crash"


@pytest.mark.parametrize(
    "source",
    [
        "def f(:\n",
        "\0",
        "x = 1\n",
        "def g():\n    pass\n",
        "(" * 5000 + ")" * 5000,
        "x" + "+x" * 200000,
    ],
    ids=["syntax", "null", "no function", "other function", "deep", "wide"],
)
def test_a_program_that_is_none_is_invalid(source: str, executor: WarmExecutor) -> None:
    result = executor.run(Job(IDS, Program("m.py", "f", source)))
    assert result.status == "invalid"
    assert result.detail
    assert {one.status for one in result.outcomes} == {"not_run"}
    assert run(executor, GOOD).status == "ok"


@pytest.mark.parametrize("path", ["../m.py", "/etc/passwd", "", "./m.py", "a/../../m.py"])
def test_a_program_outside_the_repository_is_invalid(path: str, executor: WarmExecutor) -> None:
    result = executor.run(Job(IDS, Program(path, "f", BASE)))
    assert result.status == "invalid"


def test_a_program_may_exit_while_it_is_imported(executor: WarmExecutor) -> None:
    """Top-level code of a candidate runs only in its own process."""
    result = executor.run(Job(IDS, Program("m.py", "f", BASE + "os._exit(0)\n")))
    assert result.status == "crash"
    assert {one.status for one in result.outcomes} == {"crash"}
    source = BASE + "raise SystemExit(0)\n"
    result = executor.run(Job(IDS, Program("m.py", "f", source)))
    assert {one.status for one in result.outcomes} <= {"error", "crash"}


def test_files_that_a_run_changed_are_put_back(executor: WarmExecutor) -> None:
    body = """
    os.unlink('test_m.py')
    with open('m.py', 'a') as file:
        file.write('spoiled')
    os.mkdir('new')
    open('new/file', 'w').close()
    return 1
    """
    assert run(executor, body).outcomes[0].status == "passed"
    look = "return sorted(os.listdir('.')), open('m.py').read()[-7:]"
    result = run(executor, look)
    assert result.outcomes[0].comparison is not None
    assert result.outcomes[0].comparison.left is not None
    assert "['m.py', 'test_m.py']" in result.outcomes[0].comparison.left
    assert "spoiled" not in result.outcomes[0].comparison.left


def test_a_child_cannot_see_the_protocol(executor: WarmExecutor) -> None:
    """Neither by its own descriptors nor by the /proc files of the process that holds them."""
    body = """
    found = []
    for pid in [os.getppid(), *map(int, filter(str.isdigit, os.listdir('/proc')))]:
        try:
            line = open('/proc/%d/cmdline' % pid).read()
            if 'sandbox.runner' in line and pid not in (os.getpid(),):
                os.listdir('/proc/%d/fd' % pid)
                found.append(pid)
        except OSError:
            pass
    return len(os.listdir('/proc/self/fd')), found
    """
    result = run(executor, body)
    assert result.outcomes[0].comparison is not None
    left = result.outcomes[0].comparison.left
    assert left is not None
    count = int(left.strip("()").split(",")[0])
    assert count <= 8
    if os.getuid() != 0:
        assert left.endswith("[])")


def test_two_hundred_runs_leak_nothing(executor: WarmExecutor) -> None:
    """Neither descriptors nor processes nor files, whichever way a run ends."""
    bodies = [GOOD, "os._exit(0)", "raise ValueError", "os.fork()\nreturn 1"]
    for body in bodies:
        run(executor, body)
    pid = executor_pid(executor)
    time.sleep(0.5)
    before = footprint(pid)
    for number in range(200):
        run(executor, bodies[number % len(bodies)])
    assert executor_pid(executor) == pid
    deadline = time.monotonic() + 5
    while footprint(pid) != before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert footprint(pid) == before


def executor_pid(executor: WarmExecutor) -> int:
    link = executor._link
    assert link is not None
    return link.pid


def footprint(pid: int) -> tuple[int, int, int]:
    """Descriptors of the runner, processes below it, and descriptors of this process."""
    family = {pid}
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                parents[int(entry.name)] = int(fields[1])
            except OSError:
                continue
    for _ in range(10):
        family |= {one for one, parent in parents.items() if parent in family}
    own = len(list(Path("/proc/self/fd").iterdir()))
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir())), len(family), own
    except PermissionError:  # the runner is not dumpable and we are not root
        return 0, len(family), own
