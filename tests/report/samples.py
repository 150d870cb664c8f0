"""Sample outcomes for the tests of the report room: one realistic, one unsolved, one hostile."""

from __future__ import annotations

from egbot.records import (
    SCHEMA_RUN,
    Attempt,
    CandidateRun,
    Comparison,
    Fault,
    Guidance,
    LeftTest,
    LineStep,
    Outcome,
    Patch,
    Run,
    Span,
    Stats,
    Target,
    TestOutcome,
    TokenChoice,
    Trace,
    TraceEvent,
    Verdict,
)
from egbot.report.story import Shown

HEADER = "def running_total(numbers, start=0):"
CODE = '''def running_total(numbers, start=0):
    """Return the sums so far, one for each number."""
    total = start
    sums = []
    for number in numbers:
        total += number
        sums.append(total)
    return sums
'''
FIRST_LINE = 12
TESTS = (
    "tests/test_ledger.py::test_running_total_adds_up",
    "tests/test_ledger.py::test_running_total_starts_anywhere",
    "tests/test_ledger.py::test_running_total_of_nothing",
)
DIFF = '''--- a/shop/ledger.py
+++ b/shop/ledger.py
@@ -10,5 +10,10 @@

 def running_total(numbers, start=0):
     """Return the sums so far, one for each number."""
-    raise NotImplementedError
+    total = start
+    sums = []
+    for number in numbers:
+        total += number
+        sums.append(total)
+    return sums

 def balance(entries):
'''


def target() -> Target:
    return Target(
        path="shop/ledger.py",
        qualname="running_total",
        origin="stub",
        header=HEADER,
        docstring="Return the sums so far, one for each number.",
        span=Span(210, 340, FIRST_LINE, FIRST_LINE + 2),
        file_sha256="ab" * 32,
        tests=TESTS,
        evidence=("the body only raises NotImplementedError",),
    )


def loop_trace(numbers: list[int], start: int = 0) -> Trace:
    """What the tracer reports for ``running_total(numbers, start)``."""
    name = "running_total"
    total, sums = start, list[int]()
    events = [
        TraceEvent("call", name, 12, 0, (("numbers", repr(numbers)), ("start", repr(start)))),
        TraceEvent("line", name, 14, 0, (("total", repr(total)),)),
        TraceEvent("line", name, 15, 0, (("sums", "[]"),)),
    ]
    for number in numbers:
        events.append(TraceEvent("line", name, 16, 0, (("number", repr(number)),)))
        total += number
        events.append(TraceEvent("line", name, 17, 0, (("total", repr(total)),)))
        sums.append(total)
        events.append(TraceEvent("line", name, 18, 0, (("sums", repr(sums)),)))
    events += [
        TraceEvent("line", name, 16, 0),
        TraceEvent("line", name, 19, 0),
        TraceEvent("return", name, 19, 0, (), repr(sums)),
    ]
    return Trace(tuple(events))


def passing() -> tuple[TestOutcome, ...]:
    traces = (loop_trace([3, -1, 4, 10, 5, 9, 2]), loop_trace([1, 2], 100), loop_trace([]))
    return tuple(
        TestOutcome(node_id, "passed", duration_s=0.004, trace=trace)
        for node_id, trace in zip(TESTS, traces, strict=True)
    )


def wrong_sum() -> tuple[TestOutcome, ...]:
    """Runs of a candidate that forgets the start."""
    good = passing()
    fault = Fault("AssertionError", "assert [1, 3] == [101, 103]")
    comparison = Comparison(
        "running_total([1, 2], start=100) == [101, 103]", "[1, 3]", "==", "[101, 103]"
    )
    bad = TestOutcome(
        TESTS[1], "failed", fault=fault, comparison=comparison, trace=loop_trace([1, 2])
    )
    return good[0], bad, good[2]


def crashed() -> tuple[TestOutcome, ...]:
    fault = Fault("TypeError", "'int' object is not iterable")
    return tuple(TestOutcome(node_id, "error", fault=fault) for node_id in TESTS)


def token(text: str, plain: float, conditioned: float, choice: str = "") -> TokenChoice:
    return TokenChoice(text, plain, conditioned, choice or text)


