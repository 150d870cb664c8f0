"""Where a function fits a diff as a suggestion: the range is exact, or there is none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from egbot.forge import ChangedFile
from egbot.publish.recheck import Function
from egbot.publish.suggestion import Fit, place, place_all
from egbot.source.diff import unified_diff
from tests.publish.scenes import STUB, WRITTEN, written


def function(before: bytes, code: str = WRITTEN, qualname: str = "total") -> Function:
    return Function("shop.py", qualname, code, written(before, qualname, code))


def hunks(old: bytes | None, new: bytes) -> str:
    """What the files endpoint gives: a diff without its head."""
    return "@@" + unified_diff("shop.py", old, new).partition("@@")[2]


def applied(before: bytes, fit: Fit) -> bytes:
    """What committing the suggestion makes of the file."""
    lines = before.decode().split("\n")
    lines[fit.first_line - 1 : fit.last_line] = fit.lines
    return "\n".join(lines).encode()


def test_a_stub_that_the_pull_request_brings_is_replaced_line_for_line() -> None:
    head = STUB.encode()
    new = function(head)
    fit = place(new, {"shop.py": head}, {"shop.py": hunks(None, head)})
    assert isinstance(fit, Fit)
    assert (fit.first_line, fit.last_line) == (12, 12)
    assert applied(head, fit) == new.alone


def test_context_lines_count_as_part_of_the_diff() -> None:
    head = STUB.encode()
    base = STUB.replace("def gross(price)", "def gross(p)").encode()
    fit = place(function(head), {"shop.py": head}, {"shop.py": hunks(base, head)})
    assert isinstance(fit, Fit)
    assert applied(head, fit) == function(head).alone


def test_lines_outside_the_diff_have_no_place() -> None:
    head = (STUB + "\n" * 20 + "X = 1\n").encode()
    patches = {"shop.py": hunks(head.replace(b"X = 1", b"X = 2"), head)}
    assert place(function(head), {"shop.py": head}, patches) == "its lines are not in the diff"
    assert place(function(head), {"shop.py": head}, {}) == "the diff does not touch its file"


def test_a_change_in_two_hunks_has_no_place() -> None:
    """The import at the top and the function below are one change; half of it is not offered."""
    code = WRITTEN.replace("    result = 0\n", "    result = math.fsum([])\n")
    middle = "".join(f"A{number} = {number}\n" for number in range(30))
    head = STUB.replace("def net", f"{middle}\n\ndef net").encode()
    base = head.replace(b"TAX = 0.2", b"TAX = 0.1").replace(b'"""The sum', b'"""Sum')
    new = function(head, code)
    assert new.alone is not None
    assert b"import math" in new.alone
    patch = hunks(base, head)
    assert patch.count("@@ -") == 2
    assert place(new, {"shop.py": head}, {"shop.py": patch}) == "its lines are not in the diff"


def test_a_missing_function_takes_a_neighbouring_line_along() -> None:
    """A suggestion must replace at least one line."""
    head = b"X = 1\n\n\ndef a():\n    return 1\n"
    new = function(head, "def total(prices):\n    return sum(prices)\n")
    fit = place(new, {"shop.py": head}, {"shop.py": hunks(None, head)})
    assert isinstance(fit, Fit)
    assert fit.last_line - fit.first_line == 0
    assert applied(head, fit) == new.alone


def test_what_a_suggestion_cannot_carry_is_no_suggestion() -> None:
    for head, why in (
        (STUB.replace("\n", "\r\n"), "carriage returns"),
        (STUB.partition("\n\n\ndef gross")[0], "no line break"),
    ):
        data = head.encode()
        found = place(function(data), {"shop.py": data}, {"shop.py": hunks(None, data)})
        assert isinstance(found, str)
        assert why in found
    plain = STUB.encode()
    odd = WRITTEN.replace("result = 0", "result = 0  # \u200b")
    found = place(function(plain, odd), {"shop.py": plain}, {"shop.py": hunks(None, plain)})
    assert found == "its text does not survive in a comment"


def test_a_stale_diff_is_not_believed() -> None:
    head = STUB.encode()
    older = hunks(None, head.replace(b"raise NotImplementedError", b"raise ValueError"))
    assert place(function(head), {"shop.py": head}, {"shop.py": older}) == (
        "its lines are not in the diff"
    )


def test_functions_that_share_lines_are_not_suggested_apart() -> None:
    head = b"def a():\n    raise NotImplementedError\n\n\ndef b():\n    raise NotImplementedError\n"
    one = function(head, "def a():\n    return math.pi\n", "a")
    two = function(head, "def b():\n    return math.e\n", "b")
    files = (ChangedFile("shop.py", "added", hunks(None, head)),)
    both = place_all((one, two), {"shop.py": head}, files)
    assert both.fits == ()
    assert both.why_not == "two of the functions change the same lines"
    apart = function(head, "def b():\n    return 2\n", "b")
    assert len(place_all((one, apart), {"shop.py": head}, files).fits) == 2


LINES = st.lists(st.sampled_from(["X = 1", "Y = 2", "", "Z = 'a'"]), max_size=12)


@given(above=LINES, below=LINES, base=LINES)
def test_whatever_is_suggested_makes_exactly_the_verified_file(
    above: list[str], below: list[str], base: list[str]
) -> None:
    stub = "def total(prices):\n    raise NotImplementedError\n"
    head = ("\n".join([*above, stub, *below]) + "\n").encode()
    new = function(head, "def total(prices):\n    return sum(prices)\n")
    old = ("\n".join(base) + "\n").encode()
    fit = place(new, {"shop.py": head}, {"shop.py": hunks(old, head)})
    assert isinstance(fit, str) or applied(head, fit) == new.alone
