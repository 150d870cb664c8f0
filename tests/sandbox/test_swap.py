"""Swapping a function in place gives what importing its file afresh gives, wherever it is done.

Each case's module has the pid of the process that imported it; the test prints whether that is
the process it runs in, which tells the two ways apart. A name added at the end of the file forces
the slow way without moving a line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from textwrap import dedent

import pytest

from egbot.execution.warm import WarmExecutor
from egbot.records import Execution, Job, Program

HEAD = "import os\nPID = os.getpid()\n"
STUB = "raise NotImplementedError"


@dataclass(frozen=True)
class Case:
    """A function to write: its file with ``@BODY@`` where the body goes, and the test's checks."""

    name: str
    qualname: str
    base: str
    body: str
    checks: str
    is_swapped: bool = True
    header: tuple[str, str] = ("", "")
    stub: str = STUB

    @property
    def module(self) -> str:
        return f"mod_{self.name}"

    @property
    def tests(self) -> tuple[str, ...]:
        path = f"test_{self.name}.py"
        return (f"{path}::test_right", f"{path}::test_wrong")

    def text(self, body: str) -> str:
        """The module's text with ``body`` in place of its mark, indented as the mark is."""
        lines = []
        for line in (HEAD + dedent(self.base)).splitlines():
            if line.strip() != "@BODY@":
                lines.append(line)
                continue
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + one if one else "" for one in dedent(body).strip("\n").split("\n")]
        return "\n".join(lines) + "\n"

    def program(self) -> str:
        return (
            self.text(self.body).replace(*self.header) if self.header[0] else self.text(self.body)
        )

    def test_text(self) -> str:
        checks = "\n".join("    " + line for line in dedent(self.checks).strip().splitlines())
        return (
            f"import os\nimport {self.module} as m\nfrom {self.module} import *\n\n\n"
            f"def test_right():\n    print('swapped', m.PID != os.getpid())\n{checks}\n\n\n"
            f"def test_wrong():\n{checks}\n    assert m.__name__ == 'never'\n"
        )


