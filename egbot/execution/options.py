"""Owns the sandbox's settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from egbot.config import SandboxSettings

Backend = Literal["auto", "docker", "bubblewrap", "process"]
Report = Callable[[str], None]  # takes one line for the person who watches, never a secret

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What a person may set about the sandbox.

    bubblewrap does not bound the CPUs, and without a control group memory for each process only.
    """

    backend: Backend = "auto"
    python: Path | None = None  # an interpreter, for bubblewrap and process
    image: str = "python:3.11-slim"  # for Docker, as the next three
    runtime: str | None = None  # runsc, say
    dockerfile: str = ""  # a path in the tree, built instead of the image
    setup: tuple[str, ...] = ()  # shell commands, run while the image is built
    env: tuple[tuple[str, str], ...] = ()  # names and values that the tests see everywhere
    memory_bytes: int = 2048 * MIB  # one test's own limits are egbot.records.Limits
    pids: int = 512  # processes and threads
    cpus: float = 2.0
    tmpfs_bytes: int = 256 * MIB  # of each writable folder inside
    cache_dir: Path | None = None
    project: str = ""  # the folder in the tree whose tests run, "" is the root
    pytest_options: tuple[str, ...] = ()  # after the repository's own
    collect_s: float = 120.0  # for starting and collecting


def options_of(settings: SandboxSettings) -> SandboxOptions:
    """What ``[tool.egbot.sandbox]`` and the command line say."""
    same = settings.model_dump(include={"backend", "image", "runtime", "setup"})
    python = Path(settings.python) if settings.python else None
    env = tuple(settings.env.items())
    return SandboxOptions(python=python, dockerfile=settings.dockerfile or "", env=env, **same)
