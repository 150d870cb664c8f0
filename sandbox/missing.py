"""Puts recorders where something of the repository is missing: modules, names, members, stubs.

Nothing changes for code that lacks nothing. Where code only looks whether something is there, or is
ready for its absence, it stays absent and is noted as missed.
"""

from __future__ import annotations

import ast
import builtins
import dis
import functools
import importlib.machinery
import inspect
import os
import sys
import tokenize
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

from sandbox.asking import (
    Frame,
    Ground,
    asker,
    imports_name,
    is_called,
    is_guarded,
    is_soft,
    mentions,
    moments,
    names_test,
    principal,
)
from sandbox.installed import FINDER
from sandbox.recorder import (
    asks_isinstance,
    asks_issubclass,
    call,
    exception_class,
    expect,
    facts_of,
    is_deaf,
    is_hidden,
    is_recorder,
    make,
    missing_name,
    note,
    seen,
)
from sandbox.stage import STAGE, Lesson

_STUB = "__egbot_stub__"
_ENTERED = "__egbot_entered__"
_MAX_AGAIN = 30
"""So many times a module is executed again, with one more name or member in place each time."""


# --- functions --------------------------------------------------------------------------------


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


class _Marker(ast.NodeVisitor):
    """Has each function of one file say that it is entered, and gives stubs a decorator of ours.

    No line moves: the decorator is the innermost one.
    """

    def __init__(self, path: str, wanted: dict[tuple[str, int], bool], finder: Missing) -> None:
        self._path, self._wanted, self._finder = path, wanted, finder
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
        functions, stubs = self._finder.functions, self._finder.known_stubs
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


def _stand_in(finder: Missing, stub: Stub, function: Any) -> Any:
    """Return what stands in for a stub's function: it takes any call, and notes what does not fit.

    Under the lesson "plain" it is the stub as it stands.
    """

    def enter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, Any]:
        if "plain" in STAGE.state.of:
            return True, None
        receiver = args[0] if stub.is_method and args else None
        who, detail = _home(finder, stub, function, receiver)
        if not who:
            return True, None
        soft = "soft" in STAGE.state.of and not {"", who}.isdisjoint(STAGE.state.of["soft"])
        finder.entered.add(stub.number)
        note("stub", who, "silent" if stub.silent else "", once=True)
        try:
            inspect.signature(function).bind(*args, **kwargs)
        except TypeError:
            detail += " misfit"
        is_meant = stub.silent and not soft
        result = call(who, args[1:] if stub.is_method else args, kwargs, detail.strip())
        finish = None if is_meant else _RESULTS.get(stub.qualname.rpartition(".")[2])
        return is_meant, result if finish is None else finish(result)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            is_meant, result = enter(args, kwargs)
            return await function(*args, **kwargs) if is_meant else await result
    else:

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            is_meant, result = enter(args, kwargs)
            return function(*args, **kwargs) if is_meant else result

    return wrapper


def _home(finder: Missing, stub: Stub, function: Any, receiver: Any) -> tuple[str, str]:
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
    is_left = home is not cls and finder.is_own_class(cls)
    return f"{cls.__module__}:{cls.__qualname__}.{name}" if is_left else here, level


def _overrides(member: Any, function: Any) -> bool:
    """Whether a member does in a subclass what a base's function leaves to it."""
    is_async = inspect.iscoroutinefunction(function)
    return member is not None and inspect.iscoroutinefunction(member) == is_async


def _below(cls: type) -> list[type]:
    found: list[type] = []
    waiting: list[type] = type.__subclasses__(cls)
    while waiting and len(found) < 1000:
        one = waiting.pop()
        found.append(one)
        waiting += type.__subclasses__(one)
    return found


# --- what modules of ours see -----------------------------------------------------------------

_PATCHED = ("input", "open", "print", "help", "exit", "quit", "breakpoint", "__import__")
"""Builtins that tests replace in the module ``builtins``."""


def _builtins(finder: Missing) -> dict[str, Any]:
    """Return the builtins of the repository's modules."""
    own = {
        "isinstance": asks_isinstance,
        "issubclass": asks_issubclass,
        "__build_class__": finder.build_class,
        _ENTERED: finder.entered.add,
        _STUB: lambda number: functools.partial(_stand_in, finder, finder.known_stubs[number]),
    }
    return {**vars(builtins), **{name: _forward(name) for name in _PATCHED}, **own}


