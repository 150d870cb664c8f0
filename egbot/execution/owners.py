"""Owns the labels that tell whose a container is, and the sweeping up after bots that are gone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

import docker
from docker.errors import APIError

STRANGER_AGE_S = 24 * 3600
"""Containers whose bot cannot be looked up from here are swept up after this time."""


def owner_labels(pid: int) -> dict[str, str]:
    """Return labels that tell later which process owned a container, and whether it is gone."""
    return {
        "egbot.host": _host(),
        "egbot.pid": f"{pid}.{_start_ticks(pid)}",
        "egbot.started": str(int(time.time())),
    }


def reap_containers(client: docker.APIClient) -> int:
    """Remove the containers whose bot is gone; return how many those were."""
    num_removed = 0
    for found in client.containers(all=True, filters={"label": "egbot.pid"}):
        with contextlib.suppress(APIError, ValueError, KeyError):
            if _is_orphan(found["Labels"]):
                client.remove_container(found["Id"], force=True, v=True)
                num_removed += 1
    return num_removed


def _is_orphan(labels: Mapping[str, str]) -> bool:
    """A process id means something only on the same boot and in the same process namespace."""
    if labels["egbot.host"] != _host():
        return time.time() - int(labels["egbot.started"]) > STRANGER_AGE_S
    pid, _, start = labels["egbot.pid"].partition(".")
    return _start_ticks(int(pid)) != start


def _host() -> str:
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{_read('/proc/sys/kernel/random/boot_id').strip()}/{namespace}"


def _start_ticks(pid: int) -> str:
    """Return a process's start time (proc(5), field 22 of stat), "" when it is gone."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
