"""Owns loading a model: which files, which device, which number format. It knows no decoding.

It imports torch only when a model is loaded, so that everything else starts fast and works
without it.
"""

from __future__ import annotations

import copy
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from egbot.engine import catalog
from egbot.errors import ModelError
from egbot.ports import DecodeSession, SessionGroup
from egbot.records import Prompt

if TYPE_CHECKING:
    import torch

    from egbot.engine.network import Network
    from egbot.engine.opening import Opening

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Report = Callable[[str], None]

_FAST_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})


@dataclass(slots=True)
class _Counter:
    """A tokenizer of its own: one serves a single thread at a time, and groups decode in theirs."""

    lock: Lock = field(default_factory=Lock)
    tokenizer: Any = None


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Implements ``egbot.ports.GroupDecoder``.

    ``replicas`` gives the network's copies on further devices, for groups alone.
    """

    network: Network
    replicas: Callable[[], tuple[Network, ...]] = field(default=tuple, repr=False)
    _counter: _Counter = field(default_factory=_Counter, repr=False)
    _openings: dict[Prompt, Opening] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The model's name as a person would write it."""
        return self.network.name

    def open(self, prompt: Prompt) -> DecodeSession:
        """Start an answer to ``prompt``; the last one that was opened is not read again.

        Raises ModelError when the prompt exceeds the context.
        """
        from egbot.engine.decode import Session
        from egbot.engine.driving import Alone, Meter
        from egbot.engine.opening import forward_prompt

        meter = Meter(self.network)
        if prompt not in self._openings:
            self._openings.clear()
            self._openings[prompt] = Alone(self.network)(forward_prompt(meter, prompt))
        return Session(self.network, replace(self._openings[prompt], meter=meter))

    def together(self) -> SessionGroup:
        """A group whose sessions advance in one batch on each device."""
        from egbot.engine.spread import Spread
        from egbot.engine.together import Group

        others = [Group(one) for one in self.replicas()]
        groups = [Group(self.network, openings=self._openings), *others]
        return groups[0] if len(groups) == 1 else Spread(groups)

    def count_tokens(self, text: str) -> int:
        """How many tokens the model needs for ``text``; may be asked in any thread."""
        from egbot.engine.chat import encode_text

        with self._counter.lock:
            if self._counter.tokenizer is None:
                self._counter.tokenizer = copy.deepcopy(self.network.tokenizer)
            return len(encode_text(self._counter.tokenizer, text))


def load(
    name: str, device: Device = "auto", dtype: Dtype = "auto", *, report: Report
) -> LoadedModel:
    """Load an alias of the catalog, a folder, a ``.gguf`` file or a model of the hub.

    ``report`` is told what takes long, and later which of several GPUs cannot be used. Raises
    ModelError (not to be had, not usable, no such device) and SpaceError (an alias had to be
    fetched and the disk is full).
    """
    _wait_without_spinning()
    try:
        import torch

        from egbot.engine.network import network
        from egbot.engine.pretrained import load_model, load_tokenizer
        from egbot.engine.replicas import Replicas
        from egbot.engine.weights import arrange_weights
    except ImportError as error:
        raise _no_engine(error) from error
    where = _device(device, has_cuda=torch.cuda.is_available())
    number_format = getattr(torch, _dtype(dtype, where, _cpu_flags()))
    source = _source(name, report)
    report(f"loading {name} on {where}")
    tokenizer = load_tokenizer(source)
    model = _placed(name, load_model(source, number_format), where)
    arrange_weights(model)
    loaded = network(name, model, tokenizer)
    others = _other_devices(where, torch.cuda.device_count())
    return LoadedModel(loaded, Replicas(loaded, others, report))


def check_model(name: str) -> None:
    """Refuse what is known before anything is loaded: no engine, no such model. Asks no network.

    Raises ModelError.
    """
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise _no_engine(ImportError(name=package))
    if catalog.find(name) is None:
        _named(name)


