"""Owns the system-call filter of the bubblewrap backend. It does not know who installs it.

It refuses what tests do not need and holes in the kernel are mostly reached by: new namespaces,
mounts, tracing, keys, BPF, io_uring, modules. Docker has its engine's own, stricter filter.

Numbers: Linux ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h``;
instructions: ``struct sock_filter`` of ``linux/filter.h``; data: ``struct seccomp_data`` of
``linux/seccomp.h``.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence

_LOAD_WORD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06

_NUMBER_OFFSET = 0
_MACHINE_OFFSET = 4
_FIRST_ARGUMENT_OFFSET = 16

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

_NEW_NAMESPACE_BITS = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (``linux/sched.h``)."""
_X32_BIT = 0x40000000
_CLONE3 = 435

_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}

_SAME_EVERYWHERE = (*range(425, 434), 438, 442)
"""io_uring_*, open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, pidfd_getfd,
mount_setattr."""

REFUSED = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mount": (165, 40),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
"""Name to the numbers on x86_64 and aarch64; each answers EPERM."""


def filter_program(machine: str) -> bytes:
    """Return the filter for ``machine`` as the kernel reads it, b"" for one that is not known."""
    if machine not in _MACHINES:
        return b""
    column = list(_MACHINES).index(machine)
    refused = [*(numbers[column] for numbers in REFUSED.values()), *_SAME_EVERYWHERE]
    steps: list[tuple[int, int, int, int]] = [
        (_LOAD_WORD, 0, 0, _MACHINE_OFFSET),
        (_JUMP_EQUAL, 1, 0, _MACHINES[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD_WORD, 0, 0, _NUMBER_OFFSET),
    ]
    if machine == "x86_64":
        steps += _answer(_JUMP_AT_LEAST, _X32_BIT, errno.ENOSYS)
    # Its flags lie in memory, out of the filter's reach; without it the C library uses clone.
    steps += _answer(_JUMP_EQUAL, _CLONE3, errno.ENOSYS)
    for number in sorted(refused):
        steps += _answer(_JUMP_EQUAL, number, errno.EPERM)
    steps += [
        (_JUMP_EQUAL, 0, 3, _CLONE[machine]),
        (_LOAD_WORD, 0, 0, _FIRST_ARGUMENT_OFFSET),
        *_answer(_JUMP_ANY_BIT, _NEW_NAMESPACE_BITS, errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return _packed(steps)


def _answer(jump: int, value: int, error: int) -> list[tuple[int, int, int, int]]:
    return [(jump, 0, 1, value), (_RETURN, 0, 0, _ERRNO | error)]


def _packed(steps: Sequence[tuple[int, int, int, int]]) -> bytes:
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
