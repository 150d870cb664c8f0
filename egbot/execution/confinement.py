"""Owns the options that confine a container. It does not know what runs inside.

Not covered: a hole in the kernel or the engine (a runtime like gVisor's ``runsc`` narrows that);
limits that the engine itself cannot enforce (``find_engine`` names those); what happens inside one
run, where test and function share a process: a run may forge its own result, end the harness of its
own sandbox or stop it, which costs a fresh sandbox and up to two minutes. docs/security.md says
who stands behind this, and the attack suite (tests/e2e/attacks) what was tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from egbot.execution.docker_cli import PROXY_NAMES
from egbot.execution.options import MIB, SandboxOptions

USER_ID = 65534
WORK = "/work"
SHARED_MEMORY_BYTES = 64 * MIB
MAX_FILE_BYTES = 256 * MIB
MAX_OPEN_FILES = 1024
WALLS = ("user", "capabilities", "privileges", "seccomp", "network")
"""What each sandbox's runner looks for before it takes the tree: it is not root and has no
capabilities, may gain no privileges, has a filter of system calls, and no network but its own."""


def inner_environment(path: str, runner: str, work: str = WORK) -> dict[str, str]:
    """Return every variable that is set inside a sandbox, whatever the backend."""
    return {
        "EGBOT_SCRATCH": "/tmp:/dev/shm",  # noqa: S108  emptied after every run
        "HOME": work,
        "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "2",  # each thread's own would reserve 64 MiB of the memory limit
        "PATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": runner,
        "TMPDIR": "/tmp",  # noqa: S108  a tmpfs of the sandbox's own
    }


def docker_run_arguments(
    options: SandboxOptions,
    *,
    labels: Mapping[str, str],
    environment: Mapping[str, str],
    volumes: Sequence[str] = (),
    seccomp: Path | None = None,
) -> list[str]:
    """Return ``run`` and its options up to the image's name.

    ``volumes`` are the folders that the image declares as such: the engine would make them
    writable without a bound, so each becomes a bounded tmpfs. ``seccomp`` is a profile of system
    calls, None the engine's own.
    """
    # The owner is named since runc gives a tmpfs the mode of the folder that it covers.
    owner = f"uid={USER_ID},gid={USER_ID},mode=1777"
    scratch = f"rw,exec,nosuid,nodev,size={options.tmpfs_bytes},{owner}"
    # No init: the runner adopts and reaps what tests leave; an init would be a process of the same
    # user whose memory they may write.
    arguments = ["run", "--interactive", "--rm", "--pull", "never"]
    arguments += ["--network", "none", "--read-only", "--no-healthcheck"]
    arguments += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    arguments += ["--user", f"{USER_ID}:{USER_ID}", "--workdir", "/", "--hostname", "sandbox"]
    arguments += ["--ipc", "private", "--shm-size", str(SHARED_MEMORY_BYTES)]
    arguments += ["--pids-limit", str(options.pids), "--cpus", f"{options.cpus:g}"]
    arguments += ["--memory", str(options.memory_bytes)]
    arguments += ["--memory-swap", str(options.memory_bytes)]
    arguments += ["--ulimit", "core=0", "--ulimit", f"nofile={MAX_OPEN_FILES}"]
    arguments += ["--ulimit", f"fsize={MAX_FILE_BYTES}", "--log-driver", "none"]
    for folder in dict.fromkeys((WORK, "/tmp", *volumes)):  # noqa: S108
        arguments += ["--tmpfs", f"{folder}:{scratch}"]
    if seccomp is not None:
        arguments += ["--security-opt", f"seccomp={seccomp}"]
    if options.runtime:
        arguments += ["--runtime", options.runtime]
    for name, value in labels.items():
        arguments += ["--label", f"{name}={value}"]
    for name in PROXY_NAMES:
        arguments += ["--env", f"{name}="]
    for name, value in environment.items():
        arguments += ["--env", f"{name}={value}"]
    return arguments
