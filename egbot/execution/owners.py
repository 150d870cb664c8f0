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
    started = str(int(time.time()))
    return {"egbot.host": _host(), "egbot.pid": _identity(pid), "egbot.started": started}


def reap_containers(client: docker.APIClient) -> None:
    """Remove the containers whose bot is gone."""
    for found in client.containers(all=True, filters={"label": "egbot.pid"}):
        with contextlib.suppress(APIError, ValueError, KeyError):
            if _is_orphan(found["Labels"]):
                client.remove_container(found["Id"], force=True, v=True)


def _is_orphan(labels: Mapping[str, str]) -> bool:
    """A process id means something only on the same boot and in the same process namespace."""
    if labels["egbot.host"] != _host():
        return time.time() - int(labels["egbot.started"]) > STRANGER_AGE_S
    return labels["egbot.pid"] != _identity(int(labels["egbot.pid"].partition(".")[0]))


def _host() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"


def _identity(pid: int) -> str:
    """Return a process's id with its start time (proc(5), field 22 of stat), if it is there."""
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        if fields[0] not in "ZX":
            return f"{pid}.{fields[19]}"
    return f"{pid}."
