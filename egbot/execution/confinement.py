"""Owns what confines every sandbox, whatever the backend, and the options that confine a container.

Not covered: a hole in the kernel or the engine (a runtime like gVisor's ``runsc`` narrows that);
limits that the engine itself cannot enforce (``find_engine`` names those); what happens inside one
run, where test and function share a process: a run may forge its own result, end the harness of its
own sandbox or stop it, which costs a fresh sandbox and up to two minutes. docs/security.md says
who stands behind this, and the attack suite (tests/e2e/attacks) what was tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from egbot.execution.options import MIB, SandboxOptions

USER_ID = 65534
WORK = "/work"
SHARED_MEMORY_BYTES = 64 * MIB
MAX_FILE_BYTES = 256 * MIB
MAX_OPEN_FILES = 1024
WALLS = ("user", "capabilities", "privileges", "seccomp", "network")
"""What each sandbox's runner looks for before it takes the tree: it is not root and has no
capabilities, may gain no privileges, has a filter of system calls, and no network but its own."""

_ULIMITS = {"core": 0, "nofile": MAX_OPEN_FILES, "fsize": MAX_FILE_BYTES}


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


def launcher(python: str, runner: str) -> list[str]:
    """Return the command that starts what follows with ``sandbox/launch.py`` below ``runner``."""
    return [python, "-I", "-S", f"{runner}/sandbox/launch.py"]


def host_config(
    options: SandboxOptions, *, volumes: Sequence[str] = (), seccomp: str = ""
) -> dict[str, Any]:
    """Return the ``HostConfig`` of a confined container, in the words of the engine's API.

    ``volumes`` are the folders that the image declares as such: the engine would make them
    writable without a bound, so each becomes a bounded tmpfs. ``seccomp`` is a profile of system
    calls (JSON), "" the engine's own. Nothing of the host is mounted.
    """
    # The owner is named since runc gives a tmpfs the mode of the folder that it covers.
    owner = f"uid={USER_ID},gid={USER_ID},mode=1777"
    scratch = f"rw,exec,nosuid,nodev,size={options.tmpfs_bytes},{owner}"
    config: dict[str, Any] = {
        "AutoRemove": True,
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", *([f"seccomp={seccomp}"] if seccomp else ())],
        "IpcMode": "private",
        "ShmSize": SHARED_MEMORY_BYTES,
        "PidsLimit": options.pids,
        "NanoCpus": round(options.cpus * 1e9),
        "Memory": options.memory_bytes,
        "MemorySwap": options.memory_bytes,
        "Ulimits": [{"Name": name, "Soft": most, "Hard": most} for name, most in _ULIMITS.items()],
        "LogConfig": {"Type": "none"},
        "Tmpfs": dict.fromkeys((WORK, "/tmp", *volumes), scratch),  # noqa: S108
        # No init: the runner adopts and reaps what tests leave; an init would be a process of the
        # same user whose memory they may write.
        "Init": False,
    }
    return config | ({"Runtime": options.runtime} if options.runtime else {})
