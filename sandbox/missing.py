"""Puts recorders where something of the repository is missing: modules, names, members, stubs.

Nothing changes for code that lacks nothing. Where code only looks whether something is there, or is
ready for its absence, it stays absent and is noted as missed.
"""

from __future__ import annotations

import ast
import builtins
import importlib.machinery
import os
import sys
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

from sandbox.asking import (
    asker,
    imports_name,
    is_deaf,
    is_guarded,
    is_hidden,
    is_soft,
    mentions,
    names_test,
    principal,
)
from sandbox.derived import asks_isinstance, asks_issubclass, exception_class, missing_name
from sandbox.installed import FINDER
from sandbox.members import classes_at, is_own_class, need_of, place_member, watch
from sandbox.noting import expect, is_recorder, note
from sandbox.stage import STAGE, Lesson
from sandbox.stubs import Stubs

_MAX_AGAIN = 30
"""So many times a module is executed again, with one more name or member in place each time."""

# --- what modules of ours see -----------------------------------------------------------------

_PATCHED = frozenset(("input", "open", "print", "help", "exit", "quit", "breakpoint"))
"""Builtins that tests replace in the module ``builtins``."""


def _import(*args: Any, **kwargs: Any) -> Any:
    return builtins.__import__(*args, **kwargs)


class _Builtins(dict[str, Any]):
    """The builtins of the repository's modules. Names that nobody has are noted as missed."""

    __slots__ = ()  # code that looks for ``__builtins__.__dict__`` takes a module for what has one

    def __init__(self, finder: Missing) -> None:
        super().__init__({key: one for key, one in vars(builtins).items() if key not in _PATCHED})
        self.update(finder.stubs.marks())
        self.update(isinstance=asks_isinstance, issubclass=asks_issubclass)
        self["__build_class__"] = finder.build_class
        self["__import__"] = _import

    def __missing__(self, name: str) -> Any:
        if name in _PATCHED and hasattr(builtins, name):
            return getattr(builtins, name)
        frame = sys._getframe(1)  # noqa: SLF001
        if STAGE.ground.is_ours(frame.f_code.co_filename):
            STAGE.state.missed[Lesson("name", f"{frame.f_globals.get('__name__')}:{name}")] = None
        raise KeyError(name)


class MissingModule(ModuleType):
    """A module that is not there. Called, it is the function of its name (``from p import p``)."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function of that name."""
        parent, _, name = self.__name__.rpartition(".")
        return missing_name(f"{parent}:{name}")(*args, **kwargs)


