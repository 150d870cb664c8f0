"""Owns the Docker backend: a sandbox is a container of an image made for the repository."""

from __future__ import annotations

from functools import partial

from egbot.dependencies import detect
from egbot.execution.attached import Attached, reap_containers
from egbot.execution.confinement import WALLS, host_config, inner_environment, launcher
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
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.packages import tell_left_out
from egbot.execution.warm import WarmSandbox
from egbot.records import Tree

ENVIRONMENT = inner_environment(f"{ENVIRONMENT_PATH}/bin:/usr/local/bin:/usr/bin:/bin", RUNNER_PATH)


def started(image: Image, options: SandboxOptions, seccomp: str) -> Attached:
    """Start the runner in a container of ``image``. Raises SandboxError, SpaceError.

    ``seccomp`` is the profile of system calls (JSON), "" where the engine cannot enforce one.
    """
    config = host_config(options, volumes=image.volumes, seccomp=seccomp)
    # a runtime such as gVisor's has walls of its own, and no filter that can be seen inside
    is_filtered = bool(seccomp) and options.runtime is None
    walls = [wall for wall in WALLS if wall != "seccomp" or is_filtered]
    command = [*launcher(PYTHON_PATH, RUNNER_PATH), PYTHON_PATH, "-m", "sandbox.runner"]
    return Attached(image.name, command, config, ENVIRONMENT, walls)


def docker_sandbox(tree: Tree, options: SandboxOptions, report: Report) -> WarmSandbox:
    """Prepare Docker for ``tree``: engine, sweeping up, image. Raises SandboxError, SpaceError."""
    engine = find_engine()
    if engine.missing:
        report(
            f"Docker {engine.version} cannot enforce: {', '.join(engine.missing)}; "
            "use it with repositories that you trust"
        )
    with connected() as client:
        reap_containers(client)
    requirements = detect(tree, options.project)
    for one in requirements.ignored:
        report(f"{one.path}: {one.why}")
    image = ensure_image(requirements, options, report)
    tell_left_out(image.left_out, report)
    reap_images()
    seccomp = "" if "seccomp" in engine.missing else docker_profile()
    start = partial(started, image, options, seccomp)
    return WarmSandbox("docker", options, start, image.left_out)
