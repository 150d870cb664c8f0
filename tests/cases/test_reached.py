"""A function that is to be written is found however its tests reach it: the run enters it."""

from __future__ import annotations

import pytest

from tests.cases.front import Case, Front, check, table

REACHED = table("reached.txt")


@pytest.mark.parametrize("case", REACHED.values(), ids=REACHED)
def test_what_runs_is_what_is_written(case: Case, front: Front) -> None:
    answer = check(front, case.text, case.bodies)
    failed = {test for one in answer.json["outcomes"] for test in one["failing"]}
    assert answer.proved == failed
