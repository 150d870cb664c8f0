"""Import names and paths in every layout, and whose a missing module is."""

from __future__ import annotations

import pytest

from egbot.records import Tree, TreeFile
from egbot.source.modules import is_test_path, package_roots, read_modules


def tree_of(*paths: str, **texts: str) -> Tree:
    files = {path: TreeFile(b"") for path in paths}
    return {
        **files,
        **{name.replace("__", "."): TreeFile(text.encode()) for name, text in texts.items()},
    }


@pytest.mark.parametrize(
    ("tree", "name", "path"),
    [
        (tree_of("a.py"), "a", "a.py"),
        (tree_of("src/p/__init__.py", "src/p/a.py"), "p.a", "src/p/a.py"),
        (tree_of("src/p/__init__.py"), "p", "src/p/__init__.py"),
        (tree_of("n/s/a.py"), "n.s", "n/s/"),
        (tree_of("tests/test_a.py", "tests/helpers.py"), "helpers", "tests/helpers.py"),
        (tree_of("tests/__init__.py", "tests/test_a.py"), "tests.test_a", "tests/test_a.py"),
        (tree_of("lib/a.py", pytest__ini="[pytest]\npythonpath = lib\n"), "a", "lib/a.py"),
        (
            tree_of("py/a.py", pyproject__toml="[tool.pytest]\npythonpath = ['py']\n"),
            "a",
            "py/a.py",
        ),
        (tree_of("w/p/a.py", setup__cfg="[options.packages.find]\nwhere = w\n"), "p.a", "w/p/a.py"),
        (
            tree_of(
                "k/p/a.py", pyproject__toml="[tool.hatch.build.targets.wheel]\npackages = ['k/p']\n"
            ),
            "p.a",
            "k/p/a.py",
        ),
        (tree_of("a.py", pyproject__toml="not [ toml"), "a", "a.py"),
        (tree_of("a.py", setup__cfg="[[["), "a", "a.py"),
        (
            tree_of("a.py", pyproject__toml="[tool.pytest]\npythonpath = ['../..', '/etc']\n"),
            "a",
            "a.py",
        ),
    ],
)
def test_names_lead_to_paths(tree: Tree, name: str, path: str) -> None:
    modules = read_modules(tree)
    assert modules.file_of(name) == path


@pytest.mark.parametrize(
    ("tree", "roots"),
    [
        (tree_of("p/__init__.py", "tests/test_p.py"), ("",)),
        (tree_of("src/p.py", "conftest.py"), ("src",)),
        (tree_of("src/__init__.py", "src/a.py"), ("",)),
        (tree_of("src/a.py", setup__cfg="[options]\npackage_dir =\n  = lib\n"), ("lib",)),
        (tree_of(setup__py="setup(package_dir={'': 'lib/py'})"), ("lib/py",)),
        (tree_of(pyproject__toml="[tool.setuptools]\npackage-dir = {'' = 'lib'}"), ("lib",)),
        (tree_of("p.py", pyproject__toml="[tool.pytest]\npythonpath = ['tests']"), ("",)),
    ],
)
def test_an_installation_adds_the_packages_folders_and_not_those_of_the_tests(
    tree: Tree, roots: tuple[str, ...]
) -> None:
    assert package_roots(tree) == roots


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/helpers.py", True),
        ("pkg/test_a.py", True),
        ("a_test.py", True),
        ("conftest.py", True),
        ("pkg/testing.py", False),
        ("pkg/contest.py", False),
        ("latest.py", False),
    ],
)
def test_what_belongs_to_the_tests(path: str, expected: bool) -> None:
    assert is_test_path(path) is expected
