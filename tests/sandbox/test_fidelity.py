"""A run in the sandbox tells what pytest by hand would, and its trace tells what the function did."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from egbot.execution.process import process_sandbox
from egbot.execution.warm import WarmExecutor
from egbot.records import (
    Comparison,
    Execution,
    Job,
    Limits,
    Program,
    TestOutcome,
    Trace,
    TraceEvent,
    TreeFile,
)
from egbot.survey import tell_switched_off
from egbot.verify import Claim, verify

Opener = Callable[..., WarmExecutor]

MODULE = """
def f(n):
    k = n + 1
    return k
"""


def run(
    executor: WarmExecutor, source: str = MODULE, limits: Limits | None = None
) -> dict[str, TestOutcome]:
    """Run every test with ``source`` as the file m.py, traced; return outcomes by the test's name."""
    program = Program("m.py", "f", dedent(source))
    result = executor.run(
        Job(executor.collection.node_ids, program, limits=limits or Limits(test_s=20))
    )
    return by_name(result)


def by_name(result: Execution) -> dict[str, TestOutcome]:
    assert result.status == "ok", result.detail
    return {one.node_id.partition("::")[2]: one for one in result.outcomes}


def trace_of(outcome: TestOutcome) -> Trace:
    assert outcome.trace is not None
    return outcome.trace


def calls(outcome: TestOutcome) -> list[dict[str, str]]:
    """The arguments of each call of the target."""
    return [dict(event.changes) for event in trace_of(outcome).events if event.kind == "call"]


# --- what a trace tells -------------------------------------------------------------------------


def test_a_trace_tells_calls_lines_changes_results_and_the_failing_comparison(
    open_sandbox: Opener,
) -> None:
    executor = open_sandbox(
        {
            "m.py": "def f(xs, *, deep=0):\n    raise NotImplementedError\n",
            "test_m.py": """
                from m import f

                def test_first():
                    assert f([1]) == 2

                def test_second():
                    assert f([], deep=1) == [] and f([3]) == 6
                """,
        }
    )
    source = """\
        def f(xs, *, deep=0):
            if deep:
                return f([0])
            xs.append(5)
            last = xs[-1]
            return last
        """
    outcomes = run(executor, source)
    assert calls(outcomes["test_first"]) == [{"xs": "[1]", "deep": "0"}]
    assert calls(outcomes["test_second"])[0] == {"xs": "[]", "deep": "1"}
    assert trace_of(outcomes["test_first"]).events == (
        TraceEvent("call", "f", 1, 0, (("xs", "[1]"), ("deep", "0"))),
        TraceEvent("line", "f", 2, 0),
        TraceEvent("line", "f", 4, 0, (("xs", "[1, 5]"),)),
        TraceEvent("line", "f", 5, 0, (("last", "5"),)),
        TraceEvent("line", "f", 6, 0),
        TraceEvent("return", "f", 6, 0, (), "5"),
    )
    inner = [one for one in trace_of(outcomes["test_second"]).events if one.depth == 1]
    assert inner[0] == TraceEvent("call", "f", 1, 1, (("xs", "[0]"), ("deep", "0")))
    assert outcomes["test_first"].comparison == Comparison("assert f([1]) == 2", "5", "==", "2")
    both = "assert f([], deep=1) == [] and f([3]) == 6"
    assert outcomes["test_second"].comparison == Comparison(both, "5", "==", "[]")


def test_a_trace_tells_what_was_raised_and_where_it_left(open_sandbox: Opener) -> None:
    executor = open_sandbox(
        {
            "m.py": MODULE,
            "test_m.py": """
                from m import f

                def test():
                    f({})
                """,
        }
    )
    source = """\
        def f(n):
            try:
                return n["key"]
            finally:
                done = True
        """
    outcome = run(executor, source)["test"]
    told = [(one.kind, one.line, one.value) for one in trace_of(outcome).events[1:]]
    assert told == [
        ("line", 2, None),
        ("line", 3, None),
        ("exception", 3, "KeyError: 'key'"),
        ("line", 5, None),
        ("exception", 5, "KeyError: 'key'"),
    ]
    assert outcome.fault is not None
    assert [(one.path, one.line) for one in outcome.fault.frames] == [("test_m.py", 5), ("m.py", 3)]


