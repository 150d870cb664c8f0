"""Owns which unwritten functions a test reaches, found by following the names that it calls.

It knows nothing of tracebacks, and it runs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from egbot.nodeids import file_of, names_of
from egbot.records import Frame
from egbot.source.examples import Key
from egbot.source.members import operator_uses
from egbot.source.modules import is_test_path
from egbot.source.outline import is_silent, is_stub
from egbot.source.scopes import Scope, find_fixture, function_scope, parameter_names
from egbot.source.symbols import Code, Function, Symbol

MAX_CALLS_DEEP = 5
_SETUPS = ("setUpClass", "setup_class", "setUp", "asyncSetUp", "setup_method", "setup")


@dataclass(frozen=True, slots=True)
class Reached:
    """A stub that a test reaches.

    ``line`` is the line of the test where the way to it starts (0: a fixture or set-up).
    ``direct``: the test's own code calls it; ``silent``: its body does nothing and says nothing.
    """

    key: Key
    line: int
    direct: bool
    silent: bool


@dataclass(frozen=True, slots=True)
class TestFunction:
    """A test's syntax."""

    __test__ = False

    path: str
    function: Function
    owner: ast.ClassDef | None


def find_test(code: Code, node_id: str) -> TestFunction | None:
    """The function that a node id names, or None (a doctest, a file, or nothing that is there)."""
    path, names = file_of(node_id), names_of(node_id)
    if not names:
        return None
    owner = code.definition(path, ".".join(names[:-1])) if len(names) > 1 else None
    function = code.definition(path, ".".join(names))
    if function is None and isinstance(owner, ast.ClassDef):
        return _inherited(code, path, owner, names[-1])
    if not isinstance(function, Function):
        return None
    return TestFunction(path, function, owner if isinstance(owner, ast.ClassDef) else None)


def enclosing_function(code: Code, frame: Frame) -> Key | None:
    """The function or method around a frame's line; for nested functions the outermost one."""
    module = code.parse(frame.path)
    body: list[ast.stmt] = module.body if module is not None else []
    names: list[str] = []
    while True:
        around = next((node for node in _opened(body) if covers(node, frame.line)), None)
        if around is None:
            return None
        names.append(around.name)
        if isinstance(around, Function):
            return frame.path, ".".join(names)
        body = around.body


def _opened(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _opened([*node.body, *getattr(node, "orelse", [])])
            for handler in getattr(node, "handlers", []):
                yield from _opened(handler.body)


def covers(node: ast.stmt, line: int) -> bool:
    """Whether ``line`` belongs to a statement, its decorators included."""
    decorators = getattr(node, "decorator_list", [])
    first: int = min([node.lineno, *(item.lineno for item in decorators)])
    last: int = node.end_lineno or node.lineno
    return first <= line <= last


def stubs_reached(code: Code, test: TestFunction) -> tuple[Reached, ...]:
    """The stubs that ``test`` reaches, in the order in which it would call them."""
    found: dict[Key, Reached] = {}
    seen: set[Key] = set()
    for scope, fixed_line in _test_scopes(code, test):
        for symbol, line in _references(scope):
            at = line if fixed_line is None else fixed_line
            for reached in _follow(code, symbol, at, 0, seen):
                known = found.get(reached.key)
                if known is None or (reached.direct and not known.direct):
                    found[reached.key] = reached
    return tuple(found.values())


def repository_functions(code: Code, key: Key) -> frozenset[Key]:
    """The functions of the repository that the function ``key`` itself refers to."""
    node = code.definition(*key)
    if not isinstance(node, Function):
        return frozenset()
    scope = _scope_of(code, key, node)
    return frozenset((symbol.path, symbol.qualname) for symbol, _ in _references(scope))


def _follow(code: Code, symbol: Symbol, line: int, depth: int, seen: set[Key]) -> Iterator[Reached]:
    key = (symbol.path, symbol.qualname)
    node = code.definition(*key)
    if not isinstance(node, Function):
        return
    owner = code.definition(key[0], key[1].rpartition(".")[0])
    if is_stub(node, owner) and not is_test_path(symbol.path):
        yield Reached(key, line, direct=depth == 0, silent=is_silent(node))
        return
    if key in seen or depth > MAX_CALLS_DEEP:
        return
    seen.add(key)
    # a helper of the tests is the test's own code: what it calls is called directly
    deeper = depth if is_test_path(symbol.path) and depth == 0 else depth + 1
    for inner, _ in _references(_scope_of(code, key, node)):
        yield from _follow(code, inner, line, deeper, seen)


def _references(scope: Scope) -> Iterator[tuple[Symbol, int]]:
    """The functions that the scope's body refers to, inner calls before the calls around them."""
    body = scope.function.body if scope.function is not None else []
    found = [use for root in body for node in ast.walk(root) for use in _referred(scope, node)]
    found.sort(key=lambda use: use[:2])
    for line, _, symbol in found:
        yield symbol, line


def _referred(scope: Scope, node: ast.AST) -> Iterator[tuple[int, int, Symbol]]:
    """What one node refers to, with its line and a number that puts inner calls first."""
    line, place = getattr(node, "lineno", 0), -(getattr(node, "end_col_offset", None) or 0)
    symbol = None
    if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        symbol = scope.resolve(node)
    if symbol is not None and symbol.kind == "class":
        symbol = scope.code.member(symbol, "__init__")
    if symbol is not None and symbol.kind == "function":
        yield line, place, symbol
    for owner, signature in operator_uses(scope, node):
        special = scope.code.member(owner, signature.name)
        if special is not None and special.kind == "function":
            yield line, place, special


def _test_scopes(code: Code, test: TestFunction) -> Iterator[tuple[Scope, int | None]]:
    """The set-ups and fixtures of a test, then the test; the first have no line of their own."""
    for name in _SETUPS:
        for node in test.owner.body if test.owner is not None else []:
            if isinstance(node, Function) and node.name == name:
                yield function_scope(code, test.path, node, test.owner), 0
    yield from _fixture_scopes(code, test, parameter_names(test.function), set())
    yield function_scope(code, test.path, test.function, test.owner), None


def _fixture_scopes(
    code: Code, test: TestFunction, names: tuple[str, ...], seen: set[str]
) -> Iterator[tuple[Scope, int | None]]:
    for name in names:
        fixture = find_fixture(code, test.path, name, test.owner)
        if fixture is None or name in seen:
            continue
        seen.add(name)
        path, function = fixture
        yield from _fixture_scopes(code, test, parameter_names(function), seen)
        yield function_scope(code, path, function), 0


def _scope_of(code: Code, key: Key, node: Function) -> Scope:
    owner = code.definition(key[0], key[1].rpartition(".")[0]) if "." in key[1] else None
    return function_scope(code, key[0], node, owner if isinstance(owner, ast.ClassDef) else None)


def _inherited(code: Code, path: str, owner: ast.ClassDef, name: str) -> TestFunction | None:
    found = code.member(Symbol("class", path, owner.name), name)
    node = code.definition(found.path, found.qualname) if found is not None else None
    if found is None or not isinstance(node, Function):
        return None
    klass = code.definition(found.path, found.qualname.rpartition(".")[0])
    return TestFunction(found.path, node, klass if isinstance(klass, ast.ClassDef) else None)
