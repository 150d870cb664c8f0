"""One table of system calls, two filters: both allow what it lists and refuse all else."""

from __future__ import annotations

import json
import struct

import pytest

from egbot.errors import SandboxError
from egbot.execution.filters import MACHINES, bubblewrap_filter, docker_profile, read_rules

ALLOW, NO_PERMISSION, NO_SUCH_CALL, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
PLAIN = [rule for rule in read_rules() if not rule.conditions and not rule.errno]
RULED = [rule for rule in read_rules() if rule.conditions]
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
    program = bubblewrap_filter(machine)
    given = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=iIQ6Q", number, audit or MACHINES[machine], 0, *given)
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
    allowed = {number for rule in PLAIN for number in rule.numbers[machine]}
    ruled = {number for rule in RULED for number in rule.numbers[machine]}
    newest = max(allowed)
    for number in range(newest + 1):
        if number not in ruled | {435}:
            expected = ALLOW if number in allowed else NO_PERMISSION
            assert verdict(machine, number) == expected, number
    for pair in REFUSED.values():
        assert verdict(machine, pair[list(MACHINES).index(machine)]) == NO_PERMISSION


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
        ("personality", (0x0040000,), ALLOW),
        ("personality", (0x0040008,), NO_PERMISSION),
        ("personality", (0x0400000,), NO_PERMISSION),
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
        rule = next(rule for rule in RULED if call in rule.names)
        (number,) = rule.numbers[machine]
        assert verdict(machine, number, *arguments) == expected


def test_no_call_is_listed_twice_and_none_is_refused_by_name() -> None:
    listed = [name for rule in PLAIN for name in rule.names]
    ruled = {name for rule in RULED for name in rule.names}
    assert len(listed) == len(set(listed))
    assert not ruled & set(listed)
    assert not (ruled | set(listed)) & REFUSED.keys()
    for machine in MACHINES:
        found = [number for rule in PLAIN for number in rule.numbers[machine]]
        assert len(found) == len(set(found))


def test_the_profile_is_the_table_in_the_engine_s_words() -> None:
    profile = json.loads(docker_profile())
    assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    assert not any(one["subArchitectures"] for one in profile["archMap"])
    assert [one["names"] for one in profile["syscalls"]] == [[*rule.names] for rule in read_rules()]
    assert all(one["comment"] for one in profile["syscalls"])
    by_action = {one["action"]: one for one in profile["syscalls"]}
    assert by_action.keys() == {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}
    assert by_action["SCMP_ACT_ERRNO"]["names"] == ["clone3"]
    mask = {"value": 0x7E020000, "valueTwo": 0, "index": 0, "op": "SCMP_CMP_MASKED_EQ"}
    (clone,) = [one for one in profile["syscalls"] if one["names"] == ["clone"]]
    assert clone["args"] == [mask]


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(SandboxError, match="not made for mips64") as caught:
        bubblewrap_filter("mips64")
    assert "--sandbox docker" in caught.value.hint
