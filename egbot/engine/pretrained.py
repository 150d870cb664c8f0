"""Owns calls to transformers that read files: quiet, never running a model's own code.

It does not know aliases or devices; whatever goes wrong in the files is a ModelError.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import logging as hub_logging
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers.utils import logging

from egbot.engine.pretokenizers import restore
from egbot.errors import ModelError, SpaceError

_BROKEN_FILES = (
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    ImportError,
    AssertionError,
    SafetensorError,
    struct.error,
)
"""What transformers raises for missing, foreign and damaged files."""

_NO_SPACE = "No space left on device"  # the only trace of the error number that safetensors leaves


def load_model(source: str | Path, dtype: torch.dtype) -> Any:
    """The causal language model of a folder, a ``.gguf`` file or a hub name, on the CPU.

    Raises ModelError when it cannot be read or is no causal language model.
    """
    place, options = _where(source)
    if options:
        options["quantization_config"] = GgufConfig(dequantize=True)
    with _quiet(), _as_model_error(source):
        model: Any = AutoModelForCausalLM.from_pretrained(
            place, dtype=dtype, trust_remote_code=False, **options
        )
        _check_kind(model.config)
        return model.to(dtype).eval()


def load_tokenizer(source: str | Path) -> Any:
    """The tokenizer of the same. Raises ModelError when it cannot be read, or is of no known kind."""
    place, options = _where(source)
    with _quiet(), _as_model_error(source):
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **options)
        if options:
            restore(tokenizer, Path(source))
        return tokenizer


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write both into ``folder``. Raises SpaceError when the disk is full."""
    with _quiet(), _as_model_error(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _check_kind(config: Any) -> None:
    """Raise ValueError for models that transformers loads although they read both ways."""
    made_for = " ".join(config.architectures or ())
    if config.is_encoder_decoder or "MaskedLM" in made_for:
        raise ValueError(f"its configuration class is made for {made_for or 'translation'}")


def _where(source: str | Path) -> tuple[str, dict[str, Any]]:
    if isinstance(source, Path) and source.suffix == ".gguf":
        return str(source.parent), {"gguf_file": source.name}
    return str(source), {}


@contextmanager
def _as_model_error(source: str | Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN_FILES as error:
        reason = " ".join(str(error).split())[:400] or type(error).__name__
        if _NO_SPACE in reason:
            raise SpaceError(
                f"the disk is full: {source} could not be stored",
                hint="Free some space, or name other folders with EGBOT_CACHE and HF_HOME.",
            ) from error
        kind = "no causal language model" if "configuration class" in reason else "not loadable"
        raise ModelError(
            f"{source} is {kind}: {reason}",
            hint="Give an alias of `egbot models list`, a folder, a .gguf file or a hub name; "
            "a hub name needs the network the first time.",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep bars, warnings and log lines of the libraries from the user's terminal, for now."""
    loggers: tuple[Any, ...] = (logging, hub_logging)
    levels = [logger.get_verbosity() for logger in loggers]
    had_bars, hub_had_bars = loggers[0].is_progress_bar_enabled(), not are_progress_bars_disabled()
    for logger in loggers:
        logger.set_verbosity(CRITICAL)
    loggers[0].disable_progress_bar()
    disable_progress_bars()
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.set_verbosity(level)
        if had_bars:
            loggers[0].enable_progress_bar()
        if hub_had_bars:
            enable_progress_bars()
