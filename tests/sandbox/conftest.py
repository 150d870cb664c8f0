"""Fixtures that start real runners. They know nothing of what the tests ask of them."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest

from egbot.execution.options import SandboxOptions
from egbot.execution.process import process_sandbox
from egbot.execution.warm import WarmExecutor
from egbot.records import Limits, TreeFile

Opener = Callable[..., WarmExecutor]
PLUGINS = ("pytest-xdist", "execnet", "pytest-asyncio", "pytest-forked", "pytest-timeout")


@pytest.fixture(scope="module")
def open_sandbox() -> Iterator[Opener]:
    """Return what opens a runner over files given as indented text; all are closed at the end."""
    with ExitStack() as stack:

        def opener(
            files: dict[str, str],
            *tests: str,
            options: tuple[str, ...] = (),
            test_s: float = 5.0,
        ) -> WarmExecutor:
            tree = {path: TreeFile(dedent(text).encode()) for path, text in files.items()}
            sandbox = process_sandbox(options=SandboxOptions(pytest_options=options))
            return stack.enter_context(sandbox.open(tree, tests, Limits(test_s=test_s)))

        yield opener


@pytest.fixture(scope="session")
def plugins_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python with this one's packages and ``PLUGINS``."""
    folder = tmp_path_factory.mktemp("plugins")
    target = folder / "packages"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(target),
    ]
    try:
        done = subprocess.run(
            [*install, *PLUGINS], capture_output=True, text=True, timeout=90, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the package registry does not answer")
    if done.returncode != 0:
        pytest.skip(f"pytest's plugins cannot be installed: {done.stderr.strip()[-200:]}")
    venv.create(folder / "venv", with_pip=False)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "more.pth").write_text(f"{sysconfig.get_path('purelib')}\n{target}\n")
    return folder / "venv" / "bin" / "python"
