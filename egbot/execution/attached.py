"""Owns a confined container: its one socket for three streams, and the end of those left behind."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError
from typing_extensions import override

from egbot.errors import SurroundingsError
from egbot.execution.confinement import USER_ID, WORK
from egbot.execution.docker_engine import connected
from egbot.execution.link import CHUNK_BYTES, Link

_HEADER = struct.Struct(">BxxxL")
"""Before each piece of output: 1 or 2 for its stream, and its length in bytes (Engine API,
``ContainerAttach``)."""

STRANGER_AGE_S = 24 * 3600
"""Containers whose bot cannot be looked up from here are swept up after this time."""

_STDERR = 2
_STREAMS = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}


class Attached(Link):
    """A container that was just started; it is removed at its end.

    ``host_config`` is that of ``egbot.execution.confinement``. Raises SandboxError, SpaceError
    when the engine does not start one.
    """

    def __init__(
        self,
        image: str,
        command: Sequence[str],
        host_config: Mapping[str, Any],
        environment: Mapping[str, str],
        walls: Sequence[str] = (),
    ) -> None:
        self._frames = bytearray()
        with connected() as client, contextlib.ExitStack() as stack:
            created = client.create_container(
                image,
                entrypoint=[command[0]],
                command=list(command[1:]),
                name=f"egbot-{secrets.token_hex(8)}",
                labels={"egbot": "1", **owner_labels(os.getpid())},
                hostname="sandbox",
                user=f"{USER_ID}:{USER_ID}",
                working_dir="/",
                environment=dict(environment),
                stdin_open=True,
                healthcheck={"test": ["NONE"]},
                host_config=host_config,
                use_config_proxy=False,
            )
            self.container_id = str(created["Id"])
            stack.callback(self._remove)
            attached = client.attach_socket(self.container_id, _STREAMS)
            self._socket: socket.socket = getattr(attached, "_sock", attached)
            stack.callback(self._socket.close)
            stack.callback(getattr(attached, "_response", attached).close)  # with TLS it holds on
            self._socket.setblocking(False)
            client.start(self.container_id)
            self._end_all = stack.pop_all().close
        super().__init__(WORK, walls, self._socket.fileno(), {self._socket.fileno()})

    @override
    def _write(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0

    @override
    def _read(self, descriptor: int) -> tuple[bytes, bytes]:
        """What TLS has decrypted is taken whole: no descriptor tells of it."""
        try:
            chunk = self._socket.recv(CHUNK_BYTES)
            while num_pending := getattr(self._socket, "pending", int)():
                chunk += self._socket.recv(num_pending)
        except (BlockingIOError, ssl.SSLWantReadError):
            return b"", b""
        if not chunk:
            self._outputs.discard(descriptor)
            raise EOFError
        self._frames += chunk
        return self._demultiplexed()

    def _demultiplexed(self) -> tuple[bytes, bytes]:
        out, err, at = bytearray(), bytearray(), 0
        while at + _HEADER.size <= len(self._frames):
            stream, num_bytes = _HEADER.unpack_from(self._frames, at)
            end = at + _HEADER.size + num_bytes
            if end > len(self._frames):
                break
            (err if stream == _STDERR else out).extend(self._frames[at + _HEADER.size : end])
            at = end
        del self._frames[:at]
        return bytes(out), bytes(err)

    @override
    def _exit_code(self, timeout_s: float) -> int | None:
        """The engine's events are asked: an ended container is gone by then."""
        with contextlib.suppress(SurroundingsError), connected() as client:
            now = datetime.fromisoformat(f"{client.info()['SystemTime'][:19]}+00:00").timestamp()
            events = client.events(
                since=1,
                until=int(now + timeout_s) + 1,
                filters={"container": self.container_id, "event": "die"},
                decode=True,
            )
            with contextlib.closing(events):
                for event in events:
                    return int(event["Actor"]["Attributes"]["exitCode"])
        return None

    @override
    def _end(self) -> None:
        self._end_all()

    def _remove(self) -> None:
        with contextlib.suppress(SurroundingsError), connected() as client:
            client.remove_container(self.container_id, force=True, v=True)


# --- what dead bots left ------------------------------------------------------------------------


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
