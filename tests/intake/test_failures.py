"""Failing tests out of runs, and the check of the tests that a person names."""

from __future__ import annotations

from pathlib import Path

import pytest

from egbot.errors import UsageError
from egbot.intake.failures import failing_tests, from_root, selected_tests
from egbot.records import Collection, FailingTest, Fault, TestOutcome, TreeFile

TREE = {
    "tests/test_words.py": TreeFile(b"class TestA:\n    def test_one(self): ...\n"),
    "tests/sub/test_more.py": TreeFile(b"def test_two(): ...\n"),
}


def test_collection_errors_come_first_and_passes_are_left_out() -> None:
    broken = FailingTest("t.py", "collect", Fault("ImportError", "x"), "error")
    outcomes = [
        TestOutcome("a::ok", "passed"),
        TestOutcome("a::bad", "failed", fault=Fault("AssertionError", "no")),
        TestOutcome("a::slow", "timeout"),
        TestOutcome("a::skip", "skipped"),
        TestOutcome("a::fixture", "error", phase="setup", fault=Fault("KeyError", "k")),
        TestOutcome("a::bad", "failed"),
    ]
    found = failing_tests(Collection((), (broken,)), outcomes)
    assert [(item.node_id, item.phase, item.status) for item in found] == [
        ("t.py", "collect", "error"),
        ("a::bad", "call", "failed"),
        ("a::slow", "call", "timeout"),
        ("a::fixture", "setup", "error"),
    ]
    assert found[2].fault.type_name == "Timeout"


def test_selection_keeps_order_and_normalises() -> None:
    wanted = ["./tests/test_words.py::TestA::test_one[a/../b]", "tests/sub/", "tests/sub", " "]
    assert selected_tests(wanted, TREE) == (
        "tests/test_words.py::TestA::test_one[a/../b]",
        "tests/sub",
    )


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("tests/test_word.py", "tests/test_words.py"),
        ("test_more.py", "tests/sub/test_more.py"),
        ("tests/test_words.py::TestA::test_on", "test_one"),
        ("tests/test_words.py::", "PATH::test_name"),
        ("../tests/test_words.py", "inside"),
        ("tests/../../etc/passwd", "inside"),
        ("/etc/passwd", "inside"),
        ("tests\\test_words.py", "inside"),
        ("tests/test_words.py\n--rootdir=/", "inside"),
        ("--collect-only", "spelling"),
        ("tests/sub::test_two", "spelling"),
    ],
)
def test_wrong_names_are_refused_with_advice(spec: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        selected_tests([spec], TREE)
    assert hint in caught.value.hint


PLACES = (
    "tests/test_words.py",
    "tests/sub/test_more.py",
    "sub/test_words.py",
    "test_words.py",
    "way",
)


@pytest.mark.parametrize(
    ("folder", "spec", "found"),
    [
        (".", "tests/test_words.py::test_a", "tests/test_words.py::test_a"),
        ("tests", "test_words.py::test_a[b/../c]", "tests/test_words.py::test_a[b/../c]"),
        ("tests", "./sub", "tests/sub"),
        ("tests", ".", "tests"),
        ("tests/sub", "..", "tests"),
        ("tests/sub", "../test_words.py", "tests/test_words.py"),
        ("tests/sub", "test_words.py", "test_words.py"),  # there is none here: from the root
        ("tests/sub", "tests/test_words.py", "tests/test_words.py"),
        ("sub", "test_words.py", "sub/test_words.py"),
        ("sub", "../tests/test_gone.py", "tests/test_gone.py"),
        ("sub", "test_gone.py", "test_gone.py"),
        ("sub", "../../elsewhere.py", "../../elsewhere.py"),
        ("..", "repo/tests/test_words.py", "tests/test_words.py"),
        ("..", "tests/test_words.py", "tests/test_words.py"),
        (".", "ROOT/tests/sub", "tests/sub"),
        (".", "ROOT/../elsewhere.py", "ROOT/../elsewhere.py"),
        ("../link/tests", "test_words.py", "tests/test_words.py"),
        (".", "ROOT/../link/tests/test_words.py", "tests/test_words.py"),
        (".", "way", "way"),
    ],
)
def test_a_path_is_meant_from_the_current_folder_else_from_the_root(
    tmp_path: Path, folder: str, spec: str, found: str
) -> None:
    """As pytest and git take it; a link of the repository stays what git has it for."""
    root = tmp_path / "repo"
    for place in PLACES[:-1]:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).touch()
    (root / "way").symlink_to("test_words.py")
    (tmp_path / "link").symlink_to(root)
    tree = dict.fromkeys(PLACES, TreeFile(b""))
    spec, found = (text.replace("ROOT", str(root)) for text in (spec, found))
    assert from_root([f" {spec} "], tree, root, [root / folder]) == (found,)
