"""Looks at what egbot needs on this machine: there, missing, how to get it. It changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from egbot.engine import catalog
from egbot.errors import SandboxError, SurroundingsError
from egbot.execution.bubblewrap import find_bubblewrap
from egbot.execution.cache import cache_folder, writing
from egbot.execution.docker_engine import find_engine
from egbot.execution.images import inspect
from egbot.execution.options import SandboxOptions
from egbot.gitcommand import ask_git

_DEFAULT_MODEL = "smollm2"
_GIB = 1024**3
_LOW_SPACE_BYTES = 2 * _GIB
_CPU_BUILD = (
    "A machine without a GPU needs only torch's CPU build, 0.2 GB to download instead of 2.7: in a "
    "new environment, first pip install torch --index-url URL (PyTorch's index of CPU builds)"
)
_PARTS_OF_TORCH = ("torch", "nvidia-", "cuda-", "triton", "pytorch-triton")


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that was looked at: is it fit for use, what was found, what to do if not."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def examine(options: SandboxOptions, output: Path) -> tuple[Probe, ...]:
    """Every check in the order in which a new user would mend them."""
    return (
        _python(),
        _git(),
        _torch(),
        _package("transformers"),
        _gpu(),
        _model(),
        *probe_sandboxes(options),
        _disk("space for models", catalog.cache_folder()),
        _disk("space for reports", output),
    )


def is_ready(checks: tuple[Probe, ...]) -> bool:
    """Whether a run can work: one sandbox is enough, and a GPU is a luxury."""
    by_name = {check.name: check.ok for check in checks}
    has_sandbox = by_name.get("bubblewrap", False) or (
        by_name.get("docker", False) and by_name.get("docker image", False)
    )
    needed = ("python", "git", "torch", "transformers")
    return has_sandbox and all(by_name[name] for name in needed)


def _python() -> Probe:
    fits = sys.version_info >= (3, 11)
    return Probe("python", fits, platform.python_version(), "" if fits else "use Python 3.11+")


def _git() -> Probe:
    try:
        return Probe("git", ok=True, detail=ask_git(Path("/"), "version").decode())
    except SurroundingsError as error:
        return Probe("git", ok=False, detail=error.message, hint=error.hint)


def _package(name: str) -> Probe:
    try:
        return Probe(name, ok=True, detail=version(name))
    except PackageNotFoundError:
        return Probe(name, ok=False, detail="not installed", hint='pip install "egbot[engine]"')


def _torch() -> Probe:
    found = _package("torch")
    if not found.ok:
        return replace(found, hint=f"{found.hint}. {_CPU_BUILD}")
    try:
        import torch
    except (ImportError, OSError) as error:
        detail = f"{found.detail} does not load: {error}"
        return replace(found, ok=False, detail=detail, hint=_CPU_BUILD)
    build = _build(torch.version.cuda, torch.version.hip)
    is_needed = build == "CPU" or torch.cuda.is_available()
    detail = f"{found.detail}, {build} build, {_size_bytes() / _GIB:.1f} GiB on disk"
    return replace(found, detail=detail, hint="" if is_needed else _CPU_BUILD)


def _build(cuda: str | None, rocm: str | None) -> str:
    """What a build of torch was made for, as ``torch.version`` tells it."""
    return f"CUDA {cuda}" if cuda else f"ROCm {rocm}" if rocm else "CPU"


def _size_bytes() -> int:
    """What torch and the libraries for GPUs that came with it take on disk."""
    return sum(
        file.size or 0
        for package in distributions()
        if (package.metadata["Name"] or "").lower().startswith(_PARTS_OF_TORCH)
        for file in package.files or ()
    )


def _gpu() -> Probe:
    hint = "a GPU is optional: small models run on the CPU, larger ones need CUDA"
    try:
        import torch
    except (ImportError, OSError):
        return Probe("gpu", ok=False, detail="unknown without torch", hint=hint)
    if not torch.cuda.is_available():
        is_cpu = _build(torch.version.cuda, torch.version.hip) == "CPU"
        why = "none: torch's CPU build uses none" if is_cpu else "none that torch can use"
        return Probe("gpu", ok=False, detail=why, hint=hint)
    names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return Probe("gpu", ok=True, detail=_counted(names))


def _counted(names: list[str]) -> str:
    """How many there are of each, in the order of the first."""
    return ", ".join(f"{count} x {name}" for name, count in Counter(names).items())


def _model() -> Probe:
    folder = catalog.path(_DEFAULT_MODEL)
    hint = f"egbot models pull {_DEFAULT_MODEL} (the first run does it too)"
    if folder is None:
        return Probe("model", ok=False, detail=f"{_DEFAULT_MODEL} is not in the cache", hint=hint)
    return Probe("model", ok=True, detail=f"{_DEFAULT_MODEL} in {folder}")


def _disk(name: str, folder: Path) -> Probe:
    place = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(place).free
    fits = free >= _LOW_SPACE_BYTES
    hint = "" if fits else f"free at least {_LOW_SPACE_BYTES // _GIB} GiB, or set EGBOT_CACHE"
    return Probe(name, fits, f"{free / _GIB:.1f} GiB free in {place}", hint)


# --- sandboxes ----------------------------------------------------------------------------------


def probe_sandboxes(options: SandboxOptions) -> tuple[Probe, ...]:
    """Look at every backend and at the cache's folder without building or pulling anything."""
    return (
        _probe("docker", _docker_detail),
        _probe("docker image", lambda: _image_detail(options)),
        _probe("bubblewrap", _bubblewrap_detail),
        _probe("cache", lambda: _cache_detail(options)),
    )


def _probe(name: str, look: Callable[[], str]) -> Probe:
    try:
        return Probe(name, ok=True, detail=look())
    except SurroundingsError as error:
        return Probe(name, ok=False, detail=error.message, hint=error.hint)


def _docker_detail() -> str:
    engine = find_engine()
    if engine.missing:
        raise SandboxError(
            f"engine {engine.version} cannot enforce: {', '.join(engine.missing)}",
            hint="let the engine manage control groups (version 2, with systemd when rootless)",
        )
    return f"engine {engine.version}"


def _image_detail(options: SandboxOptions) -> str:
    find_engine()
    found = inspect(options.image)
    if found is None:
        raise SandboxError(
            f"the image {options.image} is not here yet",
            hint=f"docker pull {options.image}, or name another with --image NAME",
        )
    return f"{found.name}, {found.image_id[:19]}"


def _bubblewrap_detail() -> str:
    return f"{find_bubblewrap()}, {'as root' if os.getuid() == 0 else 'in a user namespace'}"


def _cache_detail(options: SandboxOptions) -> str:
    folder = cache_folder(options)
    with writing(folder), tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"egbot")
    return str(folder)
