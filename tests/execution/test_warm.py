"""A warm executor outlives its sandbox: dead, silent and lying ones are replaced once.

The sandboxes here are small scripts that play a runner's part badly.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from egbot.errors import OutOfTimeError, SandboxError
from egbot.execution.link import Child
from egbot.execution.options import SandboxOptions
from egbot.execution.payload import build_tar
from egbot.execution.warm import WarmExecutor, WarmSandbox
from egbot.records import Job, Limits, TreeFile
from tests.machine import LONG_S, pid_of

READ_OPENING = """
import json, os, sys, time
opening = json.loads(sys.stdin.buffer.readline())
sys.stdin.buffer.read(opening["num_tar_bytes"])
def say(message):
    sys.stdout.write(json.dumps(message) + "\\n")
    sys.stdout.flush()
def collected():
    say({"type": "collected", "node_ids": ["t::a"]})
def result(job):
    outcomes = [{"node_id": one, "status": "passed"} for one in job["tests"]]
    say({"type": "result", "id": job["id"], "status": "ok", "outcomes": outcomes})
"""
SERVE = """
collected()
for line in sys.stdin:
    result(json.loads(line))
"""
JOB = Job(("t::a",), limits=Limits(test_s=1.0))


class Bench:
    """Launches scripts: the first launch runs the first script, and so on; the last repeats."""

    def __init__(self, *scripts: str) -> None:
        self.scripts = scripts
        self.num_launches = 0
        self.num_closed = 0

    def launch(self) -> Child:
        script = self.scripts[min(self.num_launches, len(self.scripts) - 1)]
        self.num_launches += 1
        command = (sys.executable, "-c", READ_OPENING + script)
        environment = {"PATH": os.environ["PATH"]}
        return Child(command, environment, "/nowhere", on_close=self.on_close)

    def on_close(self) -> None:
        self.num_closed += 1


def opened(bench: Bench, collect_s: float = LONG_S, slack_s: float = LONG_S) -> WarmExecutor:
    tree = {"big.bin": TreeFile(b"x" * 300_000)}
    sandbox = WarmSandbox("docker", SandboxOptions(collect_s=collect_s), bench.launch)
    return WarmExecutor(sandbox, tree, (), Limits(), slack_s)


def test_jobs_run_in_one_sandbox() -> None:
    bench = Bench(SERVE)
    with opened(bench) as executor:
        assert executor.collection.node_ids == ("t::a",)
        for _ in range(5):
            assert executor.run(JOB).status == "ok"
    assert (bench.num_launches, bench.num_closed) == (1, 1)


FAULTS = {
    "dies": ("collected()\nsys.stdin.readline()\nos._exit(3)", "crash"),
    "dies before the job": ("collected()\nos._exit(3)", "crash"),
    "silent": ("collected()\ntime.sleep(60)", "timeout"),
    "no JSON": (
        "collected()\nsys.stdin.readline()\nprint('hm', flush=True)\ntime.sleep(60)",
        "protocol_error",
    ),
    "wrong job": (
        "collected()\njob = json.loads(sys.stdin.readline())\njob['id'] += 1\nresult(job)\ntime.sleep(60)",
        "protocol_error",
    ),
    "wrong tests": (
        "collected()\njob = json.loads(sys.stdin.readline())\njob['tests'] = ['x']\nresult(job)\ntime.sleep(60)",
        "protocol_error",
    ),
    "half a line": (
        "collected()\nsys.stdin.readline()\nsys.stdout.write('{')\nsys.stdout.flush()\nos._exit(0)",
        "crash",
    ),
}

SLACK_S = (LONG_S, 1.0)
"""Only silence is waited for."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_lost_sandbox_is_replaced_and_the_job_repeated(name: str) -> None:
    bench = Bench(FAULTS[name][0], SERVE)
    with opened(bench, slack_s=SLACK_S[name == "silent"]) as executor:
        assert executor.run(JOB).status == "ok"
        assert bench.num_launches == 2
    assert bench.num_closed == 2


@pytest.mark.parametrize("name", FAULTS)
def test_a_job_that_loses_two_sandboxes_is_told_so(name: str) -> None:
    script, status = FAULTS[name]
    bench = Bench(script, script, SERVE)
    with opened(bench, slack_s=SLACK_S[name == "silent"]) as executor:
        result = executor.run(JOB)
        assert result.status == status
        assert [one.status for one in result.outcomes] == ["not_run"]
        assert "second" in result.detail
        assert executor.run(JOB).status == "ok"
    assert bench.num_closed == bench.num_launches == 3


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("say({'type': 'broken', 'message': 'pytest is missing'})", "pytest is missing"),
        ("print('no memory left', file=sys.stderr)\nos._exit(9)", "no memory left"),
        ("time.sleep(60)", "no answer within"),
        ("print('Welcome!', flush=True)", "not JSON"),
        ("while True: sys.stderr.write('e' * 100000)", "no answer within"),
        ("while True: sys.stdout.write('o' * 1000000)", "longer"),
    ],
)
def test_a_sandbox_that_does_not_open_is_an_error(script: str, words: str) -> None:
    bench = Bench(script)
    with pytest.raises(SandboxError, match=words):
        opened(bench, collect_s=1.5 if words == "no answer within" else LONG_S)
    assert bench.num_closed == 1


