"""Owns why namespaces are forbidden here, and what to switch on; ``obstacles.toml`` is its table.

The kernel refuses without a reason; its own files and a container's marks tell it.
"""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

from egbot.errors import SandboxError

_ADMIN_BITS = 1 << 21 | 1 << 12  # CAP_SYS_ADMIN and CAP_NET_ADMIN (capabilities(7))
_FORBIDDEN = "namespace|not permitted|uid map|loopback|RTM_|Failed to make|Can't mount proc"
_UNKNOWN = (
    "allow unprivileged user namespaces (kernel.unprivileged_userns_clone, SELinux or another "
    "security module may forbid them)"
)


def refusal(said: str, what: str, *, is_root: bool) -> SandboxError:
    """Return the error for ``said``, bwrap's last words when it should have started ``what``."""
    said = said[-400:]
    if not re.search(_FORBIDDEN, said):
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


def obstacles(*, is_root: bool, root: Path = Path("/")) -> list[tuple[str, str]]:
    """Return what stands in the way, with what to do about it, as far as files in ``root`` tell."""
    table = tomllib.loads((resources.files(__package__) / "obstacles.toml").read_text("utf-8"))
    around = [
        (f"this looks like a container of {name}", str(one["root" if is_root else "user"]))
        for name, one in table["containers"].items()
        for at, text in one["marks"].items()
        if (root / at).exists() and text in _read(root / at)
    ][:1]
    where = "on the host: " if around else ""
    found = [
        (f"{name} is {forbids}", f"{where}sudo sysctl -w {name}={allows}")
        for name, (forbids, allows) in table["settings"].items()
        if _read(root / "proc/sys" / name.replace(".", "/")).strip() == forbids
        if not (is_root and "user" in name.partition(".")[2])  # root needs no user namespaces
    ]
    own = root / "proc/self"
    if (own / "ns").is_dir() and not (own / "ns/user").exists() and not is_root:
        found.append(("this kernel has no user namespaces", "boot one with CONFIG_USER_NS=y"))
    mounts = _read(own / "mountinfo").splitlines()
    if mounts and not any(line.split()[4] == "/" for line in mounts):
        found.append(("a chroot forbids them", "enter it with unshare --mount and pivot_root"))
    return [*found, *around] or _confinement(_read(own / "status"), is_root=is_root)


def _confinement(status: str, *, is_root: bool) -> list[tuple[str, str]]:
    """Return what ``/proc/self/status`` tells where nothing else does."""
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if is_root and int(values.get("CapEff", "-1"), 16) & _ADMIN_BITS != _ADMIN_BITS:
        what = "root lacks CAP_SYS_ADMIN or CAP_NET_ADMIN here"
        return [(what, "add them, or run egbot as an ordinary user")]
    if values.get("Seccomp") != "2":
        return []
    what = "a filter of system calls stands around egbot (a container's, a service's, a snap's)"
    return [
        (what, "let it pass clone and unshare with new namespaces, mount, umount2 and pivot_root")
    ]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
