"""Traces are folded to what a person wants to read, whatever they hold."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from egbot.records import Trace, TraceEvent
from egbot.report.folding import Gap, fold, trace_lines
from egbot.report.story import Shown, shown
from tests.report.samples import CODE, FIRST_LINE, hostile, loop_trace

KINDS = st.sampled_from(["call", "line", "line", "line", "return", "exception"])
EVENTS = st.lists(
    st.builds(
        TraceEvent,
        kind=KINDS,
        function=st.just("f"),
        line=st.integers(1, 6),
        depth=st.integers(0, 2),
    ),
    max_size=60,
)


def line(number: int, depth: int = 0) -> TraceEvent:
    return TraceEvent("line", "f", number, depth)


@given(EVENTS)
def test_every_event_is_shown_or_counted(events: list[TraceEvent]) -> None:
    """Folding never loses or invents an event."""
    steps = fold(events)
    total = sum(step.num_events if isinstance(step, Gap) else 1 for step in steps)
    kept = iter(events)
    assert total == len(events)
    assert all(any(step is event for event in kept) for step in steps if not isinstance(step, Gap))


def test_long_loop_keeps_first_and_last_iterations() -> None:
    """Seven iterations are told as two, a gap of four and the last one."""
    steps = fold(loop_trace([3, -1, 4, 10, 5, 9, 2]).events)
    gaps = [step for step in steps if isinstance(step, Gap)]
    numbers = [
        dict(step.changes).get("number")
        for step in steps
        if not isinstance(step, Gap) and step.line == 16
    ]
    assert [(gap.num_iterations, gap.num_events) for gap in gaps] == [(4, 12)]
    assert numbers == ["3", "-1", "2", None]


def test_short_loop_is_shown_in_full() -> None:
    """Three iterations are not worth a gap."""
    assert list(loop_trace([1, 2, 3]).events) == fold(loop_trace([1, 2, 3]).events)


def test_nested_loops_fold_inside_what_is_kept() -> None:
    """An inner loop folds in each iteration of the outer one that is shown."""
    inner = [line(2), *[line(3), line(4)] * 6, line(3)]
    steps = fold([*inner * 6, line(2), line(5)])
    gaps = [step.num_iterations for step in steps if isinstance(step, Gap)]
    assert gaps == [3, 3, 3, 3]


def test_a_caught_exception_does_not_end_a_loop() -> None:
    """Iterations that raise and catch still fold."""
    caught = TraceEvent("exception", "f", 3, 0, (), "ValueError: x")
    steps = fold([*[line(2), line(3), caught, line(4)] * 8, line(2)])
    assert [step.num_iterations for step in steps if isinstance(step, Gap)] == [5]


def test_deep_and_long_traces_are_quick() -> None:
    """Neither ten thousand nested calls nor a hundred thousand events take long."""
    deep = [TraceEvent("call", "f", 1, depth) for depth in range(10_000)]
    flat = [line(number % 50) for number in range(100_000)]
    start_s = time.thread_time()
    fold(deep)
    fold(flat)
    assert time.thread_time() - start_s < 5


def test_trace_lines_are_bounded_and_visible() -> None:
    """The readable trace has a largest length and shows no raw control character."""
    view = Shown(CODE, FIRST_LINE, (), is_final=True)
    long = Trace(tuple(line(number) for number in range(500)), 3)
    lines = trace_lines(view, long, limit_lines=20)
    assert len(lines) <= 22
    assert lines[-1].strip() == "… 3 events beyond the limit …"
    seen = shown(hostile(9_000))
    trace = seen.tests[0].trace
    assert trace is not None
    assert all(text.isprintable() and len(text) < 700 for text in trace_lines(seen, trace))
