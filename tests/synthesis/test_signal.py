"""The signal says what candidates did in words that fit what happened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbot.records import CandidateRun, Comparison, Fault, TestOutcome, Trace, TraceEvent
from egbot.synthesis.signal import Wording, better_than_others, render_signal

PROGRAM = "def total(xs):\n    s = 0\n    for x in xs:\n        s += x\n    return s\n"
FIRST = 12  # the line of the file at which the function starts


def event(kind: str, line: int, *changes: tuple[str, str], **more: object) -> TraceEvent:
    """``line`` counts from the function's first line, 0."""
    base = TraceEvent("line", "total", FIRST + line, 0, changes)
    return replace(base, kind=kind, **more)  # type: ignore[arg-type]


def traced(xs: list[int]) -> tuple[TraceEvent, ...]:
    s = 0
    events = [event("call", 0, ("xs", repr(xs))), event("line", 1, ("s", "0"))]
    for x in xs:
        s += x
        events += [event("line", 2, ("x", repr(x))), event("line", 3, ("s", repr(s)))]
    return (*events, event("line", 2), event("line", 4), event("return", 4, value=repr(s)))


def failed(
    *events: TraceEvent,
    comparison: Comparison | None = None,
    message: str = "assert 6 == 7",
    type_name: str = "AssertionError",
) -> TestOutcome:
    return TestOutcome(
        "t.py::test_it",
        "failed",
        fault=Fault(type_name, message),
        comparison=comparison,
        trace=Trace(events) if events else None,
    )


def signal_of(*outcomes: TestOutcome) -> str:
    passed = sum(outcome.status == "passed" for outcome in outcomes)
    return render_signal([CandidateRun("", PROGRAM, outcomes, passed)])


EQUAL = Comparison("assert total([1, 2, 3]) == 7", "6", "==", "7")


def test_no_candidates_give_no_signal() -> None:
    assert render_signal([]) == ""


def test_the_invocation_the_trace_and_the_outcome_are_told() -> None:
    text = signal_of(failed(*traced([1, 2]), comparison=EQUAL))
    assert PROGRAM in text
    assert "total(xs=[1, 2]):" in text
    assert "  s = 0  # s = 0\n" in text
    assert "  s += x  # s = 1\n" in text


def test_only_changed_variables_are_shown() -> None:
    text = signal_of(failed(*traced([1, 2])))
    steps = [line for line in text.split("\n") if line.startswith("  ")]
    assert "  for x in xs:" in steps
    assert [line for line in steps if "xs = " in line] == []


def test_long_loops_are_folded_to_their_first_and_last_steps() -> None:
    text = signal_of(failed(*traced(list(range(500)))))
    assert len([line for line in text.split("\n") if line.startswith("  ")]) < 20
    assert "  ...\n" in text
    assert "# x = 0" in text
    assert text.rstrip().count("\n") < 30


def test_a_line_that_runs_over_and_over_is_shown_twice() -> None:
    events = [event("call", 0)] + [event("line", 1, ("s", str(n))) for n in range(5)]
    text = signal_of(failed(*events))
    assert "# s = 0" in text
    assert "# s = 4" in text
    assert "# s = 2" not in text


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (EQUAL, "returned 6, but 7 was expected"),
        (Comparison("assert 7 == total(x)", "7", "==", "6"), "returned 6, but 7 was expected"),
        (Comparison("assert total(x) is None", "6", "is", "None"), "returned 6, but None was exp"),
        (
            Comparison("assert len(total(x)) == 2", "1", "==", "2"),
            "`assert len(total(x)) == 2` is not true: 1 == 2 (returned 6)",
        ),
        (
            Comparison("assert total(x) != 6", "6", "!=", "6"),
            "`assert total(x) != 6` is not true: 6 != 6 (returned 6)",
        ),
        (Comparison("assert total(x)"), "`assert total(x)` is not true (returned 6)"),
    ],
)
def test_an_assertion_is_told_by_what_was_returned_and_what_was_expected(
    comparison: Comparison, words: str
) -> None:
    """Only the side that is the result is called the result; it may stand on either side."""
    assert words in signal_of(failed(*traced([1, 2, 3]), comparison=comparison))


