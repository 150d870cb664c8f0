"""What belongs to the tests, by its path alone."""

from __future__ import annotations

import pytest

from egbot.source.testtext import is_test_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/helpers.py", True),
        ("pkg/test_a.py", True),
        ("a_test.py", True),
        ("conftest.py", True),
        ("pkg/testing.py", False),
        ("pkg/contest.py", False),
        ("latest.py", False),
    ],
)
def test_what_belongs_to_the_tests(path: str, expected: bool) -> None:
    assert is_test_path(path) is expected
