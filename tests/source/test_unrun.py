"""What no test ran is found by the lines that ran, and can be left out of the function."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from egbot.source.unrun import spread, unrun_lines, unrun_regions, without


def lines_of(code: str, *arguments: Any) -> set[int]:
    """The lines of the function that one call runs, or as many calls as there are tuples."""
    names: dict[str, Any] = {}
    exec(compile(code, "<unrun>", "exec"), names)
    function = next(value for name, value in names.items() if not name.startswith("__"))
    ran: set[int] = set()

    def follow(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename != "<unrun>":
            return None
        if event == "line":
            ran.add(frame.f_lineno)
        return follow

    before = sys.gettrace()
    sys.settrace(follow)
    try:
        result = function(*arguments)
        if hasattr(result, "__next__"):
            list(result)
    finally:
        sys.settrace(before)
    return ran


def trimmed(code: str, *arguments: Any) -> str | None:
    whole = spread(code)
    regions = unrun_regions(whole, lines_of(whole, *arguments))
    return without(code, frozenset().union(*regions))


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("if x < 0:\n    raise ValueError('no')\nreturn x", "return x"),
        ("if x < 0: raise ValueError('no')\nreturn x", "return x"),
        ("if x < 0:\n    y = 1\nelse:\n    y = 2\nreturn y", "y = 2\nreturn y"),
        ("if x > 0:\n    return x\nelse:\n    return -x", "if x > 0:\n    return x"),
        (
            "if x < 0:\n    y = 1\nelif x < 9:\n    y = 2\nelse:\n    y = 3\nreturn y",
            "if x < 9:\n    y = 2\nreturn y",
        ),
        ("try:\n    return x + 1\nexcept TypeError:\n    return 0", "return x + 1"),
        (
            "try:\n    x += 1\nexcept TypeError:\n    x = 0\nfinally:\n    x += 1\nreturn x",
            "try:\n    x += 1\nfinally:\n    x += 1\nreturn x",
        ),
        ("try:\n    x += 1\nexcept TypeError:\n    x = 0\nelse:\n    x += 2\nreturn x", None),
        ("for y in []:\n    x += y\nreturn x", "return x"),
        ("while x < 0:\n    x += 1\nelse:\n    x += 2\nreturn x", "x += 2\nreturn x"),
        ("match x:\n    case 0:\n        x = 1\n    case _:\n        x = 2\nreturn x", None),
        ("def inner():\n    return 1\nreturn x", "return x"),
        ("return x\nx = 1", "return x"),
        ("# why\nx += 1  # one\nif x < 0:\n    x = 0\nreturn x", "# why\nx += 1  # one\nreturn x"),
        ("with open('/dev/null'):\n    if x < 0:\n        x = 0\nreturn x", None),
        ('"""Doc."""\nif x < 0:\n    """Not this."""\n    x = 0\nreturn x', '"""Doc."""\nreturn x'),
        ("if x > 0:\n    pass\nreturn x", "if x > 0:\n    pass\nreturn x"),
    ],
)
def test_what_one_call_did_not_run_goes_and_the_rest_keeps_its_text(
    body: str, left: str | None
) -> None:
    code = "def f(x):\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    made = trimmed(code, 3)
    assert made is not None
    if left is not None:
        assert made == "def f(x):\n" + "".join(f"    {line}\n" for line in left.split("\n"))
    again = spread(made)
    assert unrun_lines(again, lines_of(again, 3)) == ()


def test_the_header_stays_as_the_person_wrote_it() -> None:
    code = "def f(\n    x,  # a number\n    y=(1,\n       2),\n):\n    if x < 0:\n        return 0\n    return x\n"
    assert trimmed(code, 3) == code.replace("    if x < 0:\n        return 0\n", "")


@pytest.mark.parametrize(
    "code",
    [
        "def f(x): return x\n",  # nothing stands on a line of its own
        "def f(x):\n    if x < 0:\n        return 0\n",  # nothing would be left but the test of x
        "def f(x):\n    if x < 0:\n        yield x\n    return\n",  # no generator any more
    ],
)
def test_what_cannot_be_left_out_whole_is_kept(code: str) -> None:
    regions = unrun_regions(spread(code), {2} if "yield" not in code else {2, 4})
    cut = frozenset().union(*regions) or frozenset({2})
    assert without(code, cut) is None


def test_the_lines_that_no_test_ran_are_told() -> None:
    code = "def f(x):\n    if x < 0:\n        x = 0\n        x += 1\n    return x\n"
    assert unrun_lines(code, lines_of(code, 3)) == (3, 4)
    assert unrun_lines(code, lines_of(code, -3)) == ()