def test_without_a_result_none_is_claimed() -> None:
    """A function that was not traced did not return None."""
    text = signal_of(failed(comparison=Comparison("assert total([]) == 1", "0", "==", "1")))
    assert "returned" not in text
    assert "`assert total([]) == 1` is not true: 0 == 1" in text


def test_of_several_calls_in_one_test_the_last_is_told() -> None:
    """The calls before it passed their assertions; mixing them up teaches nonsense."""
    text = signal_of(failed(*traced([]), *traced([1, 2, 3]), comparison=EQUAL))
    assert "total(xs=[1, 2, 3]):" in text
    assert "xs=[]" not in text
    assert "returned 6, but 7 was expected" in text


def test_the_result_is_that_of_the_outermost_call() -> None:
    inner = [
        event("call", 0, ("xs", "[]"), depth=1),
        event("line", 1, depth=1),
        event("return", 4, value="0", depth=1),
    ]
    outer = traced([1, 2, 3])
    text = signal_of(failed(*outer[:2], *inner, *outer[2:], comparison=EQUAL))
    assert "total(xs=[1, 2, 3]):" in text
    assert "returned 6" in text


def test_exceptions_are_told_by_their_first_line() -> None:
    text = signal_of(failed(*traced([1])[:3], type_name="TypeError", message="bad\nmany\nlines"))
    assert "Result: TypeError: bad\n" in text
    assert "many" not in text


def test_failing_tests_come_first_and_equal_failures_are_told_once() -> None:
    passed = TestOutcome("t.py::test_ok", "passed", trace=Trace(traced([0])))
    one = failed(*traced([1]), message="assert 1 == 2")
    other = failed(*traced([5]), message="assert 5 == 6")
    text = signal_of(passed, one, one, other)
    assert "xs=[0]" not in text
    assert text.count("xs=[1]") == 1
    assert text.count("xs=[5]") == 1


def test_a_candidate_that_passes_is_told_to_pass() -> None:
    assert "the test passed" in signal_of(TestOutcome("t.py::test_ok", "passed"))


def test_a_time_out_is_told() -> None:
    assert "ran too long" in signal_of(TestOutcome("t.py::test_slow", "timeout"))


@pytest.mark.parametrize("status", ["crash", "error", "not_run", "skipped"])
def test_a_test_without_a_fault_is_told_by_its_status(status: str) -> None:
    assert status in signal_of(TestOutcome("t.py::t", status))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["λ", "total.<locals>.inner", "A.total", "größe", "x" * 300])
def test_odd_names_do_not_lose_a_trace(name: str) -> None:
    events = (
        event("call", 0, (name, "'é\\n'"), function=name),
        event("line", 900, (name, "1"), function=name),
    )
    text = signal_of(failed(*events))
    assert f"{name.rpartition('.')[2]}(" in text
    assert f"{name} = 1" in text


def test_candidates_are_numbered_in_the_order_given() -> None:
    runs = [CandidateRun("", f"def f():\n    return {n}\n", (), 0) for n in range(3)]
    text = render_signal(runs)
    assert text.index("Attempt 1") < text.index("return 0") < text.index("Attempt 2")
    assert text.startswith("\n")
    assert text.endswith("\n")


def run_of(number: int, num_passed: int, *outcomes: TestOutcome) -> CandidateRun:
    return CandidateRun("", PROGRAM.replace("total", f"total_{number}"), outcomes, num_passed)


def words(text: str) -> int:
    return len(text.split())


THREE = [
    run_of(1, 0, failed(*traced([1, 2, 3]), message="one"), failed(message="uno")),
    run_of(2, 1, failed(*traced([4, 5, 6]), message="two"), TestOutcome("t", "passed")),
    run_of(3, 0, failed(*traced([7, 8, 9]), message="three"), failed(message="tres")),
]


