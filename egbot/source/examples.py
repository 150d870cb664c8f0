"""Owns the examples that tests give of a function: which call, and what is expected of it.

It knows nothing of signatures or prompts, and it runs nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from egbot.source.modules import is_test_path
from egbot.source.scopes import Scope, parameter_names, scopes
from egbot.source.symbols import Code, Function, Symbol
from egbot.source.tables import Step, is_small, last_name, literal, steps, substitute, tables

Relation = Literal["equal", "approx", "true", "false", "raises", "called"]
Key = tuple[str, str]
"""A function's path and qualname."""

_EQUALS = frozenset(
    f"assert{kind}"
    for kind in ("Equal", "Equals", "Is", "ListEqual", "DictEqual", "SetEqual", "TupleEqual")
) | {"assertSequenceEqual", "assertMultiLineEqual"}
_SETUPS = frozenset({"setUp", "setup_method", "setup", "asyncSetUp", "setUpClass", "setup_class"})


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that a test says of the function.

    ``subject`` is the tested expression with the test's values put in; ``call`` is the call of
    the function (or the access of the property) inside it. ``expected`` is the other side (or the exception), None for ``true``,
    ``false`` and ``called`` (a call whose result the test does not compare). ``isolated``: the
    test has no fixtures and no set-up; ``certain``: the line does not stand under a condition.
    """

    relation: Relation
    subject: ast.expr
    call: ast.expr
    expected: ast.expr | None
    path: str
    line: int
    test: str
    isolated: bool
    certain: bool

    @property
    def exact(self) -> bool:
        """Whether the tested expression is the call itself (awaited or not)."""
        subject = self.subject.value if isinstance(self.subject, ast.Await) else self.subject
        return subject is self.call


def examples(code: Code, key: Key, paths: Iterable[str] | None = None) -> tuple[Example, ...]:
    """Every example of the function ``key`` in the test files ``paths`` (default: all of them)."""
    key = called_key(key)
    last = key[1].rpartition(".")[2]
    chosen = sorted(path for path in code.tree if is_test_path(path)) if paths is None else paths
    may_hold = [path for path in dict.fromkeys(chosen) if may_use(code, path, key)]
    for loose in (False, True) if "." in key[1] else (False,):
        found: list[Example] = []
        for path in may_hold:
            for scope, _ in scopes(code, path, known_as(Scope(code, path), last)):
                if scope.function is not None:
                    found.extend(scope_examples(scope, key, last, loose=loose))
        if found:
            return tuple(found)
    return ()


def scope_examples(scope: Scope, key: Key, last: str, *, loose: bool) -> Iterator[Example]:
    """The examples of ``key`` in one test function, in the order of its lines and rows."""
    names = known_as(scope, last)
    isolated = _is_isolated(scope)
    constants = _constants(scope)
    for step in steps(scope):
        node = substitute(step.node, {**constants, **step.values})
        if not any(_is_named(part, names) for part in ast.walk(node)):
            continue
        for relation, subject, expected in _claims(node, step):
            call = _call_in(scope, subject, key, names, loose=loose)
            if call is None:
                continue
            yield Example(
                relation=relation,
                subject=subject,
                call=call,
                expected=expected,
                path=scope.path,
                line=getattr(step.node, "lineno", 1),
                test=test_name(scope),
                isolated=isolated,
                certain=not step.conditional,
            )


def known_as(scope: Scope, last: str) -> frozenset[str]:
    """The identifiers under which something named ``last`` may appear in ``scope``'s file."""
    found = {last}
    bindings = {**scope.code.bindings(scope.path), **scope.imports}
    for name, bound in bindings.items():
        imported = last_name(bound) if isinstance(bound, ast.expr) else getattr(bound, "name", None)
        if imported == last:
            found.add(name)
    for name, value in scope.values.items():
        if isinstance(value, ast.Name | ast.Attribute) and last_name(value) in found:
            found.add(name)
    return frozenset(found)


def called_key(key: Key) -> Key:
    """What stands before the brackets when ``key`` is called: the class, for ``__init__``."""
    return key[0], key[1].removesuffix(".__init__")


def refers(scope: Scope, node: ast.expr, key: Key, *, loose: bool = False) -> bool:
    """Whether the reference ``node`` stands for ``key``.

    ``loose``: a receiver of unknown type counts as well, in the tests.
    """
    symbol = scope.resolve(node)
    if symbol is not None:
        return stands_for(symbol, key)
    if not loose or not isinstance(node, ast.Attribute) or not is_test_path(scope.path):
        return False
    return scope.resolve(node.value) is None and _may_be_instance(scope, node.value)


def stands_for(symbol: Symbol | None, key: Key) -> bool:
    """Whether ``symbol`` is the function or class ``key``, present or missing."""
    return (
        symbol is not None
        and symbol.kind not in {"module", "instance"}
        and (symbol.path, symbol.qualname) == key
    )


def may_use(code: Code, path: str, key: Key) -> bool:
    """A quick look at a file's bytes, never too strict: could it use ``key`` at all?

    It must hold the name itself, and unless it defines it or belongs to the tests (where fixtures
    hide types) also the class, a part of the module's name or a relative import.
    """
    file = code.tree.get(path)
    if file is None or not path.endswith(".py"):
        return False
    parts = called_key(key)[1].split(".")
    if not _holds_word(file.data, parts[-1:]):
        return False
    if path == key[0] or is_test_path(path):
        return True
    if not all(_holds_word(file.data, [part]) for part in parts):
        return False
    top = key[0].partition("/")[0]
    if path.startswith(f"{top}/") and b"from ." in file.data:
        return True
    return _holds_word(file.data, re.split(r"[/.]", key[0].removesuffix(".py")))


