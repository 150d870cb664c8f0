"""The tracer's promises that no golden shows: its limits, and that it leaves no trace itself.

Each is kept with every feed that this interpreter has. What it tells of programs: test_goldens.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from textwrap import dedent
from typing import Any

import pytest

from sandbox.program import examine
from sandbox.record import COUNT_FACTOR, Record
from sandbox.reprs import Reprs
from sandbox.tracer import FEEDS, Feed, MonitoringFeed, SettraceFeed, Tracer
from tests.sandbox.interpreters import VERSIONS, find_interpreters, run_script
from tests.sandbox.test_goldens import script

PATH = "/repo/m.py"
HERE = [one for one in FEEDS if one is not MonitoringFeed or hasattr(sys, "monitoring")]


@pytest.fixture(params=HERE, autouse=True)
def feed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Feed]:
    chosen: Callable[[Record], Feed] = request.param
    monkeypatch.setattr(Tracer, "feeds", (chosen,))
    return chosen


def trace(source: str, call: str, qualname: str = "f", max_events: int = 500) -> Tracer:
    change = examine(PATH, qualname, source, None)
    namespace: dict[str, Any] = {"__name__": "m"}
    exec(change.code, namespace)
    reprs = Reprs(60, (PATH, change.lines))
    tracer = Tracer(PATH, change.lines, qualname, max_events, reprs)
    code = compile(call, "<call>", "eval")
    before = sys.gettrace()
    tracer.start()
    try:
        with suppress(Exception):  # the event tells
            eval(code, namespace)
    finally:
        tracer.stop()
        tracer.close()
    assert sys.gettrace() is before
    return tracer


def lines_changed(tracer: Tracer) -> list[tuple[int, dict[str, str]]]:
    return [(event[2], dict(event[4])) for event in tracer.events if event[0] == "line"]


def test_a_line_carries_what_it_changed_itself() -> None:
    tracer = trace("def f(a):\n    b = a + 1\n    a = b\n    return a\n", "f(1)")
    assert lines_changed(tracer) == [(2, {"b": "2"}), (3, {"a": "2"}), (4, {})]


def test_a_mutated_argument_shows_though_it_is_the_same_object() -> None:
    tracer = trace("def f(a):\n    a.append(2)\n    return a\n", "f([1])")
    assert lines_changed(tracer)[0] == (2, {"a": "[1, 2]"})


def test_a_changed_attribute_shows() -> None:
    tracer = trace("def f(a):\n    a.x = 2\n    return 1\n", "f(type('C', (), {'x': 1})())")
    assert lines_changed(tracer)[0] == (2, {"a": "<C x=2>"})


def test_other_functions_are_not_followed() -> None:
    source = "def g():\n    x = 1\n    return x\ndef f():\n    return g()\n"
    assert {event[1] for event in trace(source, "f()").events} == {"f"}


def test_events_are_bounded_and_the_rest_counted() -> None:
    source = "def f(n):\n    for i in range(n):\n        pass\n    return n\n"
    whole = trace(source, "f(20)")
    cut = trace(source, "f(20)", max_events=10)
    assert len(cut.events) == 10
    assert cut.events == whole.events[:10]
    assert cut.num_dropped == len(whole.events) - 10


def test_the_last_of_many_calls_is_kept() -> None:
    """Where a test fails in a long loop, the last call is the one that failed."""
    source = "def f(n):\n    a = n\n    return a\n"
    tracer = trace(source, "[f(n) for n in range(15)]", max_events=16)
    assert (len(tracer.events), tracer.num_dropped) == (16, 15 * 4 - 16)
    told = [event[4] for event in tracer.events if event[0] == "call"]
    assert told == [[["n", "0"]], [["n", "1"]], [["n", "2"]], [["n", "14"]]]
    assert tracer.events[-1][5] == "14"


def test_the_last_call_is_given_up_where_it_would_cost_too_much() -> None:
    source = "def f(n):\n    a = n\n    return a\n"
    tracer = trace(source, "[f(n) for n in range(60)]", max_events=16)
    assert (len(tracer.events), tracer.num_dropped) == (16, 60 * 4 - 16)
    assert [event[4] for event in tracer.events if event[0] == "call"][-1] == [["n", "3"]]


def test_tracing_ends_in_an_endless_function() -> None:
    """A hot loop must not run under the tracer for long: that would make it a timeout."""
    source = "def f(n):\n    for i in range(n):\n        pass\n    return n\n"
    start_s = time.thread_time()
    tracer = trace(source, "f(1000000)", max_events=50)
    assert time.thread_time() - start_s < 2
    assert len(tracer.events) == 50


def test_an_unrelated_trace_function_comes_back() -> None:
    def own(frame: object, event: str, arg: object) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(own)
    try:
        trace("def f():\n    return 1\n", "f()")
        assert sys.gettrace() is own
    finally:
        sys.settrace(before)


def test_threads_are_followed_with_their_own_depth() -> None:
    source = "import threading\ndef f(n):\n    if n:\n        t = threading.Thread(target=f, args=(0,))\n"
    source += "        t.start()\n        t.join()\n    return n\n"
    calls = [event for event in trace(source, "f(1)").events if event[0] == "call"]
    assert [(event[3], event[4]) for event in calls] == [(0, [["n", "1"]]), (0, [["n", "0"]])]
    assert threading.gettrace() is None


def test_a_hostile_repr_does_no_harm() -> None:
    source = dedent(
        """
        class Bad:
            def __repr__(self):
                raise KeyboardInterrupt
        class Worse:
            def __getattribute__(self, name):
                raise SystemExit
        def f(a):
            b = Bad()
            c = Worse()
            return [b, c]
        """
    )
    events = trace(source, "f(1)").events
    assert [event[0] for event in events] == ["call", "line", "line", "line", "return"]
    assert events[1][4] == [["b", "<Bad: its __repr__ raised KeyboardInterrupt>"]]


def test_a_repr_that_is_the_target_is_not_called_by_the_tracer() -> None:
    source = (
        "class C:\n    n = 0\n    def __repr__(self):\n        C.n += 1\n        return 'x' * C.n\n"
    )
    tracer = trace(source, "[c := C(), repr(c)]", "C.__repr__")
    assert tracer.events[-1][5] == "'x'"


def test_a_function_left_by_an_exception_returns_nothing() -> None:
    """The lines of a finally must not hide that the exception went on."""
    source = "def f():\n    try:\n        1 / 0\n    finally:\n        a = 1\n"
    events = trace(source, "f()").events
    assert [event[0] for event in events][-2:] == ["line", "exception"]
    assert events[-1][5] == "ZeroDivisionError: division by zero"


def test_an_exception_that_left_is_not_guessed() -> None:
    """Of two that were raised, only Python knows which one goes on."""
    source = (
        "def f():\n    try:\n        raise KeyError(1)\n    finally:\n        try:\n"
        "            raise ValueError(2)\n        except ValueError:\n            a = 1\n"
    )
    told = [event[5] for event in trace(source, "f()").events if event[0] == "exception"]
    assert told == ["KeyError: 1", "ValueError: 2"]


def test_variables_beyond_the_limit_are_counted() -> None:
    names = ", ".join(f"v{number}" for number in range(70))
    tracer = trace(f"def f():\n    {names} = range(70)\n", "f()")
    changes = tracer.events[1][4]
    assert (len(changes), changes[-1]) == (65, ["...", "6 more variables"])


def test_a_file_that_is_imported_late_is_not_its_first_function() -> None:
    source = "def f():\n    return 1\n"
    tracer = Tracer(PATH, range(1, 3), "f", 50, Reprs(60))
    tracer.start()
    exec(compile(source, PATH, "exec"), {})
    tracer.stop()
    assert tracer.events == []


def test_no_value_lives_longer_than_it_would() -> None:
    """The tracer remembers texts; an object kept alive would change what the test sees."""
    source = dedent(
        """
        def f(kind, seen):
            a = kind()
            seen.append(weak(a))
            a = None
            return seen[0]() is None
        """
    )
    change = examine(PATH, "f", source, None)
    namespace: dict[str, Any] = {"weak": weakref.ref}
    exec(change.code, namespace)
    tracer = Tracer(PATH, change.lines, "f", 50, Reprs(60))
    gc.disable()
    tracer.start()
    try:
        was_freed = namespace["f"](type("Kind", (), {}), [])
    finally:
        tracer.stop()
        gc.enable()
    assert was_freed
    tracer.close()


def test_a_generator_goes_on_where_the_trace_paused() -> None:
    """A fixture's generator is begun under the tracer, left, and gone on with."""
    source = "def f():\n    a = 1\n    got = yield a\n    return got\n"
    change = examine(PATH, "f", source, None)
    namespace: dict[str, Any] = {}
    exec(change.code, namespace)
    tracer = Tracer(PATH, change.lines, "f", 50, Reprs(60))
    tracer.start()
    generator = namespace["f"]()
    next(generator)
    tracer.stop()
    tracer.start()
    with suppress(StopIteration):
        generator.send(7)
    tracer.stop()
    tracer.close()
    assert [event[0] for event in tracer.events] == [
        "call",
        "line",
        "line",
        "return",
        "line",
        "return",
    ]
    assert tracer.events[2][4] == [["got", "7"]]


