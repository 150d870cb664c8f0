"""Owns the sandbox's settings. It does not know how a backend carries them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from egbot.config import SandboxSettings

Backend = Literal["auto", "docker", "bubblewrap", "process"]
Report = Callable[[str], None]
"""Takes one line for the person who watches: progress and warnings, never a secret."""

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What a person may set about the sandbox.

    ``memory_bytes``, ``pids`` (processes and threads) and ``cpus`` bound the whole container (one
    test's own limits are ``egbot.records.Limits``), bubblewrap's too where there are control
    groups; elsewhere it bounds ``pids`` and leaves memory to the limits of each process. ``tmpfs_bytes`` bounds each writable
    folder inside. ``python`` is an interpreter for bubblewrap and process; ``image`` and
    ``runtime`` (``runsc``, say) are for Docker, and so are ``dockerfile`` (a path in the tree,
    built instead of ``image``) and ``setup`` (shell commands, run while the image is built).
    ``env`` are names and values that the tests see everywhere. ``pytest_options`` come after the
    repository's own; ``collect_s`` bounds starting and collecting.
    """

    backend: Backend = "auto"
    python: Path | None = None
    image: str = "python:3.11-slim"
    runtime: str | None = None
    dockerfile: str = ""
    setup: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    memory_bytes: int = 2048 * MIB
    pids: int = 512
    cpus: float = 2.0
    tmpfs_bytes: int = 256 * MIB
    cache_dir: Path | None = None
    pytest_options: tuple[str, ...] = ()
    collect_s: float = 120.0


def options_of(settings: SandboxSettings) -> SandboxOptions:
    """What ``[tool.egbot.sandbox]`` and the command line say."""
    return SandboxOptions(
        backend=settings.backend,
        python=Path(settings.python) if settings.python else None,
        image=settings.image,
        runtime=settings.runtime,
        dockerfile=settings.dockerfile or "",
        setup=settings.setup,
        env=tuple(settings.env.items()),
    )
