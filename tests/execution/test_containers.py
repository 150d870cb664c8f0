"""What Docker is told and how its failures read; ``test_confinement`` looks at it from inside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from egbot.dependencies import Requirements
from egbot.errors import SandboxError
from egbot.execution import images
from egbot.execution.attached import Attached, owner_labels, reap_containers
from egbot.execution.confinement import host_config
from egbot.execution.containers import ENVIRONMENT, docker_sandbox, started
from egbot.execution.docker_engine import connected
from egbot.execution.images import base_image, ensure_image, target_of
from egbot.execution.options import SandboxOptions
from egbot.execution.warm import WarmSandbox
from egbot.records import Limits, TreeFile
from tests.machine import IMAGE, need_docker


@pytest.fixture
def options(tmp_path: Path) -> SandboxOptions:
    need_docker()
    return SandboxOptions(image=IMAGE, cache_dir=tmp_path)


def test_every_wall_is_asked_for() -> None:
    """Leaving one of these out would not fail any honest test."""
    asked = host_config(SandboxOptions(runtime="runsc"), volumes=["/data", "/tmp"], seccomp="{}")
    scratch = "rw,exec,nosuid,nodev,size=268435456,uid=65534,gid=65534,mode=1777"
    limits = (("core", 0), ("nofile", 1024), ("fsize", 268435456))
    assert asked == {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", "seccomp={}"],
        "PidsLimit": 512,
        "Memory": 2147483648,
        "MemorySwap": 2147483648,
        "NanoCpus": 2_000_000_000,
        "ShmSize": 67108864,
        "Ulimits": [{"Name": name, "Soft": most, "Hard": most} for name, most in limits],
        "Tmpfs": dict.fromkeys(("/work", "/tmp", "/data"), scratch),
        "AutoRemove": True,
        "IpcMode": "private",
        "LogConfig": {"Type": "none"},
        "Init": False,
        "Runtime": "runsc",
    }


@pytest.mark.docker
def test_what_is_asked_for_reaches_the_engine(options: SandboxOptions) -> None:
    """Nothing of the host, and no setting of the client's or the image's user, comes besides."""
    command = ["python3", "-c", "input()"]
    link = Attached(IMAGE, command, host_config(options, seccomp="unconfined"), ENVIRONMENT)
    try:
        with connected() as client:
            found = client.inspect_container(link.container_id)
    finally:
        link.close()
    assert found["Config"]["User"] == "65534:65534"
    assert found["Config"]["Hostname"] == "sandbox"
    assert found["Mounts"] == []
    for name, value in host_config(options, seccomp="unconfined").items():
        assert found["HostConfig"][name] == value or name in ("Ulimits", "LogConfig"), name
    for name in ("Binds", "CapAdd", "Devices", "DeviceRequests", "VolumesFrom", "Privileged"):
        assert not found["HostConfig"][name]
    assert {one["Name"]: one["Hard"] for one in found["HostConfig"]["Ulimits"]} == {
        "core": 0, "nofile": 1024, "fsize": 268435456
    }  # fmt: skip
    assert found["HostConfig"]["LogConfig"]["Type"] == "none"


@pytest.mark.docker
def test_a_missing_image_names_the_next_step(options: SandboxOptions) -> None:
    with pytest.raises(SandboxError, match="cannot be pulled") as caught:
        base_image(SandboxOptions(image="localhost:9/egbot-nowhere:1"), print)
    assert "--image" in caught.value.hint
    for name in ("--privileged", "a b", "x\nRUN y", ""):
        with pytest.raises(SandboxError, match="not an image's name"):
            base_image(SandboxOptions(image=name), print)


@pytest.mark.docker
def test_the_images_python_is_asked(options: SandboxOptions) -> None:
    known = target_of(base_image(options, print), options)
    assert known.version.startswith("3.")
    assert "manylinux" in known.platform


@pytest.mark.docker
def test_a_package_without_a_wheel_fails_the_build_with_uvs_reason(
    options: SandboxOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range that the image's Python is not in is told before, with the step that helps."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    image_options = replace(options, setup=(f": {time.time_ns()}",))  # an image of its own
    steps = {">=3.19": "name another with --image", "<3.10": "egbot needs 3.10 or later"}
    for wanted, step in steps.items():
        said: list[str] = []
        with pytest.raises(SandboxError, match="pytest was not found") as caught:
            ensure_image(Requirements(("pytest",), wanted), image_options, said.append)
        assert "--image" in caught.value.hint
        assert [one for one in said if f"asks for Python {wanted}" in one and step in one]


@pytest.mark.docker
def test_what_cannot_be_installed_is_left_out_of_the_image_and_tried_again_later(
    options: SandboxOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    never = f"iniconfig>={time.time_ns()}; python_version > '3'"  # an image of its own
    tree = {"requirements.txt": TreeFile(f"pytest\n{never}\n".encode())}
    docker_sandbox(tree, options, said.append)
    sandbox = docker_sandbox(tree, options, said.append)
    (line,) = sandbox.left_out
    assert said[1] == said[2] == f"{line} is left out: {sandbox.left_out[line]}"
    assert f"you require {never.partition(';')[0]}" in said[1]
    with sandbox.open({"test_it.py": TreeFile(b"def test():\n    pass\n")}, (), Limits()) as one:
        assert one.collection.node_ids == ("test_it.py::test",)
    assert len(said) == 3
    monkeypatch.setattr(images, "RETRY_S", -1)
    docker_sandbox(tree, options, said.append)
    with connected() as client:
        client.remove_image(client.images("egbot-sandbox")[0]["RepoTags"][0])
    assert said[3].startswith("building an image")


@pytest.mark.docker
def test_a_filter_that_the_engine_does_not_apply_is_found_out(options: SandboxOptions) -> None:
    """Before any code of the repository runs; the engine itself says nothing."""
    image = ensure_image(Requirements(("pytest",)), options, print)
    sandbox = WarmSandbox("docker", options, partial(started, image, options, "unconfined"))
    with pytest.raises(SandboxError, match=r"not closed as it must be.* seccomp"):
        sandbox.open({"conftest.py": TreeFile(b"1 / 0")}, (), Limits())


@pytest.mark.docker
def test_another_image_by_the_name_of_ours_is_not_used(options: SandboxOptions) -> None:
    wanted, said = Requirements(("pytest",)), list[str]()
    ours = ensure_image(wanted, options, said.append)
    with connected() as client:
        client.tag(IMAGE, ours.name)
    assert ensure_image(wanted, options, said.append).digest == ours.digest
    assert sum("not egbot's" in line for line in said) == 1


@pytest.mark.docker
def test_the_clients_own_proxy_settings_stay_outside(
    options: SandboxOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's clients copy proxies, with their passwords, into containers by themselves."""
    settings = '{"proxies": {"default": {"httpProxy": "http://me:canary@example.invalid"}}}'
    (tmp_path / "config.json").write_text(settings)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    show = ["python3", "-c", "import os; print(dict(os.environ))"]
    link = Attached(IMAGE, show, host_config(options), ENVIRONMENT)
    try:
        assert b"canary" not in link.exchange(b"", 60)
    finally:
        link.close()


@pytest.mark.docker
def test_containers_of_dead_bots_are_swept_up_and_others_left(options: SandboxOptions) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    labels = {"dead": owner_labels(dead.pid), "alive": owner_labels(os.getpid())}
    stranger = {**labels["dead"], "egbot.host": "another/machine"}
    labels |= {"stranger": stranger, "old": {**stranger, "egbot.started": "1"}}
    dead.communicate(b"\n")
    with connected() as client:
        started: dict[str, str] = {}
        try:
            for name, given in labels.items():
                marks = {**given, "egbot.test": "reap"}
                made = client.create_container(IMAGE, ["sleep", "300"], labels=marks)
                started[name] = made["Id"]
                client.start(made["Id"])
            reap_containers(client)
            left = client.containers(all=True, filters={"label": "egbot.test=reap"})
            assert {one["Id"] for one in left} == {started["alive"], started["stranger"]}
        finally:
            for name in ("alive", "stranger"):
                client.remove_container(started[name], force=True)
