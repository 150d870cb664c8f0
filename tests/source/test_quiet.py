"""Strangers' code warns nobody, in whichever thread it is read."""

from __future__ import annotations

import ast
import warnings
from concurrent.futures import ThreadPoolExecutor

from egbot.source.text import quietly

DOUBTFUL = "x = '\\d' is 1\n"


def read(_: int) -> int:
    with quietly():
        return len(ast.parse(DOUBTFUL).body) + len(str(compile(DOUBTFUL, "<test>", "exec")))


def test_threads_do_not_undo_each_other_s_silence() -> None:
    """Warnings are errors in these tests, so that one that gets out raises."""
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: read(0) > 0, range(2_000)))) == 1
    assert list(warnings.filters) == before
