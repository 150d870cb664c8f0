"""Owns the Docker backend: how a container with the runner is started, ended and swept up.

It does not know what is run inside. Nothing of the host is mounted; the repository's files come
in over the container's standard input. What a container does not cover stands at the top of
``egbot.execution.confinement``, which owns its walls.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from egbot.dependencies import detect
from egbot.errors import SandboxError
from egbot.execution.cache import cache_folder
from egbot.execution.confinement import WALLS, WORK, docker_run_arguments, inner_environment
from egbot.execution.docker_cli import (
    docker,
    docker_environment,
    docker_path,
    engine_fault,
    find_engine,
)
from egbot.execution.filters import docker_profile
from egbot.execution.image import (
    ENVIRONMENT_PATH,
    REPOSITORY,
    RUNNER_PATH,
    Image,
    ensure_image,
)
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.packages import tell_left_out
from egbot.execution.payload import keep_files
from egbot.execution.warm import Launch, Opening, WarmExecutor
from egbot.ports import Executor
from egbot.records import Limits, Tree

KEPT_IMAGES = 10
STRANGER_AGE_S = 24 * 3600
"""Containers whose bot cannot be looked up from here are swept up after this time."""

_PATH = f"{ENVIRONMENT_PATH}/bin:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class DockerSandbox:
    """Containers of one image, made for one repository's requirements.

    ``seccomp`` is the profile of system calls, None where the engine cannot enforce one.
    """

    image: Image
    options: SandboxOptions
    seccomp: Path | None

    @property
    def backend(self) -> str:
        """Return ``docker``."""
        return "docker"

    @property
    def left_out(self) -> Mapping[str, str]:
        """Return the requirements that could not be installed, and why."""
        return self.image.left_out

    @property
    def _is_filtered(self) -> bool:
        """Whether a filter can be seen inside: a runtime such as gVisor's has walls of its own."""
        return self.seccomp is not None and self.options.runtime is None

    def open(self, tree: Tree, tests: Iterable[str], limits: Limits) -> Executor:
        """Start a container and collect ``tests`` in it. Raises SandboxError."""
        opening = Opening(
            tree=tree,
            tests=tuple(tests),
            limits=limits,
            options=self.options.pytest_options,
            env=dict(self.options.env),
            collect_s=self.options.collect_s,
        )
        return WarmExecutor(self._launch, opening)

    def _launch(self) -> Launch:
        name = f"egbot-{secrets.token_hex(8)}"
        arguments = docker_run_arguments(
            self.options,
            labels={"egbot": "1", **owner_labels(os.getpid())},
            environment=inner_environment(_PATH, RUNNER_PATH),
            volumes=self.image.volumes,
            seccomp=self.seccomp,
        )
        python = f"{ENVIRONMENT_PATH}/bin/python"
        inner = [self.image.name, python, "-m", "sandbox.runner"]
        return Launch(
            argv=(docker_path(), *arguments, "--name", name, *inner),
            env=docker_environment(),
            work=WORK,
            walls=tuple(wall for wall in WALLS if wall != "seccomp" or self._is_filtered),
            on_close=lambda: remove_container(name),
            explain=engine_fault,
        )


def docker_sandbox(tree: Tree, options: SandboxOptions, report: Report) -> DockerSandbox:
    """Prepare Docker for ``tree``: engine, sweeping up, image. Raises SandboxError, SpaceError."""
    engine = find_engine()
    if engine.missing:
        report(
            f"Docker {engine.version} cannot enforce: {', '.join(engine.missing)}; "
            "use it with repositories that you trust"
        )
    reap_containers()
    requirements = detect(tree)
    for one in requirements.ignored:
        report(f"{one.path}: {one.why}")
    image = ensure_image(requirements, options, report)
    tell_left_out(image.left_out, report)
    reap_images()
    profiles = cache_folder(options) / "profiles"
    kept = keep_files({"seccomp.json": docker_profile().encode()}, profiles, report)
    is_filtered = "seccomp" not in engine.missing
    return DockerSandbox(image, options, kept / "seccomp.json" if is_filtered else None)


def remove_container(name: str) -> None:
    """Remove a container, running or not; one that is gone already is fine."""
    with contextlib.suppress(SandboxError):
        docker(["rm", "--force", "--volumes", name])


def owner_labels(pid: int) -> dict[str, str]:
    """Return labels that tell later which process owned a container, and whether it is gone."""
    return {
        "egbot.host": _host(),
        "egbot.pid": f"{pid}.{_start_ticks(pid)}",
        "egbot.started": str(int(time.time())),
    }


def reap_containers() -> int:
    """Remove the containers whose bot is gone; return how many those were."""
    num_removed = 0
    for container_id in _orphans():
        with contextlib.suppress(SandboxError):
            docker(["rm", "--force", "--volumes", container_id])
            num_removed += 1
    return num_removed


def reap_images() -> int:
    """Remove all but the newest images and what builds left behind; return how many.

    The engine refuses to remove an image that a container uses.
    """
    num_removed = 0
    shown = ["--format", "{{.Repository}}:{{.Tag}}"]
    listed = docker(["image", "ls", "--filter", "label=egbot.image", *shown]).split()
    for name in [one for one in listed if one.startswith(f"{REPOSITORY}:")][KEPT_IMAGES:]:
        with contextlib.suppress(SandboxError):
            docker(["image", "rm", name])
            num_removed += 1
    with contextlib.suppress(SandboxError):
        old = ["--filter", "label=egbot", "--filter", "until=1h"]
        docker(["image", "prune", "--force", *old])
    return num_removed


def _orphans() -> list[str]:
    found = docker(["ps", "--all", "--quiet", "--filter", "label=egbot.pid"]).split()
    orphans = []
    for container_id in found:
        with contextlib.suppress(SandboxError, ValueError, KeyError, IndexError):
            known = json.loads(docker(["inspect", container_id]))[0]
            if _is_orphan(known["Config"]["Labels"]):
                orphans.append(container_id)
    return orphans


def _is_orphan(labels: dict[str, str]) -> bool:
    """A process id means something only on the same boot and in the same process namespace."""
    if labels["egbot.host"] != _host():
        return time.time() - int(labels["egbot.started"]) > STRANGER_AGE_S
    pid, _, start = labels["egbot.pid"].partition(".")
    return _start_ticks(int(pid)) != start


def _host() -> str:
    boot = _read("/proc/sys/kernel/random/boot_id").strip()
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{boot}/{namespace}"


def _start_ticks(pid: int) -> str:
    """Return a process's start time (proc(5), field 22 of stat), "" when it is gone."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
