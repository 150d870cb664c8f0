"""Owns the last step into a bubblewrap sandbox: each process's limits, and root given up for good.

It is started as ``python -I -S launch.py``, with nothing of ours to import.
"""

from __future__ import annotations

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


def launch(user: int, limits: list[int], command: list[str]) -> None:
    """Become ``command``, with ``limits`` in the order of ``_LIMITS``; root becomes ``user``."""
    for limit, most in zip(_LIMITS, limits, strict=True):
        hard = resource.getrlimit(limit)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (value, value))
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    os.execv(command[0], command)


if __name__ == "__main__":
    user, *limits = map(int, sys.argv[1:7])
    launch(user, limits, sys.argv[7:])
