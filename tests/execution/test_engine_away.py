"""A container that dies is replaced; an engine that goes away ends a run with one clear message."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.config import Settings
from egbot.errors import SandboxError, SurroundingsError
from egbot.execution.docker_cli import docker, engine_fault
from egbot.execution.options import SandboxOptions
from egbot.execution.process import ProcessSandbox
from egbot.execution.select import choose
from egbot.execution.warm import Launch, Opening, WarmExecutor
from egbot.local import Effects, Order, run_order
from egbot.ports import Sandbox
from egbot.records import Job, Limits, Tree, TreeFile
from egbot.repository import Repository
from tests.machine import IMAGE, need_docker

GONE = "docker: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"
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


def mortal(real: Callable[[], Launch]) -> Callable[[], Launch]:
    """The first launch works, and then the engine is gone."""
    launched: list[Launch] = []

    def launch() -> Launch:
        if launched:
            command = ("/bin/sh", "-c", 'echo "$0" >&2; exit 125', GONE)
            return Launch(argv=command, env={}, work="/work", explain=engine_fault)
        launched.append(replace(real(), explain=engine_fault))
        return launched[0]

    return launch


class MortalSandbox:
    """An engine that does not survive its first sandbox."""

    backend = "docker"
    left_out: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._launch = mortal(ProcessSandbox(sys.executable)._launch)

    def open(self, tree: Tree, tests: object, limits: Limits) -> WarmExecutor:
        return WarmExecutor(self._launch, Opening(tree, (), limits))


def test_an_engine_that_goes_away_is_named_and_not_the_tests() -> None:
    executor = MortalSandbox().open(TREE, (), Limits())
    link = executor._link
    assert link is not None
    os.killpg(link.pid, 9)
    with pytest.raises(SandboxError, match="the Docker engine does not answer") as caught:
        executor.run(Job(("test_it.py::test_it",)))
    assert "conftest" not in caught.value.hint
    assert "start it" in caught.value.hint


def test_a_launch_that_knows_nothing_leaves_the_general_message() -> None:
    launch = Launch(argv=("/bin/sh", "-c", "echo odd >&2; exit 3"), env={}, work="/x")
    with pytest.raises(SandboxError, match=r"did not collect the tests: .*status 3"):
        WarmExecutor(lambda: launch, Opening(TREE, (), Limits()))


def test_an_engine_that_goes_away_in_the_middle_leaves_a_truthful_record(tmp_path: Path) -> None:
    """The run ends, and run.json says how far it came and why it ended."""
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "test_kill.py").write_text(KILLER)
    os.system(f"git init --quiet {repository}")

    def sandbox(settings: Settings, tree: Tree, where: Repository, report: object) -> Sandbox:
        return MortalSandbox()

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
    options = SandboxOptions(backend="docker", image=IMAGE, cache_dir=tmp_path / "cache")
    job = Job(("test_it.py::test_it",), trace=False)
    owner = f"{os.getpid()}."

    def kill() -> None:
        shown = ["--format", '{{.Names}} {{.Label "egbot.pid"}}']
        names = docker(["ps", *shown]).splitlines()
        docker(["kill", *(one.split()[0] for one in names if one.split()[-1].startswith(owner))])

    with choose(TREE, options, print).open(TREE, (), Limits()) as executor:
        kill()
        assert executor.run(job).outcomes[0].status == "passed"
        kill()
        (tmp_path / "docker").write_text(f"#!/bin/sh\necho '{GONE}' >&2; exit 125\n")
        (tmp_path / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        with pytest.raises(SandboxError, match="the Docker engine does not answer"):
            executor.run(job)
