"""What a failure teaches: lessons for the next run of the same test, the surest first.

It looks at the exception, its frames and what the state has seen, and changes nothing.
"""

from __future__ import annotations

import ast
import enum
import json
import linecache
import re
import sys
from typing import Any

from sandbox.asking import names_test, node_at, source_in, source_of
from sandbox.making import BASES
from sandbox.members import classes_named, is_own_class, member_need, need_of
from sandbox.noting import facts_of
from sandbox.solving import Failure, compared
from sandbox.stage import STAGE, Lesson, LimitError, State

MAX_SUGGESTIONS = 40
_MAX_TURNS = 8

_ALIASES = {
    **dict.fromkeys(("string", "JSON", "path", "Path"), "str"),
    "real number": "float",
    "integer": "int",
    "mapping": "dict",
    **dict.fromkeys(("BaseException", "catching classes"), "Exception"),
}
_WANTED = re.compile(rf"\b(?:datetime\.)?({'|'.join([*_ALIASES, *BASES])})\b")
"""What C code says of a type that it insists on."""

DUNDERS = (
    (r"'(\w+)' object is not iterable", "__iter__"),
    (r"object of type '(\w+)' has no len", "__len__"),
    (r"'(\w+)' object is not subscriptable", "__getitem__"),
    (r"'(\w+)' object is not callable", "__call__"),
    (r"not supported between instances of '(\w+)'", "__lt__"),
    (r"unsupported operand type\(s\) for \+: '(\w+)'", "__add__"),
    (r"unsupported operand type\(s\) for -: '(\w+)'", "__sub__"),
    (r"unsupported operand type\(s\) for \*: '(\w+)'", "__mul__"),
    (r"'(\w+)' object does not support .*missed __(?:a?)exit__", "__exit__"),
    (r"'(\w+)' object does not support the (?:asynchronous )?context", "__enter__"),
    (r"'(\w+)' object does not support item assignment", "__setitem__"),
    (r"'(\w+)' object does not support item deletion", "__delitem__"),
    (r"argument of type '(\w+)' is not", "__contains__"),
    (r"'(\w+)' object is not an iterator", "__next__"),
    (r"object (\w+) can't be used in 'await'", "__await__"),
    (r"requires an object with __aiter__ method, got (\w+)", "__aiter__"),
    (r"unhashable type: '(\w+)'", "__hash__"),
    (r"^(\w+)\(\) takes no arguments", "__init__"),
)


def suggest(error: BaseException | None, state: State, test: str) -> list[dict[str, str]]:
    """Return lessons to try, the surest first; those of ``test`` alone name it."""
    with STAGE.silence():
        found: list[Lesson] = []
        failure = None if error is None else Failure(error)
        if failure is not None:
            found += exact(failure)
            found += types_wanted(failure, state)
            found += effects(failure, state)
            found += compared(failure, state)
        found += [*state.missed][:-9:-1]
        found = [*branches(found, state), *found]
        stubs = [one["who"] for one in state.sights if one["kind"] == "stub" and one["detail"]]
        found += [Lesson("soft", one) for one in dict.fromkeys(stubs)]
        found += turns(state, isinstance(error, LimitError) or error is None)
    first: dict[tuple[str, ...], Lesson] = {}
    for one in found:
        first.setdefault(one if one.kind == "answer" else one[:2], one)
    fresh = [one for one in first.values() if state.of.get(one.kind, {}).get(one.key) != one.value]
    shared = ("name", "module", "member", "soft")
    return [
        dict(one._asdict(), test="" if one.kind in shared else test)
        for one in fresh[:MAX_SUGGESTIONS]
        if len(one.key) + len(one.value) < 10_000
    ]


def branches(needs: list[Lesson], state: State) -> list[Lesson]:
    """The other way, where code is short of a member since something unwritten was true."""
    around = []
    for kind, _, value in needs:
        place = value.rpartition(" ")[2].split(":")
        if kind == "member" and len(place) == 3:
            source = source_in(STAGE.ground.root + place[0])
            around += [
                f"bool {place[0]}:{node.test.lineno}:"
                for node in source.above(source.statement(int(place[1])))
                if isinstance(node, (ast.If, ast.While))
            ]
    return [one for one in turns(state, False) if one[1].startswith(tuple(around))]


# --- what is missing, exactly -----------------------------------------------------------------


def exact(failure: Failure) -> list[Lesson]:
    """Names and members that the exception itself tells of."""
    error = failure.error
    need = need_of(error) if isinstance(error, (NameError, AttributeError)) else None
    found = [need] if need is not None else []
    if isinstance(error, NameError) and need is None:
        found += _starred(failure)
    if isinstance(error, AttributeError):
        found += _accessor(failure)
    if isinstance(error, ImportError):
        found += _imported(error)
    if isinstance(error, NotImplementedError):
        found += _unimplemented(failure)
    if isinstance(error, TypeError):
        found += _dunders(failure)
    if isinstance(error, AssertionError) and not STAGE.met_calls:
        found += _plain_objects(failure)  # nothing else explains it
    return found