CASES = [
    Case(
        "function", "f", "def f(a, b=2):\n    @BODY@\n", "c = a * b\nreturn c", "assert f(2) == 4"
    ),
    Case(
        "method",
        "C.area",
        "class C:\n    side = 3\n    def area(self):\n        @BODY@\n",
        "return self.side ** 2",
        "assert C().area() == 9",
    ),
    Case(
        "static",
        "C.f",
        "class C:\n    @staticmethod\n    def f(a):\n        @BODY@\n",
        "return [a]",
        "assert C.f(1) == [1] == C().f(1)",
    ),
    Case(
        "klass",
        "C.make",
        "class C:\n    @classmethod\n    def make(cls, a):\n        @BODY@\n",
        "made = cls()\nmade.a = a\nreturn made",
        "assert C.make(3).a == 3",
    ),
    Case(
        "prop",
        "C.size",
        """
        class C:
            @property
            def size(self):
                @BODY@

            @size.setter
            def size(self, value):
                self.kept = value
        """,
        "return self.kept + 1",
        "c = C()\nc.size = 4\nassert c.size == 5",
    ),
    Case(
        "wraps",
        "f",
        """
        import functools

        def twice(function):
            @functools.wraps(function)
            def inner(*args):
                return function(*args) * 2
            return inner

        @twice
        def f(a):
            @BODY@
        """,
        "return a + 1",
        "assert f(1) == 4",
    ),
    Case(
        "opaque",
        "f",
        """
        def twice(function):
            return lambda *args: function(*args) * 2

        @twice
        def f(a):
            @BODY@
        """,
        "return a + 1",
        "assert f(1) == 4",
        is_swapped=False,
    ),
    Case(
        "cache",
        "fib",
        "import functools\n@functools.lru_cache(None)\ndef fib(n):\n    @BODY@\n",
        "if n < 2:\n    return n\nreturn fib(n - 1) + fib(n - 2)",
        "assert fib(10) == 55",
    ),
    Case(
        "local",
        "outer.<locals>.inner",
        "def outer(a):\n    def inner(b):\n        @BODY@\n    return inner\n",
        "return a + b",
        "assert outer(1)(2) == 3",
        is_swapped=False,
    ),
    Case(
        "closes",
        "counter",
        "def counter():\n    @BODY@\n",
        """
        count = 0
        def step():
            nonlocal count
            count += 1
            return count
        return step
        """,
        "step = counter()\nstep()\nassert step() == 2",
    ),
    Case(
        "parent",
        "D.f",
        """
        class B:
            def f(self):
                return 1

        class D(B):
            def f(self):
                @BODY@
        """,
        "return super().f() + 1",
        "assert D().f() == 2",
        is_swapped=False,
    ),
    Case(
        "parent_kept",
        "D.f",
        """
        class B:
            def f(self):
                return 1

        class D(B):
            def f(self):
                @BODY@
        """,
        "return super().f() + 1",
        "assert D().f() == 2",
        stub="return super().f()",
    ),
    Case(
        "private",
        "C.f",
        "class C:\n    def f(self):\n        @BODY@\n",
        "self.__kept = 3\nreturn self.__kept",
        "assert C().f() == 3",
    ),
    Case(
        "waits",
        "f",
        "import asyncio\nasync def f(a):\n    @BODY@\n",
        "await asyncio.sleep(0)\nreturn a * 2",
        "import asyncio\nassert asyncio.run(f(2)) == 4",
    ),
    Case(
        "yields",
        "f",
        "def f(n):\n    @BODY@\n",
        "for i in range(n):\n    yield i * i",
        "assert list(f(3)) == [0, 1, 4]",
    ),
    Case(
        "manager",
        "f",
        "import contextlib\n@contextlib.contextmanager\ndef f(n):\n    @BODY@\n",
        "yield n + 1",
        "with f(1) as n:\n    assert n == 2",
        is_swapped=False,
    ),
    Case(
        "defaults",
        "f",
        "LIMIT = 5\n\n\ndef f(a):\n    @BODY@\n",
        "return a + b",
        "assert f(1) == 6",
        is_swapped=False,
        header=("def f(a):", "def f(a, b=LIMIT, *, c: int = 1):"),
    ),
    Case(
        "defaults_method",
        "C.f",
        "class C:\n    LIMIT = 5\n    def f(self):\n        @BODY@\n",
        "return b",
        "assert C().f() == 5",
        is_swapped=False,
        header=("def f(self):", "def f(self, b=LIMIT):"),
    ),
    Case(
        "imports",
        "f",
        "def f(a):\n    @BODY@\n",
        "return math.floor(a) + Decimal(1)",
        "assert f(1.5) == 2",
        header=("import os\n", "import os\nimport math\nfrom decimal import Decimal\n"),
    ),
    Case(
        "no_import",
        "f",
        "def f(a):\n    @BODY@\n",
        "return a",
        "assert f(1) == 1",
        is_swapped=False,
        header=("import os\n", "import os\nimport not_there_at_all\n"),
    ),
    Case(
        "docstring",
        "f",
        "def f(a):\n    '''Old.'''\n    @BODY@\n",
        "return a",
        "assert f.__doc__ == 'New.'",
        is_swapped=False,
        header=("'''Old.'''", "'''New.'''"),
    ),
    Case(
        "table",
        "f",
        "def f(a):\n    @BODY@\n\n\nTABLE = [f(1), f(2)]\n",
        "return a * 10",
        "assert TABLE == [10, 20]",
        is_swapped=False,
        stub="return a",
    ),
    Case(
        "handlers",
        "f",
        "def f(a):\n    @BODY@\n\n\nHANDLERS = {'f': f}\n",
        "return a * 10",
        "assert HANDLERS['f'](1) == 10",
    ),
    Case(
        "future",
        "f",
        "def f(a):\n    @BODY@\n",
        "return a",
        "assert f(1) == 1",
        is_swapped=False,
        header=("import os\n", "from __future__ import annotations\nimport os\n"),
    ),
    Case(
        "twins",
        "f",
        "if os.name:\n    def f(a):\n        @BODY@\nelse:\n    def f(a):\n        return 0\n",
        "return a + 1",
        "assert f(1) == 2",
    ),
    Case(
        "traceback",
        "f",
        "import traceback\ndef f(a):\n    @BODY@\ndef g(a):\n    try:\n        f(a)\n"
        "    except KeyError:\n        return traceback.format_exc()\n",
        "data = {}\n\n\n\nreturn data[a]",
        "text = m.g(1)\nassert 'return data[a]' in text and '  f(a)' in text",
        is_swapped=False,
    ),
    Case(
        "raises",
        "f",
        "def f(a):\n    @BODY@\n",
        "data = {}\nreturn data[a]",
        "assert f(1) == 2",
    ),
]


@pytest.fixture(scope="module")
def executor(open_sandbox: Callable[..., WarmExecutor]) -> WarmExecutor:
    files = {}
    for case in CASES:
        files[f"{case.module}.py"] = case.text(case.stub)
        files[f"test_{case.name}.py"] = case.test_text()
    return open_sandbox(files)


def run(executor: WarmExecutor, case: Case, ending: str = "") -> Execution:
    program = Program(f"{case.module}.py", case.qualname, case.program() + ending, 0)
    return executor.run(Job(case.tests, program))


def timeless(execution: Execution) -> Execution:
    outcomes = tuple(replace(one, duration_s=0.0, output="") for one in execution.outcomes)
    return replace(execution, outcomes=outcomes, wall_s=0.0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fast_equals_slow(case: Case, executor: WarmExecutor) -> None:
    fast = run(executor, case)
    slow = run(executor, case, "_ = 0\n")
    assert timeless(fast) == timeless(slow)
    assert "swapped False" in slow.outcomes[0].output or slow.outcomes[0].status == "error"
    if slow.outcomes[0].status != "error":
        assert fast.outcomes[0].output == f"swapped {case.is_swapped}\n"


@pytest.mark.parametrize("case", [one for one in CASES if one.name not in ("no_import", "raises")])
def test_the_new_function_is_what_runs(case: Case, executor: WarmExecutor) -> None:
    result = run(executor, case)
    assert result.status == "ok"
    assert [one.status for one in result.outcomes] == ["passed", "failed"], result


def test_a_run_leaves_no_trace_in_the_next(executor: WarmExecutor) -> None:
    case = CASES[0]
    assert run(executor, case).outcomes[0].status == "passed"
    untouched = executor.run(Job(case.tests[:1]))
    assert untouched.outcomes[0].fault is not None
    assert untouched.outcomes[0].fault.type_name == "NotImplementedError"
