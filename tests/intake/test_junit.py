"""JUnit reports of real pytest runs and of strangers: node ids, faults, and refusals."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from egbot.errors import UsageError
from egbot.intake.junit import MAX_BYTES, junit_failures
from egbot.records import Frame, Tree, TreeFile

FILES = {
    "words.py": "def reverse(text):\n    raise NotImplementedError\n\n\ndef plain(x):\n    return x\n",
    "tests/test_words.py": """
        import unittest
        import pytest
        import words

        class TestWords:
            class TestInner:
                def test_deep(self):
                    assert words.reverse("ab") == "ba"

        class TestUnit(unittest.TestCase):
            def test_unit(self):
                self.assertEqual(words.plain(1), 2)

        @pytest.mark.parametrize("x", ["a.b", "c::d"])
        def test_row(x):
            assert words.shout(x) == x

        @pytest.fixture
        def broken():
            raise KeyError("k")

        def test_setup(broken):
            pass

        def test_fine():
            pass
    """,
    "tests/test_missing.py": "from words import upper\n\ndef test_upper():\n    assert upper('a') == 'A'\n",
}
TREE: Tree = {path: TreeFile(textwrap.dedent(text).encode()) for path, text in FILES.items()}


@pytest.fixture(scope="module", params=["xunit1", "xunit2"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("junit")
    for path, file in TREE.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(file.data)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        f"junit_family={request.param}",
        "--junitxml=r.xml",
        "--continue-on-collection-errors",
    ]
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder)],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    return (folder / "r.xml").read_bytes()


def test_node_ids_phases_and_types_of_a_real_run(report: bytes) -> None:
    found = {item.node_id: item for item in junit_failures(report, "r.xml", TREE)}
    assert {(node_id, item.phase, item.fault.type_name) for node_id, item in found.items()} == {
        ("tests/test_missing.py", "collect", "ImportError"),
        ("tests/test_words.py::TestWords::TestInner::test_deep", "call", "NotImplementedError"),
        ("tests/test_words.py::TestUnit::test_unit", "call", "AssertionError"),
        ("tests/test_words.py::test_row[a.b]", "call", "AttributeError"),
        ("tests/test_words.py::test_row[c::d]", "call", "AttributeError"),
        ("tests/test_words.py::test_setup", "setup", "KeyError"),
    }
    deep = found["tests/test_words.py::TestWords::TestInner::test_deep"].fault
    assert deep.frames[-1] == Frame("words.py", 2, "")
    assert "cannot import name 'upper'" in found["tests/test_missing.py"].fault.message


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b'<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>', "line 2"),
        (b"<testsuite>\n\n<!ENTITY a 'b'></testsuite>", "line 3"),
        (b"<testsuite>\n<testcase</testsuite>", "line 2"),
        (b"<html></html>", "line 1"),
        (b"", "line 1"),
        ("<testsuite/>".encode("utf-16"), "UTF-8"),
        (b'<?xml version="1.0" encoding="utf-7"?><testsuite/>', "line 1"),
        (b"<testsuite>" + b"x" * MAX_BYTES, "larger"),
    ],
)
def test_hostile_and_broken_files_are_refused(data: bytes, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        junit_failures(data, "report.xml", TREE)
    assert "report.xml" in caught.value.message
    assert line in caught.value.message
    assert caught.value.hint


def test_reports_of_other_places_are_mapped_or_refused() -> None:
    known = b'<testsuite xmlns="u"><testcase classname="x" name="test_fine" file="/ci/w/tests/test_words.py"><failure message="AssertionError: no"/></testcase></testsuite>'
    assert [item.node_id for item in junit_failures(known, "r", TREE)] == [
        "tests/test_words.py::test_fine"
    ]
    short = known.replace(b'classname="x"', b'classname="test_words.TestUnit"').replace(
        b"file", b"was"
    )
    assert [item.node_id for item in junit_failures(short, "r", TREE)] == [
        "tests/test_words.py::TestUnit::test_fine"
    ]
    foreign = known.replace(b"test_words.py", b"test_other.py")
    with pytest.raises(UsageError, match="not in the repository"):
        junit_failures(foreign, "r", TREE)


def test_deep_nesting_is_survived() -> None:
    data = b"<testsuite>" * 5000 + b"</testsuite>" * 5000
    assert junit_failures(data, "r", TREE) == ()
