"""Owns the way to the Docker engine: where it is, what it can do, and what its failures mean."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, InvalidVersion
from docker.utils import kwargs_from_env

from egbot.errors import SandboxError, SpaceError

CALL_TIMEOUT_S = 60
OLDEST_API = (1, 41)
"""Docker 20.10: the first with control groups version 2."""

SYSTEM_SOCKET = "/var/run/docker.sock"
_DEFAULT = DEFAULT_UNIX_SOCKET.removeprefix("http+")
_OTHER_SOCKETS = ("$XDG_RUNTIME_DIR/docker.sock", "~/.docker/run/docker.sock",
                  "~/.docker/desktop/docker.sock")  # fmt: skip
"""Where rootless engines and Docker Desktop listen; used where the system's socket is not."""

NO_SPACE = re.compile("no space left on device|disk quota exceeded", re.IGNORECASE)
_ADDRESS = "mend DOCKER_HOST (unix:///var/run/docker.sock) or choose another context"
_START = "start it, or use --sandbox bubblewrap"
_UPDATE = "install Docker 20.10 or newer"
_INSTALL = "install Docker, or use --sandbox bubblewrap"
_LIMITS = {"MemoryLimit": "memory", "SwapLimit": "swap", "PidsLimit": "pids", "CpuCfsQuota": "cpus"}


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine that answers. ``missing`` names the limits that it cannot enforce."""

    version: str
    missing: tuple[str, ...]


@contextmanager
def connected(timeout_s: int = CALL_TIMEOUT_S) -> Iterator[docker.APIClient]:
    """A connection to the engine; ``timeout_s`` bounds the silence before each answer.

    The engine is the one of DOCKER_HOST, of the current context, of the system's or a user's own
    socket. What goes wrong inside, of its making, becomes a SandboxError or SpaceError.
    """
    address, tls = _address()
    try:
        if address.startswith("unix://"):
            with socket.socket(socket.AF_UNIX) as probe:  # its failures tell more than the SDK's
                probe.settimeout(timeout_s)
                probe.connect(address.removeprefix("unix://"))
        client = docker.APIClient(address, version="auto", timeout=timeout_s, tls=tls or False)
    except (DockerException, requests.RequestException, OSError, ValueError) as error:
        raise _unreachable(error, address) from error
    with client:
        try:
            yield client
        except (DockerException, requests.RequestException, OSError) as error:
            raise engine_error(error, timeout_s) from error


def _address() -> tuple[str, Any]:
    """The engine's address and TLS: the environment's, the context's, or that of a socket here."""
    try:
        found: dict[str, Any] = {**kwargs_from_env()}
        if "base_url" not in found:
            found = {**ContextAPI.kwargs_from_context(), **found}
    except Exception as error:  # the SDK raises it bare for a context's file that it cannot read
        raise SandboxError(
            f"the settings of the Docker client cannot be used: {one_line(str(error))}",
            hint="mend DOCKER_CONTEXT and DOCKER_CERT_PATH, or docker context use default",
        ) from error
    address = str(found.get("base_url") or DEFAULT_UNIX_SOCKET).replace("http+unix:", "unix:")
    if address == _DEFAULT and not os.environ.get("DOCKER_HOST"):
        places = (SYSTEM_SOCKET, *_OTHER_SOCKETS)
        paths = [Path(os.path.expandvars(one)).expanduser() for one in places]
        usable = (path for path in paths if os.access(path, os.R_OK | os.W_OK))
        address = f"unix://{next(usable, SYSTEM_SOCKET)}"
    if address.startswith("ssh:"):
        raise SandboxError(
            f"the Docker engine at {one_line(address)} is behind SSH, which egbot does not speak",
            hint="forward its socket (ssh -L /tmp/docker.sock:/var/run/docker.sock HOST) and set "
            "DOCKER_HOST=unix:///tmp/docker.sock",
        )
    return address, found.get("tls")


def _unreachable(error: Exception, address: str) -> SandboxError:
    where = one_line(address)
    if isinstance(error, InvalidVersion):
        return SandboxError("the Docker engine is too old", hint=_UPDATE)
    if isinstance(error, PermissionError):
        return SandboxError(
            f"this user may not speak to the Docker engine at {where}",
            hint="add the user to the group docker and log in again, or use rootless Docker",
        )
    if isinstance(error, FileNotFoundError):
        return SandboxError(f"there is no Docker engine at {where}", hint=_INSTALL)
    reason = one_line(str(error))
    if found := re.search(r"\[Errno \d+\] ([^'\")]+)", reason):
        reason = found[1]
    if "bind address" in reason or isinstance(error, ValueError):
        return SandboxError(f"{where} is no address of a Docker engine: {reason}", hint=_ADDRESS)
    return SandboxError(f"the Docker engine at {where} does not answer: {reason}", hint=_START)


def engine_error(error: Exception, timeout_s: float) -> SandboxError | SpaceError:
    """Say what a failure of an engine that has answered before means, and what to do next."""
    text = one_line(str(getattr(error, "explanation", None) or error))
    told = text.lower()
    if NO_SPACE.search(text):
        return no_space()
    if "unknown or invalid runtime" in told or "unknown runtime" in told:
        return SandboxError(
            f"the Docker engine does not know the runtime that was named: {text}",
            hint="register the runtime with the engine, or leave the setting out",
        )
    if isinstance(error, APIError):
        return SandboxError(f"the Docker engine refused: {text}", hint="run egbot doctor")
    if isinstance(error, TimeoutError | requests.Timeout) or "timed out" in told:
        return SandboxError(
            f"the Docker engine was silent for {timeout_s:.0f} s",
            hint="look at the engine's state, or use --sandbox bubblewrap",
        )
    return SandboxError(f"the Docker engine does not answer any more: {text}", hint=_START)


def no_space() -> SpaceError:
    """Return the error for a full disk."""
    return SpaceError(
        "no space left for Docker", hint="free space (docker system df shows who uses it)"
    )


def one_line(output: str) -> str:
    """Return the end of some output in one line, without colour and credentials."""
    text = " ".join(line.strip() for line in output.splitlines() if line.strip())[-800:]
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return re.sub(r"//[^/@\s]+@", "//***@", text)


def find_engine() -> Engine:
    """Ask the engine what it is. Raises SandboxError when it does not answer or is too old."""
    with connected(30) as client:
        known = client.version(api_version=False)
        version, api = str(known.get("Version", "?")), str(known.get("ApiVersion", ""))
        if tuple(int(part) for part in re.findall(r"\d+", api)[:2]) < OLDEST_API:
            raise SandboxError(f"the Docker engine {version} is too old", hint=_UPDATE)
        info = client.info()
    lacking = [word for key, word in _LIMITS.items() if not info.get(key)]
    if "seccomp" not in str(info.get("SecurityOptions", "")):
        lacking.append("seccomp")
    return Engine(version, tuple(lacking))