def _forward(name: str) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        return getattr(builtins, name)(*args, **kwargs)

    return forward


class MissingModule(ModuleType):
    """A module that is not there. Called, it is the function of its name (``from p import p``)."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function of that name."""
        parent, _, name = self.__name__.rpartition(".")
        return missing_name(f"{parent}:{name}")(*args, **kwargs)


class Missing:
    """Finds what is missing: first in line for the repository's own names, last for all others."""

    def __init__(self, ground: Ground, probe: dict[str, Any]) -> None:
        self.ground = ground
        self.functions: list[Function] = []
        self.entered: set[int] = set()
        self.known_stubs: list[Stub] = []
        self.executed: dict[str, ModuleType] = {}  # also those whose import failed
        self._own = frozenset(probe["own"])
        self._declared = frozenset(probe["declared"])
        self._stubs: dict[str, dict[tuple[str, int], bool]] = {}
        for one in probe["stubs"]:
            place = (one["qualname"], one["ordinal"])
            self._stubs.setdefault(one["path"], {})[place] = one["silent"]
        self._classes: dict[str, list[type]] = {}
        self._builtins = _builtins(self)
        self.members: list[Lesson] = []
        """Members that importing asked for, or that lessons name."""

    def install(self) -> None:
        """Stand in from now on, in this process and those that it forks."""
        sys.meta_path.insert(0, self)
        sys.meta_path.append(_Last(self))
        self._wrap(importlib.machinery.SourceFileLoader)

    def _wrap(self, loader: Any) -> None:
        """Have every way of loading a source file come by here."""
        plain, compiled = loader.exec_module, loader.source_to_code
        missing = self

        def exec_module(self: Any, module: ModuleType) -> None:
            if missing.ground.relative(self.path) is None:
                plain(self, module)
            else:
                missing.execute(self, module)

        def source_to_code(self: Any, data: Any, path: Any, **kwargs: Any) -> Any:
            relative = missing.ground.relative(str(path))
            if relative is not None and missing.ground.is_ours(str(path)):
                data = missing.mark(data, str(path), relative)
            return compiled(self, data, path, **kwargs)

        loader.exec_module, loader.source_to_code = exec_module, source_to_code

    def mark(self, data: bytes | str, path: str, relative: str) -> Any:
        """Return the file's tree with its functions marked; as it is where it does not compile."""
        try:
            tree = ast.parse(data, path)
            _Marker(relative, self._stubs.get(relative, {}), self).visit(tree)
        except (SyntaxError, TypeError, ValueError, RecursionError):
            return data
        return tree

    def execute(self, loader: Any, module: ModuleType) -> None:
        """Execute a file of the repository; again, as long as importing asks for something missing."""
        is_ours = self.ground.is_ours(loader.path)
        self.executed[module.__name__] = module
        names = vars(module)
        names["__builtins__"] = self._builtins
        if is_ours:
            self._place_names(module)
        code = loader.source_to_code(loader.get_data(loader.path), loader.path)
        for _ in range(_MAX_AGAIN):
            try:
                exec(code, names)
                break
            except (NameError, AttributeError) as error:
                if not is_ours or not self._supply(error):
                    raise
        if is_ours:
            self.open(module)

    def rewritten(self, module: ModuleType) -> None:
        """Let a module that pytest itself loads see the repository's builtins."""
        vars(module)["__builtins__"] = self._builtins

    def _supply(self, error: Any) -> bool:
        """Put in place what importing asked for in vain; False when that cannot help."""
        need = need_of(error, self)
        if need is None or need in self.members:
            return False
        if need.kind == "name":
            module = sys.modules.get(need.key.partition(":")[0])
            name = need.key.partition(":")[2]
            if module is None or name in vars(module):
                return False
            vars(module)[name] = missing_name(need.key)
            return True
        self.members.append(need)
        return True

    # --- names ---

    def _place_names(self, module: ModuleType) -> None:
        """Put names that a failed run taught where they were looked for."""
        for key in STAGE.state.of.get("name", {}):
            home, _, name = key.partition(":")
            if home == module.__name__ and name not in vars(module):
                vars(module)[name] = missing_name(key)

    def open(self, module: ModuleType) -> None:
        """Let a module answer for names that it lacks, after its own ``__getattr__``."""
        own = vars(module).get("__getattr__")

        def answer(name: str) -> Any:
            if own is not None:
                try:
                    return own(name)
                except AttributeError:
                    pass
            frame = principal(asker())
            unmeant = is_hidden(name) and not (frame and mentions(frame, name))
            if frame is None or unmeant or is_deaf(frame) or _is_submodule(module, name):
                pass
            elif module.__name__ in STAGE.state.of.get("module", {}) or self._answers(frame, name):
                star = isinstance(getattr(module, "__all__", None), (list, tuple))
                detail = "star" if star and name in module.__all__ else ""
                known = missing_name(f"{module.__name__}:{name}", detail=detail)
                if frame is asker() or not is_recorder(known):
                    return known
                return functools.partial(_pass_on, known)  # mocks look at its kind
            else:
                key = f"{module.__name__}:{name}"
                STAGE.state.missed.append(Lesson("name", key))
            text = f"module {module.__name__!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=module)

        vars(module)["__getattr__"] = answer

    def _answers(self, frame: FrameType, name: str) -> bool:
        """Whether who asks is of the repository and not ready for a no."""
        if self.ground.relative(frame.f_code.co_filename) is None:
            return False
        guarded = is_guarded(frame, "ImportError", "AttributeError")
        return not (guarded or is_soft(frame, name))

    def begin(self) -> None:
        """Put in place what the lessons of the state at hand name, all over the process."""
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and self.ground.is_ours(file) and name == module.__name__:
                self._place_names(module)
        for key, value in STAGE.state.of.get("name", {}).items():
            if value.startswith("star "):  # a test's file took all names before this one was there
                self._place_star(key, self.ground.root + value[5:])
        lessons = STAGE.state.of.get("member", {})
        self.members = [
            Lesson("member", self._shared_home(key, value, lessons), value)
            for key, value in lessons.items()
        ]
        self._replace("base")
        self._replace("value")
        for one in self.members:
            for cls in self.classes_at(one.key.rpartition(".")[0]):
                self.place_member(cls, one)

    def _replace(self, kind: str) -> None:
        """Put values and exception classes in place of the names that turned out to be such."""
        for key, value in STAGE.state.of.get(kind, {}).items():
            old, new = STAGE.names.get(key), None
            if old is None or not is_recorder(old) or (kind == "base" and value != "Exception"):
                continue
            new = exception_class(key, old) if kind == "base" else ast.literal_eval(value)
            if kind == "value":
                expect(old, "is", new)
            STAGE.names[key] = new
            for module in list(sys.modules.values()):
                file = getattr(module, "__file__", None)
                if isinstance(file, str) and self.ground.relative(file) is not None:
                    names = vars(module)
                    names.update({name: new for name, one in names.items() if one is old})

    def _place_star(self, key: str, file: str) -> None:
        for module in list(sys.modules.values()):
            if getattr(module, "__file__", None) == file:
                vars(module).setdefault(key.partition(":")[2], missing_name(key, detail="star"))

    def _shared_home(self, key: str, value: str, lessons: dict[str, str]) -> str:
        """Where several classes lack one member at one place, it is their common base's."""
        name, at = key.rpartition(".")[2], value.split()[2:]
        paths = [
            other.rpartition(".")[0]
            for other, its in lessons.items()
            if other.rpartition(".")[2] == name and its.split()[2:] == at and at
        ]
        classes = [one for path in paths for one in self.classes_at(path)[:1]]
        if len(classes) < 2:
            return key
        for base in classes[0].__mro__:
            if all(issubclass(one, base) for one in classes) and self.is_own_class(base):
                return f"{base.__module__}:{base.__qualname__}.{name}"
        return key

    # --- modules ---

    def find_spec(self, name: str, path: Any, _target: Any = None) -> Any:
        """Find the repository's own packages, never a copy that is installed by the same name."""
        top, is_top = name.partition(".")[0], "." not in name
        if is_top:
            path = [one for one in sys.path if f"{one}{os.sep}".startswith(self.ground.root)]
        elif not any(str(one).startswith(self.ground.root) for one in path or ()):
            return None
        spec: Any = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None and FINDER in sys.modules:
            spec = sys.modules[FINDER].Finder.find_spec(name)
        if spec is not None and spec.loader is None:  # a namespace package
            spec.loader = _OpenNamespace(self)
            return spec
        if spec is None and top in self._own and is_top:
            return self.made(name)
        return spec if spec is not None and top in self._own and is_top else None

    def made(self, name: str) -> Any:
        """Return the spec of a module that is not there, or None where none may be made."""
        top, parent = name.partition(".")[0], name.rpartition(".")[0]
        if top in sys.stdlib_module_names or names_test(name):
            return None
        frame = principal(asker())
        is_own = top in self._own or (parent and self._is_below(sys.modules.get(top)))
        if not is_own and top in self._declared:
            return None
        if "module" not in STAGE.state.of or name not in STAGE.state.of["module"]:
            if frame is None or self.ground.relative(frame.f_code.co_filename) is None:
                return None
            if parent and imports_name(frame, parent, name.rpartition(".")[2]):
                return None  # the name itself is asked for next
            if is_guarded(frame, "ImportError", "ModuleNotFoundError"):
                STAGE.state.missed.append(Lesson("module", name))
                return None
        loader: Any = self
        return importlib.machinery.ModuleSpec(name, loader, is_package=True)

    def _is_below(self, module: ModuleType | None) -> bool:
        if module is None or isinstance(module, MissingModule):
            return module is not None
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        return any(self.ground.relative(str(one)) is not None for one in places if one)

    def create_module(self, spec: Any) -> ModuleType:
        """Make a module of which nothing is there."""
        module = MissingModule(spec.name)
        module.__path__ = []
        module.__file__ = self.ground.root + spec.name.replace(".", os.sep) + ".py"
        stars = STAGE.state.of.get("name", {})
        names = [key.partition(":")[2] for key in stars if key.partition(":")[0] == spec.name]
        vars(module)["__all__"] = names
        note("module", spec.name, "missing", once=True)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Let it answer for all names."""
        self.open(module)

    # --- members ---

    def unresolved(self) -> list[Lesson]:
        """Global names that nobody has, of the functions that were entered."""
        files: dict[str, set[int]] = {}
        for one in [self.functions[number] for number in sorted(self.entered)]:
            files.setdefault(self.ground.root + one.path, set()).add(one.line)
        found = []
        for module in list(sys.modules.values()):
            names = vars(module)
            for code in _codes(module, files.get(str(names.get("__file__")), set())):
                found += [
                    Lesson("name", f"{module.__name__}:{one.argval}")
                    for one in dis.get_instructions(code)
                    if one.opname == "LOAD_GLOBAL"
                    and one.argval not in names
                    and one.argval not in self._builtins
                ]
        return found

    def is_own_class(self, cls: type) -> bool:
        """Whether a class was made by a file of the repository that holds no tests."""
        module = sys.modules.get(cls.__module__)
        file = getattr(module, "__file__", None)
        return isinstance(file, str) and self.ground.is_ours(file) and not is_recorder_class(cls)

    def build_class(self, *args: Any, **kwargs: Any) -> Any:
        """``__build_class__`` of the repository's modules: members that lessons name are there."""
        cls = builtins.__build_class__(*args, **kwargs)
        if isinstance(cls, type) and self.is_own_class(cls):
            path = f"{cls.__module__}:{cls.__qualname__}"
            self._classes.setdefault(path, []).append(cls)
            for one in self.members:
                if one.key.rpartition(".")[0] == path:
                    self.place_member(cls, one)
            self._watch(cls)
        return cls

    def classes_at(self, path: str) -> list[type]:
        """Return the classes that go by ``module:qualname``."""
        module, _, qualname = path.partition(":")
        holder: Any = sys.modules.get(module)
        for part in qualname.split("."):
            holder = getattr(holder, "__dict__", {}).get(part)
        found = [one for one in [holder] if isinstance(one, type)]
        return [*found, *(one for one in self._classes.get(path, ()) if one is not holder)]

    def classes_named(self, name: str) -> list[type]:
        """Return the repository's classes of a plain name."""
        return [one for each in self._classes.values() for one in each if one.__name__ == name]

    def place_member(self, cls: type, need: Lesson) -> None:
        """Put a recorder where a class lacks a member, unless it has it by now."""
        name, words = need.key.rpartition(".")[2], need.value.split()
        if name.startswith("__") and not name.endswith("__"):
            attr = f"_{cls.__name__.lstrip('_')}{name}"
        else:
            attr = name
        if attr in vars(cls) and words[:1] not in (["setter"], ["deleter"]):
            return
        path = f"{cls.__module__}:{cls.__qualname__}.{name}"
        detail = " ".join(words[:2])
        sight = note("member", path, detail, once=True)
        value: Any
        if words[:1] == ["class"]:
            value = make(path, path, "name", sight)
            if "called" in words:
                value = classmethod(functools.partial(_call_member, path, "class"))
        elif words[:1] in (["setter"], ["deleter"]):
            value = _property(vars(cls).get(attr), words[0], path)
        elif "called" in words:
            value = _method(path)
        else:
            value = _read_member(path, sight)
        try:
            setattr(cls, attr, value)
            if getattr(cls, "__abstractmethods__", None):
                cls.__abstractmethods__ -= {name}  # type: ignore[attr-defined]
        except Exception as error:
            STAGE.state.note(f"{path} cannot be put in place: {error}")

    def _watch(self, cls: type) -> None:
        """Note members that instances lack, also where the AttributeError is swallowed."""
        if any("__getattr__" in vars(one) for one in cls.__mro__) or vars(cls).get("_is_protocol"):
            return

        def missed(self: Any, name: str) -> Any:
            frame = sys._getframe(1)  # noqa: SLF001
            if not is_hidden(name) and STAGE.ground.relative(frame.f_code.co_filename) is not None:
                need = member_need(self, name, frame, finder)
                if need is not None:
                    STAGE.state.missed.append(need)
            return object.__getattribute__(self, name)  # raises what it raised

        finder = self
        try:
            cls.__getattr__ = missed  # type: ignore[attr-defined]
        except Exception:
            return


