"""Owns what an expression inside a function stands for: locals, fixtures, ``self`` and imports.

It knows nothing of why one asks; it follows assignments one at a time and never runs code.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from egbot.source.symbols import (
    Code,
    Function,
    Import,
    Symbol,
    dynamic_import,
    import_bindings,
)

ALTERNATIVE_CONSTRUCTORS = ("from_", "of", "create", "make", "parse", "build", "load", "default")
"""How the names of class methods begin that make an instance."""
_MAX_HOPS = 8
_SETUPS = ("setUp", "setup_method", "setup", "asyncSetUp", "setUpClass", "setup_class")


@dataclass(frozen=True, slots=True)
class Scope:
    """A function of a file (or the module itself, when ``function`` is None), with its class."""

    code: Code
    path: str
    function: Function | None = None
    owner: ast.ClassDef | None = None
    values: dict[str, ast.expr | None] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)

    def resolve(self, node: ast.expr, hops: int = 0) -> Symbol | None:
        """What ``node`` stands for, or None when it is foreign, local or not understood."""
        if hops > _MAX_HOPS:
            return None
        if isinstance(node, ast.Name):
            return self._name(node.id, hops)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, hops)
        if isinstance(node, ast.Await):
            return self.resolve(node.value, hops + 1)
        if isinstance(node, ast.Call):
            return self._result(node, hops)
        return None

    def _name(self, name: str, hops: int) -> Symbol | None:
        if name in self.imports:
            return self.code.imported(self.path, self.imports[name])
        if name in self.values:
            value = self.values[name]
            return None if value is None else self.resolve(value, hops + 1)
        if self.function is not None and name in parameter_names(self.function):
            return self._parameter(name, hops)
        return self.code.lookup(self.path, name)

    def _parameter(self, name: str, hops: int) -> Symbol | None:
        arguments = parameter_names(self.function) if self.function is not None else ()
        if self.owner is not None and arguments and name == arguments[0]:
            kind = "class" if name == "cls" else "instance"
            found = self.code.lookup(self.path, self.owner.name)
            if found is not None and found.kind == "class":
                return found if kind == "class" else _instance(found)
            return None
        annotated = self._annotated(name)
        if annotated is not None:
            return annotated
        fixture = find_fixture(self.code, self.path, name, self.owner)
        if fixture is None:
            return None
        path, function = fixture
        inner = function_scope(self.code, path, function)
        for result in fixture_results(function):
            found = inner.resolve(result, hops + 1)
            if found is not None:
                return found
        return None

    def _annotated(self, name: str) -> Symbol | None:
        if self.function is None:
            return None
        arguments = self.function.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if argument.arg == name and argument.annotation is not None:
                found = self.resolve(argument.annotation, _MAX_HOPS - 1)
                return _instance(found) if found is not None and found.kind == "class" else None
        return None

    def _super(self, hops: int) -> Symbol | None:
        """The first base of the surrounding class that belongs to the repository."""
        module = Scope(self.code, self.path)
        for base in self.owner.bases if self.owner is not None else []:
            found = module.resolve(base, hops + 1)
            if found is not None:
                return _instance(found)
        return None

    def _raised(self, node: ast.Attribute, hops: int) -> Symbol | None:
        """``info.value`` of ``with pytest.raises(Error) as info`` is an Error."""
        if node.attr not in {"value", "exception"} or not isinstance(node.value, ast.Name):
            return None
        held = self.values.get(node.value.id)
        if not isinstance(held, ast.Call) or not held.args:
            return None
        if not _dotted(held.func).endswith(("raises", "assertRaises", "assertRaisesRegex")):
            return None
        found = self.resolve(held.args[0], hops + 1)
        return _instance(found) if found is not None and found.kind != "value" else None

    def _attribute(self, node: ast.Attribute, hops: int) -> Symbol | None:
        if self.owner is not None and isinstance(node.value, ast.Name) and node.value.id == "self":
            value = self.code.class_attributes(self.owner).get(node.attr)
            if value is not None:
                found = self._in_setup(value, hops)
                if found is not None:
                    return found
        raised = self._raised(node, hops)
        if raised is not None:
            return raised
        dotted = _dotted(node)
        if dotted in self.code.whole_imports(self.path):
            return self.code.imported(self.path, Import(dotted, 0, None))
        owner = self.resolve(node.value, hops + 1)
        return None if owner is None else self.code.member(owner, node.attr)

    def _in_setup(self, value: ast.expr, hops: int) -> Symbol | None:
        for name in _SETUPS:
            for inner in self.owner.body if self.owner is not None else []:
                if isinstance(inner, Function) and inner.name == name:
                    scope = function_scope(self.code, self.path, inner, self.owner)
                    found = scope.resolve(value, hops + 1)
                    if found is not None:
                        return found
        return self.resolve(value, hops + 1)

    def _result(self, node: ast.Call, hops: int) -> Symbol | None:
        item = dynamic_import(node)
        if item is not None:
            return self.code.imported(self.path, item)
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return self._super(hops)
        callee = self.resolve(node.func, hops + 1)
        if callee is None:
            return None
        if callee.kind == "class":
            return _instance(callee)
        if callee.kind in {"missing", "missing_module"}:
            return self._made_by_missing(node.func, callee, hops)
        if callee.kind != "function":
            return None
        definition = self.code.definition(callee.path, callee.qualname)
        returns = definition.returns if isinstance(definition, Function) else None
        if returns is None:
            return None
        if isinstance(returns, ast.Constant) and isinstance(returns.value, str):
            returns = ast.Name(returns.value, ast.Load())
        if isinstance(returns, ast.Name) and returns.id == "Self" and "." in callee.qualname:
            return Symbol("instance", callee.path, callee.qualname.rpartition(".")[0])
        found = Scope(self.code, callee.path).resolve(returns, hops + 1)
        return _instance(found) if found is not None and found.kind == "class" else None

    def _made_by_missing(self, called: ast.expr, callee: Symbol, hops: int) -> Symbol | None:
        """What a call of something missing makes: an instance, of a class or of its owner.

        ``Cls.from_...()`` called on the class itself makes one of those.
        """
        if is_class_name(callee.qualname):
            return _instance(callee)
        owner, _, name = callee.qualname.rpartition(".")
        if not is_class_name(owner) or not name.startswith(ALTERNATIVE_CONSTRUCTORS):
            return None
        receiver = (
            self.resolve(called.value, hops + 1) if isinstance(called, ast.Attribute) else None
        )
        if receiver is None or receiver.kind == "instance":
            return None
        return Symbol("instance", callee.path, owner)


def function_scope(
    code: Code, path: str, function: Function, owner: ast.ClassDef | None = None
) -> Scope:
    """The scope of ``function``; functions nested in it share its names."""
    values: dict[str, ast.expr | None] = {}
    imports: dict[str, Import] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.update(import_bindings(node))
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            _assign(values, node.targets[0], node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            _assign(values, node.target, node.value)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            _assign(values, node.optional_vars, node.context_expr)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            _assign(values, node.target, None)
    for name in parameter_names(function):
        if values.get(name, name) is None:
            values.pop(name)
    return Scope(code, path, function, owner, values, imports)


def cached(code: Code, key: tuple[str, str], make: Callable[[], Any]) -> Any:
    """What ``make`` returns, worked out once for the tree."""
    if key not in code.cache:
        code.cache[key] = make()
    return code.cache[key]


def scopes(
    code: Code, path: str, words: frozenset[str] = frozenset()
) -> Iterator[tuple[Scope, list[ast.stmt]]]:
    """Every scope of ``path`` with its statements: the module's own first, then each function.

    With ``words``, functions whose text holds none of them are passed over (large files are slow).
    """
    module = code.parse(path)
    if module is None:
        return
    lines = _lines_with(code.tree[path].data, words) if words else None
    whole: tuple[Scope, list[ast.stmt]] = cached(
        code, ("module scope", path), lambda: (Scope(code, path), _without_functions(module.body))
    )
    yield whole
    functions: list[tuple[Function, ast.ClassDef | None, list[Scope]]] = cached(
        code,
        ("functions", path),
        lambda: [(*found, []) for found in functions_in(module.body, None)],
    )
    for node, owner, made in functions:
        if lines is None or _holds_line(node, lines):
            if not made:
                made.append(function_scope(code, path, node, owner))
            yield made[0], [node]


def _lines_with(data: bytes, words: frozenset[str]) -> list[int]:
    """The sorted numbers of the lines (as Python counts them) that hold one of ``words``."""
    pattern = re.compile(b"|".join(re.escape(word.encode()) for word in sorted(words)))
    lines = re.split(rb"\r\n|\r|\n", data)
    return [number for number, line in enumerate(lines, 1) if pattern.search(line)]


def _holds_line(node: Function, lines: list[int]) -> bool:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    place = bisect_left(lines, first)
    return place < len(lines) and lines[place] <= (node.end_lineno or node.lineno)


def parameter_names(function: Function | None) -> tuple[str, ...]:
    """The names of a function's parameters, in order."""
    if function is None:
        return ()
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    stars = [star for star in (arguments.vararg, arguments.kwarg) if star is not None]
    return tuple(argument.arg for argument in (*named, *stars))


