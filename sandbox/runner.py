"""The sandbox's entry, ``python -m sandbox.runner``: takes the tree, then serves jobs until its
input ends. It runs no test code itself; forked zygotes do.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import os
import pkgutil
import select
import signal
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any, NoReturn

from sandbox import kernel
from sandbox.ids import by_function, function_of, renamed
from sandbox.installed import lay_over
from sandbox.session import Session
from sandbox.supervisor import Supervisor
from sandbox.tree import Tree, TreeError, clean_path, remove
from sandbox.watch import exit_text
from sandbox.wire import Message, Reader, WireError, encode, write_all
from sandbox.zygote import Channel, ZygoteLostError, spawn

_HIGH_FD = 100
_PATH_VARIABLES = ("PYTHONPATH", "PYTHONSAFEPATH")
_SCRATCH_VARIABLE = "EGBOT_SCRATCH"
"""Folders that belong to the sandbox alone, besides its work folder; see ``os.pathsep``."""


class BrokenError(Exception):
    """No job can be served; the message says why, ``kind`` whose fault it is."""

    def __init__(self, message: str, kind: str = "pytest") -> None:
        super().__init__(message)
        self.kind = kind


class Runner:
    """One bot's session: its pipes, the tree, the zygotes."""

    def __init__(self, input_fd: int, output_fd: int) -> None:
        self._reader = Reader(input_fd)
        self._output_fd = output_fd
        self._pids: set[int] = set()
        self._collecting: Message = {}

    def run(self) -> None:
        """Serve until the bot closes its end."""
        opening = self._reader.wait_frame()
        if opening is None:
            return
        try:
            self._open(opening)
        except BrokenError as error:
            self._send({"type": "broken", "kind": error.kind, "message": str(error)})
            return
        while True:
            for tree in self._trees:
                tree.restore()
            request = self._reader.wait_frame()
            if request is None:
                return
            self._serve(request)

    def end(self) -> None:
        """Kill all that is left of this session."""
        for pid in self._pids:
            kernel.kill_group(pid)
        kernel.kill_orphans(set())

    def _send(self, message: Message) -> None:
        write_all(self._output_fd, encode(message))

    # --- opening ---

    def _open(self, opening: Message) -> None:
        missing = kernel.missing_walls(opening["walls"])
        if missing:
            raise BrokenError("these do not stand: " + ", ".join(missing), "walls")
        work = os.path.realpath(opening["work"])
        self._root = os.path.join(work, "repo")
        self._home = os.path.join(self._root, opening["folder"]).rstrip(os.sep)
        self._tmp = os.path.join(work, "tmp")
        self._tree = Tree(self._root)
        self._trees = [self._tree]
        try:
            os.makedirs(self._root, exist_ok=True)
            os.makedirs(self._tmp, exist_ok=True)
            self._tree.unpack(self._reader.wait_bytes(int(opening["num_tar_bytes"])))
        except (OSError, TreeError) as error:
            raise BrokenError(str(error)) from None
        self._prepare(opening["env"], opening["project"])
        start = time.monotonic()
        cache = "cache_dir=" + os.path.join(work, "cache")
        args = ["--rootdir=" + self._home, "--capture=no", *opening["options"], "-o", cache]
        collected, fresh = self._start_session(args, opening)
        answer = self._await(collected)
        self._collect_s = time.monotonic() - start
        if answer is None:
            raise self._why_ended()
        if answer["type"] == "broken":
            raise BrokenError(str(answer["message"]))
        own, names = answer["node_ids"], renamed(answer["node_ids"], opening["known"])
        others = [name for one, name in zip(own, names, strict=True) if one != name]
        answer |= {"node_ids": names, "renamed": [*by_function(others)]}
        self._node_ids = set(names)
        # those of a file that cannot be collected from before
        self._siblings = by_function(
            dict.fromkeys(one for one in (*opening["known"], *names) if one[-1:] == "]")
        )
        self._supervisor = Supervisor(
            collected if answer.pop("serves") else None,
            fresh,
            stop_fd=self._reader.fd,
            is_abandoned=self._is_abandoned,
        )
        spared = [tree.root for tree in self._trees]
        folders = dict.fromkeys([work, *self._folders.split(os.pathsep)])
        self._trees += [Tree(one, spared) for one in folders if os.path.isdir(one)]
        for tree in self._trees:
            tree.mark()
        self._send(answer)

    def _start_session(self, args: list[str], opening: Message) -> tuple[Channel, Channel]:
        """Fork pytest's process; return the channels to its two zygotes."""
        collected, their_collected = Channel.pair()
        fresh, their_fresh = Channel.pair()

        def body() -> None:
            for fd in (self._reader.fd, self._output_fd):
                os.close(fd)
            for channel in (collected, fresh):
                channel.end.close()
            Session(self._root, args, opening, (their_collected, their_fresh)).run()

        self._pids.add(spawn(body))
        for channel in (their_collected, their_fresh):
            channel.end.close()
        return collected, fresh

    def _prepare(self, env: dict[str, str], project: Message | None) -> None:
        """Make this process, and so all forked ones, look like ``python -m pytest`` there."""
        try:
            for name in ("pytest", "_pytest.assertion.rewrite", "_pytest.runner"):
                importlib.import_module(name)
        except Exception as error:
            message = f"pytest cannot be imported: {type(error).__name__}: {error}"
            raise BrokenError(message) from None
        own_folder = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
        start_folder = os.getcwd()
        self._folders = os.environ.pop(_SCRATCH_VARIABLE, "")
        for name in _PATH_VARIABLES:
            os.environ.pop(name, None)
        os.environ.update({str(name): str(value) for name, value in env.items()})
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        os.environ["TMPDIR"] = self._tmp
        sys.dont_write_bytecode = True
        threading.stack_size(kernel.THREAD_STACK_BYTES)
        _hide_runner(own_folder)
        os.chdir(self._home)  # noqa: TID251 (this process is the tests' own)
        named = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        extra = [os.path.abspath(one) for one in named]
        if extra:
            os.environ["PYTHONPATH"] = os.pathsep.join(extra)
        source = os.path.join(self._home, "src")
        kept = [one for one in sys.path if one and os.path.realpath(one) != start_folder]
        sys.path[:] = kept
        if project is not None:
            environment = os.path.join(os.path.dirname(self._root), "env")
            self._trees.append(lay_over(project, self._root, environment))
        sys.path[:0] = [self._home, *([source] if os.path.isdir(source) else []), *extra]
        sys.path_hooks.insert(0, _real_entry(self._root))
        sys.argv[:] = ["pytest"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        _reopen_streams()
        importlib.invalidate_caches()
        gc.collect()
        gc.freeze()

    def _await(self, channel: Channel) -> Message | None:
        """Wait until the tests are collected; None when that ended. Leave when the bot does."""
        while True:
            if not channel.has_frame:
                ready = select.select([channel.end.fileno(), self._reader.fd], [], [])[0]
                if self._reader.fd in ready and self._is_abandoned():
                    raise SystemExit(0)
                if channel.end.fileno() not in ready:
                    continue
            answer = channel.receive()
            if answer is None or answer["type"] != "collecting":
                return answer
            self._collecting = answer

    def _why_ended(self) -> BrokenError:
        """Say how the process that collects the tests ended, and at which file."""
        parent = next(iter(self._pids))
        code = kernel.how_ended(int(self._collecting.get("pid", parent)), parent)
        path = str(self._collecting.get("path", ""))[:1000]
        where = "while it collected " + (path or "the tests")
        if code == -signal.SIGKILL:
            return BrokenError(f"pytest's process was killed {where}", "killed")
        how = "closed its output" if code is None else f"ended ({exit_text(code)})"
        return BrokenError(f"pytest's process {how} {where}; a module may have exited")

    def _is_abandoned(self) -> bool:
        return self._reader.at_end or not self._reader.fill()

    # --- jobs ---

    def _serve(self, request: Message) -> None:
        start = time.monotonic()
        result = self._run(request)
        outcomes = result["outcomes"]
        result["outcomes"] = [
            outcomes.get(test) or {"node_id": test, "status": "not_run"}
            for test in request["tests"]
        ]
        result.update(type="result", id=request["id"], wall_s=time.monotonic() - start)
        self._send(result)
        self._supervisor.tidy()
        kernel.kill_orphans(self._pids)
        remove(os.path.join(self._tmp, "run"))

    def _run(self, request: Message) -> dict[str, Any]:
        program = request["program"]
        base = None
        if program is not None:
            path = str(program["path"])
            if clean_path(path) != path:
                return _invalid(f"the path {path!r} is not one of the repository")
            base = self._tree.text(path)
            try:
                self._tree.put(path, program["source"])
            except (OSError, TreeError, UnicodeError) as error:
                return _invalid(f"the program cannot be written: {error}")
        tests = list(dict.fromkeys(request["tests"]))
        functions = dict.fromkeys(map(function_of, tests))
        folder = os.path.join(self._tmp, "run")
        os.makedirs(folder, exist_ok=True)
        job = dict(
            request,
            base=base,
            tests=tests,
            siblings=[test for one in functions for test in self._siblings.get(one, ())],
            until_s=time.monotonic() + request["left_s"],
            tmp=folder,
        )
        return self._supervisor.run(
            job,
            afresh=program is not None and not self._node_ids.issuperset(tests),
            afresh_s=5.0 + 2.0 * self._collect_s,
        )


def _invalid(detail: str) -> dict[str, Any]:
    return {"status": "invalid", "detail": detail[:4000], "outcomes": {}}


def _real_entry(root: str) -> Callable[[str], Any]:
    """Return a hook that has each file of the repository bear one name, however sys.path says it."""

    def find(entry: str) -> Any:
        real = os.path.realpath(entry)
        if real == entry or not (real + os.sep).startswith(root + os.sep):
            raise ImportError(entry)
        return pkgutil.get_importer(real)

    return find


def _hide_runner(folder: str) -> None:
    """Take the runner's own modules and folder out of what imports see."""
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or ".") != folder]
    for name in [name for name in sys.modules if name.partition(".")[0] == "sandbox"]:
        del sys.modules[name]


def _reopen_streams() -> None:
    """Make the standard streams anew over their descriptors, so that they always encode."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        errors = "backslashreplace" if fd else "replace"
        mode = "w" if fd else "r"
        stream = open(fd, mode, 1, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _take_pipes() -> Runner:
    """Move the protocol away from the descriptors that test code knows."""
    input_fd = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, _HIGH_FD)
    output_fd = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, _HIGH_FD)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return Runner(input_fd, output_fd)


def main() -> NoReturn:
    """Run the sandbox's side of the protocol; the exit status is 0 when the bot ended it."""
    kernel.set_dumpable(False)
    kernel.adopt_orphans()
    runner = _take_pipes()
    code = 1
    try:
        runner.run()
        code = 0
    except SystemExit:
        code = 0
    except (WireError, ZygoteLostError, OSError, KeyError, TypeError, ValueError) as error:
        os.write(2, (f"egbot runner: {type(error).__name__}: {error}\n").encode())
    finally:
        runner.end()
        os._exit(code)


if __name__ == "__main__":
    main()