def _plain_objects(failure: Failure) -> list[Lesson]:
    """Instances of ours in a false assertion, that compare, or show, as Python's own objects do."""
    frame = failure.own
    statement = None if frame is None else source_of(frame).statement(frame.f_lineno)
    values: list[Any] = []
    asked = []
    operators = getattr(getattr(statement, "test", None), "ops", [None])
    if isinstance(operators[0], (ast.Is, ast.IsNot)):
        return []
    if isinstance(getattr(statement, "test", None), ast.UnaryOp) and frame is not None:
        # pytest keeps what the parts of an assertion are
        values = [value for name, value in frame.f_locals.items() if name[:4] == "@py_"]
        asked = ["__bool__"]
    for side in STAGE.state.pair or ():
        values += side if isinstance(side, (list, tuple, set)) else [side]
        asked += ["__eq__", "__hash__"] if isinstance(side, (set, frozenset, dict)) else ["__eq__"]
    found = [
        (type(one), name)
        for one in values
        for name in asked
        if not isinstance(one, (type, enum.Enum)) and is_own_class(type(one))
    ]
    for text in [one for one in STAGE.state.pair or () if isinstance(one, str)]:
        for name in re.findall(r"<(?:[\w.]+\.)?(\w+) object at 0x", text):
            calls = ast.unparse(statement) if statement else ""
            shown = "__repr__" if "repr(" in calls or "!r" in calls else "__str__"
            found += [(one, shown) for one in classes_named(name)]
    return [
        _member(cls, name, "instance called")
        for cls, name in dict.fromkeys(found)
        if getattr(cls, name, None) is getattr(object, name, None)
    ]


