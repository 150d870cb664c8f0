"""Functions of the repository that are to be written: they are marked, and recorders stand in.

Every other function says that it is entered.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from sandbox.making import call
from sandbox.members import RESULTS, is_own_class
from sandbox.noting import note
from sandbox.stage import STAGE

_STUB = "__egbot_stub__"
_ENTERED = "__egbot_entered__"


class Function(NamedTuple):
    """A function of the repository; ``line`` is the one on which its definition begins."""

    path: str
    qualname: str
    line: int


class Stub(NamedTuple):
    """A function whose body is to be written, with its number among all functions."""

    qualname: str
    name: str
    number: int
    silent: bool
    is_method: bool


class Stubs:
    """All functions that were marked, those that were entered, and those that are to be written."""

    def __init__(self, places: list[dict[str, Any]]) -> None:
        self.functions: list[Function] = []
        self.entered: set[int] = set()
        self.known: list[Stub] = []
        self._wanted: dict[str, dict[tuple[str, int], bool]] = {}
        for one in places:
            wanted = self._wanted.setdefault(one["path"], {})
            wanted[one["qualname"], one["ordinal"]] = one["silent"]

    def marks(self) -> dict[str, Callable[..., Any]]:
        """Return what marked files call, by the names that these have for it."""
        stand_in = functools.partial(functools.partial, _stand_in, self)
        return {_ENTERED: self.entered.add, _STUB: stand_in}

    def mark(self, data: bytes | str, path: str, relative: str) -> Any:
        """Return the file's tree with its functions marked; as it is where it does not compile."""
        try:
            tree = ast.parse(data, path)
            _Marker(relative, self._wanted.get(relative, {}), self).visit(tree)
        except (SyntaxError, TypeError, ValueError, RecursionError):
            return data
        return tree


class _Marker(ast.NodeVisitor):
    """Has each function of one file say that it is entered, and gives stubs a decorator of ours.

    No line moves: the decorator is the innermost one.
    """

    def __init__(self, path: str, wanted: dict[tuple[str, int], bool], stubs: Stubs) -> None:
        self._path, self._wanted, self._stubs = path, wanted, stubs
        self._scopes: list[tuple[str, bool]] = []
        self._counts: dict[str, int] = {}

    def _visit_scope(self, node: Any) -> None:
        is_function = not isinstance(node, ast.ClassDef)
        above = "".join(name + (".<locals>." if f else ".") for name, f in self._scopes)
        if is_function:
            self._mark(node, above + node.name)
        self._scopes.append((node.name, is_function))
        self.generic_visit(node)
        self._scopes.pop()

    visit_FunctionDef = _visit_scope  # noqa: N815 (ast's own names)
    visit_AsyncFunctionDef = _visit_scope  # noqa: N815
    visit_ClassDef = _visit_scope  # noqa: N815

    def _mark(self, node: Any, qualname: str) -> None:
        functions, stubs = self._stubs.functions, self._stubs.known
        number, ordinal = len(functions), self._counts.get(qualname, 0)
        self._counts[qualname] = ordinal + 1
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        functions.append(Function(self._path, qualname, first))
        STAGE.qualnames[STAGE.ground.root + self._path, first] = qualname
        entering = ast.Expr(_call_of(_ENTERED, number, node))
        has_docstring = ast.get_docstring(node, clean=False) is not None
        node.body.insert(int(has_docstring), ast.copy_location(entering, node))
        silent = self._wanted.get((qualname, ordinal))
        if silent is not None:
            names = [getattr(one, "id", "") for one in node.decorator_list]
            in_class = bool(self._scopes) and not self._scopes[-1][1]
            name = qualname + (f"@{ordinal}" if ordinal else "")
            is_method = in_class and "staticmethod" not in names
            stubs.append(Stub(qualname, name, number, silent, is_method))
            node.decorator_list.append(_call_of(_STUB, len(stubs) - 1, node))


def _call_of(name: str, number: int, at: ast.AST) -> ast.Call:
    call = ast.Call(ast.Name(name, ast.Load()), [ast.Constant(number)], [])
    for one in ast.walk(call):
        ast.copy_location(one, at)
    return call


def _stand_in(stubs: Stubs, number: int, function: Any) -> Any:
    """Return what stands in for a stub's function: it takes any call, and notes what does not fit.

    Under the lesson "plain" it is the stub as it stands.
    """

    stub = stubs.known[number]

    def enter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, Any]:
        if "plain" in STAGE.state.of:
            return True, None
        receiver = args[0] if stub.is_method and args else None
        who, detail = _home(stub, function, receiver)
        if not who:
            return True, None
        soft = "soft" in STAGE.state.of and not {"", who}.isdisjoint(STAGE.state.of["soft"])
        stubs.entered.add(stub.number)
        note("stub", who, "silent" if stub.silent else "", once=True)
        try:
            inspect.signature(function).bind(*args, **kwargs)
        except TypeError:
            detail += " misfit"
        is_meant = stub.silent and not soft
        result = call(who, args[1:] if stub.is_method else args, kwargs, detail.strip())
        finish = None if is_meant else RESULTS.get(stub.qualname.rpartition(".")[2])
        return is_meant, result if finish is None else finish(result)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        is_meant, result = enter(args, kwargs)
        return function(*args, **kwargs) if is_meant else result

    async def waiting(*args: Any, **kwargs: Any) -> Any:
        return await wrapper(*args, **kwargs)

    is_async = inspect.iscoroutinefunction(function)
    return functools.wraps(function)(waiting if is_async else wrapper)


def _home(stub: Stub, function: Any, receiver: Any) -> tuple[str, str]:
    """Whose function it is: the receiver's class's where the one that has it leaves it to others.

    Nobody's ("") is a silent one that others override: a hook.
    """
    module = function.__module__
    here = f"{module}:{stub.name}"
    if receiver is None:
        return here, ""
    level = "class" if isinstance(receiver, type) else "instance"
    cls = receiver if isinstance(receiver, type) else type(receiver)
    scope, _, name = stub.qualname.rpartition(".")
    homes = [one for one in cls.__mro__ if (one.__module__, one.__qualname__) == (module, scope)]
    home = homes[0] if homes else cls
    if not any(_overrides(vars(one).get(name), function) for one in _below(home)):
        return here, level
    if stub.silent:
        return "", level
    is_left = home is not cls and is_own_class(cls)
    return f"{cls.__module__}:{cls.__qualname__}.{name}" if is_left else here, level


def _overrides(member: Any, function: Any) -> bool:
    """Whether a member does in a subclass what a base's function leaves to it."""
    is_async = inspect.iscoroutinefunction(function)
    return member is not None and inspect.iscoroutinefunction(member) == is_async


def _below(cls: type) -> list[type]:
    found: list[type] = type.__subclasses__(cls)
    for one in found:  # which grows
        found += type.__subclasses__(one) if len(found) < 1000 else ()
    return found
