"""What Docker is told and how its failures read; ``test_confinement`` looks at it from inside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.dependencies import Requirements
from egbot.errors import SandboxError, SpaceError
from egbot.execution import image
from egbot.execution.confinement import docker_run_arguments, inner_environment
from egbot.execution.container import (
    docker_sandbox,
    owner_labels,
    reap_containers,
    remove_container,
)
from egbot.execution.docker_cli import docker, docker_environment, docker_error, find_engine
from egbot.execution.image import base_image, ensure_image, platform_of
from egbot.execution.options import SandboxOptions
from egbot.records import Limits, TreeFile
from tests.machine import IMAGE, need_docker


@pytest.fixture
def options(tmp_path: Path) -> SandboxOptions:
    need_docker()
    return SandboxOptions(image=IMAGE, cache_dir=tmp_path)


def arguments_of(options: SandboxOptions, *volumes: str, seccomp: Path | None = None) -> list[str]:
    return docker_run_arguments(
        options,
        labels={"egbot": "1"},
        environment=inner_environment("/bin", "/runner"),
        volumes=volumes,
        seccomp=seccomp,
    )


def test_every_wall_is_asked_for() -> None:
    """Leaving one of these out would not fail any honest test."""
    text = " ".join(arguments_of(SandboxOptions(), seccomp=Path("profile.json")))
    for part in (
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--security-opt seccomp=profile.json",
        "--user 65534:65534",
        "--pids-limit 512",
        "--memory 2147483648",
        "--memory-swap 2147483648",
        "--cpus 2",
        "--ulimit core=0",
        "--pull never",
        "--rm",
        "--ipc private",
        "--log-driver none",
    ):
        assert part in text
    for part in (
        "--volume",
        "-v ",
        "--mount",
        "--privileged",
        "--cap-add",
        "docker.sock",
        "--gpus",
        "--init",
    ):
        assert part not in text
    assert "--runtime runsc" in " ".join(arguments_of(SandboxOptions(runtime="runsc")))


def test_an_images_volumes_become_bounded() -> None:
    """The engine would make them writable on the host's disk without a bound."""
    text = " ".join(arguments_of(SandboxOptions(tmpfs_bytes=4096), "/data", "/tmp"))
    assert "--tmpfs /data:rw,exec,nosuid,nodev,size=4096" in text
    assert text.count("--tmpfs /tmp:") == 1


def test_the_docker_command_itself_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("DOCKER_HOST", "unix:///x")
    kept = docker_environment()
    assert "secret" not in kept.values()
    assert kept["DOCKER_HOST"] == "unix:///x"


@pytest.mark.parametrize(
    ("output", "kind", "says", "next_step"),
    [
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///v",
            SandboxError,
            "may not speak",
            "group docker",
        ),
        (
            "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
            SandboxError,
            "does not answer",
            "start it",
        ),
        ("write /x: no space left on device", SpaceError, "no space", "free space"),
        (
            "Error response from daemon: Unknown runtime specified runsc",
            SandboxError,
            "does not know the runtime",
            "register",
        ),
        (
            "unauthorized: https://user:secret@example.invalid",
            SandboxError,
            "https://***@example.invalid",
            "egbot doctor",
        ),
    ],
)
def test_failures_say_what_to_do(
    output: str, kind: type[Exception], says: str, next_step: str
) -> None:
    error = docker_error("run", output)
    assert type(error) is kind
    assert says in error.message
    assert next_step in error.hint
    assert "secret" not in error.message


def test_a_missing_command_or_engine_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(SandboxError, match="was not found"):
            find_engine()
    (tmp_path / "docker").write_text('#!/bin/sh\necho \'{"ApiVersion":"1.24","Version":"1.12"}\'\n')
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SandboxError, match=r"1\.12 is too old"):
        find_engine()


@pytest.mark.docker
def test_an_engine_that_is_not_there_is_told(
    options: SandboxOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(SandboxError, match="does not answer"):
        find_engine()


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
    known = platform_of(base_image(options, print), options)
    assert known.version.startswith("3.")
    assert known.platform


@pytest.mark.docker
def test_a_package_without_a_wheel_fails_the_build_with_uvs_reason(
    options: SandboxOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    image_options = replace(options, setup=(f": {time.time_ns()}",))  # an image of its own
    with pytest.raises(SandboxError, match="pytest was not found") as caught:
        ensure_image(Requirements(("pytest",)), image_options, print)
    assert "--image" in caught.value.hint


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
    monkeypatch.setattr(image, "RETRY_S", -1)
    docker_sandbox(tree, options, said.append)
    docker(["image", "rm", sandbox.image.name])
    assert said[3].startswith("building an image")


@pytest.mark.docker
def test_a_filter_that_the_engine_does_not_apply_is_found_out(options: SandboxOptions) -> None:
    """Before any code of the repository runs; the engine itself says nothing."""
    sandbox = replace(docker_sandbox({}, options, print), seccomp=Path("unconfined"))
    with pytest.raises(SandboxError, match=r"not closed as it must be.* seccomp"):
        sandbox.open({"conftest.py": TreeFile(b"1 / 0")}, (), Limits())


@pytest.mark.docker
def test_another_image_by_the_name_of_ours_is_not_used(options: SandboxOptions) -> None:
    wanted, said = Requirements(("pytest",)), list[str]()
    ours = ensure_image(wanted, options, said.append)
    docker(["tag", IMAGE, ours.name])
    assert ensure_image(wanted, options, said.append).digest == ours.digest
    assert sum("not egbot's" in line for line in said) == 1


@pytest.mark.docker
def test_the_commands_own_proxy_settings_stay_outside(
    options: SandboxOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The docker command copies proxies, with their passwords, into containers by itself."""
    settings = '{"proxies": {"default": {"httpProxy": "http://me:canary@example.invalid"}}}'
    (tmp_path / "config.json").write_text(settings)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    shown = docker([*arguments_of(options), IMAGE, "cat", "/proc/self/environ"])
    assert "canary" not in shown
    plain = docker(["run", "--rm", "--network", "none", IMAGE, "cat", "/proc/self/environ"])
    assert "canary" in plain


@pytest.mark.docker
def test_containers_of_dead_bots_are_swept_up_and_others_left(options: SandboxOptions) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    labels = {"dead": owner_labels(dead.pid), "alive": owner_labels(os.getpid())}
    stranger = {**labels["dead"], "egbot.host": "another/machine"}
    labels |= {"stranger": stranger, "old": {**stranger, "egbot.started": "1"}}
    dead.communicate(b"\n")
    started = {}
    try:
        for name, given in labels.items():
            marks = [word for key, value in given.items() for word in ("--label", f"{key}={value}")]
            marks += ["--label", "egbot.test=reap", "--network", "none", "--detach"]
            started[name] = docker(["run", *marks, IMAGE, "sleep", "300"]).strip()
        assert reap_containers() == 2
        listing = ["ps", "--all", "--no-trunc", "--quiet", "--filter", "label=egbot.test=reap"]
        assert set(docker(listing).split()) == {started["alive"], started["stranger"]}
    finally:
        for container_id in started.values():
            remove_container(container_id)
    assert not docker(["ps", "--all", "--quiet", "--filter", "label=egbot.test=reap"])
