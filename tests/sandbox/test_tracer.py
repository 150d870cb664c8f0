"""The tracer tells what small programs do, as recorded in goldens/*.json (CPython 3.11).

``EGBOT_REGENERATE_GOLDENS=1`` writes the goldens anew.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from sandbox.program import examine
from sandbox.reprs import Reprs
from sandbox.tracer import Tracer

GOLDENS = Path(__file__).parent / "goldens"
PATH = "/repo/m.py"

# name: (the function's file, the expression that calls it)
PROGRAMS: dict[str, tuple[str, ...]] = {
    "straight": (
        "def f(a, b=2, *rest, c, **more):\n    d = a + b\n    return d * c\n",
        "f(1, c=3, x=4)",
    ),
    "loop": (
        "def f(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total\n",
        "f(3)",
    ),
    "mutates": (
        (
            "def f(xs):\n    xs.append(1)\n    d = {}\n    d['a'] = xs\n    xs.append(2)\n    xs.sort()\n"
            "    d.pop('a')\n    return xs\n"
        ),
        "f([5])",
    ),
    "branch": (
        "def f(a):\n    if a > 1:\n        b = 'big'\n    else:\n        b = 'small'\n    return b\n",
        "f(0)",
    ),
    "raises": ("def f(a):\n    b = a[0]\n    return b.nope\n", "f([1])"),
    "handles": (
        (
            "def f(a):\n    try:\n        b = 1 / a\n    except ZeroDivisionError as error:\n        b = str(error)\n"
            "    finally:\n        c = 0\n    return b\n"
        ),
        "f(0)",
    ),
    "recursive": (
        "def f(n):\n    if n < 2:\n        return n\n    return f(n - 1) + f(n - 2)\n",
        "f(3)",
    ),
    "nested": (
        "def f(n):\n    def inner(k):\n        return k * n\n    out = inner(2)\n    n += 1\n    return out\n",
        "f(3)",
    ),
    "nonlocal": (
        (
            "def f():\n    count = 0\n    def step():\n        nonlocal count\n        count += 1\n"
            "    step()\n    step()\n    return count\n"
        ),
        "f()",
    ),
    "comprehension": ("def f(xs):\n    return [x * x for x in xs if x]\n", "f([0, 2])"),
    "lambda": ("def f(xs):\n    return sorted(xs, key=lambda x: -x)\n", "f([1, 2])"),
    "generator": (
        "def f(n):\n    for i in range(n):\n        yield i\n    return 'end'\n",
        "list(f(2))",
    ),
    "sends": (
        "def f():\n    got = yield 1\n    while got:\n        got = yield got * 2\n",
        "[(g := f()), next(g), g.send(3), g.close()][1:]",
    ),
    "coroutine": (
        "import asyncio\nasync def f(a):\n    await asyncio.sleep(0)\n    b = a + 1\n    return b\n",
        "asyncio.run(f(1))",
    ),
    "with": (
        "import contextlib\ndef f():\n    with contextlib.suppress(ValueError):\n        x = int('no')\n    return 1\n",
        "f()",
    ),
    "method": (
        "class C:\n    def __init__(self):\n        self.n = 0\n    def f(self, k):\n        self.n += k\n        return self\n",
        "C().f(2)",
        "C.f",
    ),
    "deletes": ("def f():\n    a = 1\n    del a\n    a = 1\n    return a\n", "f()"),
    "iterator": (
        (
            "class I:\n    def __iter__(self):\n        return self\n    def __next__(self):\n        raise StopIteration\n"
            "def f():\n    for x in I():\n        pass\n    return next(I(), 'none')\n"
        ),
        "f()",
    ),
}


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


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="event counts differ by version")
@pytest.mark.parametrize("name", PROGRAMS)
def test_goldens(name: str) -> None:
    source, call, qualname = (*PROGRAMS[name], "f")[:3]
    record = trace(source, call, qualname).record()
    record = json.loads(json.dumps(record))
    file = GOLDENS / f"{name}.json"
    if os.environ.get("EGBOT_REGENERATE_GOLDENS"):
        lines = [json.dumps(event) for event in record["events"]]
        body = ",\n".join("    " + line for line in lines)
        num_dropped = record["num_dropped"]
        file.write_text(f'{{\n  "events": [\n{body}\n  ],\n  "num_dropped": {num_dropped}\n}}\n')
    assert record == json.loads(file.read_text())


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


def test_tracing_ends_in_an_endless_function() -> None:
    """A hot loop must not run under the tracer for long: that would make it a timeout."""
    source = "def f(n):\n    for i in range(n):\n        pass\n    return n\n"
    start = time.perf_counter()
    tracer = trace(source, "f(1000000)", max_events=50)
    assert time.perf_counter() - start < 2
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


def test_a_line_costs_little() -> None:
    """Far above the usual 10 microseconds, so that a busy machine does not fail it."""
    source = "def f(n):\n    xs = [1, 2, 3]\n    d = {'a': 1}\n    k = 0\n"
    source += "    while k < n:\n        k += 1\n    return k\n"
    start = time.perf_counter()
    tracer = trace(source, "f(5000)", max_events=20000)
    cost_s = (time.perf_counter() - start) / len(tracer.events)
    assert cost_s < 200e-6