def test_what_exceeds_the_limit_goes_from_the_least_telling_run() -> None:
    """Steps first, then further results, then attempts; the best attempt and a result stay."""
    seen = [render_signal(THREE, Wording("full", limit, words)) for limit in range(400, 0, -1)]
    states = [
        (one.count("Attempt"), one.count("  s += x  #"), "uno" in one, "tres" in one, "two" in one)
        for one in dict.fromkeys(seen)
    ]
    has_steps = [state[1] for state in states]
    assert has_steps == sorted(has_steps, reverse=True)
    assert states[0] == (3, 6, True, True, True)
    assert (3, 2, True, True, True) in states, "the best attempt keeps its steps longest"
    assert states[-1] == (1, 0, False, False, True), "and is what stays"


def test_the_limit_holds_where_one_attempt_fits() -> None:
    shortest = words(render_signal(THREE[1:2], Wording("full", 1, words)))
    for limit in range(shortest, 300, 7):
        assert words(render_signal(THREE, Wording("full", limit, words))) <= limit


def test_the_final_state_can_stand_for_the_steps() -> None:
    text = render_signal(THREE[:1], Wording("final"))
    assert "  at the end: s = 6, x = 3\n" in text
    assert "  s += x  #" not in text


def test_the_paper_s_signal_tells_every_step_of_every_test() -> None:
    passed = TestOutcome("t.py::test_ok", "passed", trace=Trace(traced(list(range(50)))))
    both = run_of(1, 1, passed, failed(*traced([1]), message="bad"))
    text = render_signal([both], Wording("whole"))
    assert text.count("  s += x  #") == 51
    assert "the test passed" in text


def test_equal_results_are_told_once() -> None:
    outcome = failed(*traced([1, 2]), comparison=EQUAL)
    text = render_signal([run_of(1, 0, outcome), run_of(2, 0, outcome)])
    assert text.count("returned 3, ") == 1 or text.count("xs=[1, 2]") == 1
    assert "def total_2" in text


def test_passing_tests_take_one_line() -> None:
    outcomes = [TestOutcome(f"t.py::test_{n}", "passed") for n in range(9)]
    text = render_signal([run_of(1, 9, *outcomes, failed(message="bad"))])
    assert text.count("pass") == 1
    assert "9 of 10 tests pass." in text


def test_a_candidate_that_was_cut_is_not_blamed_for_returning_nothing() -> None:
    """It has not come to its end; what is expected is told all the same."""
    nothing = Comparison("assert total([1]) == 7", "None", "==", "7")
    events = (event("call", 0, ("xs", "[1]")), event("return", 1, value="None"))
    run = run_of(1, 0, failed(*events, comparison=nothing))
    assert "Result: returned None, but 7 was expected" in render_signal([run])
    assert "Result: not finished yet, 7 is expected" in render_signal(
        [replace(run, complete=False)]
    )
    wrong = run_of(1, 0, failed(*traced([1]), comparison=EQUAL))
    assert "returned 1" in render_signal([replace(wrong, complete=False)])


def test_the_better_ones_are_those_that_passed_more_than_others() -> None:
    two, one, none = run_of(1, 2), run_of(2, 1), run_of(3, 0)
    assert better_than_others([one, two, none, two]) == (two, two)
    assert better_than_others([one, one]) == ()
    assert better_than_others([two]) == ()
    assert better_than_others([]) == ()


EVENTS = st.builds(
    TraceEvent,
    st.sampled_from(["call", "line", "return", "exception"]),
    st.text(max_size=5),
    st.integers(0, 50),
    st.integers(0, 3),
    st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=3).map(tuple),
    st.none() | st.text(max_size=4),
)


@given(st.lists(EVENTS, max_size=30).map(tuple), st.text(max_size=20))
def test_any_trace_can_be_told(events: tuple[TraceEvent, ...], program: str) -> None:
    """Traces come out of the sandbox, so they are data, and the signal is bounded."""
    outcome = failed(*events, message="m")
    text = render_signal([CandidateRun("", program, (outcome,), 0)])
    assert text.startswith("\nThese attempts")