def test_the_end_of_tracing_lets_go(feed: Callable[..., Feed]) -> None:
    source = "def f(n):\n    for i in range(n):\n        pass\n    return sys.gettrace()\n"
    tracer = trace("import sys\n" + source, "f(1000)", max_events=5)
    assert tracer.num_dropped == COUNT_FACTOR * 5 + 1
    if feed is SettraceFeed:
        assert "return" not in [event[0] for event in tracer.events]


MONITORING = [one for one in VERSIONS if int(one[2:]) >= 12]
GIVES_BACK = """
import sys
from sandbox.reprs import Reprs
from sandbox.tracer import Tracer

def f():
    return 1

def other():
    return 2

monitoring = sys.monitoring
tracer = Tracer(__file__, range(f.__code__.co_firstlineno, 9), "f", 50, Reprs(60))
tracer.start()
inside = [monitoring.get_tool(number) for number in range(6)]
f(), other()
asked = [monitoring.get_local_events(4, one.__code__) != 0 for one in (f, other)]
tracer.stop()
tracer.close()
after = [monitoring.get_tool(number) for number in range(6)]
for number in (3, 4):
    monitoring.use_tool_id(number, "taken")
late = Tracer(__file__, range(f.__code__.co_firstlineno, 9), "f", 50, Reprs(60))
late.start()
f()
late.stop()
assert inside == [None, None, None, None, "egbot trace", None], inside
assert asked == [True, False], asked
assert after == [None] * 6, after
assert [event[0] for event in tracer.events] == ["call", "line", "return"], tracer.events
assert late.events == tracer.events, late.events
"""