def test_what_is_cut_is_said(open_sandbox: Opener) -> None:
    """Events, variables, long values and output: none is left out in silence."""
    executor = open_sandbox(
        {
            "m.py": MODULE,
            "test_m.py": """
                from m import f

                def test():
                    print("x" * 10000)
                    f(range(100))
                """,
        }
    )
    names = ", ".join(f"v{number}" for number in range(100))
    source = f"def f(n):\n    {names} = n\n    big = [*n]\n    for v0 in n:\n        pass\n"
    limits = Limits(max_events=20, max_repr_chars=40, output_chars=100)
    outcome = run(executor, source, limits)["test"]
    trace = trace_of(outcome)
    assert (len(trace.events), trace.num_dropped) == (20, 5 + 2 * 100 - 20)
    assert trace.events[1].changes[-1] == ("...", "36 more variables")
    assert dict(trace.events[2].changes)["big"].count("more ...") == 1
    assert "..." in outcome.output
    assert len(outcome.output) <= 200


def test_the_call_that_failed_is_kept_however_many_came_before(open_sandbox: Opener) -> None:
    executor = open_sandbox(
        {
            "m.py": MODULE,
            "test_m.py": """
                from m import f

                def test():
                    for n in range(100):
                        assert f(n) == n + 1
                """,
        }
    )
    source = "def f(n):\n    if n == 70:\n        return n\n    return n + 1\n"
    outcome = run(executor, source, Limits(max_events=100))["test"]
    trace = trace_of(outcome)
    assert (len(trace.events), trace.num_dropped) == (100, 71 * 4 - 100)
    assert calls(outcome)[-1] == {"n": "70"}
    assert trace.events[-1].value == "70"
    assert outcome.comparison == Comparison("assert f(n) == n + 1", "70", "==", "71")


# --- what pytest users use ----------------------------------------------------------------------


SCOPES = {
    "m.py": MODULE,
    "test_m.py": """
        import unittest
        import pytest
        from m import f

        log = []

        @pytest.fixture(scope="session")
        def session():
            return f(10)

        @pytest.fixture(scope="package")
        def package(session):
            return session + f(20)

        @pytest.fixture(scope="module", params=["a", "b"])
        def module(request, package):
            log.append(request.param)
            yield request.param * f(1)
            log.append(request.param.upper())

        @pytest.fixture(scope="class")
        def cls():
            return f(30)

        @pytest.fixture(autouse=True)
        def each():
            log.append("each")

        class TestScopes:
            def setup_method(self):
                self.own = f(40)

            @pytest.mark.parametrize(("x", "y"), [(1, 2), pytest.param(3, 5, id="odd")])
            def test(self, session, package, module, cls, x, y, tmp_path, monkeypatch):
                monkeypatch.chdir(tmp_path)
                assert (session, package, cls, self.own) == (11, 32, 31, 41)
                assert module in ("aa", "bb")
                assert f(x) == y

        def test_teardown_came_before():
            assert log.count("a") == log.count("A")

        class TestUnit(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.shared = f(1)

            def setUp(self):
                self.mine = f(2)
                self.addCleanup(f, 3)

            def test_values(self):
                self.assertEqual((self.shared, self.mine), (2, 3))

            def test_wrong(self):
                self.assertGreater(self.mine, 5)

            @unittest.skip("not now")
            def test_skipped(self):
                pass

            @unittest.expectedFailure
            def test_expected(self):
                self.assertEqual(1, 2)

        class TestAsync(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self):
                self.mine = f(4)

            async def test(self):
                self.assertEqual(self.mine, 6)
        """,
}


@pytest.fixture(scope="module")
def scoped(open_sandbox: Opener) -> dict[str, TestOutcome]:
    return run(open_sandbox(SCOPES))


