"""Owns the survey of test files: everything that they use of the repository and do not find there.

It runs nothing and knows nothing of stubs; modules that are wholly missing are not its affair.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType

from egbot.source.examples import Key
from egbot.source.modules import is_test_path
from egbot.source.scopes import Scope, scopes
from egbot.source.symbols import Code, Function, Import, Symbol, collect_bindings, import_bindings
from egbot.source.tables import last_name

_BY_NAME = frozenset({"setattr", "delattr", "getattr", "hasattr", "object"})
_ERROR_NAMES = frozenset(dir(BaseException))


@dataclass(slots=True)
class Lack:
    """One missing name: where it is used (PATH:LINE), the members it is asked for, its patches.

    ``patches`` are what tests put in its place, None where that is not told. ``imported``: a test
    imports it by its name.
    """

    key: Key
    places: dict[str, None]
    parts: dict[str, None]
    patches: list[ast.expr | None]
    imported: bool = False


def lacking(code: Code, paths: Iterable[str]) -> dict[Key, Lack]:
    """What ``paths`` use and the modules of the tree do not have, in the order of first use."""
    found: dict[Key, Lack] = {}
    for path in paths:
        module = code.parse(path)
        for node in ast.walk(module) if module is not None else ():
            if isinstance(node, ast.ImportFrom):
                for _, item in import_bindings(node):
                    place = f"{path}:{node.lineno}"
                    lack = _add(code, found, code.imported(path, item), place)
                    if lack is not None:
                        lack.imported = True
        for scope, body in scopes(code, path):
            for root in body:
                for node in ast.walk(root):
                    _look(found, scope, node)
    return found


def used_files(code: Code, paths: Iterable[str]) -> tuple[str, ...]:
    """``paths`` with the conftest files above them and the test files that these import."""
    found: dict[str, None] = {}
    waiting = list(paths)
    while waiting:
        path = waiting.pop(0)
        if path in found or not path.endswith(".py"):
            continue
        found[path] = None
        folders = path.split("/")[:-1]
        above = ["/".join([*folders[:depth], "conftest.py"]) for depth in range(len(folders) + 1)]
        waiting.extend(item for item in above if item in code.tree)
        waiting.extend(item for item in _imported_files(code, path) if is_test_path(item))
    return tuple(found)


def _imported_files(code: Code, path: str) -> Iterator[str]:
    module = code.parse(path)
    for node in ast.walk(module) if module is not None else ():
        items: list[Import] = []
        if isinstance(node, ast.Import):
            items = [Import(alias.name, 0, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            name = node.module or ""
            items = [Import(name, node.level, None)]
            prefix = f"{name}." if name else ""
            items += [Import(prefix + alias.name, node.level, None) for alias in node.names]
        for item in items:
            at = code.module_path(path, item.module, item.level)
            if at is not None and at in code.tree:
                yield at


def _look(found: dict[Key, Lack], scope: Scope, node: ast.AST) -> None:
    if isinstance(node, ast.Name | ast.Attribute):
        if not isinstance(node.ctx, ast.Del):
            symbol = scope.resolve(node)
            _add(scope.code, found, symbol, f"{scope.path}:{node.lineno}")
    elif isinstance(node, ast.Call):
        symbol, value = _named_in_text(scope, node)
        lack = _add(scope.code, found, symbol, f"{scope.path}:{node.lineno}")
        if lack is not None and last_name(node.func) != "getattr":
            lack.patches.append(value)


def _named_in_text(scope: Scope, call: ast.Call) -> tuple[Symbol | None, ast.expr | None]:
    """What ``monkeypatch.setattr``, ``mock.patch`` or ``getattr`` names in a string."""
    texts = [item.value if isinstance(item, ast.Constant) else None for item in call.args[:2]]
    first, second = [*texts, None, None][:2]
    name = last_name(call.func)
    if name in _BY_NAME and isinstance(second, str):
        owner = scope.resolve(call.args[0])
        value = _at(call, 2) if name in {"setattr", "object"} else None
        return (scope.code.member(owner, second) if owner is not None else None), value
    if name in {"patch", "setattr"} and isinstance(first, str) and "." in first:
        return dotted_symbol(scope.code, first), _at(call, 1)
    return None, None


def dotted_symbol(code: Code, dotted: str) -> Symbol | None:
    """What the import string ``pkg.module.Class.member`` stands for; None for foreign ones."""
    parts = dotted.split(".")
    for length in range(len(parts) - 1, 0, -1):
        path = code.modules.file_of(".".join(parts[:length]))
        if path is None or path.endswith("/"):
            continue
        symbol: Symbol | None = Symbol("module", path)
        for part in parts[length:]:
            symbol = code.member(symbol, part) if symbol is not None else None
        return symbol
    return None


def _at(call: ast.Call, place: int) -> ast.expr | None:
    if len(call.args) > place:
        return call.args[place]
    return next((item.value for item in call.keywords if item.arg in {"new", "value"}), None)


def _add(code: Code, found: dict[Key, Lack], symbol: Symbol | None, place: str) -> Lack | None:
    if symbol is None or symbol.kind not in {"missing", "instance"} or not symbol.qualname:
        return None
    if is_test_path(symbol.path) or symbol.path not in code.tree:
        return None
    qualname, rest = _first_missing(code, symbol)
    if not qualname or _is_given(qualname):
        return None
    key = (symbol.path, qualname)
    lack = found.setdefault(key, Lack(key, {}, {}, []))
    lack.places.setdefault(place)
    if rest and symbol.kind == "missing" and not _is_given(f"{qualname}.{rest[0]}"):
        lack.parts.setdefault(rest[0])
    return lack


def _first_missing(code: Code, symbol: Symbol) -> tuple[str, list[str]]:
    """The shortest part of the name that is not there, and what follows it."""
    parts = symbol.qualname.split(".")
    members = code.bindings(symbol.path)
    for place, part in enumerate(parts):
        if part not in members:
            return ".".join(parts[: place + 1]), parts[place + 1 :]
        node = members[part]
        members = {}
        if isinstance(node, ast.ClassDef):
            collect_bindings(node.body, members)
        elif not isinstance(node, Function) or place == len(parts) - 1:
            return "", []
    return "", []


def _is_given(qualname: str) -> bool:
    """Whether Python itself provides the attribute: of every module, class or exception."""
    owner, _, name = qualname.rpartition(".")
    if not owner:
        return hasattr(ModuleType, name) or (hasattr(builtins, name) and name.startswith("__"))
    return name.startswith("__") or (
        owner.endswith(("Error", "Exception")) and name in _ERROR_NAMES
    )
