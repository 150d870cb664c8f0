"""Owns which files are tests, and where a test stands in the text: its function and what prepares it.

Tests are found by their ids and fixtures by their names: what is made at run time is not found.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from egbot.nodeids import file_of, names_of
from egbot.records import Tree
from egbot.source.outline import Function, Outline, Site, last_name, outline_in

_TEST_FILE = re.compile(r"conftest\.py|test_.*\.py|.*_test\.py")
SETUPS = frozenset(
    {"setUp", "asyncSetUp", "setUpClass", "setUpModule"}
    | {f"setup_{what}" for what in ("method", "class", "function", "module")}
)


def is_test_path(path: str) -> bool:
    """Whether ``path`` belongs to the tests: by its own name or by a folder named tests."""
    *folders, name = PurePosixPath(path).parts or ("",)
    return bool(_TEST_FILE.fullmatch(name)) or not {"tests", "test"}.isdisjoint(folders)


@dataclass(frozen=True, slots=True)
class FoundTest:
    """A test's function in its file. ``owners`` are its class and that one's bases."""

    path: str
    outline: Outline
    owners: tuple[Site, ...]
    function: Function


def find_test(tree: Tree, node_id: str) -> FoundTest | None:
    """The function that runs under ``node_id``, perhaps a base class's in the same file."""
    path, names = file_of(node_id), names_of(node_id)
    outline = outline_in(tree, path)
    own = outline.klass(".".join(names[:-1]))
    owners = [own] if own else []
    for owner in owners:  # which grows meanwhile
        bases = [outline.klass(last_name(base)) for base in getattr(owner.node, "bases", ())]
        owners += [one for one in bases if one and one not in owners]
    scopes = [f"{one.qualname}." for one in owners] if names[1:] else [""]
    found = [outline.function(scope + names[-1]) for scope in scopes] if names else []
    functions = [one.node for one in found if one and isinstance(one.node, Function)]
    return FoundTest(path, outline, tuple(owners), functions[0]) if functions else None


def function_at(tree: Tree, path: str, line: int) -> FoundTest | None:
    """The outermost function around a line of a file, as if it were a test."""
    outline = outline_in(tree, path)
    around = [
        site
        for site in (*outline.functions, *reversed(outline.classes))
        if site.node.lineno <= line <= (site.node.end_lineno or 0)
    ]
    functions = [one.node for one in around if isinstance(one.node, Function)]
    owners = tuple(one for one in around if isinstance(one.node, ast.ClassDef))
    return FoundTest(path, outline, owners, functions[0]) if functions else None


def preparations(tree: Tree, test: FoundTest) -> Iterator[tuple[str, Function]]:
    """What runs before the test, each with its file: set-ups, then the fixtures that it asks for."""
    scopes: list[tuple[str, Outline, Site | None]] = [
        (test.path, test.outline, owner) for owner in (*test.owners, None)
    ]
    above = [str(folder / "conftest.py") for folder in PurePosixPath(test.path).parents]
    scopes += [(path, outline_in(tree, path), None) for path in above]
    waiting = parameters(test.function)
    fixtures: dict[str, tuple[str, Function]] = {}
    for path, outline, owner in scopes:
        for node in (one.node for one in outline.functions if one.owner == owner):
            if not isinstance(node, Function):
                continue
            if node.name in SETUPS and path == test.path:
                yield path, node
            name, is_automatic = _fixture(node)
            fixtures.setdefault(name, (path, node))
            waiting += [name] if is_automatic else []
    fixtures.pop("", None)
    for name in waiting:  # which grows meanwhile
        if name in fixtures:
            yield fixtures[name]
            waiting += parameters(fixtures.pop(name)[1])


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters; a test's are names of fixtures or of a table."""
    return [one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)]


def _fixture(node: Function) -> tuple[str, bool]:
    """The name under which a fixture is asked for, "" for others; whether it comes by itself."""
    for decorator in node.decorator_list:
        if last_name(decorator) == "fixture":
            given = {one.arg: one.value for one in getattr(decorator, "keywords", ())}
            name = getattr(given.get("name"), "value", node.name)
            return str(name), bool(getattr(given.get("autouse"), "value", False))
    return "", False
