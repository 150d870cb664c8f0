"""Puts a candidate's function in place of the one already imported, in this process.

It knows nothing of tests. The function objects stay; their code, defaults and annotations change,
so every reference sees the new function. Whatever makes that unequal to importing the file
afresh raises AfreshError instead.
"""

from __future__ import annotations

import ast
import copy
import os
import sys
import warnings
from collections.abc import Set
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from sandbox.program import Change, find_code

Called = Set[tuple[str, int]]
"""Functions that ran while the tests were collected: file name, first line."""

_KIND_FLAGS = 0x20 | 0x80 | 0x100 | 0x200  # generator, coroutine, iterable coroutine, async gen
_INNER_NAMES = ("__wrapped__", "__func__", "fget", "fset", "fdel", "func", "py_func")


class AfreshError(Exception):
    """The function cannot be swapped in place; the file must be imported afresh."""


Modules = dict[str, list[ModuleType]]
"""The imported modules by their files' real paths."""


def modules_below(root: str) -> Modules:
    """Return the modules that were imported from files below ``root``."""
    found: Modules = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str):
            path = os.path.realpath(file)
            known = found.setdefault(path, []) if path.startswith(root + os.sep) else None
            if known is not None and module not in known:
                known.append(module)
    return found


def swap(path: str, qualname: str, change: Change, called: Called, modules: Modules) -> None:
    """Put ``change`` in place; ``modules`` and ``called`` are as they were after collection.

    Raises AfreshError when that cannot equal a fresh import; the process is then of no more use.
    """
    _check_change(path, qualname, change, called)
    code = find_code(change.code, qualname, change.lines.start)
    if code is None:
        raise AfreshError("the function's code was not found in the compiled file")
    if not modules.get(path):
        raise AfreshError("no module was imported from the file")
    plans: list[tuple[ModuleType, list[FunctionType]]] = []
    for module in modules[path]:
        if type(vars(module).get("__loader__")).__name__ == "AssertionRewritingHook":
            raise AfreshError("pytest rewrites the file's assertions")
        functions = _functions(module, path, qualname, change.base_line)
        if not functions:
            raise AfreshError("the function was not found in the imported module")
        for function in functions:
            _check(function, code)
        plans.append((module, functions))
    for module, functions in plans:
        _put(module, functions, code, change)


def _check_change(path: str, qualname: str, change: Change, called: Called) -> None:
    why = change.why_afresh
    if "<locals>" in qualname:
        why = "the function is made anew by another function"
    elif (path, change.base_line) in called:
        why = "the function ran while the tests were collected"
    elif not change.same_arguments and "." in qualname:
        why = "a method's signature differs"
    if why:
        raise AfreshError(why)


def _functions(module: ModuleType, path: str, qualname: str, line: int) -> list[FunctionType]:
    """Return the function objects under ``qualname`` whose code begins at ``line`` of ``path``."""
    holder: Any = module
    names = qualname.split(".")
    for name in names[:-1]:
        holder = vars(holder).get(name) if hasattr(holder, "__dict__") else None
    value = vars(holder).get(names[-1]) if hasattr(holder, "__dict__") else None
    found: list[FunctionType] = []
    waiting, looked_at = [value], 0
    while waiting and looked_at < 64:
        looked_at += 1
        one = waiting.pop()
        if isinstance(one, FunctionType):
            code = one.__code__
            if code.co_firstlineno == line and code.co_filename == path and one not in found:
                found.append(one)
        waiting.extend(_inside(one))
    return found


def _inside(value: Any) -> list[Any]:
    """Return what a decorator's result says that it wraps."""
    inner = []
    for name in _INNER_NAMES:
        try:
            one = getattr(value, name, None)
        except BaseException:
            one = None
        if one is not None and one is not value:
            inner.append(one)
    return inner


def _check(function: FunctionType, code: CodeType) -> None:
    if function.__code__.co_freevars != code.co_freevars:
        raise AfreshError("the function's free variables differ")
    kinds = (function.__code__.co_flags & _KIND_FLAGS, code.co_flags & _KIND_FLAGS)
    if kinds[0] != kinds[1] and hasattr(function, "__wrapped__"):
        raise AfreshError("the function's kind differs")


def _put(module: ModuleType, functions: list[FunctionType], code: CodeType, change: Change) -> None:
    names = vars(module)
    try:
        for statement in change.imports:
            _run([statement], change, names, names)
        fresh = None if change.same_arguments else _define(change, names)
    except Exception as error:
        raise AfreshError(f"{type(error).__name__}: {error}") from None
    for function in functions:
        _set_code(function, code)
        if not change.same_docstring:
            function.__doc__ = _docstring(code)
        if fresh is not None:
            function.__defaults__ = fresh.__defaults__
            function.__kwdefaults__ = fresh.__kwdefaults__
            function.__annotations__ = fresh.__annotations__


def _set_code(function: FunctionType, code: CodeType) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.13 warns when a function becomes a generator
            function.__code__ = code
    except (TypeError, ValueError) as error:
        raise AfreshError(str(error)) from None


def _docstring(code: CodeType) -> Any:
    cells = tuple(CellType() for _ in code.co_freevars)
    return FunctionType(code, {}, None, None, cells).__doc__


def _define(change: Change, names: dict[str, Any]) -> FunctionType:
    """Run the definition without its decorators, for its defaults and annotations."""
    node = change.node
    bare = copy.copy(node)
    bare.decorator_list = []
    scratch: dict[str, Any] = {}
    _run([bare], change, names, scratch)
    function = scratch[node.name]
    if not isinstance(function, FunctionType):
        raise TypeError("the definition made no function")
    return function


def _run(
    statements: list[ast.stmt], change: Change, names: dict[str, Any], scratch: dict[str, Any]
) -> None:
    module = ast.Module(body=list(statements), type_ignores=[])
    flags = change.code.co_flags & 0x1FF0000  # the file's __future__ features
    code = compile(module, change.code.co_filename, "exec", flags, dont_inherit=True)
    exec(code, names, scratch)
