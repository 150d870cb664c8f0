"""The runner collects and runs what ``python -m pytest`` would, and tells it truthfully."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from egbot.errors import SandboxError
from egbot.execution.warm import WarmExecutor
from egbot.records import Comparison, Fault, Frame, Job, Limits, Program, TestOutcome
from tests.machine import pid_of

Opener = Callable[..., WarmExecutor]

MANY = {
    "pyproject.toml": """
        [tool.pytest.ini_options]
        addopts = "-x --maxfail=1 -q -ra --ff --tb=long --doctest-modules --strict-markers"
        markers = ["slow: takes long"]
        pythonpath = ["lib"]
        """,
    "lib/helper.py": "VALUE = 7\n",
    "conftest.py": """
        import pytest

        @pytest.fixture
        def base():
            return 10

        @pytest.fixture
        def broken():
            raise LookupError("no such thing")

        @pytest.fixture
        def late():
            yield
            raise OSError("too late")
        """,
    "pack/__init__.py": "",
    "pack/core.py": '''
        class Thing:
            pass

        def double(a):
            """Double.

            >>> double(2)
            4
            >>> double(3)
            7
            """
            return a * 2

        def fails(a):
            """Fail.

            >>> fails(1)
            1
            """
            raise KeyError(a)
        ''',
    "test_all.py": """
        import unittest
        import pytest
        import helper
        import pack.core
        from pack import core

        @pytest.mark.parametrize("n", [1, 2])
        def test_param(n, base):
            assert core.double(n) + base == 12

        def test_fixture_error(broken):
            pass

        def test_teardown_error(late):
            pass

        @pytest.mark.skip(reason="no")
        def test_skipped():
            pass

        @pytest.mark.xfail
        def test_xfail():
            assert False

        @pytest.mark.xfail
        def test_xpass():
            pass

        @pytest.mark.xfail(strict=True)
        def test_xpass_strict():
            pass

        def test_pytest_fail():
            pytest.fail("by hand")

        async def test_async():
            pass

        def test_helper(capsys, tmp_path, cache):
            print("seen")
            assert capsys.readouterr().out == "seen\\n"
            (tmp_path / "file").write_text("x")
            assert helper.VALUE == 7

        def test_output():
            print("to out")
            import sys
            print("to err \\udcff \\x1b[1m", file=sys.stderr)
            assert 0

        def test_module_attribute():
            pack.core.nothing

        def test_import():
            from pack.core import nothing

        def test_no_module():
            import pack.missing

        def test_name():
            nothing

        def test_in():
            assert 3 in [1, 2]

        def test_chain():
            x = 5
            assert 1 < x < 3, "too large"

        def test_truth():
            assert not [1]

        def test_caught_before():
            try:
                assert 1 == 2
            except AssertionError:
                pass
            assert [] or {}

        class TestUnit(unittest.TestCase):
            def setUp(self):
                self.n = 1

            def test_equal(self):
                self.assertEqual(core.double(self.n), 3, "hm")

            def test_sub(self):
                for i in range(3):
                    with self.subTest(i=i):
                        self.assertLess(i, 2)

            def test_sub_skipped(self):
                for i in range(3):
                    with self.subTest(i=i):
                        if i == 1:
                            self.skipTest("not here")

            def test_true(self):
                self.assertTrue(False)

            def test_raises(self):
                with self.assertRaises(ValueError):
                    pass
        """,
    "tests/test_bad.py": "from pack.core import absent\n\ndef test_a():\n    pass\n",
    "tests/test_syntax.py": "def test_a(:\n    pass\n",
    "tests/test_ok.py": "import os\n\ndef test_cwd():\n    assert os.path.exists('pack/core.py')\n",
}


@pytest.fixture(scope="module")
def executor(open_sandbox: Opener) -> WarmExecutor:
    return open_sandbox(MANY)


@pytest.fixture(scope="module")
def outcomes(executor: WarmExecutor) -> dict[str, TestOutcome]:
    execution = executor.run(Job(executor.collection.node_ids))
    assert execution.status == "ok", execution.detail
    return {one.node_id: one for one in execution.outcomes}


def test_collection_is_pytests_own(executor: WarmExecutor) -> None:
    ids = executor.collection.node_ids
    assert "test_all.py::test_param[1]" in ids
    assert "test_all.py::TestUnit::test_equal" in ids
    assert "pack/core.py::pack.core.double" in ids
    assert "tests/test_ok.py::test_cwd" in ids


def test_collection_errors_are_faults(executor: WarmExecutor) -> None:
    errors = {one.node_id: one for one in executor.collection.errors}
    bad = errors["tests/test_bad.py"]
    assert (bad.phase, bad.status) == ("collect", "error")
    assert bad.fault.type_name == "ImportError"
    assert bad.fault.frames == (Frame("tests/test_bad.py", 1, "<module>"),)
    assert errors["tests/test_syntax.py"].fault.type_name == "SyntaxError"
    assert len(executor.collection.errors) == 2


@pytest.mark.parametrize(
    ("name", "status", "phase"),
    [
        ("test_param[1]", "passed", "call"),
        ("test_param[2]", "failed", "call"),
        ("test_fixture_error", "error", "setup"),
        ("test_teardown_error", "error", "teardown"),
        ("test_skipped", "skipped", "setup"),
        ("test_xfail", "skipped", "call"),
        ("test_xpass", "passed", "call"),
        ("test_xpass_strict", "failed", "call"),
        ("test_pytest_fail", "failed", "call"),
        ("test_async", "failed", "call"),
        ("test_helper", "passed", "call"),
        ("TestUnit::test_equal", "failed", "call"),
        ("TestUnit::test_sub", "failed", "call"),
        ("TestUnit::test_sub_skipped", "passed", "call"),
        ("TestUnit::test_raises", "failed", "call"),
    ],
)
def test_statuses_are_pytests(
    name: str, status: str, phase: str, outcomes: dict[str, TestOutcome]
) -> None:
    outcome = outcomes[f"test_all.py::{name}"]
    assert (outcome.status, outcome.phase) == (status, phase), outcome


def fault(outcomes: dict[str, TestOutcome], name: str) -> Fault:
    found = outcomes[f"test_all.py::{name}"].fault
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "type_name", "message"),
    [
        ("test_fixture_error", "LookupError", "no such thing"),
        ("test_teardown_error", "OSError", "too late"),
        ("test_module_attribute", "AttributeError", "'nothing'"),
        ("test_import", "ImportError", "cannot import name 'nothing'"),
        ("test_no_module", "ModuleNotFoundError", "No module named 'pack.missing'"),
        ("test_name", "NameError", "name 'nothing' is not defined"),
        ("test_pytest_fail", "Failed", "by hand"),
    ],
)
def test_faults_say_what_the_exception_says(
    name: str, type_name: str, message: str, outcomes: dict[str, TestOutcome]
) -> None:
    found = fault(outcomes, name)
    assert found.type_name == type_name
    assert message in found.message


@pytest.mark.parametrize(
    ("name", "comparison"),
    [
        ("test_param[2]", Comparison("assert core.double(n) + base == 12", "14", "==", "12")),
        ("test_in", Comparison("assert 3 in [1, 2]", "3", "in", "[1, 2]")),
        ("test_chain", Comparison('assert 1 < x < 3, "too large"', "5", "<", "3")),
        ("test_truth", Comparison("assert not [1]")),
        ("test_caught_before", Comparison("assert [] or {}")),
        (
            "TestUnit::test_equal",
            Comparison('self.assertEqual(core.double(self.n), 3, "hm")', "2", "==", "3"),
        ),
        ("TestUnit::test_true", Comparison("self.assertTrue(False)")),
        ("test_name", None),
    ],
)
def test_failing_assertions_show_their_sides(
    name: str, comparison: Comparison | None, outcomes: dict[str, TestOutcome]
) -> None:
    assert outcomes[f"test_all.py::{name}"].comparison == comparison


def test_doctests_are_tests(outcomes: dict[str, TestOutcome]) -> None:
    double = outcomes["pack/core.py::pack.core.double"]
    assert double.comparison == Comparison(">>> double(3)", "6", "==", "7")
    fails = outcomes["pack/core.py::pack.core.fails"]
    assert fails.fault is not None
    assert fails.fault.type_name == "KeyError"
    assert fails.fault.frames[-1].function == "fails"


def test_output_is_the_tests_own_and_printable(outcomes: dict[str, TestOutcome]) -> None:
    output = outcomes["test_all.py::test_output"].output
    assert output == "to out\nto err \\udcff \\x1b[1m\n"
    assert outcomes["test_all.py::test_param[1]"].output == ""


def test_output_is_credited_to_its_own_test_however_late_the_supervisor_reads(
    open_sandbox: Opener,
) -> None:
    """It is stopped, as on a busy machine; what ends an output comes in two reads or finds no room."""
    executor = open_sandbox(
        {
            "m.py": "def runner():\n    raise NotImplementedError\n",
            "test_m.py": """
                import contextlib, fcntl, os, signal, subprocess
                from m import runner

                def test_stop():
                    os.kill(runner(), signal.SIGSTOP)

                def test_loud():
                    print("loud")

                def test_cut():
                    fcntl.fcntl(1, 1031, 1 << 20)  # F_SETPIPE_SZ
                    os.write(1, b"y" * (65_536 - 2 * 32 - len("loud\\n") - 16))

                def test_full():
                    os.set_blocking(1, False)
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            os.write(1, b"x" * 4096)
                    subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -CONT {runner()}"])

                def test_last():
                    print("last")
                """,
        }
    )
    program = Program("m.py", "runner", f"def runner():\n    return {pid_of(executor)}\n")
    found = executor.run(Job(executor.collection.node_ids, program)).outcomes
    assert [one.status for one in found] == ["passed"] * 5
    outputs = [one.output[:5].strip() for one in found]
    assert outputs == ["", "loud", "yyyyy", "xxxxx", "last"]


def test_tests_of_a_broken_module_are_errors(executor: WarmExecutor) -> None:
    result = executor.run(Job(("tests/test_bad.py::test_a", "nowhere.py::test_b")))
    assert [one.status for one in result.outcomes] == ["error", "not_run"]
    found = result.outcomes[0].fault
    assert found is not None
    assert found.type_name == "ImportError"


def test_a_program_may_mend_a_broken_module(executor: WarmExecutor) -> None:
    source = "def double(a):\n    return a\n\ndef absent():\n    return 1\n"
    tests = ("tests/test_bad.py::test_a", "tests/test_ok.py::test_cwd")
    result = executor.run(Job(tests, Program("pack/core.py", "absent", source)))
    assert [one.status for one in result.outcomes] == ["passed", "passed"], result


def test_outcomes_come_in_the_order_asked(executor: WarmExecutor) -> None:
    tests = ("test_all.py::test_helper", "test_all.py::test_param[1]", "test_all.py::test_helper")
    result = executor.run(Job(tests))
    assert tuple(one.node_id for one in result.outcomes) == tests


def test_a_test_with_a_fixed_name_can_be_opened_alone(open_sandbox: Opener) -> None:
    executor = open_sandbox(MANY, "tests/test_ok.py", "test_all.py::test_param")
    assert executor.collection.node_ids == (
        "tests/test_ok.py::test_cwd",
        "test_all.py::test_param[1]",
        "test_all.py::test_param[2]",
    )


def test_a_broken_conftest_is_a_collection_error(open_sandbox: Opener) -> None:
    executor = open_sandbox(
        {
            "m.py": "\n",
            "conftest.py": "from m import f\n",
            "test_m.py": "def test():\n    assert True\n",
        }
    )
    (error,) = executor.collection.errors
    assert (error.node_id, error.fault.type_name) == ("conftest.py", "ImportError")
    assert executor.run(Job(("test_m.py::test",))).outcomes[0].status == "error"
    mended = executor.run(
        Job(("test_m.py::test",), Program("m.py", "f", "def f():\n    return 1\n"))
    )
    assert mended.outcomes[0].status == "passed"


def test_the_src_layout_and_a_package_named_sandbox_work(open_sandbox: Opener) -> None:
    executor = open_sandbox(
        {
            "src/sandbox/__init__.py": "NAME = 'theirs'\n",
            "test_m.py": """
                import os, sys, sandbox
                def test():
                    assert sandbox.NAME == 'theirs'
                    assert 'PYTHONPATH' not in os.environ
                    assert not [one for one in sys.path if 'runner' in one]
                    assert sys.modules['__main__'].__dict__.get('Runner') is None
                """,
        }
    )
    assert executor.run(Job(executor.collection.node_ids)).outcomes[0].status == "passed"


def test_a_module_that_exits_or_never_ends_keeps_no_other_from_its_tests(
    open_sandbox: Opener,
) -> None:
    executor = open_sandbox(
        {
            "test_exit.py": "import sys\nsys.exit(3)\n",
            "test_fine.py": "def test():\n    assert True\n",
            "test_loop.py": "while True:\n    try:\n        1 / 0\n    except Exception:\n        pass\n",
        },
        test_s=3.0,
    )
    assert [(one.node_id, one.fault.type_name) for one in executor.collection.errors] == [
        ("test_exit.py", "SystemExit"),
        ("test_loop.py", "ImportTooSlowError"),
    ]
    (outcome,) = executor.run(Job(executor.collection.node_ids)).outcomes
    assert (outcome.node_id, outcome.status) == ("test_fine.py::test", "passed")


def test_a_candidate_without_a_docstring_is_tested_by_the_examples_of_the_file(
    open_sandbox: Opener,
) -> None:
    """Candidates are run without their docstrings; the tests may stand in one."""
    text = (
        'def f(a):\n    """Twice.\n\n    >>> f(2)\n    4\n    """\n    raise NotImplementedError\n'
    )
    executor = open_sandbox({"m.py": text}, options=("--doctest-modules",))
    (test,) = executor.collection.node_ids
    for body, status in (("a * 2", "passed"), ("a", "failed")):
        program = Program("m.py", "f", f"def f(a):\n    return {body}\n")
        assert executor.run(Job((test,), program)).outcomes[0].status == status


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"pytest.ini": "[pytest]\naddopts = --no-such-option\n"}, "no-such-option"),
        (
            {"test_m.py": "import os\nos._exit(0)\n"},
            r"exit status 0\) while it collected test_m.py",
        ),
        ({"test_m.py": "import os\nos.kill(os.getpid(), 9)\n"}, "was killed while .* test_m.py"),
        ({"conftest.py": "import os\nos.abort()\n"}, "SIGABRT"),
    ],
)
def test_what_stops_pytest_is_said(files: dict[str, str], words: str, open_sandbox: Opener) -> None:
    with pytest.raises(SandboxError, match=words):
        open_sandbox(files)


def test_limits_hold_per_job(executor: WarmExecutor) -> None:
    source = "class Thing:\n    pass\n\ndef double(a):\n    for i in range(100):\n        a += i\n    return a\n"
    limits = Limits(max_events=10, max_repr_chars=20)
    job = Job(
        ("test_all.py::test_param[1]",), Program("pack/core.py", "double", source), limits=limits
    )
    (outcome,) = executor.run(job).outcomes
    assert outcome.trace is not None
    assert len(outcome.trace.events) == 10
    assert outcome.trace.num_dropped == 203 + 1 - 10 + 0


# --- what one answer holds -----------------------------------------------------------------------


DEEP = {
    "fib.py": "def fib(n):\n    raise NotImplementedError\n",
    "test_fib.py": """
        import pytest
        from fib import fib

        @pytest.mark.parametrize("i", range(300))
        def test_fib(i):
            print("\\N{SNAKE}" * 4_000)
            assert fib(6) == 8 + i % 2, "m" * 4_000

        @pytest.mark.parametrize("text", "abc", ids=["short", "x" * 8_200, "y" * 9_000])
        def test_id(text):
            assert text

        def test_values():
            assert fib("v") == 1
        """,
}
CODE = (
    "def fib(n):\n"
    "    if n == 'v':\n"
    + "".join(f"        v{k} = 'x' * 120\n" for k in range(60))
    + "        for k in range(300):\n"
    + "".join(f"            v{k} = '{k}' + str(k) + 'x' * 110\n" for k in range(60))
    + "        return 1\n"
    "    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
)


def test_an_answer_has_a_limit_for_all_tests_together(open_sandbox: Opener) -> None:
    """Whole traces of the first test that passes and that fails; of others' text what there is room for."""
    executor = open_sandbox(DEEP)
    tests = tuple(one for one in executor.collection.node_ids if "test_fib[" in one)
    limits = Limits(max_events=200)
    found = executor.run(Job(tests, Program("fib.py", "fib", CODE), limits=limits)).outcomes
    assert [one.status for one in found] == ["passed", "failed"] * 150
    traces = [one.trace for one in found if one.trace is not None]
    whole = traces[0].num_dropped + len(traces[0].events)
    assert [len(one.events) for one in traces[:2]] == [whole, whole]
    assert sum(len(one.events) for one in traces) < 2 * whole + 200 + 2 * 300
    ends = traces[-1]
    assert [(one.kind, one.depth) for one in ends.events] == [("call", 0), ("return", 0)]
    assert (ends.events[0].changes, ends.events[1].value) == ((("n", "6"),), "8")
    assert ends.num_dropped + 2 == whole
    assert ends.lines == traces[0].lines != ()
    assert sum(len(one.output) for one in found) < 512 * 1024 + 300 * 250
    faults = [one.fault.message for one in found if one.fault]
    assert (len(faults[0]) > 3_000, len(faults[-1]) < 250) == (True, True)


def test_a_trace_has_a_limit_for_its_text(open_sandbox: Opener) -> None:
    """Sixty long values that change three hundred times are no frame of many megabytes."""
    executor = open_sandbox(DEEP)
    job = Job(("test_fib.py::test_values",), Program("fib.py", "fib", CODE))
    (found,) = executor.run(job).outcomes
    assert found.status == "passed"
    assert found.trace is not None
    told = [text for event in found.trace.events for pair in event.changes for text in pair]
    assert 200_000 < sum(map(len, told)) < 400_000
    assert found.trace.num_dropped > 1_000


def test_a_test_with_an_id_that_is_too_long_is_left_out_alone(open_sandbox: Opener) -> None:
    collection = open_sandbox(DEEP).collection
    ids = [one for one in collection.node_ids if "test_id" in one]
    assert ids == ["test_fib.py::test_id[short]"]
    assert [len(one) for one in collection.unaskable] == [8_192, 8_192]
    assert len(collection.node_ids) == 302