@pytest.mark.parametrize("version", MONITORING)
def test_monitoring_asks_for_the_targets_code_alone_and_gives_its_tool_back(version: str) -> None:
    """And where other tools hold the numbers, sys.settrace does the same."""
    found = find_interpreters()
    if version not in found:
        pytest.skip(f"an interpreter is missing: Python {version}; see tests/make_python_images.sh")
    run_script(found[version], script(then=GIVES_BACK))


def test_a_line_costs_little() -> None:
    """Far above the usual 10 microseconds of the processor's time, whoever else uses it."""
    source = "def f(n):\n    xs = [1, 2, 3]\n    d = {'a': 1}\n    k = 0\n"
    source += "    while k < n:\n        k += 1\n    return k\n"
    start_s = time.thread_time()
    tracer = trace(source, "f(5000)", max_events=20000)
    cost_s = (time.thread_time() - start_s) / len(tracer.events)
    assert cost_s < 200e-6


def test_of_definitions_of_one_name_the_one_that_is_asked_for_is_followed() -> None:
    """A property's getter, setter and deleter have one name; lines count their decorators."""
    source = dedent(
        """\
        class C:
            @property
            def v(self): return 5
            @v.setter
            def v(self, value): self.w = value
            @v.deleter
            def v(self): del self.w
        """
    )

    found = [examine(PATH, "C.v", source, source, ordinal).lines for ordinal in (0, 1, 2, 9, None)]
    assert [one.start for one in found] == [2, 4, 6, 6, 6]