def find_fixture(
    code: Code, path: str, name: str, owner: ast.ClassDef | None = None
) -> tuple[str, Function] | None:
    """The pytest fixture ``name`` as a test in ``path`` sees it: its class, module, conftests."""
    places: list[tuple[str, list[ast.stmt]]] = [] if owner is None else [(path, owner.body)]
    folder = PurePosixPath(path).parent
    candidates = [path, *(str(parent / "conftest.py") for parent in (folder, *folder.parents))]
    for candidate in candidates:
        module = code.parse(candidate) if candidate in code.tree else None
        if module is not None:
            places.append((candidate, module.body))
    for place, body in places:
        for node in body:
            if isinstance(node, Function) and _fixture_name(node) == name:
                return place, node
    return None


def fixture_results(function: Function) -> Iterator[ast.expr]:
    """The expressions that a fixture returns or yields."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            yield node.value


def _fixture_name(function: Function) -> str | None:
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        head = call.func if call is not None else decorator
        last = head.attr if isinstance(head, ast.Attribute) else getattr(head, "id", "")
        if last not in {"fixture", "yield_fixture"}:
            continue
        for keyword in call.keywords if call is not None else []:
            if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
        return function.name
    return None


def _assign(values: dict[str, ast.expr | None], target: ast.expr, value: ast.expr | None) -> None:
    if isinstance(target, ast.Name):
        values[target.id] = value
        return
    for part in ast.walk(target):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            values[part.id] = None


def functions_in(
    body: list[ast.stmt], owner: ast.ClassDef | None
) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    """The functions of a module or class (not those inside functions), each with its class."""
    for node in body:
        if isinstance(node, Function):
            yield node, owner
        elif isinstance(node, ast.ClassDef):
            yield from functions_in(node.body, node)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from functions_in(node.body, owner)


def _without_functions(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a module or class that run when it is imported, classes opened up."""
    found: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.ClassDef):
            head = ast.ClassDef(node.name, node.bases, node.keywords, [], node.decorator_list)
            found.append(ast.copy_location(head, node))
            found.extend(_without_functions(node.body))
        elif not isinstance(node, Function):
            found.append(node)
    return found


def _dotted(node: ast.expr) -> str:
    """``a.b.c`` for an expression of names and dots, else ""."""
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return node.id if isinstance(node, ast.Name) else ""


def _instance(symbol: Symbol) -> Symbol:
    return Symbol("instance", symbol.path, symbol.qualname)


def is_class_name(qualname: str) -> bool:
    """Whether the last part of ``qualname``, which is called, is spelled as classes are (PEP 8)."""
    return qualname.rpartition(".")[2][:1].isupper()
