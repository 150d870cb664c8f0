"""The ``process`` backend: the runner as a plain child with rlimits only. It isolates nothing.

Not covered: the network, the user's files, other processes of the same user. It is for trusted
code and must be asked for by name. It does not know the wire format or the jobs.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from egbot.errors import SandboxError
from egbot.execution.payload import write_runner
from egbot.execution.warm import Launch, Opening, WarmExecutor
from egbot.records import Limits, Tree


class ProcessSandbox:
    """The port ``Sandbox`` over plain child processes of ``python``, the repository's interpreter.

    ``options`` are pytest options put after the repository's own; ``env`` is what the tests see
    besides, ``left_out`` the requirements that ``python`` lacks, and why.
    """

    def __init__(
        self,
        python: str = sys.executable,
        *,
        options: tuple[str, ...] = (),
        env: tuple[tuple[str, str], ...] = (),
        collect_s: float = 120.0,
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self._python = python
        self._options = options
        self._env = dict(env)
        self._collect_s = collect_s
        self.left_out = left_out or {}

    @property
    def backend(self) -> str:
        """``process``."""
        return "process"

    def open(self, tree: Tree, tests: Iterable[str], limits: Limits) -> WarmExecutor:
        """Start a fresh runner in a temporary folder and collect ``tests``.

        Raises SandboxError when it cannot start or pytest cannot run in it.
        """
        opening = Opening(
            tree=tree,
            tests=tuple(tests),
            limits=limits,
            options=self._options,
            env=self._env,
            collect_s=self._collect_s,
        )
        return WarmExecutor(self._launch, opening)

    def _launch(self) -> Launch:
        folder: Path | None = None
        try:
            folder = Path(tempfile.mkdtemp(prefix="egbot-"))
            work = folder / "work"
            runner = folder / "runner"
            for place in (work, runner, folder / "home", folder / "tmp"):
                place.mkdir()
            write_runner(runner)
        except OSError as error:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise SandboxError(
                f"no temporary folder for the sandbox: {error.strerror}",
                hint="free some disk space or set TMPDIR",
            ) from error
        return Launch(
            argv=(self._python, "-m", "sandbox.runner"),
            env=_scrubbed(folder, runner),
            work=str(work),
            cwd=str(work),
            on_close=partial(shutil.rmtree, folder, ignore_errors=True),
        )


def _scrubbed(folder: Path, runner: Path) -> dict[str, str]:
    """Nothing of the host's environment but the search path and the language."""
    env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return env | {
        "HOME": str(folder / "home"),
        "MALLOC_ARENA_MAX": "2",  # as in inner_environment
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(runner),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONSAFEPATH": "1",
    }
