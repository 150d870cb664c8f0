"""Owns where a test stands in the text: its function, its classes, and what prepares it.

Tests are found by their ids and fixtures by their names: what is made at run time is not found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from egbot.nodeids import file_of, names_of
from egbot.records import Tree
from egbot.source.text import SourceSyntaxError, parse_text, text_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
_PARTS = (ast.stmt, ast.ExceptHandler, ast.match_case)
SETUPS = frozenset(
    {"setUp", "asyncSetUp", "setUpClass", "setUpModule"}
    | {f"setup_{what}" for what in ("method", "class", "function", "module")}
)


@dataclass(frozen=True, slots=True)
class TestText:
    """A test's function in its file. ``owners`` are its class and that one's bases."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    path: str
    module: ast.Module
    owners: tuple[ast.ClassDef, ...]
    function: Function


def find_test(tree: Tree, node_id: str) -> TestText | None:
    """The function that runs under ``node_id``, perhaps a base class's in the same file."""
    path, names = file_of(node_id), names_of(node_id)
    module = parsed(tree, path)
    scope: ast.AST | None = module
    for name in names[:-1]:
        scope = named(scope, name) if scope is not None else None
    owners = [scope] if isinstance(scope, ast.ClassDef) else []
    for owner in owners:  # which grows meanwhile
        bases = [named(module, last_name(base)) for base in owner.bases]
        owners += [one for one in bases if isinstance(one, ast.ClassDef) and one not in owners]
    scopes = owners if names[1:] else [module]
    found = [named(one, names[-1]) for one in scopes] if names else []
    functions = [node for node in found if isinstance(node, Function)]
    return TestText(path, module, tuple(owners), functions[0]) if functions else None


def test_at(tree: Tree, path: str, line: int) -> TestText | None:
    """The outermost function around a line of a file, as if it were a test."""
    module = parsed(tree, path)
    around = [
        node
        for node in ast.walk(module)
        if isinstance(node, Function | ast.ClassDef)
        and node.lineno <= line <= (node.end_lineno or 0)
    ]
    owners = tuple(one for one in reversed(around) if isinstance(one, ast.ClassDef))
    functions = [one for one in around if isinstance(one, Function)]
    return TestText(path, module, owners, functions[0]) if functions else None


test_at.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever its name says


def preparations(tree: Tree, test: TestText) -> Iterator[tuple[str, Function]]:
    """What runs before the test, each with its file: set-ups, then the fixtures that it asks for."""
    scopes: list[tuple[str, ast.AST]] = [(test.path, one) for one in (*test.owners, test.module)]
    above = [str(folder / "conftest.py") for folder in PurePosixPath(test.path).parents]
    scopes += [(path, parsed(tree, path)) for path in above]
    waiting = parameters(test.function)
    fixtures: dict[str, tuple[str, Function]] = {}
    for path, scope in scopes:
        for node in definitions(scope):
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


def last_name(node: ast.expr) -> str:
    """The last name of a dotted one, called or not; "" for anything else."""
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else str(getattr(node, "id", ""))


def _fixture(node: Function) -> tuple[str, bool]:
    """The name under which a fixture is asked for, "" for others; whether it comes by itself."""
    for decorator in node.decorator_list:
        if last_name(decorator) == "fixture":
            given = {one.arg: one.value for one in getattr(decorator, "keywords", ())}
            name = getattr(given.get("name"), "value", node.name)
            return str(name), bool(getattr(given.get("autouse"), "value", False))
    return "", False


def definitions(scope: ast.AST) -> Iterator[Function | ast.ClassDef]:
    """The functions and classes of one scope, also those under ``if``, ``try`` and the like."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, Function | ast.ClassDef):
            yield node
        elif isinstance(node, _PARTS):
            yield from definitions(node)


def named(scope: ast.AST, name: str) -> Function | ast.ClassDef | None:
    """The last definition of that name in one scope."""
    return next((one for one in reversed([*definitions(scope)]) if one.name == name), None)


def parsed(tree: Tree, path: str) -> ast.Module:
    """The file's module, not to be changed; an empty one where it is not there or no Python."""
    return _parse(tree[path].data) if path in tree else ast.Module([], [])


@lru_cache(16)
def _parse(data: bytes) -> ast.Module:
    try:
        return parse_text(text_of(data))
    except SourceSyntaxError:
        return ast.Module([], [])