def steps() -> tuple[LineStep, ...]:
    zero = "    total = 0\n    sums = []\n    for number in numbers:\n"
    right = "    total = start\n    sums = []\n    for number in numbers:\n"
    builtin = "    return sum(numbers)\n"
    head = HEADER + "\n"
    looked_at = (
        CandidateRun(zero, CODE.replace("= start", "= 0"), wrong_sum(), 2, ended_s=1.02),
        CandidateRun(builtin, head + builtin, crashed(), 0, ended_s=1.04),
        CandidateRun(right, f"{head}{right}        pass\n", crashed(), 0, "never returns", 1.31),
    )
    signal = (
        "# Candidate 1 (passed 2 of 3)\nrunning_total([1, 2], start=100)\n"
        "  total = 0\n  ...\n  returned [1, 3], expected [101, 103]\n"
    )
    first = LineStep(
        "    total = start\n",
        looked_at,
        signal,
        (
            token("    total", -0.04, -0.03),
            token(" =", -0.01, -0.01),
            token(" start", -2.1, -0.22, " 0"),
            token("\n", -0.02, -0.02),
        ),
        1.84,
    )
    plain = (token("    sums", -0.3, -0.2), token(" = []\n", -0.1, -0.1))
    lines = CODE.splitlines(keepends=True)[3:]
    rest = tuple(
        LineStep(line, (), "" if index % 2 else signal, plain, 0.6 + index / 10)
        for index, line in enumerate(lines)
    )
    return first, *rest


def attempts() -> tuple[Attempt, ...]:
    wrong = CODE.replace("= start", "= 0")
    greedy = tuple(
        LineStep(line, (), "", (token(line, -0.2, -0.2),), 0.3)
        for line in wrong.splitlines(keepends=True)[2:]
    )
    return (
        Attempt(Guidance(gamma=0, candidates=0), "wrong", greedy, wrong, 2, 2.9),
        Attempt(Guidance(gamma=1.0, seed=1), "solved", steps(), CODE, 3, 7.31),
    )


def solved() -> Outcome:
    return Outcome(
        reason="patched",
        target=target(),
        failing=TESTS,
        patch=Patch("shop/ledger.py", "cd" * 32, DIFF, CODE),
        verdict=Verdict(True, TESTS, tuple(f"tests/test_shop.py::test_{n}" for n in range(41))),
        attempts=attempts(),
        stats=Stats(14.2, 3.1, 4.4, 2.2, 3.8, 512, 18_204, 1_377, 21, 12),
        left=(LeftTest("tests/test_web.py::test_login", "needs a network"),),
        evidence=passing(),
    )


def unsolved() -> Outcome:
    tries = (attempts()[0], Attempt(Guidance(seed=1), "max_lines", steps()[:2], HEADER, 0, 4.0))
    return Outcome(
        reason="no_patch",
        target=target(),
        failing=TESTS,
        attempts=tries,
        stats=Stats(wall_s=64.0, num_tokens_generated=2_904, num_executions=18),
        detail="4 agents, 11 candidates; the nearest passes 2 of 3 tests",
    )


def no_target() -> Outcome:
    return Outcome("no_target", None, TESTS[:1], detail="the failing test names no function")


FIB = "def fib(n):\n    if n < 2:\n        return n\n    return fib(n - 1) + fib(n - 2)\n"


def fib_target() -> Target:
    return Target(
        path="maths.py",
        qualname="fib",
        origin="named",
        header="def fib(n):",
        docstring="",
        span=Span(0, len(FIB), 1, 4),
        file_sha256="ef" * 32,
        tests=("test_maths.py::test_fib",),
    )


def fib_events(n: int, depth: int = 0) -> list[TraceEvent]:
    """What the tracer reports for ``fib(n)``."""
    events = [
        TraceEvent("call", "fib", 1, depth, (("n", repr(n)),)),
        TraceEvent("line", "fib", 2, depth),
    ]
    if n < 2:
        value = n
        events.append(TraceEvent("line", "fib", 3, depth))
    else:
        events.append(TraceEvent("line", "fib", 4, depth))
        first, second = fib_events(n - 1, depth + 1), fib_events(n - 2, depth + 1)
        events += [*first, *second]
        value = int(first[-1].value or 0) + int(second[-1].value or 0)
    events.append(TraceEvent("return", "fib", 3 if n < 2 else 4, depth, (), repr(value)))
    return events


