"""What both real backends promise: programs run inside, and nothing of the host is in reach."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from egbot.execution.docker_engine import connected
from egbot.execution.options import MIB, SandboxOptions
from egbot.execution.select import choose
from egbot.ports import Executor, Sandbox
from egbot.records import Execution, Job, Limits, Program, TestOutcome, TreeFile
from sandbox.kernel import missing_walls
from tests.machine import IMAGE, family, is_alive, need, wait_for

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(test_s=30)
CANARY = "canary-7f3a91"

APP = "def answer():\n    return 41\n"
TEST_APP = """
from app import answer

def test_answer():
    assert answer() == 42
"""
TEST_INSIDE = """
import glob, os, socket, sys, time
import pytest

def refused(call, *arguments):
    with pytest.raises(OSError):
        call(*arguments)

def test_there_is_no_network():
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    refused(socket.create_connection, ("192.0.2.1", 80), 2)
    refused(socket.create_connection, ("127.0.0.1", {port}), 2)
    refused(socket.getaddrinfo, "example.org", 80)
    refused(socket.socket(socket.AF_UNIX).connect, "\\0{canary}")
    for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/systemd/private"):
        assert not os.path.exists(path)

def test_the_hosts_files_are_out_of_reach():
    for path in {hidden!r}:
        refused(open, path)
    for path in ("/etc/shadow", "/root/.bashrc", "/root/.ssh", "/var/lib/docker", "/dev/mem"):
        refused(open, path)
        refused(os.listdir, path)
    for path in glob.glob("/home/*/*"):  # only what leads to the interpreter
        assert any((one + "/").startswith(path + "/") for one in (sys.prefix, sys.base_prefix)), path

def test_the_root_is_read_only():
    folders = ["/", "/usr", "/etc", "/dev", "/opt", sys.prefix, os.path.dirname(pytest.__file__)]
    folders += ["/proc/sys/kernel", "/sys", os.path.dirname(os.__file__), sys.base_prefix]
    for folder in folders:
        refused(open, folder + "/egbot-was-here", "w")
    refused(open, "/proc/sys/kernel/core_pattern", "w")
    refused(open, "/proc/sysrq-trigger", "w")

def test_the_user_is_nobody():
    assert os.getuid() == os.geteuid() == os.getgid() == {uid}
    assert 0 not in os.getgroups()
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file.read().splitlines())
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert int(status["NoNewPrivs"]) == 1
    assert int(status["Seccomp"]) == 2
    refused(os.setuid, 0)
    refused(os.chroot, "/tmp")

def test_the_environment_is_scrubbed():
    assert "{canary}" not in repr(dict(os.environ))
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                assert b"{canary}" not in file.read(), path
        except OSError:
            pass
    for name in os.environ:
        assert "TOKEN" not in name and "SECRET" not in name and "DOCKER" not in name

def test_memory_bomb():
    kept = []
    while True:
        kept.append(bytearray(8 << 20))

def test_tools_work():
    import multiprocessing, subprocess, tempfile, threading
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
    assert subprocess.run(["sh", "-c", "echo hi"], capture_output=True).stdout == b"hi\\n"
    with tempfile.TemporaryDirectory() as folder:
        open(os.path.join(folder, "x"), "w").close()
    with multiprocessing.get_context("fork").Lock():
        pass
    assert os.access(os.path.expanduser("~"), os.W_OK)
    left, right = socket.socketpair()
    left.close(), right.close()

