"""Files of the standard library and of site-packages, and what Python itself says of them."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

from egbot.source.text import quietly

EVERYTHING = "EGBOT_TEST_LIBRARY"
"""The environment variable that has all files tested, which takes an hour, not some of them."""

_NUM_FILES = 25
_MAX_BYTES = 40_000


def library() -> list[Path]:
    """Some files from all over the library, always the same ones; or all of them."""
    roots = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
    found = sorted({path for root in roots for path in root.rglob("*.py")})
    if os.environ.get(EVERYTHING):
        return found
    some = found[:: len(found) // _NUM_FILES]
    return [path for path in some if path.stat().st_size < _MAX_BYTES]


def compiled(data: bytes) -> CodeType | None:
    """The file as Python compiles it, or None where it does not."""
    try:
        with quietly():
            return compile(data, "file.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def codes(code: CodeType) -> Iterator[CodeType]:
    """The functions and classes of compiled code."""
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from [one] if not one.co_name.startswith("<") else []
            yield from codes(one)