class Missing:
    """Finds what is missing: first in line for the repository's own names, last for all others."""

    def __init__(self, probe: dict[str, Any]) -> None:
        self.stubs = Stubs(probe["stubs"])
        self.executed: dict[str, ModuleType] = {}  # also those whose import failed
        self._own = frozenset(probe["own"])
        self._declared = frozenset(probe["declared"])
        self._builtins = _Builtins(self)
        self.members: list[Lesson] = []
        """Members that importing asked for, or that lessons name."""

    def install(self) -> None:
        """Stand in from now on, in this process and those that it forks."""
        sys.meta_path.insert(0, self)
        last: Any = SimpleNamespace(find_spec=lambda name, *_: self.made(name))
        sys.meta_path.append(last)
        self._wrap(importlib.machinery.SourceFileLoader)

    def _wrap(self, loader: Any) -> None:
        """Have every way of loading a source file come by here."""
        plain, compiled = loader.exec_module, loader.source_to_code
        missing = self

        def exec_module(self: Any, module: ModuleType) -> None:
            if STAGE.ground.relative(self.path) is None:
                plain(self, module)
            else:
                missing.execute(self, module)

        def source_to_code(self: Any, data: Any, path: Any, **kwargs: Any) -> Any:
            relative = STAGE.ground.relative(str(path))
            if relative is not None and STAGE.ground.is_ours(str(path)):
                data = missing.stubs.mark(data, str(path), relative)
            return compiled(self, data, path, **kwargs)

        loader.exec_module, loader.source_to_code = exec_module, source_to_code

    def execute(self, loader: Any, module: ModuleType) -> None:
        """Execute a file of the repository; again, as long as importing asks for something missing."""
        is_ours = STAGE.ground.is_ours(loader.path)
        self.executed[module.__name__] = module
        names = vars(module)
        names["__builtins__"] = self._builtins
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
        need = need_of(error)
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
        """Put names that a failed run taught where they were looked for, or came from with a star."""
        names, path = vars(module), STAGE.ground.relative(str(getattr(module, "__file__", "")))
        for key, value in STAGE.state.of.get("name", {}).items():
            home, _, name = key.partition(":")
            is_star = value == f"star {path}"
            is_home = home == module.__name__ and STAGE.ground.is_ours(str(module.__file__))
            if name not in names and (is_star or is_home):
                names[name] = missing_name(key, "star" if is_star else "")

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
                return lambda *a, **k: known(*a, **k)  # noqa: PLW0108 (mocks look at its kind)
            else:
                key = f"{module.__name__}:{name}"
                STAGE.state.missed[Lesson("name", key)] = None
            text = f"module {module.__name__!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=module)

        vars(module)["__getattr__"] = answer

    def _answers(self, frame: FrameType, name: str) -> bool:
        """Whether who asks is of the repository and not ready for a no."""
        if STAGE.ground.relative(frame.f_code.co_filename) is None:
            return False
        guarded = is_guarded(frame, "ImportError", "AttributeError")
        return not (guarded or is_soft(frame, name))

    def begin(self) -> None:
        """Put in place what the lessons of the state at hand name, all over the process."""
        for module in _modules():
            self._place_names(module)
        lessons = STAGE.state.of.get("member", {})
        self.members = [
            Lesson("member", self._shared_home(key, value, lessons), value)
            for key, value in lessons.items()
        ]
        self._replace("base")
        self._replace("value")
        for one in self.members:
            for cls in classes_at(one.key.rpartition(".")[0]):
                place_member(cls, one)

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
            for names in map(vars, _modules()):
                names.update({name: new for name, one in names.items() if one is old})

    def _shared_home(self, key: str, value: str, lessons: dict[str, str]) -> str:
        """Where several classes lack one member at one place, it is their common base's."""
        name, at = key.rpartition(".")[2], value.split()[2:]
        paths = [
            other.rpartition(".")[0]
            for other, its in lessons.items()
            if other.rpartition(".")[2] == name and its.split()[2:] == at and at
        ]
        classes = [one for path in paths for one in classes_at(path)[:1]]
        if len(classes) < 2:
            return key
        for base in classes[0].__mro__:
            if all(issubclass(one, base) for one in classes) and is_own_class(base):
                return f"{base.__module__}:{base.__qualname__}.{name}"
        return key

    # --- modules ---

    def find_spec(self, name: str, path: Any, _target: Any = None) -> Any:
        """Find the repository's own packages, never a copy that is installed by the same name."""
        top, is_top = name.partition(".")[0], "." not in name
        if is_top:
            path = [one for one in sys.path if f"{one}{os.sep}".startswith(STAGE.ground.root)]
        elif not any(str(one).startswith(STAGE.ground.root) for one in path or ()):
            return None
        spec: Any = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None and FINDER in sys.modules:
            spec = sys.modules[FINDER].Finder.find_spec(name)
        if spec is not None and spec.loader is None:  # a namespace package
            spec.loader = SimpleNamespace(create_module=lambda _: None, exec_module=self.open)
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
            if frame is None or STAGE.ground.relative(frame.f_code.co_filename) is None:
                return None
            if parent and imports_name(frame, parent, name.rpartition(".")[2]):
                return None  # the name itself is asked for next
            if is_guarded(frame, "ImportError", "ModuleNotFoundError"):
                STAGE.state.missed[Lesson("module", name)] = None
                return None
        loader: Any = self
        return importlib.machinery.ModuleSpec(name, loader, is_package=True)

    def _is_below(self, module: ModuleType | None) -> bool:
        if module is None or isinstance(module, MissingModule):
            return module is not None
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        return any(STAGE.ground.relative(str(one)) is not None for one in places if one)

    def create_module(self, spec: Any) -> ModuleType:
        """Make a module of which nothing is there."""
        module = MissingModule(spec.name)
        module.__path__ = []
        module.__file__ = STAGE.ground.root + spec.name.replace(".", os.sep) + ".py"
        stars = STAGE.state.of.get("name", {})
        names = [key.partition(":")[2] for key in stars if key.partition(":")[0] == spec.name]
        vars(module)["__all__"] = names
        note("module", spec.name, "missing", once=True)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Let it answer for all names."""
        self.open(module)

    # --- members ---

    def build_class(self, *args: Any, **kwargs: Any) -> Any:
        """``__build_class__`` of the repository's modules: members that lessons name are there."""
        cls = builtins.__build_class__(*args, **kwargs)
        if isinstance(cls, type) and is_own_class(cls):
            path = f"{cls.__module__}:{cls.__qualname__}"
            STAGE.classes.setdefault(path, []).append(cls)
            for one in self.members:
                if one.key.rpartition(".")[0] == path:
                    place_member(cls, one)
            watch(cls)
        return cls


def _modules() -> list[ModuleType]:
    """Return the repository's modules that were imported."""
    files = [(one, getattr(one, "__file__", None)) for one in sys.modules.values()]
    known = STAGE.ground.relative
    return [one for one, file in files if isinstance(file, str) and known(file) is not None]


def _is_submodule(module: ModuleType, name: str) -> bool:
    """Whether it is a module that the import in progress is to find by itself."""
    path = getattr(module, "__path__", None)
    full = f"{module.__name__}.{name}"
    return bool(path) and importlib.machinery.PathFinder.find_spec(full, path) is not None