def test_hundreds_of_threads():
    import threading
    gate = threading.Event()
    threads = [threading.Thread(target=gate.wait) for _ in range(400)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()

def test_ok():
    pass
"""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def sandbox(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sandbox]:
    need(request.param)
    options = SandboxOptions(
        backend=request.param,
        python=Path(sys.executable),
        image=IMAGE,
        memory_bytes=512 * MIB,
        tmpfs_bytes=64 * MIB,
        cache_dir=tmp_path_factory.mktemp("cache"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EGBOT_CANARY_TOKEN", CANARY)
        yield choose({}, options, print)


@pytest.fixture(scope="module")
def executor(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """One warm sandbox for all tests here: each attack must leave it fit for the next."""
    secret = tmp_path_factory.mktemp("host") / "secret"
    secret.write_text(CANARY)
    listener = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0{CANARY}")
    abstract.listen()
    inside = (
        TEST_INSIDE.replace("{port}", str(listener.getsockname()[1]))
        .replace("{canary}", CANARY)
        .replace("{uid}", "65534")
        .replace("{hidden!r}", repr([str(secret), str(ROOT / "pyproject.toml")]))
    )
    tree = {
        "app.py": TreeFile(APP.encode()),
        "test_app.py": TreeFile(TEST_APP.encode()),
        "test_inside.py": TreeFile(inside.encode()),
    }
    with listener, abstract, sandbox.open(tree, (), Limits()) as opened:
        yield opened


def run(executor: Executor, test: str, limits: Limits = LIMITS) -> Execution:
    return executor.run(Job((f"test_inside.py::{test}",), trace=False, limits=limits))


def outcome_of(executor: Executor, test: str, limits: Limits = LIMITS) -> TestOutcome:
    return run(executor, test, limits).outcomes[0]


def test_a_wrong_program_fails_and_a_right_one_passes(executor: Executor) -> None:
    test = ("test_app.py::test_answer",)
    right = Program("app.py", "answer", APP.replace("41", "42"))
    assert executor.run(Job(test)).outcomes[0].status == "failed"
    assert executor.run(Job(test, right)).outcomes[0].status == "passed"
    assert executor.run(Job(test)).outcomes[0].status == "failed"


def test_seen_from_inside(executor: Executor) -> None:
    names = (
        "test_there_is_no_network",
        "test_the_hosts_files_are_out_of_reach",
        "test_the_root_is_read_only",
        "test_the_user_is_nobody",
        "test_the_environment_is_scrubbed",
        "test_tools_work",
        "test_hundreds_of_threads",
    )
    outcomes = [outcome_of(executor, name) for name in names]
    assert [one for one in outcomes if one.status != "passed"] == []


@pytest.mark.parametrize("bound", ["run", "container"])
def test_a_memory_bomb_hurts_nobody_else(executor: Executor, sandbox: Sandbox, bound: str) -> None:
    """Bounded by the run's own limit; with Docker also by the container's, bubblewrap has none."""
    is_small = bound == "run" or sandbox.backend == "bubblewrap"
    memory_bytes = 256 * MIB if is_small else 8192 * MIB
    limits = Limits(memory_bytes=memory_bytes, test_s=30)
    execution = run(executor, "test_memory_bomb", limits)
    assert execution.outcomes[0].status in ("failed", "crash", "not_run"), execution
    if execution.outcomes[0].status == "failed":
        assert execution.outcomes[0].fault is not None
        assert execution.outcomes[0].fault.type_name == "MemoryError"
    else:
        assert execution.status in ("oom", "crash")
    assert outcome_of(executor, "test_ok").status == "passed"


def test_a_wall_that_nobody_knows_does_not_stand() -> None:
    assert missing_walls(["moat"]) == ["moat"]


def traces_of(backend: str, pid: int) -> set[str]:
    """Return what is left of the sandboxes of the bot with process id ``pid``."""
    if backend == "docker":
        with connected() as client:
            found = client.containers(all=True, filters={"label": "egbot.pid"})
        return {one["Id"] for one in found if one["Labels"]["egbot.pid"].startswith(f"{pid}.")}
    return {str(one) for one in family(pid) if one != pid and is_alive(one)}


def is_gone(backend: str, pid: int, seen: set[str]) -> bool:
    left = traces_of(backend, pid)
    return not left and not any(Path("/proc", one).exists() for one in seen if one.isdigit())


BOT = """
import sys, time
from pathlib import Path
from egbot.execution.options import SandboxOptions
from egbot.execution.select import choose
from egbot.records import Limits, TreeFile

backend, image, cache, python, end = sys.argv[1:]
test = b"def test_ok():\\n    pass\\n"
options = SandboxOptions(backend=backend, image=image, cache_dir=Path(cache), python=Path(python))
opened = choose({}, options, lambda line: None).open({"test_x.py": TreeFile(test)}, (), Limits())
print(opened.collection.node_ids, flush=True)
if end == "close":
    opened.close()
    print("closed", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("end", ["close", "kill"])
def test_nothing_is_left_after_the_end(sandbox: Sandbox, end: str, tmp_path: Path) -> None:
    """Neither after close nor after the bot itself was killed with SIGKILL."""
    options = getattr(sandbox, "options", SandboxOptions())
    script = textwrap.dedent(BOT)
    arguments = [sandbox.backend, IMAGE, str(options.cache_dir), sys.executable, end]
    bot = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with bot:
        assert bot.stdout is not None
        try:
            assert "test_x.py::test_ok" in bot.stdout.readline()
            if end == "close":
                assert bot.stdout.readline() == "closed\n"
                assert wait_for(lambda: is_gone(sandbox.backend, bot.pid, set()))
            seen = traces_of(sandbox.backend, bot.pid)
            assert bool(seen) == (end == "kill")
        finally:
            bot.send_signal(signal.SIGKILL)
    assert wait_for(lambda: is_gone(sandbox.backend, bot.pid, seen))
