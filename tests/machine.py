"""What a test may ask of the machine: an engine, a sandbox, a model, and time.

A test is skipped, with the reason, where something
is missing, and waits long where the machine is busy.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from egbot.engine import catalog
from egbot.errors import SurroundingsError
from egbot.execution.bubblewrap import find_bubblewrap
from egbot.execution.docker_engine import find_engine
from egbot.execution.images import inspect
from egbot.execution.link import Child
from egbot.execution.warm import WarmExecutor

IMAGE = os.environ.get("EGBOT_TEST_IMAGE", "egbot-base:bookworm")
LONG_S = 100.0
"""Far more than anything takes that ends at all."""


def need_docker() -> None:
    try:
        find_engine()
        found = inspect(IMAGE)
    except SurroundingsError as error:
        pytest.skip(error.message)
    if found is None:
        pytest.skip(f"the image {IMAGE} is missing: run tests/make_base_image.sh")


def need_bubblewrap() -> Path:
    """Return the program."""
    try:
        return find_bubblewrap()
    except SurroundingsError as error:
        pytest.skip(error.message)


def need_model() -> None:
    if catalog.path(catalog.DEFAULT) is None:
        pytest.skip(f"{catalog.DEFAULT} is not in the cache: egbot models pull {catalog.DEFAULT}")


NEEDS: dict[str, Callable[[], object]] = {"bubblewrap": need_bubblewrap, "docker": need_docker}


def need(backend: str) -> None:
    """A plain process needs nothing."""
    NEEDS.get(backend, bool)()


def has(backend: str) -> bool:
    """Return whether the backend works here."""
    try:
        need(backend)
    except pytest.skip.Exception:
        return False
    return True


def wait_for(condition: Callable[[], object]) -> bool:
    """Return whether the condition came true in ``LONG_S``."""
    deadline_s = time.monotonic() + LONG_S
    while not (found := bool(condition())) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return found


def pid_of(executor: WarmExecutor) -> int:
    """Return the process id of the first process of a sandbox on this machine."""
    assert isinstance(executor._link, Child)
    return executor._link.pid


def num_descriptors(pid: int) -> int:
    """Return how many a process has open; 0 where an old kernel does not tell."""
    folder = Path(f"/proc/{pid}/fd")
    try:
        return folder.stat().st_size or len(list(folder.iterdir()))
    except OSError:
        return 0


def family(pid: int) -> list[int]:
    """Return a process and all that came of it; what ends meanwhile is there or not."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(entry.name)] = int(_state(entry)[1])
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def is_alive(pid: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        return _state(Path(f"/proc/{pid}"))[0] not in "ZX"
    except OSError:
        return False


def _state(entry: Path) -> list[str]:
    return (entry / "stat").read_text().rpartition(")")[2].split()
