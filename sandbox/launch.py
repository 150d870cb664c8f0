"""Owns the last step into a sandbox: fixed addresses, each process's limits, root given up for good.

It is started as ``python -I -S launch.py``, with nothing of ours to import.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import sys

_LIMITS = (
    resource.RLIMIT_NPROC,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_DATA,
    resource.RLIMIT_CORE,
)
_ADDR_NO_RANDOMIZE = 0x0040000


def fix_addresses() -> None:
    """Have the next program's addresses the same each time, where the kernel allows it.

    What tests make of them (``hash(None)``, ``repr`` of an object, the order of a set) then agrees
    among sandboxes.
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).personality(_ADDR_NO_RANDOMIZE)


def launch(command: list[str], user: int | None = None, *limits: int) -> None:
    """Become ``command``, with ``limits`` in the order of ``_LIMITS``; root becomes ``user``."""
    fix_addresses()
    for limit, most in zip(_LIMITS, limits, strict=False):
        hard = resource.getrlimit(limit)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (value, value))
    if user is not None and os.getuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    os.execv(command[0], command)


if __name__ == "__main__":
    numbers = [*map(int, itertools.takewhile(str.isdigit, sys.argv[1:]))]
    launch(sys.argv[1 + len(numbers) :], *numbers)
