"""Owns both filters of system calls, bubblewrap's and Docker's; ``calls.toml`` is what they let by.

All else is answered with EPERM, or "no such call" (ENOSYS) where it is newer than the table, so that
programs fall back to older ones (an engine adds that to its profile: runc, since 2021).

Instructions: ``struct sock_filter`` of ``linux/filter.h``; data: ``struct seccomp_data`` of
``linux/seccomp.h``. Both machines are little-endian: an argument's low word comes first.
"""

from __future__ import annotations

import errno
import functools
import itertools
import json
import struct
import tomllib
from importlib import resources
from typing import NamedTuple

from egbot.errors import SandboxError

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_* by what ``uname -m`` says, in the order of the table's numbers."""

_LOAD_WORD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP_EQUAL, _JUMP_ABOVE, _JUMP_AT_LEAST = 0x15, 0x25, 0x35
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_OFFSET, _MACHINE_OFFSET, _ARGUMENTS_OFFSET, _ARGUMENT_BYTES = 0, 4, 16, 8


class Rule(NamedTuple):
    """What the table says of some calls; ``numbers`` are theirs by machine, where they have one.

    They are allowed, or answered with ``errno``, when all ``conditions`` hold: (argument from 0,
    mask, value) is ``argument & mask == value``. Several rules for a call: when one does.
    """

    why: str
    names: tuple[str, ...]
    numbers: dict[str, list[int]]
    conditions: list[tuple[int, int, int]]
    errno: int


@functools.cache
def read_rules() -> tuple[Rule, ...]:
    """Return the rules of ``calls.toml`` in their order."""
    table = tomllib.loads((resources.files(__package__) / "calls.toml").read_text("utf-8"))
    rules: list[Rule] = []
    for one in table["rules"]:
        calls = [call.split(":") for call in one["calls"].split()]
        names, *columns = zip(*calls, strict=True)
        numbers = {
            machine: [int(number) for number in column if number != "-"]
            for machine, column in zip(MACHINES, columns, strict=True)
        }
        choices = one.get("when", [[]])
        rules += [Rule(one["why"], names, numbers, when, one.get("errno", 0)) for when in choices]
    return tuple(rules)


def docker_profile() -> str:
    """Return the profile as Docker's engine reads it: JSON, a comment with every rule.

    No machine brings its 32-bit calls along: the engine's own profile does.
    """
    machines = [f"SCMP_ARCH_{machine.upper()}" for machine in MACHINES]
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "archMap": [{"architecture": machine, "subArchitectures": []} for machine in machines],
        "syscalls": [_profiled(rule) for rule in read_rules()],
    }
    return json.dumps(profile)


def _profiled(rule: Rule) -> dict[str, object]:
    entry: dict[str, object] = {"names": rule.names, "action": "SCMP_ACT_ALLOW"}
    if rule.errno:
        entry |= {"action": "SCMP_ACT_ERRNO", "errnoRet": rule.errno}
    if rule.conditions:
        entry["args"] = [
            {"index": argument, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
            for argument, mask, value in rule.conditions
        ]
    return entry | {"comment": rule.why}


def bubblewrap_filter(machine: str) -> bytes:
    """Return the filter for ``machine`` as the kernel reads it. Raises SandboxError without one."""
    if machine not in MACHINES:
        raise SandboxError(
            f"bubblewrap's filter of system calls is not made for {machine}",
            hint=f"use --sandbox docker; {' and '.join(MACHINES)} have one",
        )
    plain = [rule for rule in read_rules() if not rule.conditions and not rule.errno]
    allowed = sorted(number for rule in plain for number in rule.numbers[machine])
    steps = [
        (_LOAD_WORD, 0, 0, _MACHINE_OFFSET),
        (_JUMP_EQUAL, 1, 0, MACHINES[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD_WORD, 0, 0, _NUMBER_OFFSET),
    ]
    # Numbers that follow each other are one comparison: as far apart as their places are.
    for _, run in itertools.groupby(enumerate(allowed), lambda one: one[1] - one[0]):
        numbers = [number for _, number in run]
        steps += [(_JUMP_AT_LEAST, 0, 2, numbers[0]), (_JUMP_ABOVE, 1, 0, numbers[-1])]
        steps.append((_RETURN, 0, 0, _ALLOW))
    for rule in (rule for rule in read_rules() if rule not in plain):
        for number in rule.numbers[machine]:
            steps += _ruled(rule, number)
    # Above the newest known call lie newer ones, and those of x86's 32-bit pointers (x32).
    steps += [(_JUMP_ABOVE, 0, 1, allowed[-1]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    steps.append((_RETURN, 0, 0, _ERRNO | errno.EPERM))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _ruled(rule: Rule, number: int) -> list[tuple[int, int, int, int]]:
    """Return the steps that answer ``number`` when the rule holds and else leave it loaded."""
    steps = [(_RETURN, 0, 0, _ERRNO | rule.errno if rule.errno else _ALLOW)]
    if rule.conditions:
        steps.append((_LOAD_WORD, 0, 0, _NUMBER_OFFSET))
    # A check that fails jumps to the last step, which loads the number again.
    for argument, mask, value in reversed(rule.conditions):
        offset = _ARGUMENTS_OFFSET + argument * _ARGUMENT_BYTES
        check = [(_LOAD_WORD, 0, 0, offset), (_AND, 0, 0, mask)]
        steps = [*check, (_JUMP_EQUAL, 0, len(steps) - 1, value), *steps]
    return [(_JUMP_EQUAL, 0, len(steps), number), *steps]
