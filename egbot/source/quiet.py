"""Owns reading strangers' code without the warnings that it causes. It does not know who reads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()
"""Which warnings are shown is one setting of the whole process: threads must take turns."""


@contextmanager
def quietly() -> Iterator[None]:
    """What is parsed or compiled inside warns nobody: doubtful code is its author's affair."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
