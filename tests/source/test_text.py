"""A Python file is read as the interpreter reads it, or refused with the line and the reason."""

from __future__ import annotations

import ast
import contextlib
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.source.outline import definitions, find
from egbot.source.text import Edit, SourceSyntaxError, put_rows, quietly, read_source


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (b"def f(:\n", 1),
        (b"x = 1\ndef f():\n", 2),
        (b"# coding: nonsense\n", 1),
        (b"# coding: hex\n", 1),
        (b"x = 1\ny = '\0'\n", 2),
        (b"x = '\xff'\n", 1),
        (b"# coding: latin-1\n\xef\xbb\xbfx = 1\n", 2),
        (b"x = " + b"[" * 300 + b"]" * 300, 1),
        (b"x = " + b"-" * 20000 + b"1", 0),
        (b"\tx = 1\n", 1),
        (b"class A:\n        x = 1\n\ty = 2\n", 3),
    ],
)
def test_unreadable_file_is_one_error_with_a_line(source: bytes, line: int) -> None:
    with pytest.raises(SourceSyntaxError) as caught:
        find(source, "f")
    assert caught.value.message
    assert caught.value.line == line


@given(st.binary(max_size=60))
@settings(max_examples=150)
def test_arbitrary_bytes_are_read_or_refused_but_never_crash(source: bytes) -> None:
    with contextlib.suppress(SourceSyntaxError):
        definitions(source)


def test_a_long_chain_hides_nothing() -> None:
    chain = "+".join(["1"] * 900)
    source = f"x = {chain}\ndef f(): pass\n" + "if x: pass\n" + "elif x: pass\n" * 900
    assert find(source.encode(), "f") is not None


@pytest.mark.parametrize(
    ("source", "encoding"),
    [
        (b"\xef\xbb\xbfx = 1\r\n", "utf-8"),
        (b"#!/bin/sh\n# vim: set fileencoding=latin-1 :\nx = '\xe9'\n", "iso-8859-1"),
        ("# coding: cp1251\nx = 'ж'\n".encode("cp1251"), "cp1251"),
    ],
)
def test_a_file_is_written_back_byte_for_byte(source: bytes, encoding: str) -> None:
    read = read_source(source)
    assert (read.encode(read.text), read.encoding) == (source, encoding)


def test_rows_end_where_python_ends_them_and_a_missing_last_newline_stays_missing() -> None:
    edits = [Edit(1, 2, ("B",)), Edit(3, 3, ("end",))]
    assert put_rows("a\x0c\x85\rb\r\nc", edits, "\n") == "a\x0c\x85\rB\nc\nend"


def test_threads_do_not_undo_each_other_s_silence() -> None:
    """Warnings are errors in these tests, so that one that gets out raises."""
    doubtful = "x = '\\d' is 1\n"

    def read(_: int) -> int:
        with quietly():
            return len(ast.parse(doubtful).body) + len(str(compile(doubtful, "<test>", "exec")))

    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: read(0) > 0, range(2_000)))) == 1
    assert list(warnings.filters) == before
