"""Where the kernel forbids namespaces, the message says which switch it is; one row for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from egbot.execution.namespaces import obstacles, refusal

HOST = {
    "proc/self/mountinfo": "21 1 8:1 / / rw - ext4 /dev/a rw\n22 21 0:5 / /proc rw - proc proc rw\n",
    "proc/self/status": "Name:\tpython\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n",
    "proc/self/environ": "PATH=/bin\0",
    "proc/self/ns/user": "",
    "proc/sys/kernel/unprivileged_userns_clone": "1\n",
    "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "0\n",
    "proc/sys/user/max_user_namespaces": "63000\n",
    "proc/sys/user/max_net_namespaces": "63000\n",
}
"""What an ordinary machine shows, which forbids nothing."""

POD = {"proc/self/environ": "A=b\0KUBERNETES_SERVICE_HOST=10.0.0.1\0"}
CHROOT = {"proc/self/mountinfo": "22 21 0:5 / /proc rw - proc proc rw\n"}
NO_RIGHTS = {"proc/self/status": "CapEff:\t00000000a80425fb\nSeccomp:\t2\n"}
FILTERED = {"proc/self/status": "CapEff:\t000001ffffffffff\nSeccomp:\t2\n"}


def machine(root: Path, changed: dict[str, str]) -> Path:
    for name, text in {**HOST, **changed}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("changed", "user", "root"),
    [
        ({}, "", ""),
        (
            {"proc/sys/kernel/unprivileged_userns_clone": "0\n"},
            "-w kernel.unprivileged_userns_clone=1",
            "",
        ),
        (
            {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"},
            "-w kernel.apparmor_restrict_unprivileged_userns=0",
            "",
        ),
        ({"proc/sys/user/max_user_namespaces": "0\n"}, "-w user.max_user_namespaces=", ""),
        (
            {"proc/sys/user/max_net_namespaces": "0\n"},
            "-w user.max_net_namespaces=",
            "-w user.max_net_namespaces=",
        ),
        ({".dockerenv": ""}, "systempaths=unconfined", "--cap-add SYS_ADMIN --cap-add NET_ADMIN"),
        ({"run/.containerenv": ""}, "unmask=ALL", "--cap-add SYS_ADMIN --cap-add NET_ADMIN"),
        (POD, "procMount: Unmasked", "the capabilities SYS_ADMIN and NET_ADMIN"),
        ({"run/systemd/container": "lxc\n"}, "nesting", "nesting"),
        (CHROOT, "unshare --mount", "unshare --mount"),
        (FILTERED, "clone and unshare", "clone and unshare"),
        (NO_RIGHTS, "clone and unshare", "as an ordinary user"),
    ],
)
def test_each_cause_has_its_own_switch(
    tmp_path: Path, changed: dict[str, str], user: str, root: str
) -> None:
    place = machine(tmp_path, changed)
    for expected, is_root in ((user, False), (root, True)):
        found = obstacles(is_root=is_root, root=place)
        assert len(found) == bool(expected)
        assert all(cause and expected in do for cause, do in found)


def test_a_kernel_without_user_namespaces_is_told(tmp_path: Path) -> None:
    (machine(tmp_path, {}) / "proc/self/ns/user").unlink()
    ((cause, do),) = obstacles(is_root=False, root=tmp_path)
    assert ("no user namespaces" in cause, "CONFIG_USER_NS" in do) == (True, True)


def test_a_setting_is_the_host_s_when_a_container_stands_around(tmp_path: Path) -> None:
    """Ubuntu's setting binds containers that run without an AppArmor profile: both are needed."""
    setting = {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}
    found = obstacles(is_root=False, root=machine(tmp_path, {**setting, ".dockerenv": ""}))
    assert found[0][1].startswith("on the host: sudo sysctl -w kernel.apparmor")
    assert "apparmor=unconfined" in found[1][1]


def test_a_machine_that_shows_nothing_of_all_this_is_no_crash(tmp_path: Path) -> None:
    assert obstacles(is_root=False, root=tmp_path) == []
    assert obstacles(is_root=True, root=tmp_path) == []


@pytest.mark.parametrize(
    ("said", "is_forbidden"),
    [
        ("bwrap: Creating new namespace failed: Operation not permitted", True),
        ("bwrap: Creating new namespace failed: nesting depth exceeded (ENOSPC)", True),
        ("bwrap: setting up uid map: Permission denied", True),
        ("bwrap: loopback: Failed RTM_NEWADDR: No child processes", True),
        ("bwrap: Failed to make / slave: Permission denied", True),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", True),
        ("bwrap: pivot_root: Operation not permitted", True),
        ("bwrap: execvp /opt/python: Permission denied", False),
        ("bwrap: Can't find source path /srv/a/bin: Permission denied", False),
    ],
)
def test_what_bubblewrap_says_tells_forbidden_namespaces_from_other_faults(
    said: str, is_forbidden: bool
) -> None:
    error = refusal(said, "python", is_root=False)
    assert ("may not make its namespaces" in error.message) == is_forbidden
    assert error.hint
