"""The shipped set of small functions: every task is well formed and its own solution is right."""

from __future__ import annotations

import pytest

from egbot.bench.reading import FIRST_STEPS, read_source
from egbot.bench.tasks import Record

TASKS = read_source(FIRST_STEPS.stem).records


def test_the_set_is_found_by_its_name() -> None:
    assert len(TASKS) == 32


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task.fields["task_id"]))
def test_each_solution_passes_its_three_tests(task: Record) -> None:
    names: dict[str, object] = {}
    exec(str(task.fields["code"]), names)
    tests = task.fields["test_list"]
    assert isinstance(tests, list)
    assert len(tests) == 3
    for test in tests:
        exec(test, names)
