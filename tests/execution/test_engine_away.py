"""A container that dies is replaced; an engine that goes away ends a run with one clear message."""

from __future__ import annotations

import json
import os
import socket
from functools import partial
from pathlib import Path

import pytest

from egbot.config import Settings
from egbot.errors import SandboxError, SurroundingsError
from egbot.execution.attached import Attached
from egbot.execution.docker_engine import connected
from egbot.execution.link import Child, Link
from egbot.execution.options import SandboxOptions
from egbot.execution.process import process_sandbox
from egbot.execution.select import choose
from egbot.execution.warm import WarmExecutor, WarmSandbox
from egbot.local import Effects, Order, run_order
from egbot.ports import Sandbox
from egbot.records import Job, Limits, Tree, TreeFile
from egbot.repository import Repository
from tests.execution.engines import Passage
from tests.machine import IMAGE, need_docker, pid_of

TREE = {"test_it.py": TreeFile(b"def test_it():\n    pass\n")}
KILLER = """
import os, pathlib, signal

def parents():
    pid = os.getpid()
    while pid > 1:
        yield pid
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        pid = int(text.rpartition(")")[2].split()[1])

def test_kill():
    for pid in reversed(list(parents())):
        if b"sandbox.runner" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)

def test_wrong():
    assert 1 == 2
"""


def mortal_sandbox() -> WarmSandbox:
    """An engine that does not survive its first sandbox."""
    starts = iter([process_sandbox().start])

    def start() -> Link:
        for first in starts:
            return first()
        raise SandboxError("the Docker engine does not answer", hint="start it")

    return WarmSandbox("docker", SandboxOptions(), start)


def test_an_engine_that_goes_away_is_named_and_not_the_tests() -> None:
    executor = mortal_sandbox().open(TREE, (), Limits())
    os.killpg(pid_of(executor), 9)
    with pytest.raises(SandboxError, match="the Docker engine does not answer") as caught:
        executor.run(Job(("test_it.py::test_it",)))
    assert "conftest" not in caught.value.hint
    assert "start it" in caught.value.hint


def test_a_launch_that_knows_nothing_leaves_the_general_message() -> None:
    start = partial(Child, ("/bin/sh", "-c", "echo odd >&2; exit 3"), {}, "/x")
    with pytest.raises(SandboxError, match=r"did not collect the tests: .*status 3"):
        WarmSandbox("docker", SandboxOptions(), start).open(TREE, (), Limits())


def test_an_engine_that_goes_away_in_the_middle_leaves_a_truthful_record(tmp_path: Path) -> None:
    """The run ends, and run.json says how far it came and why it ended."""
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "test_kill.py").write_text(KILLER)
    os.system(f"git init --quiet {repository}")

    def sandbox(settings: Settings, tree: Tree, where: Repository, report: object) -> Sandbox:
        return mortal_sandbox()

    order = Order(repository=repository, output=tmp_path / "out", overrides={})
    with pytest.raises(SurroundingsError, match="engine does not answer"):
        run_order(order, lambda event: None, Effects(make_sandbox=sandbox))
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert not record["finished"]
    assert record["detail"] == "the Docker engine does not answer"


@pytest.mark.docker
def test_a_killed_container_is_replaced_and_a_dead_engine_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_docker()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "engine.sock"))
    listener.listen()
    passage = Passage(listener)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    options = SandboxOptions(backend="docker", image=IMAGE, cache_dir=tmp_path / "cache")
    job = Job(("test_it.py::test_it",), trace=False)
    with choose(TREE, options, print).open(TREE, (), Limits()) as executor:
        assert isinstance(executor, WarmExecutor)
        assert isinstance(executor._link, Attached)
        with connected() as client:
            client.kill(executor._link.container_id)
        assert executor.run(job).outcomes[0].status == "passed"
        passage.shut()
        with pytest.raises(SandboxError, match=r"the Docker engine at .* does not answer"):
            executor.run(job)
