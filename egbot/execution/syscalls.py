"""Owns the system-call filter of the bubblewrap backend. It does not know who installs it.

It allows what ``egbot.execution.calls`` lists and answers EPERM to the rest, or "no such call"
(ENOSYS) to calls newer than the table, so that programs fall back to older ones.

Instructions: ``struct sock_filter`` of ``linux/filter.h``; data: ``struct seccomp_data`` of
``linux/seccomp.h``. Both machines are little-endian: an argument's low word comes first.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Iterator, Sequence

from egbot.errors import SandboxError
from egbot.execution.calls import ALLOWED, CLONE3, MACHINES, RULES, Rule, numbers

_LOAD_WORD = 0x20
_AND = 0x54
_JUMP_EQUAL = 0x15
_JUMP_ABOVE = 0x25
_JUMP_AT_LEAST = 0x35
_RETURN = 0x06

_NUMBER_OFFSET = 0
_MACHINE_OFFSET = 4
_ARGUMENTS_OFFSET = 16
_ARGUMENT_BYTES = 8

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_NO_PERMISSION = _ERRNO | errno.EPERM
_NO_SUCH_CALL = _ERRNO | errno.ENOSYS

_AUDIT_NAMES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_Step = tuple[int, int, int, int]


def filter_program(machine: str) -> bytes:
    """Return the filter for ``machine`` as the kernel reads it. Raises SandboxError without one."""
    if machine not in MACHINES:
        raise SandboxError(
            f"bubblewrap's filter of system calls is not made for {machine}",
            hint=f"use --sandbox docker; {' and '.join(MACHINES)} have one",
        )
    allowed = sorted(number for one in ALLOWED for number in numbers(one.calls, machine))
    steps: list[_Step] = [
        (_LOAD_WORD, 0, 0, _MACHINE_OFFSET),
        (_JUMP_EQUAL, 1, 0, _AUDIT_NAMES[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD_WORD, 0, 0, _NUMBER_OFFSET),
    ]
    for first, last in _spans(allowed):
        steps += [
            (_JUMP_AT_LEAST, 0, 2, first),
            (_JUMP_ABOVE, 1, 0, last),
            (_RETURN, 0, 0, _ALLOW),
        ]
    for rule in RULES:
        for number in numbers(rule.call, machine):
            steps += _ruled(rule, number)
    for number in numbers(CLONE3, machine):
        steps += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NO_SUCH_CALL)]
    # Above the newest known call lie newer ones, and those of x86's 32-bit pointers (x32).
    steps += [
        (_JUMP_ABOVE, 0, 1, allowed[-1]),
        (_RETURN, 0, 0, _NO_SUCH_CALL),
        (_RETURN, 0, 0, _NO_PERMISSION),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _spans(ordered: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Return the runs of numbers that follow each other, as (first, last)."""
    first = last = ordered[0]
    for number in ordered[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _ruled(rule: Rule, number: int) -> Iterable[_Step]:
    """Return the steps that allow ``number`` when the rule holds and else leave it loaded."""
    checks: list[_Step] = []
    for argument, mask, value in rule.conditions:
        checks.append((_LOAD_WORD, 0, 0, _ARGUMENTS_OFFSET + argument * _ARGUMENT_BYTES))
        checks.append((_AND, 0, 0, mask))
        checks.append((_JUMP_EQUAL, 0, 0, value))
    checks.append((_RETURN, 0, 0, _ALLOW))
    # A check that fails jumps behind the last step, which loads the number again.
    behind = [
        (code, 0, len(checks) - 1 - at if code == _JUMP_EQUAL else 0, value)
        for at, (code, _, _, value) in enumerate(checks)
    ]
    return [
        (_JUMP_EQUAL, 0, len(behind) + 1, number),
        *behind,
        (_LOAD_WORD, 0, 0, _NUMBER_OFFSET),
    ]
