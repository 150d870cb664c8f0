"""The ``process`` backend: the runner as a plain child with rlimits only. It isolates nothing.

Not covered: the network, the user's files, other processes of the same user. It is for trusted
code and must be asked for by name.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from egbot.errors import SandboxError
from egbot.execution.link import Child, Launch
from egbot.execution.options import SandboxOptions
from egbot.execution.payload import runner_files, write_files
from egbot.execution.warm import Opening, WarmExecutor
from egbot.records import Limits, Tree


@dataclass(frozen=True, slots=True)
class ProcessSandbox:
    """The port ``Sandbox`` over plain child processes of ``python``, the repository's interpreter.

    ``left_out`` are the requirements that ``python`` lacks, and why.
    """

    python: str = sys.executable
    options: SandboxOptions = field(default_factory=SandboxOptions)
    left_out: Mapping[str, str] = field(default_factory=dict)
    backend: str = field(default="process", init=False)

    def open(self, tree: Tree, tests: Iterable[str], limits: Limits) -> WarmExecutor:
        """Start a fresh runner in a temporary folder and collect ``tests``. Raises SandboxError."""
        return WarmExecutor(self._launch, Opening.of(self.options, tree, tests, limits))

    def _launch(self) -> Launch:
        with ExitStack() as undo:
            try:
                folder = Path(tempfile.mkdtemp(prefix="egbot-"))
                undo.callback(shutil.rmtree, folder, ignore_errors=True)
                for name in ("work", "home", "tmp"):
                    (folder / name).mkdir()
                write_files(runner_files(), folder / "runner")
            except OSError as error:
                raise SandboxError(
                    f"no temporary folder for the sandbox: {error.strerror}",
                    hint="free some disk space or set TMPDIR",
                ) from error
            work, on_close = str(folder / "work"), undo.pop_all().close
        argv = (self.python, "-m", "sandbox.runner")
        return Launch(partial(Child, argv, _scrubbed(folder), work, on_close), work)


def _scrubbed(folder: Path) -> dict[str, str]:
    """Nothing of the host's environment but the search path and the language."""
    env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return env | {
        "HOME": str(folder / "home"),
        "MALLOC_ARENA_MAX": "2",  # as in inner_environment
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(folder / "runner"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONSAFEPATH": "1",
    }