class _Last:
    """Makes up the modules that nobody else has found."""

    def __init__(self, missing: Missing) -> None:
        self._missing = missing

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> Any:
        return self._missing.made(name)


class _OpenNamespace:
    """Loads a package without a file of its own."""

    def __init__(self, missing: Missing) -> None:
        self._missing = missing

    def create_module(self, _spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self._missing.open(module)


def _is_submodule(module: ModuleType, name: str) -> bool:
    """Whether it is a module that the import in progress is to find by itself."""
    path = getattr(module, "__path__", None)
    full = f"{module.__name__}.{name}"
    return bool(path) and importlib.machinery.PathFinder.find_spec(full, path) is not None


def _codes(module: ModuleType, lines: set[int]) -> list[CodeType]:
    """Return the code of the functions that begin on these lines of a module's file."""
    if not lines:
        return []
    with tokenize.open(str(module.__file__)) as file:
        waiting = [compile(file.read(), str(module.__file__), "exec", dont_inherit=True)]
    found = []
    for code in waiting:  # which grows
        waiting += [one for one in code.co_consts if isinstance(one, CodeType)]
        found += [code] if code.co_firstlineno in lines and code.co_flags & 1 else []
    return found


def is_recorder_class(cls: type) -> bool:
    """Whether it is a class that stands in for an unwritten one, or derives from it."""
    return any("_origin" in vars(one) or one.__name__ == "Recorder" for one in cls.__mro__)


async def _nothing_awaited(_result: Any) -> None:
    return None


_RESULTS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("__str__", "__repr__", "__format__"), str),
    **dict.fromkeys(("__init__", "__exit__", "__setattr__", "__delattr__"), lambda _: None),
    "__aexit__": _nothing_awaited,
    "__aiter__": lambda result: result.__aiter__(),
    "__bool__": bool,
    "__bytes__": bytes,
    "__hash__": hash,
    "__int__": int,
    "__float__": float,
}
"""What Python insists on as the result of these methods, made of a recorder."""


