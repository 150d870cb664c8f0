"""Puts a candidate's function in place of the one already imported, in this process.

It knows nothing of tests. The function objects stay and their code changes, so every reference
sees the new function. Whatever makes that unequal to importing the file afresh raises AfreshError.
"""

from __future__ import annotations

import ast
import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Set
from itertools import islice
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from sandbox.program import Change

Called = Set[tuple[str, int]]
"""Functions that ran while the tests were collected: file name, first line."""

_TOOL = 4  # of sys.monitoring; no tool that is known takes it
_KIND_FLAGS = 0x20 | 0x80 | 0x100 | 0x200  # generator, coroutine, iterable coroutine, async gen
_INNER_NAMES = ("__wrapped__", "__func__", "fget", "fset", "fdel", "func", "py_func")


def watch_calls(root: str) -> Callable[[], Called]:
    """Begin to note which functions below ``root`` are called; what is returned ends that.

    What ran while tests were collected has left results behind (a table, a decorated function),
    which swapping its code later would not renew.
    """
    called: set[tuple[str, int]] = set()
    monitoring = getattr(sys, "monitoring", None)  # from Python 3.12 on, where it is cheaper

    def note(code: CodeType, _offset: int = 0) -> Any:
        if code.co_filename.startswith(root + os.sep) and code.co_name != "<module>":
            called.add((code.co_filename, code.co_firstlineno))
        return monitoring and monitoring.DISABLE  # this place is known now

    def on_call(frame: FrameType, _event: str, _arg: Any) -> None:
        note(frame.f_code)

    def stop() -> Called:
        if monitoring is not None:
            monitoring.set_events(_TOOL, 0)
            monitoring.free_tool_id(_TOOL)
        elif sys.gettrace() is on_call:
            sys.settrace(None)
        return called

    if monitoring is None:
        sys.settrace(on_call)
    else:
        monitoring.use_tool_id(_TOOL, "egbot collection")
        monitoring.register_callback(_TOOL, monitoring.events.PY_START, note)
        monitoring.set_events(_TOOL, monitoring.events.PY_START)
    return stop


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
            if path.startswith(root + os.sep) and module not in found.setdefault(path, []):
                found[path].append(module)
    return found


def swap(path: str, qualname: str, change: Change, called: Called, modules: Modules) -> None:
    """Put ``change`` in place; ``modules`` and ``called`` are as they were after collection.

    Raises AfreshError when that cannot equal a fresh import; the process is then of no more use.
    """
    if change.why_afresh:
        raise AfreshError(change.why_afresh)
    if "<locals>" in qualname:
        raise AfreshError("the function is made anew by another function")
    if (path, change.base_line) in called:
        raise AfreshError("the function ran while the tests were collected")
    code = _find_code(change.code, qualname.rpartition(".")[2], change.lines.start)
    places = [
        (vars(module), _functions(module, path, qualname, change.base_line))
        for module in modules.get(path, ())
    ]
    if code is None or not places or not all(functions for _, functions in places):
        raise AfreshError("the function was not found in the imported module")
    for names, functions in places:
        if type(names.get("__loader__")).__name__ == "AssertionRewritingHook":
            raise AfreshError("pytest rewrites the file's assertions")
        for function in functions:
            _check(function.__code__, code, change.is_decorated)
    for names, functions in places:
        _put(names, functions, code, change)


def _find_code(module: CodeType, name: str, first_line: int) -> CodeType | None:
    """Return the code object of the function ``name`` that begins at ``first_line``."""
    found = [module]
    for code in found:
        found += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    place = (name, first_line)
    return next((one for one in found if (one.co_name, one.co_firstlineno) == place), None)


def _functions(module: ModuleType, path: str, qualname: str, line: int) -> list[FunctionType]:
    """Return the function objects under ``qualname`` whose code begins at ``line`` of ``path``."""
    value: Any = module
    for name in qualname.split("."):
        value = getattr(value, "__dict__", {}).get(name)
    found: list[FunctionType] = []
    waiting = [value]
    for one in islice(waiting, 64):  # it grows meanwhile
        if isinstance(one, FunctionType):
            code = one.__code__
            if code.co_firstlineno == line and code.co_filename == path and one not in found:
                found.append(one)
        waiting += _inside(one)
    return found


def _inside(value: Any) -> list[Any]:
    """Return what a decorator's result says that it wraps."""
    inner = []
    for name in _INNER_NAMES:
        with contextlib.suppress(BaseException):
            inner.append(getattr(value, name))
    return inner


def _check(before: CodeType, code: CodeType, is_decorated: bool) -> None:
    if before.co_freevars != code.co_freevars:
        raise AfreshError("the function's free variables differ")
    if is_decorated and (before.co_flags ^ code.co_flags) & _KIND_FLAGS:
        raise AfreshError("a decorator may have read the kind of the function")


def _put(
    names: dict[str, Any], functions: list[FunctionType], code: CodeType, change: Change
) -> None:
    imports = ast.Module(body=[*change.imports], type_ignores=[])
    try:
        exec(compile(imports, code.co_filename, "exec", dont_inherit=True), names)
        for function in functions:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # from 3.13 on, of what becomes a generator
                function.__code__ = code
    except Exception as error:
        raise AfreshError(f"{type(error).__name__}: {error}") from None
