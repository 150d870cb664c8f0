"""``egbot trace``: a test of a repository runs and one function's steps are shown."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from egbot.cli import cli
from egbot.errors import UsageError
from egbot.local import Effects
from egbot.progress import silent
from egbot.records import Entered, Evidence, Execution, Job, TestOutcome, Tree
from egbot.testing import ReplaySandbox
from egbot.tracing import TraceOrder, functions_of, trace_order
from tests.shelf import tree_of

OWN_TERMINAL = (  # less reads its keys from /dev/tty, so that has to be ours
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
PROCESS = ("--sandbox", "process", "--python", sys.executable)
FILES = {
    "shop/__init__.py": "",
    "shop/cart.py": (
        "import functools\n\n\n"
        "class Cart:\n"
        "    def __init__(self):\n        self.items = []\n\n"
        "    def add(self, item):\n        self.items.append(item)\n\n"
        "    def total(self):\n"
        "        result = 0\n"
        "        for price in self.items:\n"
        "            result += price\n"
        "        return result\n\n\n"
        "@functools.cache\n"
        "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
    ),
    "tests/conftest.py": (
        "import pytest\nfrom shop.cart import Cart\n\n\n"
        "@pytest.fixture\ndef cart():\n    made = Cart()\n    made.add(3)\n    return made\n"
    ),
    "tests/test_cart.py": (
        "import pytest\n\nfrom shop.cart import Cart, fib\n\n\n"
        "def test_total(cart):\n    cart.add(4)\n    assert cart.total() == 7\n\n\n"
        "def test_wrong(cart):\n    assert cart.total() == 4\n\n\n"
        "def summed():\n    return Cart().total()\n\n\n"
        "def test_by_helper():\n    assert summed() == 0\n\n\n"
        "def test_own_arithmetic():\n    assert 1 + 1 == 2\n\n\n"
        "@pytest.mark.skip\ndef test_skipped():\n    assert fib(1) == 1\n\n\n"
        "@pytest.mark.parametrize('n, value', [(1, 1), (6, 8), (7, 14)])\n"
        "def test_fib(n, value):\n    assert fib(n) == value\n"
    ),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("repository"), FILES)


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def invoke(repository: Path, *words: object, env: Mapping[str, str] | None = None) -> Result:
    given = ["trace", "--repo", str(repository), *PROCESS, *map(str, words)]
    return CliRunner().invoke(cli, given, env=env, prog_name="egbot")


# --- which function ----------------------------------------------------------------------------

NESTED = {
    "box.py": (
        "def deco(f):\n"
        "    def inner(*a):\n        return f(*a)\n"
        "    return inner\n\n\n"
        "class C:\n"
        "    @property\n    def v(self):\n        return 5\n\n"
        "    @v.setter\n    def v(self, value=(lambda: 1)):\n        self.w = value\n\n"
        "    class D:\n"
        "        @staticmethod\n        @deco\n        def s(x):\n            return -x\n"
    ),
    "test_box.py": (
        "from box import C\n\n\n"
        "def helper(c):\n    c.v = 3\n\n\n"
        "def test_set():\n    c = C()\n    helper(c)\n    assert c.w == 3\n\n\n"
        "def test_get():\n    assert C().v == 5\n\n\n"
        "def test_negative():\n    assert C.D.s(1) == -1\n"
    ),
}


def entered(*names: str) -> list[Entered]:
    """``name:line`` of functions in shop/cart.py."""
    found = []
    for one in names:
        name, _, line = one.partition(":")
        found.append(Entered("shop/cart.py", name, int(line)))
    return found


INIT, ADD, TOTAL, FIB = "Cart.__init__:5", "Cart.add:8", "Cart.total:11", "fib:18"


@pytest.mark.parametrize(
    ("test", "seen", "first"),
    [
        ("test_total", (INIT, ADD, TOTAL), "Cart.total"),  # a word of the test's name
        ("test_wrong", (INIT, ADD, TOTAL), "Cart.total"),  # what the test itself names
        ("test_by_helper", (INIT, TOTAL), "Cart.total"),  # the first but for making the object
        ("test_by_helper", (INIT,), "Cart.__init__"),
        ("test_fib[1-1]", (FIB,), "fib"),
        ("test_gone", (ADD, TOTAL), "Cart.add"),
        ("test_total", ("Cart.total:12", "fib:11", "gone:900", "<lambda>:11"), ""),
        ("test_own_arithmetic", (), ""),
    ],
)
def test_the_function_that_the_test_is_about_comes_first(
    test: str, seen: tuple[str, ...], first: str
) -> None:
    """Only what the tree has on the lines that the sandbox tells of is a function."""
    found = functions_of(tree_of(FILES), f"tests/test_cart.py::{test}", entered(*seen))
    assert [one.qualname for one in found[:1]] == ([first] if first else [])


def test_helpers_of_the_tests_are_never_followed() -> None:
    own = [Entered("tests/test_cart.py", "summed", 15), Entered("tests/conftest.py", "cart", 5)]
    assert functions_of(tree_of(FILES), "tests/test_cart.py::test_by_helper", own) == ()


def test_a_test_is_run_under_a_probe_to_see_what_it_enters(repository: Path) -> None:
    """Nothing stands in for the tests themselves, and the trace comes from a sandbox without probe."""

    def answer(tree: Tree, job: Job) -> Execution | None:
        if job.program is not None:
            return None
        evidence = Evidence(entered=tuple(entered(INIT, TOTAL)))
        seen = [TestOutcome(test, "passed", evidence=evidence) for test in job.tests]
        return Execution("ok", tuple(seen))

    sandbox = ReplaySandbox(answer)
    order = TraceOrder(repository, "tests/test_cart.py::test_by_helper", {})
    found = trace_order(order, silent, Effects(lambda *_: sandbox))
    assert (found.target.qualname, found.target.span.start_line) == ("Cart.total", 11)
    assert found.others == ("shop/cart.py::Cart.__init__",)
    plain, probed = sandbox.executors
    assert (plain.probe, plain.jobs[0].program is None) == (None, False)
    assert probed.probe is not None
    assert set(probed.probe.test_paths) == {"tests/conftest.py", "tests/test_cart.py"}


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("nested"), NESTED)


@pytest.mark.parametrize(
    ("words", "called"),
    [
        (("test_box.py::test_set",), "call C.v(self=<C>, value=3)"),
        (("test_box.py::test_get",), "call C.v(self=<C>)"),
        (("test_box.py::test_set", "--target", "box.py::C.v"), "call C.v(self=<C>, value=3)"),
        (("test_box.py::test_get", "--target", "box.py::C.v"), "call C.v(self=<C>)"),
        (("test_box.py::test_negative",), "call C.D.s(x=1)"),
        (("test_box.py::test_negative", "--target", "box.py::deco.inner"), "inner(a=(1,)"),
    ],
)
def test_nested_functions_and_accessors_are_found(
    nested: Path, words: tuple[str, ...], called: str
) -> None:
    """Of several definitions of one name it is the one that the test enters."""
    result = invoke(nested, *words)
    assert (result.exit_code, called in result.stdout) == (0, True), result.output


# --- the command -------------------------------------------------------------------------------


def test_a_passing_test_shows_every_step(repository: Path) -> None:
    """Exit code 0; standard output says which function, standard error what is going on."""
    result = invoke(repository, "tests/test_cart.py::test_total")
    assert result.exit_code == 0, result.output
    first, *rest = result.stdout.splitlines()
    assert first == "Cart.total  shop/cart.py"
    assert "Cart.add" in rest[0]
    shown = "\n".join(rest)
    assert "✓ passed  tests/test_cart.py::test_total" in shown
    assert "result += price" in shown
    assert "# result = 7" in shown
    assert "return → 7" in shown
    assert "tracing: shop/cart.py::Cart.total" in result.stderr


def test_a_failing_test_shows_both_sides(repository: Path) -> None:
    result = invoke(repository, "tests/test_cart.py::test_wrong")
    assert result.exit_code == 1
    for part in ("✕ failed", "left       3", "right      4", "return → 3"):
        assert part in result.stdout


def test_another_function_can_be_followed(repository: Path) -> None:
    words = ("tests/test_cart.py::test_total", "--target", "shop/cart.py::Cart.add")
    result = invoke(repository, *words)
    assert result.exit_code == 0
    assert result.stdout.count("call Cart.add(") == 2


def test_a_skipped_test_did_not_fail(repository: Path) -> None:
    words = ("tests/test_cart.py::test_skipped", "--target", "shop/cart.py::fib")
    result = invoke(repository, *words)
    assert (result.exit_code, "the function was not called" in result.stdout) == (0, True)


def test_all_rows_of_a_parametrised_test_are_traced(repository: Path) -> None:
    """Under one name all rows run; json holds a trace.json of them, html the page."""
    page = repository / "out" / "trace.html"
    result = invoke(repository, "tests/test_cart.py::test_fib", "--json", "--html", page)
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["schema"], document["reason"]) == ("egbot.trace/1", "traced")
    assert [test["status"] for test in document["tests"]] == ["passed", "passed", "failed"]
    assert document["code"]["text"].startswith("@functools.cache\ndef fib(n):")
    events = document["tests"][1]["trace"]["events"]
    lines = document["code"]["text"].splitlines()
    called = [lines[event["line"] - document["code"]["first_line"]] for event in events[:2]]
    assert called[1].strip().startswith("return n if")
    assert max(event["depth"] for event in events) >= 4
    assert "Who called whom" in page.read_text()
    one = invoke(repository, "tests/test_cart.py::test_fib[1-1]", "--json")
    assert (one.exit_code, len(json.loads(one.stdout)["tests"])) == (0, 1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("tests/test_cart.py::test_totl",), "did you mean test_total"),
        (("tests/test_cart.py",), "for example tests/test_cart.py::test_total"),
        (("",), "names no test"),
        (("tests/gone.py::test_it",), "there is no test file"),
        (("../else.py::test_it",), "does not lie in the repository"),
        (("tests/test_cart.py::test_own_arithmetic",), "--target PATH::QUALNAME"),
        (("tests/test_cart.py::test_own_arithmetic",), "still to be written: egbot solve"),
        (("tests/test_cart.py::test_skipped",), "enters no function of this repository (skipped"),
        (("tests/test_cart.py::summed",), "pytest collects no test"),
        (("tests/test_cart.py::test_total", "--target", "shop/cart.py::Cart.totl"), "Cart.total"),
        (("tests/test_cart.py::test_total", "--target", "nonsense"), "names no function"),
        (("tests/test_cart.py::test_total", "--sandbox", "nope"), "--sandbox"),
    ],
)
def test_wrong_words_are_told(repository: Path, words: tuple[str, ...], told: str) -> None:
    """Exit code 2, what is wrong and what to do, no traceback."""
    result = invoke(repository, *words)
    assert (result.exit_code, told in result.output) == (2, True), result.output
    assert "Traceback" not in result.output


def test_a_file_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    files = {"calc.py": "def f():\n    return 1\n", "test_it.py": "import calc\nimport gone\n"}
    files["test_it.py"] += "\n\ndef test_it():\n    assert calc.f() == 1\n"
    order = TraceOrder(written(tmp_path, files), "test_it.py::test_it", {})
    with pytest.raises(UsageError, match=r"test_it\.py cannot be collected: ModuleNotFoundError"):
        trace_order(order, silent, Effects(lambda *_: ReplaySandbox()))


def test_without_a_sandbox_the_surroundings_are_at_fault(repository: Path) -> None:
    result = invoke(repository, "tests/test_cart.py::test_total", "--python", "/no/such/python")
    assert result.exit_code == 3


@pytest.mark.parametrize("pager", [True, False])
def test_a_long_trace_opens_the_pager_in_a_terminal(repository: Path, pager: bool) -> None:
    """On a terminal of ten lines the pager is asked, unless --no-pager says otherwise."""
    words = ["trace", "tests/test_cart.py::test_fib", "--repo", str(repository), *PROCESS]
    words += [] if pager else ["--no-pager"]
    process, text = on_a_terminal(words, PAGER="sed s/^/paged:/")
    assert process.wait() == 1
    assert b"fib" in text
    assert (b"paged:" in text) == pager


@pytest.mark.skipif(shutil.which("less") is None, reason="less is not installed")
@pytest.mark.parametrize("flags", ["", "-FX"])
def test_the_pager_shows_colours_or_none_but_no_escapes(repository: Path, flags: str) -> None:
    """Bare less is asked for colours; one that was set up without them gets plain text."""
    words = ["trace", "tests/test_cart.py::test_fib", "--repo", str(repository), *PROCESS]
    process, text = on_a_terminal(words, PAGER="less", LESS=flags, keys=b"q")
    assert process.wait() == 1
    assert b"fib" in text
    assert b"ESC" not in text
    assert (b"\x1b[1mfib" in text) == (flags == "")


def on_a_terminal(
    words: list[str], *, keys: bytes = b"", **variables: str
) -> tuple[subprocess.Popen[bytes], bytes]:
    """egbot on a terminal of ten lines, and all that it wrote there; ``keys`` wait to be read."""
    primary, secondary = pty.openpty()
    environment = {**os.environ, "LINES": "10", "TERM": "xterm", "LESS": "", **variables}
    process = subprocess.Popen(
        [sys.executable, "-c", OWN_TERMINAL, "-m", "egbot", *words],
        stdin=secondary,
        stdout=secondary,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    os.close(secondary)
    os.write(primary, keys)
    text = b""
    while True:
        try:
            part = os.read(primary, 65_536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        text += part
    os.close(primary)
    return process, text
