"""What the tests leave open of an accepted function is known exactly, or not claimed."""

from __future__ import annotations

import pytest

from egbot.cautions import notice
from egbot.records import Caution, TestOutcome, Trace, TraceEvent

CODE = "def f(x):\n    if x < 0:\n        return 0\n    return x\n"


def outcome(lines: tuple[int, ...] | None, *calls: str, num_dropped: int = 0) -> TestOutcome:
    events = tuple(TraceEvent("call", "f", 11, 0, (("x", value),)) for value in calls)
    return TestOutcome("t.py::t", "passed", trace=Trace(events, num_dropped, lines))


@pytest.mark.parametrize(
    ("outcomes", "lines", "cautions"),
    [
        ([outcome((12, 14), "1", "2")], (13,), ()),
        ([outcome((12, 14), "1"), outcome((12, 13), "-1")], (), ()),
        ([outcome((12, 13, 14), "1"), outcome((12,), "1")], (), ("one_example",)),
        ([outcome((12, 13, 14), "1", num_dropped=9)], (), ()),  # there were other calls, perhaps
        ([outcome(())], (), ("unwatched",)),
        ([outcome(None, "1", "2")], (), ()),  # the tracer gave up: nothing is known
        ([outcome((12, 14), "1", "2"), TestOutcome("t.py::u", "passed")], (), ()),
    ],
)
def test_lines_and_calls(
    outcomes: list[TestOutcome], lines: tuple[int, ...], cautions: tuple[Caution, ...]
) -> None:
    """The definition stands on line 11 of its file."""
    found = notice(CODE, 11, outcomes)
    assert (found.unrun_lines, found.cautions) == (lines, cautions)


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("def f(x):\n    return 4\n", False),
        ("def f(self, x, *y, **z):\n    return [4]\n", False),
        ("def f(x):\n    x = 4\n    return None\n", False),
        ("def f():\n    return 4\n", True),
        ("def f(x):\n    return 4 if x else 5\n", True),
        ("def f(self):\n    return super().f()\n", True),
        ("async def f(x):\n    def g():\n        return x\n    return g()\n", True),
    ],
)
def test_a_result_that_has_nothing_to_do_with_the_arguments(code: str, reads: bool) -> None:
    assert ("ignores_arguments" in notice(code, 1, []).cautions) is not reads