def _starred(failure: Failure) -> list[Lesson]:
    """A name that a test's file took, or so it thinks, from ``from m import *``."""
    name, frame = getattr(failure.error, "name", None), failure.last
    if not isinstance(name, str) or frame is None:
        return []
    path = STAGE.ground.relative(frame.f_code.co_filename)
    lines = "".join(linecache.getlines(frame.f_code.co_filename))
    stars = re.findall(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+\*", lines, re.M)
    files = {one: str(getattr(sys.modules.get(one), "__file__", "")) for one in stars if path}
    modules = [one for one, file in files.items() if STAGE.ground.is_ours(file)]
    return [Lesson("name", f"{one}:{name}", f"star {path}") for one in modules]


def _accessor(failure: Failure) -> list[Lesson]:
    """A property of ours without a setter or a deleter."""
    found = re.search(r"property '(\w+)' of '(\w+)' object has no (setter|deleter)", failure.text)
    classes = classes_named(found[2]) if found else []
    return [_member(cls, found[1], found[3]) for cls in classes if found]


def _member(cls: type, name: str, value: str) -> Lesson:
    home = next((one for one in cls.__mro__ if name in vars(one)), cls)
    home = cls if value not in ("setter", "deleter") else home
    return Lesson("member", f"{home.__module__}:{home.__qualname__}.{name}", value)


def _imported(error: ImportError) -> list[Lesson]:
    module, name = error.name, getattr(error, "name_from", None)
    if name is None:
        match = re.search(r"cannot import name '(\w+)'", str(error))
        name = match[1] if match else None
    if not module:
        return []
    if isinstance(error, ModuleNotFoundError):
        is_test = names_test(module) or module.partition(".")[0] in sys.stdlib_module_names
        return [] if is_test else [Lesson("module", module)]
    file = str(error.path)
    if name and STAGE.ground.is_ours(file) and not source_in(file).binds(name):
        return [Lesson("name", f"{module}:{name}")]
    return []


def _unimplemented(failure: Failure) -> list[Lesson]:
    """A base says that subclasses do this: the receiver's class lacks it."""
    frame = failure.last
    receiver = frame.f_locals.get("self", frame.f_locals.get("cls")) if frame else None
    cls = receiver if isinstance(receiver, type) else type(receiver)
    if frame is not None and receiver is not None and is_own_class(cls):
        classes, name = [cls], frame.f_code.co_name
    else:  # C code: "a tzinfo subclass must implement utcoffset()"
        found = re.search(r"implement (\w+)\(\)", failure.text)
        values = [value for one in failure.frames for value in one.f_locals.values()]
        classes, name = [type(one) for one in values], found[1] if found else ""
    return [
        _member(one, name, "instance called")
        for one in dict.fromkeys(classes)
        if name and is_own_class(one) and name not in vars(one)
    ][:3]


def _dunders(failure: Failure) -> list[Lesson]:
    """What Python itself asks of a class of ours, or an abstract method that it lacks."""
    abstract = re.search(r"abstract class '?(\w+)", failure.text)
    if abstract:
        lacking: list[Any] = classes_named(abstract[1])
        names = [(cls, name) for cls in lacking for name in sorted(cls.__abstractmethods__)]
        return [_member(cls, name, "instance called") for cls, name in names]
    found = _answered(failure)
    for pattern, dunder in () if found else DUNDERS:
        match = re.search(pattern, failure.text)
        for cls in classes_named(match[1]) if match else ():
            name = dunder
            if dunder in ("__enter__", "__exit__") and "async" in failure.text:
                name = "__a" + dunder[2:]
            found.append(_member(cls, name, "instance called"))
    return found


def _answered(failure: Failure) -> list[Lesson]:
    """A method that is missing, where the class's ``__getattr__`` answers with what is no function."""
    frame = failure.last
    if frame is None or "object is not callable" not in failure.text:
        return []
    node = node_at(frame)
    function = node.func if isinstance(node, ast.Call) else None
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
        return []
    said, name = function.value.id, function.attr
    mangled = [one for one in frame.f_locals if said[:2] == "__" and one.endswith(said)]
    owner = next((frame.f_locals[one] for one in (said, *mangled) if one in frame.f_locals), None)
    holders = [owner, *type(owner).__mro__]
    is_there = any(name in getattr(one, "__dict__", ()) for one in holders)
    if is_there or not hasattr(type(owner), "__getattr__"):
        return []
    return [*filter(None, [member_need(owner, name, frame)])]


# --- types, effects ---------------------------------------------------------------------------


def types_wanted(failure: Failure, state: State) -> list[Lesson]:
    """A type that C code insists on becomes a base of what it was given."""
    error, text = failure.error, failure.text
    if isinstance(error, ValueError) and "coroutine was expected" in text:
        return [
            Lesson("base", facts_of(one).path, "coroutine")
            for one in state.recorders
            if type(one).__name__ in text or f"<{facts_of(one).path}>" in text
        ]
    if not isinstance(error, TypeError):
        return []
    text = re.sub(r"Object of type (\w+) is not JSON.*", r"must be JSON, not \1", text)
    text = re.sub(r"conversion from (\w+) to Decimal.*", r"must be int, not \1", text)
    after = re.split(r"must return|must be|expected|requires|should be|must derive", text)[-1]
    said = [one.partition("not ")[0] or one for one in (after, text)]
    found = _WANTED.search(said[0]) or _WANTED.search(said[1])
    if not found:
        return []
    wanted = _ALIASES.get(found[1], found[1])
    numbers = map(int, re.findall(r"Unwritten(\d+)", text))
    named = [STAGE.by_number[one] for one in numbers if one in STAGE.by_number]
    paths = [facts_of(one).path for one in named or state.recorders[:-4:-1]]
    if wanted == "Exception":  # of what is raised, its class
        paths = [one.removesuffix("()") for one in paths]
    return [Lesson("base", one, wanted) for one in paths]


def effects(failure: Failure, state: State) -> list[Lesson]:
    """A call in a ``try`` whose ``else`` fails was to raise what the handler catches."""
    frame = failure.own
    source = None if frame is None else source_of(frame)
    for node in source.above(source.statement(frame.f_lineno)) if source and frame else ():
        if not isinstance(node, ast.Try) or not node.handlers:
            continue
        kinds = node.handlers[0].type
        kind = kinds.elts[0] if isinstance(kinds, ast.Tuple) and kinds.elts else kinds
        if kind is not None and ast.unparse(kind) not in ("Exception", "BaseException"):
            lines = range(node.body[0].lineno, (node.body[-1].end_lineno or 0) + 1)
            places = [(one.key, one.sight["place"] or {}) for one in state.calls]
            inside = [key for key, place in places if place.get("line") in lines]
            return [Lesson("effect", key, f"raises {ast.unparse(kind)}") for key in inside[-1:]]
    return []


def turns(state: State, is_endless: bool) -> list[Lesson]:
    """The other answer to each question of truth: the last first, of an endless test the first."""
    asked = [one for one in state.asked if one.kind == "bool" and one.key not in state.answers]
    order = asked[:3] + asked[:3:-1] if is_endless else asked[::-1]
    found = [Lesson("answer", one.key, json.dumps(not one.answer)) for one in order[:_MAX_TURNS]]
    items = [one for one in state.asked if one.kind == "items" and one.answer is None]
    return found + [Lesson("answer", one.key, '"[]"') for one in items[-1:] if is_endless]
