"""Owns which files of a repository a function may be delivered to. It does not know what is in them.

Not covered: a source file that the repository's build happens to run. Tests are the specification
and what steers a build, a workflow or a test run is the repository's own affair: no run changes it.
"""

from __future__ import annotations

import re

_PART = re.compile(r"[^/\\\x00-\x1f\x7f:*?\"<>|]{1,200}")
_TEST_NAME = re.compile(r"(?:test_.*|.*_tests?|tests?|conftest)\.py", re.IGNORECASE)
_TEST_FOLDER = re.compile(r"(?:\w+[_-])?tests?(?:[_-]\w+)?", re.IGNORECASE)
_BUILD = re.compile(
    r"(?:hatch|pdm|setup|meson|cmake|flit)?[_-]?(?:build|hook)s?\.py|\w+_(?:build|hook)\.py"
)
"""At the root: what build systems call their hooks in their examples."""
_STEERING = frozenset(
    {
        "setup.py",
        "noxfile.py",
        "conftest.py",
        "fabfile.py",
        "tasks.py",
        "dodo.py",
        "sitecustomize.py",
        "toxfile.py",
        "duties.py",
    }
    | {"usercustomize.py", "sconstruct.py", "wscript.py", "manage.py"}
)
_ADDED_TESTS = re.compile(r"(?:tests?/)?test_[A-Za-z0-9_]{1,80}\.py")
MAX_PATH_CHARS = 400


def path_problem(path: str) -> str:
    """Why no function may be written to ``path``, as the rest of a sentence; "" where it may."""
    if not is_plain(path):
        return "is no path inside the repository"
    folders, name = path.split("/")[:-1], path.split("/")[-1].lower()
    if not name.endswith(".py"):
        return "is no Python file"
    if any(part.startswith(".") for part in (*folders, name)):
        return "is hidden, as workflows and settings are"
    is_build = not folders and _BUILD.fullmatch(name)
    is_docs = name == "conf.py" and {"doc", "docs"}.intersection(map(str.lower, folders))
    if name in _STEERING or is_build or is_docs:
        return "steers a build or a test run"
    if _TEST_NAME.fullmatch(name) or any(map(_TEST_FOLDER.fullmatch, folders)):
        return "belongs to the tests, which are never changed"
    return ""


def tests_path_problem(path: str) -> str:
    """Why no test file of a request may be added as ``path``; "" where it may."""
    return "" if _ADDED_TESTS.fullmatch(path) else "is no place for the tests of a request"


def is_plain(path: str) -> bool:
    """Whether ``path`` is relative, without ``.`` or ``..``, and fit for every file system."""
    if len(path) > MAX_PATH_CHARS or not path.isprintable():
        return False
    parts = path.split("/")
    return all(
        _PART.fullmatch(part) and part == part.strip() and not part.endswith(".") for part in parts
    )