def _holds_word(data: bytes, words: Iterable[str]) -> bool:
    pattern = b"|".join(re.escape(word.encode()) for word in words)
    return re.search(rb"(?<![A-Za-z0-9_])(?:" + pattern + rb")(?![A-Za-z0-9_])", data) is not None


def test_name(scope: Scope) -> str:
    """``Class::test`` or ``test``, as in a node id without its file and parameters."""
    name = scope.function.name if scope.function is not None else ""
    return f"{scope.owner.name}::{name}" if scope.owner is not None else name


def _may_be_instance(scope: Scope, node: ast.expr) -> bool:
    """A fixture, parameter or local whose type is not known; never an imported foreign name."""
    if isinstance(node, ast.Name):
        return node.id in scope.values or node.id in parameter_names(scope.function)
    return isinstance(node, ast.Attribute | ast.Subscript)


def _is_named(node: ast.AST, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and last_name(node) in names


def _call_in(
    scope: Scope, node: ast.expr, key: Key, names: frozenset[str], *, loose: bool
) -> ast.expr | None:
    access = None
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and _is_named(part.func, names):
            if refers(scope, part.func, key, loose=loose):
                return part
        elif isinstance(part, ast.Attribute) and part.attr in names and "." in key[1]:
            access = access or (part if refers(scope, part, key, loose=loose) else None)
    return access


def _claims(
    node: ast.stmt | ast.expr, step: Step
) -> Iterator[tuple[Relation, ast.expr, ast.expr | None]]:
    if step.raises is not None:
        for part in (node,) if isinstance(node, ast.expr) else ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                yield "raises", part, step.raises
    elif isinstance(node, ast.Assert):
        yield from _assertion(node.test)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from _method_assertion(node.value)
    else:
        for part in (node,) if isinstance(node, ast.expr) else ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                yield "called", part, None


def _assertion(test: ast.expr) -> Iterator[tuple[Relation, ast.expr, ast.expr | None]]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for value in test.values:
            yield from _assertion(value)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield "false", test.operand, None
    elif (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq | ast.Is)
    ):
        yield from _equality(test.left, test.comparators[0])
    else:
        yield "true", test, None


def _equality(
    left: ast.expr, right: ast.expr
) -> Iterator[tuple[Relation, ast.expr, ast.expr | None]]:
    """Both readings; the caller keeps those whose subject holds the call."""
    for subject, expected in ((left, right), (right, left)):
        if last_name(getattr(expected, "func", expected)) == "approx":
            yield "approx", subject, expected
        elif last_name(getattr(subject, "func", subject)) != "approx" and not literal(subject):
            yield "equal", subject, expected


def _method_assertion(
    call: ast.Call,
) -> Iterator[tuple[Relation, ast.expr, ast.expr | None]]:
    name = last_name(call.func)
    arguments = call.args
    if name in _EQUALS and len(arguments) >= 2:
        yield from _equality(arguments[0], arguments[1])
    elif name == "assertAlmostEqual" and len(arguments) >= 2:
        for subject, expected in (arguments[:2], arguments[1::-1]):
            if not literal(subject):
                yield "approx", subject, expected
    elif name in {"assertTrue", "assertFalse"} and arguments:
        yield ("true" if name == "assertTrue" else "false"), arguments[0], None
    elif name == "assertIsNone" and arguments:
        yield "equal", arguments[0], ast.Constant(None)
    elif name in {"assertRaises", "raises"} and len(arguments) >= 2:
        made = ast.Call(arguments[1], arguments[2:], call.keywords)
        yield "raises", ast.copy_location(made, call), arguments[0]
    else:
        yield "called", call, None


def _constants(scope: Scope) -> dict[str, ast.expr]:
    """The literals that the test's module gives names to, where the test does not rebind them."""
    local = {*scope.values, *parameter_names(scope.function)}
    bindings = scope.code.bindings(scope.path).items()
    return {
        name: value
        for name, value in bindings
        if isinstance(value, ast.expr) and name not in local and is_small(value) and literal(value)
    }


def _is_isolated(scope: Scope) -> bool:
    function = scope.function
    if function is None:
        return False
    parametrized = {name for table in tables(scope) for name in table.names}
    given = set(parameter_names(function)) - parametrized - {"self", "cls"}
    decorators = {last_name(getattr(node, "func", node)) for node in function.decorator_list}
    owner = scope.owner.body if scope.owner is not None else []
    module = scope.code.parse(scope.path)
    setups = [
        node
        for node in (*owner, *(module.body if module is not None else ()))
        if isinstance(node, Function) and (node.name in _SETUPS or _is_autouse(node))
    ]
    return not given and not setups and decorators <= {"parametrize", "asyncio", "staticmethod"}


def _is_autouse(function: Function) -> bool:
    return any(
        isinstance(node, ast.Call) and any(item.arg == "autouse" for item in node.keywords)
        for node in function.decorator_list
    )