@pytest.mark.parametrize(
    ("name", "status", "arguments"),
    [
        ("TestScopes::test[a-1-2]", "passed", ["10", "20", "1", "30", "40", "1"]),
        ("TestScopes::test[a-odd]", "failed", ["40", "3"]),
        ("TestScopes::test[b-1-2]", "passed", ["1", "40", "1"]),
        ("TestScopes::test[b-odd]", "failed", ["40", "3"]),
        ("test_teardown_came_before", "passed", []),
        ("TestUnit::test_values", "passed", ["2", "3"]),
        ("TestUnit::test_wrong", "failed", ["2", "3"]),
        ("TestUnit::test_skipped", "skipped", []),
        ("TestUnit::test_expected", "skipped", ["1", "2", "3"]),
        ("TestAsync::test", "failed", ["4"]),
    ],
)
def test_fixtures_of_every_scope_and_unittest_work_and_are_traced(
    name: str, status: str, arguments: list[str], scoped: dict[str, TestOutcome]
) -> None:
    """Each fixture runs when its scope begins, once, as in one pytest process."""
    outcome = scoped[name]
    assert outcome.status == status, outcome
    assert [call["n"] for call in calls(outcome)] == arguments


def test_unittest_comparisons_are_told(scoped: dict[str, TestOutcome]) -> None:
    comparison = scoped["TestAsync::test"].comparison
    assert comparison == Comparison("self.assertEqual(self.mine, 6)", "5", "==", "6")


def test_hypothesis_shows_the_shrunk_example(open_sandbox: Opener) -> None:
    executor = open_sandbox(
        {
            "m.py": MODULE,
            "test_m.py": """
                from hypothesis import given, settings, strategies as st
                from m import f

                @settings(deadline=None, database=None)
                @given(st.integers())
                def test_wrong(n):
                    assert f(n) < 100

                @given(st.integers())
                def test_right(n):
                    assert f(n) == n + 1
                """,
        },
        test_s=20,
    )
    outcomes = run(executor)
    assert outcomes["test_right"].status == "passed", outcomes["test_right"]
    wrong = outcomes["test_wrong"]
    assert wrong.status == "failed"
    assert wrong.fault is not None
    assert "n=99" in wrong.fault.message
    assert wrong.comparison == Comparison("assert f(n) < 100", "100", "<", "100")
    assert calls(wrong)[-1] == {"n": "99"}, "the last call is the one that is told"


def open_with(python: Path, files: dict[str, str]) -> WarmExecutor:
    tree = {path: TreeFile(dedent(text).encode()) for path, text in files.items()}
    return process_sandbox(str(python)).open(tree, (), Limits(test_s=20))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("-n 2 --dist=loadscope", "--dist, -n"),
        ("-d --tx 2*popen", "--tx"),
        ("--forked -vv", "--forked"),
        ("-x --lf --ff --sw --pdb", "--failed-first, --last-failed, --maxfail, --pdb, --stepwise"),
        ("--co --timeout=9 --timeout-method=thread", "--collect-only, --timeout-method"),
        ("-q -p no:terminal -p no:cacheprovider --strict-config --timeout 9", ""),
    ],
)
def test_options_that_take_tests_away_are_switched_off_with_a_word(
    options: str, told: str, plugins_python: Path
) -> None:
    """Tests stay in our process, where they are traced, as under plain pytest; so do marked ones."""
    files = {
        "pytest.ini": f"[pytest]\naddopts = {options}\n",
        "m.py": MODULE,
        "test_m.py": """
            import pytest
            from m import f

            def test_right(worker_id):
                assert (f(1), worker_id) == (2, "master")

            @pytest.mark.forked
            def test_wrong():
                assert f(1) == 3
            """,
    }
    notes: list[str] = []
    with open_with(plugins_python, files) as executor:
        outcomes = run(executor)
        tell_switched_off(executor.collection, notes.append)
    assert [one.status for one in outcomes.values()] == ["passed", "failed"]
    assert calls(outcomes["test_wrong"]) == [{"n": "1"}]
    assert [note.partition(":")[0] for note in notes] == [f"without the options {told}"] * bool(
        told
    )


def test_what_a_hang_did_is_known_whatever_stops_it(plugins_python: Path) -> None:
    """pytest-timeout's other way ends the process, and takes the trace with it."""
    files = {
        "pytest.ini": "[pytest]\ntimeout = 0.3\ntimeout_method = thread\n",
        "m.py": MODULE,
        "test_m.py": "from m import f\n\ndef test_hang():\n    f(1)\n    while True: pass\n",
    }
    with open_with(plugins_python, files) as executor:
        outcome = run(executor)["test_hang"]
    assert (outcome.status, calls(outcome)) == ("failed", [{"n": "1"}])


