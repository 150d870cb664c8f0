"""The ``process`` backend: the runner as a plain child with rlimits only. It isolates nothing.

Not covered: the network, the user's files, other processes of the same user. It is for trusted
code and must be asked for by name.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from egbot.errors import SandboxError
from egbot.execution.confinement import launcher
from egbot.execution.link import Child
from egbot.execution.options import SandboxOptions
from egbot.execution.payload import runner_files, write_files
from egbot.execution.warm import WarmSandbox

_DEFAULTS = SandboxOptions()


def process_sandbox(
    python: str = sys.executable,
    options: SandboxOptions = _DEFAULTS,
    left_out: Mapping[str, str] | None = None,
) -> WarmSandbox:
    """Return plain child processes of ``python``, the repository's interpreter, as a sandbox."""
    return WarmSandbox("process", options, partial(_started, python), left_out or {})


def _started(python: str) -> Child:
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
        on_close = undo.pop_all().close
    argv = (*launcher(python, str(folder / "runner")), python, "-m", "sandbox.runner")
    return Child(argv, _scrubbed(folder), str(folder / "work"), on_close=on_close)


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
