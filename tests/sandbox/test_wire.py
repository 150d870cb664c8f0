"""Frames survive any cutting of the stream, and what is no frame is refused."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sandbox
from sandbox.wire import Reader, WireError, decode, encode, write_all

FOLDER = Path(sandbox.__file__ or "").parent


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none())))
def test_a_frame_is_one_ascii_line_and_comes_back(message: dict[str, object]) -> None:
    line = encode(message)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert decode(line[:-1]) == message


@pytest.mark.parametrize("line", [b"", b"[]", b"3", b"{", b"\xff", b"[" * 100_000, b'{"a":1}{'])
def test_what_is_no_frame_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        decode(line)


def test_frames_and_raw_bytes_share_a_stream() -> None:
    read_fd, write_fd = os.pipe()
    write_all(write_fd, encode({"a": 1}) + b"raw\n!" + encode({"b": 2}) + b'{"c"')
    os.close(write_fd)
    reader = Reader(read_fd)
    assert reader.wait_frame() == {"a": 1}
    assert reader.wait_bytes(5) == b"raw\n!"
    assert reader.has_frame
    assert reader.wait_frame() == {"b": 2}
    assert reader.wait_frame() is None
    with pytest.raises(WireError, match="early"):
        reader.wait_bytes(10)
    os.close(read_fd)


def test_a_frame_that_is_too_long_is_refused() -> None:
    read_fd, write_fd = os.pipe()
    write_all(write_fd, b"x" * 100)
    reader = Reader(read_fd, max_bytes=50)
    with pytest.raises(WireError, match="longer"):
        reader.wait_frame()
    os.close(read_fd)
    os.close(write_fd)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: str(file.name))
def test_the_runner_imports_only_the_standard_library(file: Path) -> None:
    """Except pytest, and that inside functions only: where it lies is known when it is started."""
    tree = ast.parse(file.read_text(), feature_version=(3, 10))
    top_level = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        for name in names:
            if name == "pytest":
                assert id(node) not in top_level
            else:
                assert name == "sandbox" or name in sys.stdlib_module_names
