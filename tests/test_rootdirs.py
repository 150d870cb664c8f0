"""Which folders of a repository are projects, and which of them a person means."""

from __future__ import annotations

import pytest

from egbot.records import Tree, TreeFile
from egbot.rootdirs import chosen, projects

INI = "[tool.pytest.ini_options]\n"
PACKAGE = "[project]\nname = 'pk'\n"


def tree_of(*paths: str, **texts: str) -> Tree:
    """Empty files, and files with a text: __ is a dot and _of_ a slash in their names."""
    named = {one.replace("_of_", "/").replace("__", "."): text for one, text in texts.items()}
    files = dict.fromkeys(paths, "") | named
    return {path: TreeFile(text.encode()) for path, text in files.items()}


TESTS = ("a/tests/test_a.py", "b/c/test_b.py")


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (tree_of(), [""]),
        (tree_of("m.py", "tests/test_m.py"), [""]),
        (tree_of(*TESTS), [""]),
        (tree_of(*TESTS, a_of_pyproject__toml=PACKAGE), ["", "a"]),
        (tree_of(*TESTS, "a/setup.py", b_of_setup__cfg="[metadata]\nname = b\n"), ["a", "b"]),
        (tree_of(*TESTS, "a/setup.py", b_of_setup__cfg="[flake8]\n"), ["", "a"]),
        (tree_of(*TESTS, "a/pytest.ini", b_of_c_of_tox__ini="[pytest]\n"), ["a", "b/c"]),
        (tree_of(*TESTS, "a/.pytest.toml", b_of_setup__cfg="[tool:pytest]\n"), ["a", "b"]),
        (tree_of(*TESTS, "a/pytest.ini", b_of_tox__ini="[tox]\n"), ["", "a"]),
        # what says more of pytest covers what lies below it and says less
        (tree_of(*TESTS, "a/setup.py", "b/setup.py", pyproject__toml=INI), [""]),
        (tree_of(*TESTS, "a/setup.py", "pytest.ini", b_of_pyproject__toml=INI), ["", "b"]),
        (tree_of(*TESTS, "a/setup.py", "b/requirements.txt", pyproject__toml=PACKAGE), ["", "a"]),
        (tree_of(*TESTS, "a/requirements.txt", "b/requirements-dev.in"), ["a", "b"]),
        (
            tree_of(*TESTS, a_of_pyproject__toml="[tool.black]\n", b_of_pyproject__toml="[["),
            ["a", "b"],
        ),
        # what belongs to tests, documents and others is nobody's project, nor is one without tests
        (tree_of("tests/test_a.py", "tests/data/x/setup.py", "tests/data/x/test_x.py"), [""]),
        (
            tree_of("test_a.py", "docs/setup.py", "docs/test_x.py", ".x/setup.py", ".x/test_x.py"),
            [""],
        ),
        (
            tree_of("test_a.py", "{{name}}/setup.py", "{{name}}/test_x.py", "b/setup.py", "b/b.py"),
            [""],
        ),
        (tree_of("conftest.py", "a/setup.py", "a/tests/check_a.py", "a/tests/__init__.py"), ["a"]),
    ],
)
def test_a_project_is_the_rootdir_of_some_tests(tree: Tree, expected: list[str]) -> None:
    assert [*projects(tree)] == expected


WHOLE = tree_of("test_r.py", "x/a/setup.py", "x/a/tests/test_a.py", "x/b/setup.py", "x/b/test_b.py")
TEST_A = "x/a/tests/test_a.py::test"


@pytest.mark.parametrize(
    ("folder", "tests", "targets", "expected"),
    [
        ("", (), (), {"": (), "x/a": (), "x/b": ()}),
        ("x", (), (), {"x/a": (), "x/b": ()}),
        ("x/a", (), (), {"x/a": ()}),
        ("x/a/tests", (), ("x/b/b.py::f",), {"x/a": ()}),
        ("", (), ("x/b/b.py::f",), {"x/b": ()}),
        ("docs", (), (), {"": ()}),
        ("x/b", (TEST_A,), (), {"x/a": (TEST_A,)}),
        (
            "",
            ("x", TEST_A, "test_r.py"),
            (),
            {"x/a": ("x", TEST_A), "x/b": ("x",), "": ("test_r.py",)},
        ),
        ("x/b", (".",), (), {"": (".",), "x/a": (".",), "x/b": (".",)}),
    ],
)
def test_a_test_a_folder_or_a_function_names_its_projects(
    folder: str,
    tests: tuple[str, ...],
    targets: tuple[str, ...],
    expected: dict[str, tuple[str, ...]],
) -> None:
    assert chosen(WHOLE, folder, tests, targets) == expected


def test_what_no_project_holds_is_the_root_s() -> None:
    tree = tree_of("a/setup.py", "a/test_a.py", "x.md")
    assert chosen(tree, "", ("x.md", "a"), ()) == {"": ("x.md",), "a": ("a",)}
    assert chosen(tree, "docs", (), ()) == {"a": ()}
