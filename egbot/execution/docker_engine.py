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
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, InvalidVersion
from docker.utils import kwargs_from_env

from egbot.errors import SandboxError, SpaceError

CALL_TIMEOUT_S = 60
OLDEST_API = (1, 41)
"""Docker 20.10: the first with control groups version 2."""

SOCKETS = ("/var/run/docker.sock", "$XDG_RUNTIME_DIR/docker.sock", "~/.docker/run/docker.sock",
           "~/.docker/desktop/docker.sock")  # fmt: skip
"""The system's, those of rootless engines, Docker Desktop's: the first that is open to us."""

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
        raise _unreachable(error, one_line(address)) from error
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
        address = str(found["base_url"]).replace("http+unix:", "unix:")
    except KeyError:
        raise SandboxError(
            "there is no such Docker context as the one that is chosen",
            hint="docker context ls shows them; docker context use default, or unset DOCKER_CONTEXT",
        ) from None
    except Exception as error:  # the SDK raises it bare for a context's file that it cannot read
        raise SandboxError(
            f"the settings of the Docker client cannot be used: {one_line(str(error))}",
            hint="mend DOCKER_CONTEXT and DOCKER_CERT_PATH, or docker context use default",
        ) from error
    if address == "unix:///var/run/docker.sock" and not os.environ.get("DOCKER_HOST"):
        paths = [Path(os.path.expandvars(one)).expanduser() for one in SOCKETS]
        usable = (path for path in paths if os.access(path, os.R_OK | os.W_OK))
        address = f"unix://{next(usable, paths[0])}"
    if address.startswith("ssh:"):
        raise SandboxError(
            f"the Docker engine at {one_line(address)} is behind SSH, which egbot does not speak",
            hint="forward its socket (ssh -L /tmp/docker.sock:/var/run/docker.sock HOST) and set "
            "DOCKER_HOST=unix:///tmp/docker.sock",
        )
    return address, found.get("tls")


def _unreachable(error: Exception, where: str) -> SandboxError:
    reason = one_line(str(error))
    reason = re.sub(r".*\[Errno \d+\] ([^'\")]+).*", r"\1", reason)
    what, hint = f"the Docker engine at {where} does not answer: {reason}", _START
    if isinstance(error, InvalidVersion):
        what, hint = "the Docker engine is too old", _UPDATE
    elif isinstance(error, PermissionError):
        what = f"this user may not speak to the Docker engine at {where}"
        hint = "add the user to the group docker and log in again, or use rootless Docker"
    elif isinstance(error, FileNotFoundError):
        what, hint = f"there is no Docker engine at {where}", _INSTALL
    elif isinstance(error, ValueError) or "bind address" in reason:
        what = f"{where} is no address of a Docker engine: {reason}"
        hint = "mend DOCKER_HOST (unix:///var/run/docker.sock) or choose another context"
    return SandboxError(what, hint=hint)


def engine_error(error: Exception, timeout_s: float) -> SandboxError | SpaceError:
    """Say what a failure of an engine that has answered before means, and what to do next."""
    text = one_line(str(getattr(error, "explanation", None) or error))
    if re.search("no space left on device|disk quota exceeded", text, re.IGNORECASE):
        hint = "free space (docker system df shows who uses it)"
        return SpaceError("no space left for Docker", hint=hint)
    what, hint = f"the Docker engine does not answer any more: {text}", _START
    if re.search("unknown (or invalid )?runtime", text, re.IGNORECASE):
        what = f"the Docker engine does not know the runtime that was named: {text}"
        hint = "register the runtime with the engine, or leave the setting out"
    elif isinstance(error, APIError):
        what, hint = f"the Docker engine refused: {text}", "run egbot doctor"
    elif isinstance(error, TimeoutError | requests.Timeout) or "timed out" in text:
        what = f"the Docker engine was silent for {timeout_s:.0f} s"
        hint = "look at the engine's state, or use --sandbox bubblewrap"
    return SandboxError(what, hint=hint)


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