def _method(path: str) -> Callable[..., Any]:
    finish = _RESULTS.get(path.rpartition(".")[2])

    def method(_self: Any, *args: Any, **kwargs: Any) -> Any:
        result = call(path, args, kwargs, "instance")
        return result if finish is None else finish(result)

    method.__name__ = path.rpartition(".")[2]
    method.__qualname__ = path.partition(":")[2]
    return method


def _pass_on(known: Any, *args: Any, **kwargs: Any) -> Any:
    return known(*args, **kwargs)


def _call_member(path: str, detail: str, _cls: Any, *args: Any, **kwargs: Any) -> Any:
    return call(path, args, kwargs, detail)


def _read_member(path: str, sight: dict[str, Any]) -> property:
    def read(_self: Any) -> Any:
        return make(path, f"{path} {id(_self)}", "attr", note("get", path))

    def write(_self: Any, value: Any) -> None:
        note("set", path, args=[seen(value)])

    return property(read, write)


def _property(known: Any, what: str, path: str) -> property:
    """Return a property of the repository's with a setter or a deleter that it lacks."""

    def write(_self: Any, value: Any) -> None:
        note("set", path, args=[seen(value)])

    def delete(_self: Any) -> None:
        note("delete", path)

    plain = known if isinstance(known, property) else property()
    return plain.setter(write) if what == "setter" else plain.deleter(delete)


