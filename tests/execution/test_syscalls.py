"""One table of system calls, two filters: both allow what it lists and refuse all else."""

from __future__ import annotations

import json
import struct

import pytest

from egbot.errors import SandboxError
from egbot.execution.calls import ALLOWED, MACHINES, RULES, names, numbers
from egbot.execution.seccomp import PROFILE, render_profile
from egbot.execution.syscalls import filter_program

ALLOW, NO_PERMISSION, NO_SUCH_CALL, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# name, numbers on both machines; what an engine's own profile may allow, and ours must not
REFUSED = {
    "add_key": (248, 217),
    "bpf": (321, 280),
    "io_setup": (206, 0),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "mount": (165, 40),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "process_vm_readv": (310, 270),
    "ptrace": (101, 117),
    "setns": (308, 268),
    "shmget": (29, 194),
    "sync": (162, 81),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vmsplice": (278, 75),
}


def verdict(machine: str, number: int, *arguments: int, audit: int = 0) -> int:
    """Run the filter as the kernel would."""
    program = filter_program(machine)
    given = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=iIQ6Q", number, audit or AUDIT[machine], 0, *given)
    at = accumulator = 0
    while True:
        code, jump_true, jump_false, value = struct.unpack_from("=HBBI", program, at * 8)
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif code == 0x54:
            accumulator &= value
        elif code == 0x06:
            return int(value)
        else:
            holds = {
                0x15: accumulator == value,
                0x25: accumulator > value,
                0x35: accumulator >= value,
            }[code]
            at += jump_true if holds else jump_false


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter_allows_what_the_table_lists_and_nothing_else(machine: str) -> None:
    allowed = {number for one in ALLOWED for number in numbers(one.calls, machine)}
    ruled = {number for rule in RULES for number in numbers(rule.call, machine)}
    newest = max(allowed)
    for number in range(newest + 1):
        if number not in ruled | {435}:
            expected = ALLOW if number in allowed else NO_PERMISSION
            assert verdict(machine, number) == expected, number
    for pair in REFUSED.values():
        assert verdict(machine, pair[MACHINES.index(machine)]) == NO_PERMISSION


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_tomorrow_and_of_other_machines(machine: str) -> None:
    """A program must fall back for a call that is too new, and never run 32-bit calls."""
    assert verdict(machine, 435) == NO_SUCH_CALL
    assert verdict(machine, 1000) == NO_SUCH_CALL
    assert verdict(machine, 0x40000001) == NO_SUCH_CALL
    assert verdict(machine, 1, audit=0x40000003) == KILL


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("clone", (0x003D0F00,), ALLOW),
        ("clone", (0x10000011,), NO_PERMISSION),
        ("clone", (0x40000000,), NO_PERMISSION),
        ("personality", (0,), ALLOW),
        ("personality", (0xFFFFFFFF,), ALLOW),
        ("personality", (0xFFFFFFFFFFFFFFFF,), ALLOW),
        ("personality", (0x0008,), NO_PERMISSION),
        ("personality", (0x0040000,), NO_PERMISSION),
        ("prlimit64", (0, 7), ALLOW),
        ("prlimit64", (1, 7), NO_PERMISSION),
        ("socket", (1, 1, 0), ALLOW),
        ("socket", (2, 1, 6), ALLOW),
        ("socket", (10, 2, 17), ALLOW),
        ("socket", (16, 3, 0), ALLOW),
        ("socket", (16, 3, 12), NO_PERMISSION),
        ("socket", (2, 1, 132), NO_PERMISSION),
        ("socket", (38, 5, 0), NO_PERMISSION),
        ("socket", (40, 1, 0), NO_PERMISSION),
        ("mknodat", (0, 0, 0o10600), ALLOW),
        ("mknodat", (0, 0, 0o20600), NO_PERMISSION),
        ("mknodat", (0, 0, 0o60600), NO_PERMISSION),
    ],
)
def test_arguments_decide_where_the_table_says_so(
    call: str, arguments: tuple[int, ...], expected: int
) -> None:
    for machine in MACHINES:
        rule = next(rule for rule in RULES if names(rule.call) == (call,))
        (number,) = numbers(rule.call, machine)
        assert verdict(machine, number, *arguments) == expected


def test_no_call_is_listed_twice_and_none_is_refused_by_name() -> None:
    listed = [name for one in ALLOWED for name in names(one.calls)]
    ruled = {name for rule in RULES for name in names(rule.call)}
    assert len(listed) == len(set(listed))
    assert not ruled & set(listed)
    assert not (ruled | set(listed)) & REFUSED.keys()
    for machine in MACHINES:
        found = [number for one in ALLOWED for number in numbers(one.calls, machine)]
        assert len(found) == len(set(found))


def test_the_profile_that_ships_is_the_tables() -> None:
    """Else run: python -m egbot.execution.seccomp > egbot/execution/seccomp.json"""
    assert PROFILE.read_text(encoding="utf-8") == render_profile()
    profile = json.loads(PROFILE.read_text(encoding="utf-8"))
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert all(one["comment"] for one in profile["syscalls"])
    assert not any(one["subArchitectures"] for one in profile["archMap"])


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(SandboxError, match="not made for mips64") as caught:
        filter_program("mips64")
    assert "--sandbox docker" in caught.value.hint