def fib_seen(n: int = 4) -> Shown:
    """A traced function that calls itself, in a test that fails."""
    events = fib_events(n)
    value = events[-1].value
    comparison = Comparison(f"fib({n}) == 5", value, "==", "5")
    test = TestOutcome(
        "test_maths.py::test_fib",
        "failed",
        duration_s=0.001,
        fault=Fault("AssertionError", f"assert {value} == 5"),
        comparison=comparison,
        trace=Trace(tuple(events)),
    )
    return Shown(FIB, 1, (test,), is_final=True)


EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>]]></script><!-- "
    "\x1b[31mred\x1b[0m \x07\x00 \u202eevil\u2066 \u200b\ud800\udfff\udc80 \u2028\u2029 "
    "@everyone #12 octo/repo#3 GH-9 https://example.com www.example.com a@b.example "
    "[link](javascript:alert(1)) ![i](x) `tick` ``two`` ``````six `````` | cell | \\ "
    "[bold red]markup[/] [link=https://example.com]x[/link] {{ 7 * 7 }} {% raw %} ${x} &amp; ' \""
)
EVIL_LINES = f"{EVIL}\r\n```\n~~~\n````\n</details>\n# heading\n- [ ] task\n--- \n> q\n{EVIL}\n"


def hostile(size: int = 1_000_000) -> Outcome:
    """Every text is an attack, and some are ``size`` characters long."""
    huge = "A`<" * (size // 3)
    changes = ((EVIL, EVIL_LINES), ("huge", huge))
    events = (
        TraceEvent("call", EVIL, 1, 0, changes, EVIL_LINES),
        TraceEvent("line", EVIL, -5, 99, changes),
        TraceEvent("exception", EVIL, 10**9, -3, changes, EVIL_LINES),
        TraceEvent("return", "", 0, 0),
    )
    fault = Fault(EVIL, EVIL_LINES)
    test = TestOutcome(
        EVIL,
        "failed",
        duration_s=float("nan"),
        fault=fault,
        comparison=Comparison(EVIL_LINES, huge, EVIL, EVIL_LINES),
        output=huge,
        trace=Trace(events, 7),
    )
    tests = (test, TestOutcome(huge, "crash", fault=fault))
    choice = TokenChoice(EVIL_LINES, float("-inf"), float("nan"), EVIL)
    run = CandidateRun(EVIL_LINES, huge, tests, 0, EVIL)
    step = LineStep(EVIL_LINES, (run, run), EVIL_LINES, (choice,), float("inf"))
    attempt = Attempt(Guidance(gamma=float("inf")), "wrong", (step,), EVIL_LINES + huge, 0, 1.0)
    span = Span(0, 1, 1, 2)
    return Outcome(
        reason="rejected",
        target=Target(EVIL, EVIL, "named", EVIL_LINES, EVIL, span, EVIL, (EVIL, huge), (EVIL,)),
        failing=(EVIL, huge),
        patch=Patch(EVIL, EVIL, EVIL_LINES + huge, EVIL_LINES + huge),
        verdict=Verdict(False, (), (), (EVIL,), (EVIL_LINES, huge), (EVIL,)),
        attempts=(attempt, attempt),
        detail=EVIL_LINES + huge,
        left=(LeftTest(EVIL, EVIL_LINES),),
        evidence=tests,
    )


def hidden(value: object) -> list[str]:
    """The texts of a document, keys too, that hold a character that does not show."""
    if isinstance(value, str):
        return [] if value.isprintable() else [value[:200]]
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in hidden(each)]
    return [text for each in value for text in hidden(each)] if isinstance(value, list) else []


def sample_run(*outcomes: Outcome) -> Run:
    return Run(
        schema=SCHEMA_RUN,
        egbot="0.1.0",
        settings={"model": "tiny-coder", "sandbox": "docker", "max_seconds": 600},
        outcomes=outcomes,
        stats=Stats(wall_s=14.2, num_tokens_generated=1_377),
        finished=True,
        versions={"python": "3.11.9", "torch": "2.8.0"},
    )
