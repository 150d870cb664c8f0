"""Owns what a file imports from the repository's own modules and does not find there.

It knows nothing of failures or tracebacks.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from egbot.records import Origin
from egbot.source.examples import Key
from egbot.source.scopes import Scope
from egbot.source.symbols import Code, Symbol, import_bindings


@dataclass(frozen=True, slots=True)
class Need:
    """Something to write for one failing test."""

    key: Key
    origin: Origin
    evidence: str


def missing_imports(code: Code, path: str) -> tuple[Need, ...]:
    """What ``path`` imports from the repository's modules and does not find there."""
    module = code.parse(path)
    found: dict[Key, Need] = {}
    for node in ast.walk(module) if module is not None else ():
        if isinstance(node, ast.ImportFrom):
            for _, item in import_bindings(node):
                symbol = code.imported(path, item)
                _add_missing(found, symbol, f"{path}:{node.lineno} imports {item.name}")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                at = code.module_path(path, alias.name)
                if at is not None and not at.endswith("/") and at not in code.tree:
                    for need in _used_of_module(code, path, at):
                        found.setdefault(need.key, need)
    return tuple(found.values())


def _add_missing(found: dict[Key, Need], symbol: Symbol | None, evidence: str) -> None:
    if symbol is None or symbol.kind not in {"missing", "missing_module"} or not symbol.qualname:
        return
    origin: Origin = "missing_name" if symbol.kind == "missing" else "missing_module"
    key = (symbol.path, symbol.qualname)
    found.setdefault(key, Need(key, origin, evidence))


def _used_of_module(code: Code, path: str, module: str) -> Iterator[Need]:
    parsed = code.parse(path)
    scope = Scope(code, path)
    for node in ast.walk(parsed) if parsed is not None else ():
        symbol = scope.resolve(node) if isinstance(node, ast.Attribute) else None
        if symbol is None or symbol.kind != "missing_module" or symbol.path != module:
            continue
        if symbol.qualname and "." not in symbol.qualname:
            evidence = f"{path}:{getattr(node, 'lineno', 1)} uses {symbol.qualname}"
            yield Need((module, symbol.qualname), "missing_module", evidence)
