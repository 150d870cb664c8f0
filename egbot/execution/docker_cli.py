"""Owns the calls of the ``docker`` command and what its failures mean. It starts no sandbox.

The command gets only the variables that it needs to find its engine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from egbot.errors import SandboxError, SpaceError

CALL_TIMEOUT_S = 60
OLDEST_API = (1, 41)
"""Docker 20.10: the first with ``run --pull never`` and control groups version 2."""

PROXY_NAMES = tuple(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
    for name in (upper, upper.lower())
)
"""The variables that the docker command fills in from its own settings unless they are given."""

_KEPT_VARIABLES = re.compile(r"PATH|HOME|USER|LANG|TMPDIR|XDG_\w+|DOCKER_\w+|SSH_AUTH_SOCK")
_INSTALL = "install Docker, or use --sandbox bubblewrap"


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine that answers. ``missing`` names the limits that it cannot enforce."""

    version: str
    missing: tuple[str, ...]


def docker_environment() -> dict[str, str]:
    """Return the variables that the docker command is started with."""
    return {name: value for name, value in os.environ.items() if _KEPT_VARIABLES.fullmatch(name)}


def docker_path() -> str:
    """Return the command's path. Raises SandboxError when there is none."""
    path = shutil.which("docker")
    if path is None:
        raise SandboxError("the docker command was not found", hint=_INSTALL)
    return path


def docker(
    arguments: Sequence[str], *, timeout_s: float = CALL_TIMEOUT_S, extra: Mapping[str, str] = {}
) -> str:
    """Run one docker command and return what it printed. Raises SandboxError, SpaceError."""
    try:
        done = subprocess.run(
            [docker_path(), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env={**docker_environment(), **extra},
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxError(
            f"docker {arguments[0]} did not end within {timeout_s:.0f} s",
            hint="look at the Docker engine's state, or use --sandbox bubblewrap",
        ) from error
    except OSError as error:
        raise SandboxError(
            f"the docker command could not be started: {error}", hint=_INSTALL
        ) from error
    if done.returncode != 0:
        raise docker_error(arguments[0], done.stdout + "\n" + done.stderr)
    return done.stdout


def docker_error(verb: str, output: str) -> SandboxError | SpaceError:
    """Say what the docker command's output means and what to do next."""
    known = engine_fault(output)
    text = one_line(output)
    return known or SandboxError(f"docker {verb} failed: {text}", hint="run egbot doctor")


def one_line(output: str) -> str:
    """Return the end of some output in one line, without colour and credentials."""
    text = " ".join(line.strip() for line in output.splitlines() if line.strip())[-800:]
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return re.sub(r"//[^/@\s]+@", "//***@", text)


def engine_fault(output: str) -> SandboxError | SpaceError | None:
    """Return the error when the output says that the engine is full, closed to us or gone."""
    text = one_line(output)
    lowered = text.lower()
    if "no space left on device" in lowered:
        return SpaceError(
            "no space left for Docker", hint="free space (docker system df shows who uses it)"
        )
    if "permission denied while trying to connect" in lowered:
        return SandboxError(
            "this user may not speak to the Docker engine",
            hint="add the user to the group docker and log in again, or use rootless Docker",
        )
    if "cannot connect to the docker daemon" in lowered or "error during connect" in lowered:
        return SandboxError(
            "the Docker engine does not answer", hint="start it, or use --sandbox bubblewrap"
        )
    if "unknown or invalid runtime" in lowered or "unknown runtime" in lowered:
        return SandboxError(
            f"the Docker engine does not know the runtime that was named: {text}",
            hint="register the runtime with the engine, or leave the setting out",
        )
    return None


def find_engine() -> Engine:
    """Ask the engine what it is. Raises SandboxError when it does not answer or is too old."""
    known = _json_object(docker(["version", "--format", "{{json .Server}}"], timeout_s=15))
    api = str(known.get("ApiVersion", ""))
    version = str(known.get("Version", "?"))
    numbers = tuple(int(part) for part in re.findall(r"\d+", api)[:2])
    if numbers < OLDEST_API:
        raise SandboxError(
            f"the Docker engine {version} is too old", hint="install Docker 20.10 or newer"
        )
    info = _json_object(docker(["info", "--format", "{{json .}}"], timeout_s=30))
    limits = {
        "MemoryLimit": "memory",
        "SwapLimit": "swap",
        "PidsLimit": "pids",
        "CpuCfsQuota": "cpus",
    }
    lacking = [word for key, word in limits.items() if not info.get(key)]
    if "seccomp" not in str(info.get("SecurityOptions", "")):
        lacking.append("seccomp")
    return Engine(version, tuple(lacking))


def _json_object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise SandboxError("the Docker engine does not answer", hint="start it, then try again")
    return value