KILLED = {
    "by itself": "import signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "inside": "os._exit(137)",
    "its child": "say({'type': 'broken', 'kind': 'killed', 'message': 'at big.py'})",
}


@pytest.mark.parametrize("how", KILLED)
def test_a_sandbox_that_is_killed_while_it_collects_is_opened_once_more(how: str) -> None:
    bench = Bench(KILLED[how], SERVE)
    with opened(bench) as executor:
        assert executor.run(JOB).status == "ok"
    assert bench.num_closed == bench.num_launches == 2
    bench = Bench(KILLED[how])
    with pytest.raises(SandboxError, match="two sandboxes were killed while they collected"):
        opened(bench)
    assert bench.num_closed == bench.num_launches == 2


def test_a_sandbox_without_its_walls_is_not_used() -> None:
    bench = Bench("say({'type': 'broken', 'kind': 'walls', 'message': 'seccomp'})")
    with pytest.raises(SandboxError, match="not closed as it must be: seccomp"):
        opened(bench)
    assert bench.num_closed == bench.num_launches == 1


@pytest.mark.parametrize(("left_s", "num_launches"), [(-1.0, 0), (1.0, 1)])
def test_a_deadline_that_comes_while_a_sandbox_opens_is_told_as_that(
    left_s: float, num_launches: int
) -> None:
    bench = Bench("time.sleep(600)")
    limits = Limits(deadline_s=time.monotonic() + left_s)
    with pytest.raises(OutOfTimeError, match="time budget"):
        WarmSandbox("docker", SandboxOptions(collect_s=600), bench.launch).open({}, (), limits)
    assert bench.num_closed == bench.num_launches == num_launches


def test_a_sandbox_that_lets_a_deadline_pass_is_not_waited_for() -> None:
    bench = Bench("collected()\ntime.sleep(600)")
    with opened(bench) as executor:
        late = replace(JOB, limits=Limits(test_s=600, deadline_s=time.monotonic() + 0.5))
        result = executor.run(late)
    assert (result.status, [one.status for one in result.outcomes]) == ("timeout", ["not_run"])
    assert bench.num_launches == 1


def test_a_program_that_is_not_there_is_an_error() -> None:
    closed = []
    start = partial(Child, ("/no/such/program",), {}, "/w", on_close=lambda: closed.append(1))
    with pytest.raises(SandboxError, match="/no/such/program"):
        WarmSandbox("docker", SandboxOptions(), start).open({}, (), Limits())
    assert closed == [1]


def test_no_more_sandboxes_is_an_error() -> None:
    bench = Bench("collected()\nos._exit(1)", "os._exit(1)")
    executor = opened(bench)
    with pytest.raises(SandboxError):
        executor.run(JOB)
    assert bench.num_closed == bench.num_launches


def test_close_waits_for_nothing_is_idempotent_and_final() -> None:
    bench = Bench("collected()\nwhile True:\n    time.sleep(9999)")
    executor = opened(bench)
    pid = pid_of(executor)
    executor.close()
    executor.close()
    assert bench.num_closed == 1
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(SandboxError, match="closed"):
        executor.run(JOB)


def test_an_interrupt_closes_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(SERVE)
    executor = opened(bench)

    def interrupt(number: int, job: Job, left_s: float) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("egbot.execution.warm.render_run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        executor.run(JOB)
    assert bench.num_closed == 1


def test_a_tar_is_deterministic_and_keeps_modes() -> None:
    tree = {
        "b/run.sh": TreeFile(b"#!", 0o100755),
        "a.txt": TreeFile(b"text"),
        "link": TreeFile(b"a.txt", 0o120000),
        "\u00e9.txt": TreeFile(b""),
    }
    data = build_tar(tree)
    assert data == build_tar(dict(reversed(tree.items())))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {one.name: one for one in archive}
        assert list(members) == sorted(tree)
        assert members["b/run.sh"].mode == 0o755
        assert members["a.txt"].mode == 0o644
        assert members["link"].linkname == "a.txt"
        assert {one.mtime for one in members.values()} == {0}
