"""Owns the Docker backend: a sandbox is a container of an image made for the repository."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from egbot.dependencies import detect
from egbot.execution.attached import Attached
from egbot.execution.confinement import WALLS, WORK, host_config, inner_environment
from egbot.execution.docker_engine import connected, find_engine
from egbot.execution.filters import docker_profile
from egbot.execution.images import (
    ENVIRONMENT_PATH,
    PYTHON_PATH,
    RUNNER_PATH,
    Image,
    ensure_image,
    reap_images,
)
from egbot.execution.link import Launch
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.owners import reap_containers
from egbot.execution.packages import tell_left_out
from egbot.execution.warm import Opening, WarmExecutor
from egbot.ports import Executor
from egbot.records import Limits, Tree

ENVIRONMENT = inner_environment(f"{ENVIRONMENT_PATH}/bin:/usr/local/bin:/usr/bin:/bin", RUNNER_PATH)


@dataclass(frozen=True, slots=True)
class DockerSandbox:
    """Containers of one image, made for one repository's requirements.

    ``seccomp`` is the profile of system calls (JSON), "" where the engine cannot enforce one.
    """

    image: Image
    options: SandboxOptions
    seccomp: str

    @property
    def backend(self) -> str:
        """Return ``docker``."""
        return "docker"

    @property
    def left_out(self) -> Mapping[str, str]:
        """Return the requirements that could not be installed, and why."""
        return self.image.left_out

    def open(self, tree: Tree, tests: Iterable[str], limits: Limits) -> Executor:
        """Start a container and collect ``tests`` in it. Raises SandboxError."""
        return WarmExecutor(self._launch, Opening.of(self.options, tree, tests, limits))

    def _launch(self) -> Launch:
        config = host_config(self.options, volumes=self.image.volumes, seccomp=self.seccomp)
        command = [PYTHON_PATH, "-m", "sandbox.runner"]
        # a runtime such as gVisor's has walls of its own, and no filter that can be seen inside
        is_filtered = bool(self.seccomp) and self.options.runtime is None
        return Launch(
            start=partial(Attached, self.image.name, command, config, ENVIRONMENT),
            work=WORK,
            walls=tuple(wall for wall in WALLS if wall != "seccomp" or is_filtered),
        )


def docker_sandbox(tree: Tree, options: SandboxOptions, report: Report) -> DockerSandbox:
    """Prepare Docker for ``tree``: engine, sweeping up, image. Raises SandboxError, SpaceError."""
    engine = find_engine()
    if engine.missing:
        report(
            f"Docker {engine.version} cannot enforce: {', '.join(engine.missing)}; "
            "use it with repositories that you trust"
        )
    with connected() as client:
        reap_containers(client)
    requirements = detect(tree)
    for one in requirements.ignored:
        report(f"{one.path}: {one.why}")
    image = ensure_image(requirements, options, report)
    tell_left_out(image.left_out, report)
    reap_images()
    return DockerSandbox(image, options, "" if "seccomp" in engine.missing else docker_profile())
