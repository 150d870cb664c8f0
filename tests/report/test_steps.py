"""Loops become tables and calls become trees, whatever the trace and the code hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from egbot.records import TraceEvent
from egbot.report.steps import MAX_CALLS, MAX_COLUMNS, MAX_ROWS, Call, calls, frames, loops
from tests.report.samples import CODE, FIRST_LINE, fib_events, hostile, loop_trace

EVENTS = st.lists(
    st.builds(
        TraceEvent,
        kind=st.sampled_from(["call", "line", "line", "line", "return", "exception"]),
        function=st.sampled_from(["f", "f.<locals>.<listcomp>"]),
        line=st.integers(-1, 6),
        depth=st.integers(-1, 3),
        changes=st.just((("x", "1"),)) | st.just(()),
    ),
    max_size=60,
)
NESTED = "def f(n):\n    for i in n:\n        while i:\n            i -= 1\n    return n\n"


def line(number: int, **changes: str) -> TraceEvent:
    return TraceEvent("line", "f", number, 0, tuple(changes.items()))


def test_a_loop_is_a_table_of_what_each_iteration_left() -> None:
    """Seven numbers make seven rows; the visit that only ends the loop makes none."""
    (loop,) = loops(CODE, FIRST_LINE, loop_trace([3, -1, 4, 10, 5, 9, 2]).events)
    assert (loop.line, loop.num_iterations) == (16, 7)
    assert loop.columns == ("number", "total", "sums")
    assert loop.rows[1].cells == ("-1", "2", "[3, 2]")
    assert loop.rows[1].number == 2
    events = loop_trace([3, -1, 4, 10, 5, 9, 2]).events
    assert dict(events[loop.rows[1].step].changes)["number"] == "-1"


def test_a_loop_that_ran_once_or_never_needs_no_table() -> None:
    for numbers in ([], [1]):
        assert loops(CODE, FIRST_LINE, loop_trace(numbers).events) == ()


def test_an_inner_loop_shows_in_the_rows_of_the_outer_one() -> None:
    """Each outer iteration says what the inner loop left, not every turn of it."""
    events = [
        TraceEvent("call", "f", 1, 0),
        *(line(2, i="2"), line(3), line(4, i="1"), line(3), line(4, i="0"), line(3)),
        *(line(2, i="1"), line(3), line(4, i="0"), line(3), line(2), line(5)),
    ]
    (loop,) = loops(NESTED, 1, events)
    assert loop.num_iterations == 2
    assert [row.cells for row in loop.rows] == [("0",), ("0",)]


def test_long_loops_are_cut_in_the_middle() -> None:
    """A thousand iterations keep the first and the last ones, with their numbers."""
    (loop,) = loops(CODE, FIRST_LINE, loop_trace(list(range(1_000))).events)
    assert loop.num_iterations == 1_000
    assert len(loop.rows) == MAX_ROWS
    assert (loop.rows[0].number, loop.rows[-1].number) == (1, 1_000)


def test_wide_loops_and_code_that_is_none_are_fine() -> None:
    """Columns are bounded, and code that cannot be parsed has no tables."""
    many = {f"v{index}": "1" for index in range(40)}
    events = [line(2, **many), line(3), line(2, **many), line(3)]
    (loop,) = loops(NESTED, 1, events)
    assert len(loop.columns) == MAX_COLUMNS
    for code in ("def f(:", "\0", "(" * 5_000, "\ud800"):
        assert loops(code, 1, events) == ()


def test_recursion_is_a_tree() -> None:
    """fib(3) called fib(2) and fib(1), and every call says what it came to."""

    def outline(call: Call) -> object:
        return call.words, call.result, [outline(each) for each in call.calls]

    (root,) = calls(fib_events(3))
    one: object = ("fib(n=1)", "1", [])
    zero: object = ("fib(n=0)", "0", [])
    assert outline(root) == ("fib(n=3)", "2", [("fib(n=2)", "1", [one, zero]), one])


def test_calls_one_after_another_and_comprehensions_are_no_tree() -> None:
    """Three calls from the test, or a comprehension that runs as a call, nest nothing."""
    assert calls([*fib_events(1), *fib_events(1), *fib_events(0)]) == ()
    inner = TraceEvent("call", "f.<locals>.<listcomp>", 2, 1)
    assert calls([TraceEvent("call", "f", 1, 0), inner]) == ()


def test_a_caught_exception_does_not_fail_the_call() -> None:
    events = fib_events(2)
    raised = TraceEvent("exception", "fib", 4, 0, (), "ValueError: no")
    assert not calls([*events[:-1], raised, events[-1]])[0].failed
    failed = calls([*events[:-1], raised])[0]
    assert (failed.failed, failed.result) == (True, "ValueError: no")


def test_big_and_deep_trees_are_bounded() -> None:
    """Ten thousand nested calls neither break the stack nor make an endless page."""
    deep = [TraceEvent("call", "f", 1, depth) for depth in range(10_000)]
    wide = [event for _ in range(300) for event in fib_events(2)]
    assert calls(deep)

    def size(found: tuple[Call, ...] | list[Call]) -> int:
        return sum(1 + size(call.calls) for call in found)

    assert size(calls(deep)) <= MAX_CALLS
    assert size(calls(wide)) == MAX_CALLS


@given(EVENTS)
def test_no_trace_is_too_strange(events: list[TraceEvent]) -> None:
    """Any order of events, with any depths, has frames, loops and calls."""
    assert len(frames(events)) == len(events)
    for loop in loops(NESTED, 1, events):
        assert all(len(row.cells) == len(loop.columns) for row in loop.rows)
    calls(events)


def test_hostile_values_are_visible_and_short() -> None:
    trace = hostile().evidence[0].trace
    assert trace is not None
    events = [*trace.events, TraceEvent("call", "f", 1, 5, trace.events[0].changes)]
    texts = [call.words + call.result for root in calls(events) for call in (root, *root.calls)]
    assert texts
    assert all(len(text) < 400 and text.isprintable() for text in texts)
