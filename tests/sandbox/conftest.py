"""Fixtures that start real runners. They know nothing of what the tests ask of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from textwrap import dedent

import pytest

from egbot.execution.process import ProcessSandbox
from egbot.execution.warm import WarmExecutor
from egbot.records import Limits, TreeFile

Opener = Callable[..., WarmExecutor]


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
            sandbox = ProcessSandbox(options=options)
            return stack.enter_context(sandbox.open(tree, tests, Limits(test_s=test_s)))

        yield opener
