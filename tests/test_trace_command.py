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
from egbot.source.symbols import Code
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
    folder = tmp_path_factory.mktemp("repository")
    for path, text in FILES.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def invoke(repository: Path, *words: object, env: Mapping[str, str] | None = None) -> Result:
    given = ["trace", "--repo", str(repository), *PROCESS, *map(str, words)]
    return CliRunner().invoke(cli, given, env=env, prog_name="egbot")


# --- which function ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "first"),
    [
        ("test_total", "shop/cart.py::Cart.total"),
        ("test_by_helper", "shop/cart.py::Cart.total"),
        ("test_fib[1-1]", "shop/cart.py::fib"),
        ("test_own_arithmetic", ""),
        ("test_gone", ""),
    ],
)
def test_the_function_that_the_test_is_about_comes_first(test: str, first: str) -> None:
    """What the test compares wins over what it only calls; helpers are looked through."""
    found = functions_of(Code(tree_of(FILES)), f"tests/test_cart.py::{test}")
    assert next(iter(found), "") == first


def test_what_a_fixture_calls_is_known_too() -> None:
    found = functions_of(Code(tree_of(FILES)), "tests/test_cart.py::test_total")
    assert set(found[1:]) == {"shop/cart.py::Cart.add", "shop/cart.py::Cart.__init__"}


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
    result = invoke(repository, "tests/test_cart.py::test_skipped")
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
    for path, text in files.items():
        (tmp_path / path).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    order = TraceOrder(tmp_path, "test_it.py::test_it", {})
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
