"""What the probe costs, counted: sandboxes and runs; and what it asks again."""

from __future__ import annotations

from egbot.discovery.probe import MAX_RUNS, ask, probe_of
from egbot.records import FailingTest, Fault, Limits, Tree, TreeFile
from egbot.testing import ReplaySandbox

SOURCE = """
def double(x):
    raise NotImplementedError


def half(x):
    raise NotImplementedError


def plain(x):
    return x
"""
EASY = "import lib\n\n" + "".join(
    f"def test_{number}():\n    assert lib.double({number}) == {2 * number}\n\n"
    for number in range(20)
)
HOPELESS = """
import json

import pytest

import lib


@pytest.mark.parametrize("number", range(10))
def test_row(number):
    assert lib.plain(number) == -1
    assert lib.half(number) == 5
"""


def tree_of(**tests: str) -> Tree:
    files = {"lib.py": SOURCE, **{f"test_{name}.py": text for name, text in tests.items()}}
    return {path: TreeFile(text.encode()) for path, text in files.items()}


def failing(*paths: str) -> list[FailingTest]:
    return [FailingTest(path, "collect", Fault("", "")) for path in paths]


def test_tests_that_come_to_their_end_cost_one_sandbox_and_one_run_a_file() -> None:
    sandbox = ReplaySandbox()
    tree = tree_of(easy=EASY, other=EASY)
    found = ask(
        sandbox, tree, failing("test_easy.py", "test_other.py"), Limits(), probe_of(tree, "")
    )
    assert {one.status for one in found.outcomes.values()} == {"passed"}
    (executor,) = sandbox.executors
    assert [len(job.tests) for job in executor.jobs] == [20, 20]


def test_a_test_function_is_searched_by_one_of_its_rows_and_within_a_limit() -> None:
    sandbox = ReplaySandbox()
    tree = tree_of(hopeless=HOPELESS)
    found = ask(sandbox, tree, failing("test_hopeless.py"), Limits(), probe_of(tree, ""))
    assert {one.status for one in found.outcomes.values()} == {"failed"}
    (executor,) = sandbox.executors
    first, *again = executor.jobs
    assert len(first.tests) == 10
    assert len(again) <= MAX_RUNS + 1
    assert {job.tests[0] for job in again if len(job.tests) == 1} <= {
        "test_hopeless.py::test_row[0]"
    }


def test_what_a_test_enters_is_known_though_nothing_is_missing() -> None:
    sandbox = ReplaySandbox()
    tree = tree_of(hopeless=HOPELESS)
    found = ask(sandbox, tree, failing("test_hopeless.py"), Limits(), probe_of(tree, ""))
    entered = found.evidence["test_hopeless.py::test_row[0]"].entered
    assert ("lib.py", "plain", 10) in [(one.path, one.qualname, one.line) for one in entered]


def test_what_one_test_taught_of_a_type_is_tried_in_the_next() -> None:
    """Only C code says that a text is wanted, and a test that has no run left for it profits too."""
    sandbox = ReplaySandbox()
    texts = "import lib\n\n" + "".join(
        f"def test_{name}():\n    assert ','.join(['x', lib.double('{name}')])\n\n"
        for name in "abc"
    )
    found = ask(
        sandbox, tree_of(texts=texts), failing("test_texts.py"), Limits(), probe_of(tree_of(), "")
    )
    assert {one.status for one in found.outcomes.values()} == {"passed"}
    (executor,) = sandbox.executors
    assert [len(job.tests) for job in executor.jobs] == [3, 1, 1, 1]
