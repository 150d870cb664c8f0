"""Owns why namespaces are forbidden here, and what to switch on. It starts and changes nothing.

The kernel refuses without a reason; its own files and a container's marks tell it. Meanings:
user_namespaces(7), namespaces(7), the kernel's ``admin-guide/sysctl/user.rst``; Debian's and
Ubuntu's kernels add a setting each. What containers need was tried, flag by flag.
"""

from __future__ import annotations

import re
from pathlib import Path

from egbot.errors import SandboxError

_SETTINGS = {
    **{f"user.max_{one}_namespaces": ("0", "15000") for one in ("mnt", "pid", "net", "ipc", "uts")},
    "user.max_user_namespaces": ("0", "15000"),
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
}
"""The value that forbids what is needed, and one that allows it."""

_MARKS = (
    ("proc/self/environ", "KUBERNETES_SERVICE_HOST=", "Kubernetes"),
    ("run/secrets/kubernetes.io", "", "Kubernetes"),
    ("run/.containerenv", "", "Podman"),
    (".dockerenv", "", "Docker"),
    ("run/systemd/container", "", "LXC"),
    ("proc/self/environ", "container=lxc", "LXC"),
)
"""A file, what it must hold, and whose container has it; the first that fits counts."""

_DOCKER = "--security-opt seccomp=unconfined --security-opt apparmor=unconfined"
_PODMAN = f"{_DOCKER} --security-opt label=disable"
_POD = "seccompProfile and appArmorProfile of type Unconfined"
_CAPABILITIES = "--cap-add SYS_ADMIN --cap-add NET_ADMIN"
_NESTING = "switch nesting on (security.nesting=true, or features: nesting=1)"
_FLAGS = {
    "Docker": (
        f"start the container with {_DOCKER} --security-opt systempaths=unconfined",
        f"start the container with {_CAPABILITIES} {_DOCKER}, or as an ordinary user",
    ),
    "Podman": (
        f"start the container with {_PODMAN} --security-opt unmask=ALL",
        f"start the container with {_CAPABILITIES} {_PODMAN}, or as an ordinary user",
    ),
    "Kubernetes": (
        f"give the pod hostUsers: false and its container {_POD}, and procMount: Unmasked",
        f"give the container {_POD}, and the capabilities SYS_ADMIN and NET_ADMIN",
    ),
    "LXC": (_NESTING, _NESTING),
}
"""What an ordinary user inside a container needs, and what root needs there."""

_ADMIN_BITS = 1 << 21 | 1 << 12
"""CAP_SYS_ADMIN and CAP_NET_ADMIN (capabilities(7))."""


_FORBIDDEN = re.compile(
    "namespace|Operation not permitted|uid map|loopback|RTM_|Failed to make|Can't mount proc"
)
_UNKNOWN = (
    "allow unprivileged user namespaces (kernel.unprivileged_userns_clone, SELinux or another "
    "security module may forbid them)"
)


def refusal(said: str, what: str, *, is_root: bool) -> SandboxError:
    """Return the error for ``said``, bwrap's last words when it should have started ``what``."""
    if not _FORBIDDEN.search(said):
        return SandboxError(
            f"{what} does not start inside bubblewrap: {said}",
            hint="its folders must be readable for every user; name another with --python PATH",
        )
    found = obstacles(is_root=is_root)
    causes = "; ".join(cause for cause, _ in found) or "the kernel does not show why"
    said = said.partition(", likely")[0]  # bwrap guesses at Debian's setting, whatever it is
    return SandboxError(
        f"bubblewrap may not make its namespaces here: {causes} ({said})",
        hint=("; ".join(do for _, do in found) or _UNKNOWN) + "; or use --sandbox docker",
    )


def obstacles(*, is_root: bool, root: Path = Path("/")) -> tuple[tuple[str, str], ...]:
    """Return each thing that stands in the way, with what to do about it; () when none shows.

    ``root`` is the folder in which /proc and the marks of containers are looked for.
    """
    container = next((whose for path, text, whose in _MARKS if _holds(root / path, text)), "")
    where = "on the host: " if container else ""
    found = [  # root needs no user namespaces
        (f"{name} is {forbids}", f"{where}sudo sysctl -w {name}={allows}")
        for name, (forbids, allows) in _SETTINGS.items()
        if _read(root / "proc/sys" / name.replace(".", "/")).strip() == forbids
        and not (is_root and "user" in name.partition(".")[2])
    ]
    own = root / "proc/self"
    if (own / "ns").is_dir() and not (own / "ns/user").exists() and not is_root:
        found.append(("this kernel has no user namespaces", "boot one with CONFIG_USER_NS=y"))
    mounts = _read(own / "mountinfo").splitlines()
    if mounts and not any(line.split()[4] == "/" for line in mounts):
        found.append(("a chroot forbids them", "enter it with unshare --mount and pivot_root"))
    if container:
        found.append((f"this looks like a container of {container}", _FLAGS[container][is_root]))
    return tuple(found) or _confinement(_read(own / "status"), is_root=is_root)


def _confinement(status: str, *, is_root: bool) -> tuple[tuple[str, str], ...]:
    """What ``/proc/self/status`` tells where nothing else does."""
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if is_root and int(values.get("CapEff", "-1"), 16) & _ADMIN_BITS != _ADMIN_BITS:
        what = "root lacks CAP_SYS_ADMIN or CAP_NET_ADMIN here"
        return ((what, "add them, or run egbot as an ordinary user"),)
    if values.get("Seccomp") == "2":
        what = "a filter of system calls stands around egbot (a container's, a service's, a snap's)"
        do = "let it pass clone and unshare with new namespaces, mount, umount2 and pivot_root"
        return ((what, do),)
    return ()


def _holds(path: Path, text: str) -> bool:
    return text in _read(path) if text else path.exists()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