def load_random(config_file: Path, device: Device = "auto", *, report: Report) -> LoadedModel:
    """A model of the architecture in ``config_file`` with random weights, for timing.

    Raises ModelError (no such architecture, no such device).
    """
    _wait_without_spinning()
    try:
        import torch

        from egbot.engine.random_weights import random_network
    except ImportError as error:
        raise _no_engine(error) from error
    where = _device(device, has_cuda=torch.cuda.is_available())
    report(f"making random weights for {config_file.stem} on {where}")
    return LoadedModel(random_network(config_file, where, _dtype("auto", where, _cpu_flags())))


def _no_engine(error: ImportError) -> ModelError:
    return ModelError(
        f"the engine is not installed: {error.name or error}",
        hint='Install it: pip install "egbot[engine]"',
    )


def _wait_without_spinning() -> None:
    """Let OpenMP's idle threads sleep, unless the user chose or torch is already loaded.

    GNU OpenMP's threads spin while they wait. On a machine whose cores are also busy with tests
    that made decoding 5 to 20 times slower (2 cores, one of them taken); sleeping costs little.
    The library reads this once, when torch is first imported.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _device(asked: Device, *, has_cuda: bool) -> str:
    if asked == "auto":
        return "cuda" if has_cuda else "cpu"
    if asked == "cuda" and not has_cuda:
        raise ModelError(
            "no CUDA device can be used here",
            hint="Use --device cpu, or install a torch build that fits the GPU's driver.",
        )
    return asked


def _other_devices(device: str, num_visible: int) -> tuple[str, ...]:
    """Where agents can work as well; plain "cuda" is the first of the visible ones."""
    return tuple(f"cuda:{n}" for n in range(1, num_visible)) if device == "cuda" else ()


def _dtype(asked: Dtype, device: str, cpu_flags: frozenset[str]) -> str:
    """bfloat16 where the hardware multiplies it, else float32.

    On a CPU with avx512_bf16 it made prefill 1.6 times and three rows 1.3 times as fast as
    float32; without such instructions it is emulated and slower.
    """
    if asked != "auto":
        return asked
    return "bfloat16" if device == "cuda" or cpu_flags & _FAST_BFLOAT16 else "float32"


def _cpu_flags() -> frozenset[str]:
    """What the first processor can do, in Linux' words; empty where that cannot be read."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def _source(name: str, report: Report) -> str | Path:
    """A folder, a file, or a name for the hub."""
    return _named(name) if catalog.find(name) is None else catalog.pull(name, report)


def _named(name: str) -> str | Path:
    """What is no alias: a folder, a file, or a name for the hub. Raises ModelError."""
    local = Path(name).expanduser()
    if local.suffix == ".gguf" or local.is_absolute() or name.startswith((".", "~")):
        if not local.exists():
            raise ModelError(
                f"there is no model at {local}",
                hint="Give a folder with safetensors, a .gguf file, or an alias: "
                + ", ".join(entry.alias for entry in catalog.CATALOG),
            )
        return local
    if local.is_dir():  # transformers would take it, and it may be one of a repository's
        raise ModelError(
            f"{name!r} is a folder here, and could be a model of the hub",
            hint=f"for the folder write ./{name}",
        )
    aliases = [one.alias for one in catalog.CATALOG]
    near = [] if "/" in name else get_close_matches(name.lower(), aliases, cutoff=0.75)
    if near:  # asking the hub takes a minute where there is no network
        raise ModelError(
            f"no model is called {name!r}; did you mean {near[0]}?",
            hint="A model of the hub is named OWNER/NAME; `egbot models list` shows the aliases.",
        )
    return name


def _placed(name: str, model: torch.nn.Module, device: str) -> torch.nn.Module:
    import torch

    try:
        return model.to(device)
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"{name} does not fit into the memory of {device}",
            hint="Choose a smaller model, or use --device cpu.",
        ) from error
