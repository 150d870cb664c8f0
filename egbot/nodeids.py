"""Owns how a test's id is taken apart: a file, then ``::`` names, then what tells a row from others.

A row's text may hold anything, ``::`` and brackets too, and so may a file's path hold brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_FILE = re.compile(r"(?s).*?\.\w+(?=::)|.*?(?=::|\Z)")
"""As in the sandbox: a folder's name may hold ``::``, so that a file's ending counts."""


def file_of(node_id: str) -> str:
    """The path of the file that holds a test; of a path, itself."""
    found = _FILE.match(node_id)
    return found[0] if found else node_id


def files_of(node_ids: Iterable[str]) -> tuple[str, ...]:
    """The files that hold the tests, each once, in the order of the tests."""
    return tuple(dict.fromkeys(map(file_of, node_ids)))


def files_of_tests(node_ids: Iterable[str]) -> tuple[str, ...]:
    """The files that hold nothing but tests: not those whose docstrings do, in names with dots."""
    return files_of(one for one in node_ids if "." not in "".join(names_of(one)[-1:]))


def names_of(node_id: str) -> list[str]:
    """The names of the classes around a test, and its own; none for a path."""
    rest = node_id[len(file_of(node_id)) :].removeprefix("::").partition("[")[0]
    return rest.split("::") if rest else []


def without_row(node_id: str) -> str:
    """The id that all rows of a test have in common."""
    return "::".join([file_of(node_id), *names_of(node_id)])