def test_a_marker_s_time_limit_ends_its_test_alone(plugins_python: Path) -> None:
    files = {
        "m.py": MODULE,
        "test_m.py": (
            "import pytest\nfrom m import f\n\n@pytest.mark.timeout(0.3, method='thread')\n"
            "def test_hang():\n    f(1)\n    while True: pass\n\n"
            "@pytest.mark.timeout(9, 'thread')\ndef test_next():\n    f(2)\n"
        ),
    }
    with open_with(plugins_python, files) as executor:
        outcomes = run(executor)
    assert [(one.status, calls(one)) for one in outcomes.values()] == [
        ("failed", [{"n": "1"}]),
        ("passed", [{"n": "2"}]),
    ]


def test_a_report_of_a_plugin_s_own_phase_counts(open_sandbox: Opener) -> None:
    """Plugins report a test's end under phases that pytest does not have."""
    files = {
        "conftest.py": """
            import pytest

            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtest_makereport():
                done = yield
                done.get_result().when += "?"
            """,
        "m.py": MODULE,
        "test_m.py": "from m import f\n\ndef test_wrong():\n    assert f(1) == 3\n",
    }
    outcome = run(open_sandbox(files))["test_wrong"]
    assert (outcome.status, outcome.phase) == ("error", "call")


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_asyncio_tests_and_fixtures_run_and_are_traced(mode: str, plugins_python: Path) -> None:
    files = {
        "pytest.ini": f"[pytest]\nasyncio_mode = {mode}\n",
        "m.py": "async def f(n):\n    raise NotImplementedError\n",
        "test_m.py": """
            import asyncio
            import pytest
            import pytest_asyncio
            from m import f

            @pytest_asyncio.fixture
            async def made():
                yield await f(1)

            @pytest.mark.asyncio
            async def test_right(made):
                assert await asyncio.gather(f(made), f(5)) == [3, 6]

            @pytest.mark.asyncio
            async def test_wrong():
                assert await f(1) == 3
            """,
    }
    source = """\
        import asyncio

        async def f(n):
            await asyncio.sleep(0)
            return n + 1
        """
    with open_with(plugins_python, files) as executor:
        outcomes = run(executor, source)
    assert [one.status for one in outcomes.values()] == ["passed", "failed"], outcomes
    assert [call["n"] for call in calls(outcomes["test_right"])] == ["1", "2", "5"]
    comparison = outcomes["test_wrong"].comparison
    assert comparison == Comparison("assert await f(1) == 3", "2", "==", "3")


# --- chance -------------------------------------------------------------------------------------


def test_a_flaky_test_is_found_by_the_repeats_and_said_to_be_flaky(tmp_path: Path) -> None:
    count = tmp_path / "count"  # outside of the sandbox, which forgets everything between runs
    test = f"""\
        from m import f

        def test_flaky():
            with open({str(count)!r}, "a+") as file:
                file.write("x")
                file.flush()
                assert file.tell() % 2 == f(0)

        def test_steady():
            assert f(1) == 2
        """
    after = MODULE.encode()
    before = b"def f(n):\n    raise NotImplementedError\n"
    tree = {"m.py": TreeFile(before), "test_m.py": TreeFile(dedent(test).encode())}
    tests = ("test_m.py::test_flaky", "test_m.py::test_steady")
    claim = Claim(tree, "m.py", "f", after, tests, ())
    verdict, _ = verify(process_sandbox(), claim, repeats=3, limits=Limits())
    assert verdict.flaky == ("test_m.py::test_flaky",)
    assert verdict.target_passed == ("test_m.py::test_steady",)
    assert not verdict.accepted


def test_chance_is_chance_in_every_run_unless_the_tests_seed_it(open_sandbox: Opener) -> None:
    """Forks of one process must not share their random numbers, but must share a seed."""
    test = "import random\n\ndef test():\n    print(random.random())\n"
    free = open_sandbox({"m.py": MODULE, "test_m.py": test})
    assert run(free)["test"].output != run(free)["test"].output
    seeded = open_sandbox(
        {"m.py": MODULE, "test_m.py": "import random\nrandom.seed(7)\nrandom.random()\n" + test}
    )
    expected = random.Random(7)
    expected.random()
    assert run(seeded)["test"].output == f"{expected.random()}\n"
