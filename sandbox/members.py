"""Members that the repository's classes lack: where a missing one belongs, and what stands there."""

from __future__ import annotations

import dis
import functools
import inspect
import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from sandbox.asking import Frame, is_called, is_hidden, is_soft, moments
from sandbox.derived import origin_of
from sandbox.making import call, make
from sandbox.noting import facts_of, is_recorder, note, seen
from sandbox.stage import STAGE, Lesson


def is_own_class(cls: type) -> bool:
    """Whether a class of the repository's is there as it is; files of tests have none."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and STAGE.ground.is_ours(file) and origin_of(cls) is None


def classes_at(path: str) -> list[type]:
    """Return the repository's classes that go by ``module:qualname``."""
    module, _, qualname = path.partition(":")
    holder: Any = sys.modules.get(module)
    for part in qualname.split("."):
        holder = getattr(holder, "__dict__", {}).get(part)
    found = [one for one in [holder] if isinstance(one, type)]
    return [*found, *(one for one in STAGE.classes.get(path, ()) if one is not holder)]


def classes_named(name: str) -> list[type]:
    """Return the repository's classes of a plain name."""
    return [one for each in STAGE.classes.values() for one in each if one.__name__ == name]


# --- what stands there ---


async def _nothing_awaited(_result: Any) -> None:
    return None


RESULTS: dict[str, Callable[[Any], Any]] = {
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


def place_member(cls: type, need: Lesson) -> None:
    """Put a recorder where a class lacks a member, unless it has it by now."""
    name = need.key.rpartition(".")[2]
    level, use, *_ = [*need.value.split(), "", ""]
    attr = name
    if name.startswith("__") and not name.endswith("__"):
        attr = f"_{cls.__name__.lstrip('_')}{name}"
    known = vars(cls).get(attr)
    if attr in vars(cls) and level not in ("setter", "deleter"):
        return
    path = f"{cls.__module__}:{cls.__qualname__}.{name}"
    sight = note("member", path, f"{level} {use}".strip(), once=True)
    value: Any
    if use == "called":
        value = _method(path, level)
        value = classmethod(value) if level == "class" else value
    elif level == "class":
        value = make(path, path, "name", sight)
    else:
        value = _property(path, level, known)
    try:
        setattr(cls, attr, value)
        if getattr(cls, "__abstractmethods__", None):
            cls.__abstractmethods__ -= {name}  # type: ignore[attr-defined]
    except Exception as error:
        STAGE.state.note(f"{path} cannot be put in place: {error}")


def _method(path: str, level: str) -> Callable[..., Any]:
    finish = RESULTS.get(path.rpartition(".")[2])

    def method(_self: Any, *args: Any, **kwargs: Any) -> Any:
        result = call(path, args, kwargs, level)
        return result if finish is None else finish(result)

    method.__name__ = path.rpartition(".")[2]
    method.__qualname__ = path.partition(":")[2]
    return method


def _property(path: str, level: str, known: Any) -> property:
    """Return a property, or one of the repository's with the setter or the deleter that it lacks."""

    def read(_self: Any) -> Any:
        return make(path, f"{path} {id(_self)}", "attr", note("get", path))

    def write(_self: Any, value: Any) -> None:
        note("set", path, args=[seen(value)])

    def delete(_self: Any) -> None:
        note("delete", path)

    plain = known if isinstance(known, property) else property()
    if level == "instance":
        return property(read, write)
    return plain.setter(write) if level == "setter" else plain.deleter(delete)


def watch(cls: type) -> None:
    """Note members that instances lack, also where the AttributeError is swallowed."""
    if any("__getattr__" in vars(one) for one in cls.__mro__) or vars(cls).get("_is_protocol"):
        return

    def missed(self: Any, name: str) -> Any:
        frame = sys._getframe(1)  # noqa: SLF001
        if not is_hidden(name) and STAGE.ground.relative(frame.f_code.co_filename) is not None:
            need = member_need(self, name, frame)
            if need is not None:
                STAGE.state.missed[need] = None
        return object.__getattribute__(self, name)  # raises what it raised

    try:
        cls.__getattr__ = missed  # type: ignore[attr-defined]
    except Exception:
        return


# --- where it belongs ---


def need_of(error: BaseException) -> Lesson | None:
    """Say what a NameError or AttributeError asks for, if that is the repository's to have."""
    frames = [*moments(error)]
    frame = frames[-1] if frames else None
    name, obj = getattr(error, "name", None), getattr(error, "obj", None)
    if frame is not None and frame.f_code.co_name in ("__getattr__", "__getattribute__"):
        # an object of ours hands on what it lacks, or says so in its own words
        holder, *asked = [frame.f_locals.get(one) for one in frame.f_code.co_varnames[:2]]
        if asked and (name is None or asked == [name]) and is_own_class(type(holder)):
            obj, name, frame = holder, asked[0], frames[-2] if len(frames) > 1 else None
    if not isinstance(name, str) or frame is None or is_hidden(name):
        return None
    if isinstance(error, NameError):
        module = str(frame.f_globals.get("__name__", ""))
        if not STAGE.ground.is_ours(frame.f_code.co_filename):
            return None
        return Lesson("name", f"{module}:{name}")
    return None if is_recorder(obj) else member_need(obj, name, frame)


def member_need(obj: Any, name: str, frame: Frame | None) -> Lesson | None:
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
    ours = [one for one in classes if is_own_class(one)]
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
    place = STAGE.ground.place(STAGE.ground.frame(frame))
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
