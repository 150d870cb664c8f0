"""Patches are what git writes: real git takes each of them and makes exactly the new bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from egbot.source.diff import patch_lines, quoted_path, unified_diff


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    result = subprocess.run(
        ["git", "-c", "core.autocrlf=false", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("repository")
    _git(place, "init", "-q")
    return place


def _applied(folder: Path, path: str, before: bytes | None, after: bytes) -> bytes:
    """What git makes of ``before`` with our patch."""
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if before is not None:
        place.write_bytes(before)
    patch = unified_diff(path, before, after).encode()
    _git(folder, "apply", "--whitespace=nowarn", "-", stdin=patch)
    result = place.read_bytes()
    _git(folder, "apply", "--whitespace=nowarn", "--reverse", "-", stdin=patch)
    assert (place.read_bytes() if place.exists() else None) == before
    return result


_LONG = "".join(f"line {n}\n" for n in range(60)).encode()

_CASES = {
    "change": (_LONG, _LONG.replace(b"line 30\n", b"new\nlines\n")),
    "two hunks": (_LONG, _LONG.replace(b"line 3\n", b"a\n").replace(b"line 50\n", b"")),
    "hunks that touch": (_LONG, _LONG.replace(b"line 10\n", b"a\n").replace(b"line 17\n", b"b\n")),
    "hunks apart": (_LONG, _LONG.replace(b"line 10\n", b"a\n").replace(b"line 18\n", b"b\n")),
    "first line": (_LONG, b"new\n" + _LONG),
    "last line": (_LONG, _LONG + b"new\n"),
    "new file": (None, b"a\nb\n"),
    "new file without end": (None, b"a"),
    "new empty file": (None, b""),
    "from empty": (b"", b"a\n"),
    "to empty": (b"a\n", b""),
    "end lost": (b"a\nb\n", b"a\nb"),
    "end gained": (b"a\nb", b"a\nb\n"),
    "no end on either side": (b"a\nb", b"a\nc"),
    "context without end": (b"a\nb\nc", b"x\nb\nc"),
    "crlf": (b"a\r\nb\r\nc\r\n", b"a\r\nx\r\nc\r\n"),
    "crlf and lf": (b"a\r\nb\n", b"a\nb\r\n"),
    "other line ends": (b"a\x0c\x0b\x1c\x85\r"[:4] + b"b\n", b"a\x0cx\nb\r"),
    "unicode": ("é\u2028x\n".encode(), "é\u2028y\n".encode()),
    "latin-1": (b"# coding: latin-1\nx = '\xe9'\n", b"# coding: latin-1\nx = '\xe8'\n"),
    "new latin-1": (None, b"\xe9" * 500),
    "binary": (b"\0\1\2" * 100, bytes(range(256)) * 20),
    "looks like a diff": (b"--- a\n+++ b\n", b"@@ -1 +1 @@\n--- a\n"),
}


@pytest.mark.parametrize("name", _CASES)
def test_git_applies_the_patch_and_takes_it_back(folder: Path, name: str) -> None:
    before, after = _CASES[name]
    assert _applied(folder, "pkg/file.py", before, after) == after


@pytest.mark.parametrize(
    "path",
    [
        "a b.py",
        "ü/ñ.py",
        'quo"te.py',
        "back\\slash.py",
        "tab\there.py",
        "new\nline.py",
        "-x.py",
        "😀",
    ],
)
@pytest.mark.parametrize("before", [None, b"a\n"])
def test_git_understands_unusual_paths(folder: Path, path: str, before: bytes | None) -> None:
    assert _applied(folder, path, before, b"b\n") == b"b\n"


def test_text_is_the_one_that_git_writes(folder: Path) -> None:
    before, after = _LONG, _CASES["two hunks"][1]
    for path in ("plain.py", "with space.py", "ü.py"):
        (folder / path).write_bytes(before)
        _git(folder, "add", "--", path)
        (folder / path).write_bytes(after)
        theirs = _git(folder, "diff", "--no-ext-diff", "--", path).decode().split("\n")
        ours = unified_diff(path, before, after).split("\n")
        assert [line for line in theirs if not line.startswith(("index ", "@@"))] == [
            line for line in ours if not line.startswith("@@")
        ]
        ranges = [line.split(" @@")[0] + " @@" for line in theirs if line.startswith("@@")]
        assert ranges == [line for line in ours if line.startswith("@@")]


def test_equal_contents_give_no_patch() -> None:
    assert unified_diff("a.py", b"a\n", b"a\n") == ""


def test_mode_of_a_new_file_is_told() -> None:
    assert "new file mode 100755\n" in unified_diff("a.sh", None, b"x\n", mode=0o100755)


def test_path_is_quoted_as_git_does() -> None:
    assert quoted_path("a/ü.py") == '"a/\\303\\274.py"'
    assert quoted_path("a/b c.py") == "a/b c.py"


_TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "é\n", "end"]), max_size=25)


@given(_TEXTS, _TEXTS)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_any_two_texts_are_joined_by_their_patch(
    folder: Path, old: list[str], new: list[str]
) -> None:
    before, after = "".join(old).encode(), "".join(new).encode()
    if before != after:
        assert _applied(folder, "any.py", before, after) == after


class _Line(str):
    """A line that counts how often it is compared."""

    num_compared = 0
    __hash__ = str.__hash__

    @override
    def __eq__(self, other: object) -> bool:
        _Line.num_compared += 1
        return str.__eq__(self, other)


@pytest.mark.parametrize("num_lines", [1_000, 10_000])
@pytest.mark.parametrize("is_other", [False, True], ids=["import-added", "all-new"])
def test_lines_that_repeat_cost_no_more_than_others(num_lines: int, is_other: bool) -> None:
    """The work grows with the number of lines, not with the number of pairs of them."""
    old = [_Line("x = 1\n")] * num_lines + [_Line("raise\n")] + [_Line("x = 1\n")] * num_lines
    new = [_Line("import math\n"), *old[:num_lines], _Line("return\n"), *old[num_lines + 1 :]]
    if is_other:
        new = [_Line(f"{n}\n") for n in range(2 * num_lines)]
    _Line.num_compared = 0
    assert {"-", "+"} <= {line[:1] for line in patch_lines([*old], [*new], "a", "b")}
    assert _Line.num_compared < 30 * num_lines + 1_000_000 * is_other


@pytest.mark.parametrize("num_lines", [3_000, 4_000])
def test_files_with_nothing_in_common_are_replaced_as_wholes(folder: Path, num_lines: int) -> None:
    before = "".join(f"old {n}\n" for n in range(num_lines)).encode()
    after = "".join(f"new {n}\n" * 2 for n in range(num_lines)).encode()
    for head, end in ((b"", b""), (b"head\n", b"end"), (b"1\n2\n3\n4\n", b"1\n2\n3\n4\n")):
        old, new = head + before + end, head + after + end
        assert _applied(folder, "a.py", old, new) == new


def test_a_long_file_s_two_changes_are_two() -> None:
    lines = [f"line {number}" if number % 3 else "" for number in range(20_000)]
    changed = ["import os", *lines[:15_000], "new", *lines[15_001:]]
    patch = unified_diff("a.py", "\n".join(lines).encode(), "\n".join(changed).encode())
    assert patch.count("\n@@ ") == 2
    assert patch.count("\n") < 30