# --- from an exception to what is missing -----------------------------------------------------


def need_of(error: BaseException, finder: Missing) -> Lesson | None:
    """Say what a NameError or AttributeError asks for, if that is the repository's to have."""
    frames = [*moments(error)]
    frame = frames[-1] if frames else None
    name, obj = getattr(error, "name", None), getattr(error, "obj", None)
    if frame is not None and frame.f_code.co_name in ("__getattr__", "__getattribute__"):
        # an object of ours hands on what it lacks, or says so in its own words
        holder, *asked = [frame.f_locals.get(one) for one in frame.f_code.co_varnames[:2]]
        if asked and (name is None or asked == [name]) and finder.is_own_class(type(holder)):
            obj, name, frame = holder, asked[0], frames[-2] if len(frames) > 1 else None
    if not isinstance(name, str) or frame is None or is_hidden(name):
        return None
    if isinstance(error, NameError):
        module = str(frame.f_globals.get("__name__", ""))
        if not finder.ground.is_ours(frame.f_code.co_filename):
            return None
        return Lesson("name", f"{module}:{name}")
    return None if is_recorder(obj) else member_need(obj, name, frame, finder)


def member_need(obj: Any, name: str, frame: Frame | None, finder: Missing) -> Lesson | None:
    """Say where a missing member belongs; nowhere, where code only looks for it or makes it itself.

    That is the class whose code asks for it of itself, of ``super()`` the next base, else the first
    of the object's classes that is the repository's.
    """
    cls = obj if isinstance(obj, type) else type(obj)
    classes = list(cls.__mro__)
    if (frame is not None and is_soft(frame, name)) or any(
        name in attributes_made(one) for one in classes
    ):
        return None
    if isinstance(obj, super):
        around: Any = obj
        classes = list(around.__self_class__.__mro__)
        classes = classes[classes.index(around.__thisclass__) + 1 :]
    ours = [one for one in classes if finder.is_own_class(one)]
    scope = "" if frame is None else STAGE.qualname(frame.f_code).rpartition(".")[0]
    module = frame.f_globals.get("__name__") if frame is not None else None
    mangled = [one for one in ours if name.startswith(f"_{one.__name__.lstrip('_')}__")]
    asking = [one for one in ours if one.__qualname__ == scope and one.__module__ == module]
    if not ours and isinstance(obj, super):
        return _inherited_need(classes, name)
    if not ours:
        return None
    home = [*mangled, *asking, *ours][0]
    level = "class" if isinstance(obj, type) else "instance"
    use = "called" if is_called(frame, name) else "read"
    plain = name[name.index("__") :] if mangled else name
    place = finder.ground.place(finder.ground.frame(frame))
    at = "" if place is None else f" {place['path']}:{place['line']}:{place['column']}"
    return Lesson("member", f"{home.__module__}:{home.__qualname__}.{plain}", f"{level} {use}{at}")


@functools.cache
def attributes_made(cls: type) -> frozenset[str]:
    """Return the names of the attributes that a class's own functions give to objects."""
    found: set[str] = set()
    waiting = [inspect.unwrap(one) for value in vars(cls).values() for one in _functions(value)]
    codes = [one.__code__ for one in waiting if isinstance(one, FunctionType)]
    for code in codes:
        codes += [one for one in code.co_consts if isinstance(one, CodeType)]
        found |= {one.argval for one in dis.get_instructions(code) if one.opname == "STORE_ATTR"}
    return frozenset(found)


def _functions(value: Any) -> list[Any]:
    if isinstance(value, property):
        return [one for one in (value.fget, value.fset, value.fdel) if one is not None]
    return [value.__func__ if isinstance(value, (classmethod, staticmethod)) else value]


def _inherited_need(classes: list[type], name: str) -> Lesson | None:
    """``super().name`` in a class that derives from an unwritten one."""
    for one in classes:
        if "_origin" in vars(one):
            key = f"{facts_of(vars(one)['_origin']).path}.{name}"
            return Lesson("member", key, "instance called")
    return None
