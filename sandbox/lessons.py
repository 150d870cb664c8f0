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

from sandbox.asking import Frame, moments, names_test, node_at, position, source_in, source_of
from sandbox.missing import Missing, Need, member_need, need_of
from sandbox.recorder import BASES, facts_of, is_approximate, is_recorder, literal
from sandbox.stage import STAGE, LimitError, State

MAX_SUGGESTIONS = 40
_MAX_TURNS = 8

WANTED = (
    ("tzinfo", "tzinfo"),
    ("timedelta", "timedelta"),
    ("datetime", "datetime"),
    (r"\bdate\b", "date"),
    (r"\btime\b", "time"),
    ("Decimal", "Decimal"),
    ("string|str|JSON|path|Path", "str"),
    ("bytes", "bytes"),
    (r"\bfloat\b|real number", "float"),
    (r"\bint\b|integer", "int"),
    (r"\blist\b", "list"),
    (r"\btuple\b", "tuple"),
    (r"\bdict\b|mapping", "dict"),
    (r"\bset\b", "set"),
    ("BaseException|catching classes", "Exception"),
)
"""What C code says of a type that it insists on, and which type that is."""

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
_SIDES = (
    ("first", "second"),
    ("list1", "list2"),
    ("seq1", "seq2"),
    ("expr1", "expr2"),
    ("d1", "d2"),
    ("set1", "set2"),
    ("first_seq", "second_seq"),
)
"""What unittest's assertions call the two sides of a comparison."""


class Failure:
    """An exception that ended a test (or a module's collection), with its frames."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.text = _text(error)
        self.frames = moments(error)

    @property
    def last(self) -> Frame | None:
        """The frame that raised."""
        return self.frames[-1] if self.frames else None


def _text(error: BaseException) -> str:
    try:
        return str(error)[:1000]
    except BaseException:
        return ""


def suggest(error: BaseException | None, state: State, finder: Missing, test: str) -> list[Need]:
    """Return lessons to try, the surest first; those of ``test`` alone name it."""
    with STAGE.silence():
        found: list[tuple[str, str, str]] = []
        failure = None if error is None else Failure(error)
        if failure is not None:
            found += [(one["kind"], one["key"], one["value"]) for one in exact(failure, finder)]
            found += types_wanted(failure, state)
            found += effects(failure, state)
            found += compared(failure, state)
        elsewhere = [*state.missed[:-9:-1], *(finder.unresolved() if error else ())]
        found += [(one["kind"], one["key"], one["value"]) for one in elsewhere]
        found = [*branches(found, state), *found]
        stubs = [one["who"] for one in state.sights if one["kind"] == "stub" and one["detail"]]
        found += [("soft", one, "") for one in dict.fromkeys(stubs)]
        found += turns(state, isinstance(error, LimitError) or error is None)
    first = {(one[0], one[1], one[2] if one[0] == "answer" else ""): one for one in found[::-1]}
    known = [one for one in found if one in first.values()]
    fresh = [one for one in dict.fromkeys(known) if state.of.get(one[0], {}).get(one[1]) != one[2]]
    shared = ("name", "module", "member", "soft")
    return [
        {"kind": kind, "key": key, "value": value, "test": "" if kind in shared else test}
        for kind, key, value in fresh[:MAX_SUGGESTIONS]
        if len(key) + len(value) < 10_000
    ]


def branches(needs: list[tuple[str, str, str]], state: State) -> list[tuple[str, str, str]]:
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


def exact(failure: Failure, finder: Missing) -> list[Need]:
    """Names and members that the exception itself tells of."""
    error = failure.error
    need = need_of(error, finder) if isinstance(error, (NameError, AttributeError)) else None
    found = [need] if need is not None else []
    if isinstance(error, NameError) and need is None:
        found += _starred(failure, finder)
    if isinstance(error, AttributeError):
        found += _accessor(failure, finder)
    if isinstance(error, ImportError):
        found += _imported(error, finder)
    if isinstance(error, NotImplementedError):
        found += _unimplemented(failure, finder)
    if isinstance(error, TypeError):
        found += _dunders(failure, finder)
    if isinstance(error, AssertionError) and not STAGE.met_calls:
        found += _plain_objects(failure, finder)  # nothing else explains it
    return found


def _plain_objects(failure: Failure, finder: Missing) -> list[Need]:
    """Instances of ours in a false assertion, that compare, or show, as Python's own objects do."""
    frame = next((one for one in failure.frames[::-1] if STAGE.ground.frame(one) is one), None)
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
        if not isinstance(one, (type, enum.Enum)) and finder.is_own_class(type(one))
    ]
    for text in [one for one in STAGE.state.pair or () if isinstance(one, str)]:
        for name in re.findall(r"<(?:[\w.]+\.)?(\w+) object at 0x", text):
            calls = ast.unparse(statement) if statement else ""
            shown = "__repr__" if "repr(" in calls or "!r" in calls else "__str__"
            found += [(one, shown) for one in finder.classes_named(name)]
    return [
        _member(cls, name, "instance called")
        for cls, name in dict.fromkeys(found)
        if getattr(cls, name, None) is getattr(object, name, None)
    ]


def _starred(failure: Failure, finder: Missing) -> list[Need]:
    """A name that a test's file took, or so it thinks, from ``from m import *``."""
    name, frame = getattr(failure.error, "name", None), failure.last
    if not isinstance(name, str) or frame is None:
        return []
    path = finder.ground.relative(frame.f_code.co_filename)
    lines = "".join(linecache.getlines(frame.f_code.co_filename))
    stars = re.findall(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+\*", lines, re.M)
    modules = [one for one in stars if _is_own_module(one, finder)]
    if path is None:
        return []
    return [{"kind": "name", "key": f"{one}:{name}", "value": f"star {path}"} for one in modules]


def _is_own_module(name: str, finder: Missing) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    return isinstance(file, str) and finder.ground.is_ours(file)


def _accessor(failure: Failure, finder: Missing) -> list[Need]:
    """A property of ours without a setter or a deleter."""
    found = re.search(r"property '(\w+)' of '(\w+)' object has no (setter|deleter)", failure.text)
    if not found:
        return []
    return [
        _member(cls, found[1], found[3])
        for cls in finder.classes_named(found[2])
        if finder.is_own_class(cls)
    ]


def _member(cls: type, name: str, value: str) -> Need:
    home = next((one for one in cls.__mro__ if name in vars(one)), cls)
    home = cls if value not in ("setter", "deleter") else home
    return {
        "kind": "member",
        "key": f"{home.__module__}:{home.__qualname__}.{name}",
        "value": value,
    }


def _imported(error: ImportError, finder: Missing) -> list[Need]:
    module, name = error.name, getattr(error, "name_from", None)
    if name is None:
        match = re.search(r"cannot import name '(\w+)'", str(error))
        name = match[1] if match else None
    if not module:
        return []
    if isinstance(error, ModuleNotFoundError):
        is_test = names_test(module) or module.partition(".")[0] in sys.stdlib_module_names
        return [] if is_test else [{"kind": "module", "key": module, "value": ""}]
    file = str(error.path)
    if name and finder.ground.is_ours(file) and not source_in(file).binds(name):
        return [{"kind": "name", "key": f"{module}:{name}", "value": ""}]
    return []


def _unimplemented(failure: Failure, finder: Missing) -> list[Need]:
    """A base says that subclasses do this: the receiver's class lacks it."""
    frame = failure.last
    receiver = frame.f_locals.get("self", frame.f_locals.get("cls")) if frame else None
    cls = receiver if isinstance(receiver, type) else type(receiver)
    if frame is not None and receiver is not None and finder.is_own_class(cls):
        classes, name = [cls], frame.f_code.co_name
    else:  # C code: "a tzinfo subclass must implement utcoffset()"
        found = re.search(r"implement (\w+)\(\)", failure.text)
        values = [value for one in failure.frames for value in one.f_locals.values()]
        classes, name = [type(one) for one in values], found[1] if found else ""
    return [
        _member(one, name, "instance called")
        for one in dict.fromkeys(classes)
        if name and finder.is_own_class(one) and name not in vars(one)
    ][:3]


def _dunders(failure: Failure, finder: Missing) -> list[Need]:
    """What Python itself asks of a class of ours, or an abstract method that it lacks."""
    abstract = re.search(r"abstract class '?(\w+)'? .*?methods? (.+)", failure.text)
    if abstract:
        names = re.findall(r"'?(\w+)'?(?:,|$)", abstract[2])
        return [
            _member(cls, name, "instance called")
            for cls in finder.classes_named(abstract[1])
            for name in names
        ]
    found = _answered(failure, finder)
    for pattern, dunder in () if found else DUNDERS:
        match = re.search(pattern, failure.text)
        for cls in finder.classes_named(match[1]) if match else ():
            name = dunder
            if dunder in ("__enter__", "__exit__") and "async" in failure.text:
                name = "__a" + dunder[2:]
            found.append(_member(cls, name, "instance called"))
    return found


def _answered(failure: Failure, finder: Missing) -> list[Need]:
    """A method that is missing, where the class's ``__getattr__`` answers with what is no function."""
    frame = failure.last
    if frame is None or "object is not callable" not in failure.text:
        return []
    node = node_at(frame)
    function = node.func if isinstance(node, ast.Call) else None
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
        return []
    said, name = function.value.id, function.attr
    names = [said, *(one for one in frame.f_locals if said[:2] == "__" and one.endswith(said))]
    owner = next((frame.f_locals[one] for one in names if one in frame.f_locals), None)
    classes = type(owner).__mro__
    if owner is None or any(name in vars(one) for one in classes):
        return []
    if name in getattr(owner, "__dict__", ()) or not any(
        "__getattr__" in vars(one) for one in classes
    ):
        return []
    need = member_need(owner, name, frame, finder)
    return [] if need is None else [need]


# --- types, effects ---------------------------------------------------------------------------


def types_wanted(failure: Failure, state: State) -> list[tuple[str, str, str]]:
    """A type that C code insists on becomes a base of what it was given."""
    error, text = failure.error, failure.text
    if isinstance(error, ValueError) and "coroutine was expected" in text:
        return [
            ("base", facts_of(one).path, "coroutine")
            for one in state.recorders
            if type(one).__name__ in text or f"<{facts_of(one).path}>" in text
        ]
    if not isinstance(error, TypeError):
        return []
    text = re.sub(r"Object of type (\w+) is not JSON.*", r"must be JSON, not \1", text)
    text = re.sub(r"conversion from (\w+) to Decimal.*", r"must be int, not \1", text)
    after = re.split(r"must return|must be|expected|requires|should be|must derive", text)[-1]
    wanted = ""
    for where in (after, text):
        said = where.partition("not ")[0] or where
        wanted = wanted or next((base for one, base in WANTED if re.search(one, said)), "")
    known = [STAGE.by_number.get(int(one)) for one in re.findall(r"Unwritten(\d+)", text)]
    named: list[Any] = [one for one in known if one is not None]
    if wanted == "Exception" and failure.last is not None:
        named += _caught(failure.last)
    if not wanted:
        return []
    paths = [facts_of(one).path for one in named or state.recorders[:-4:-1]]
    if wanted == "Exception":  # of what is raised, its class
        paths = [one.removesuffix("()") for one in paths]
    return [("base", one, wanted) for one in paths]


def _caught(frame: Frame) -> list[Any]:
    """The unwritten classes that the handlers around the frame's place name."""
    names = {**frame.f_globals, **frame.f_locals}
    source = source_of(frame)
    statement = source.statement(position(frame)[0])
    found = []
    for node in source.above(statement):
        for handler in node.handlers if isinstance(node, ast.Try) else ():
            for one in ast.walk(handler.type) if handler.type else ():
                value = names.get(getattr(one, "id", ""))
                found += [value] if is_recorder(value) else []
    return found


def effects(failure: Failure, state: State) -> list[tuple[str, str, str]]:
    """A call in a ``try`` whose ``else`` fails was to raise what the handler catches."""
    for frame in reversed(failure.frames):
        if STAGE.ground.relative(frame.f_code.co_filename) is None:
            continue
        source = source_of(frame)
        for node in source.above(source.statement(frame.f_lineno)):
            if isinstance(node, ast.Try) and node.handlers:
                kinds = node.handlers[0].type
                kind = kinds.elts[0] if isinstance(kinds, ast.Tuple) and kinds.elts else kinds
                if kind is not None and ast.unparse(kind) not in ("Exception", "BaseException"):
                    return _last_call(state, node, ast.unparse(kind))
        return []
    return []


def _last_call(state: State, node: ast.Try, kind: str) -> list[tuple[str, str, str]]:
    first, last = node.body[0].lineno, node.body[-1].end_lineno or 0
    for one in reversed(state.calls):
        if one.sight["place"] and first <= one.sight["place"]["line"] <= last:
            return [("effect", one.key, f"raises {kind}")]
    return []


def turns(state: State, is_endless: bool) -> list[tuple[str, str, str]]:
    """The other answer to each question of truth: the last first, of an endless test the first."""
    asked = [one for one in state.asked if one.kind == "bool" and one.key not in state.answers]
    order = asked[:3] + asked[:3:-1] if is_endless else asked[::-1]
    found = [("answer", one.key, json.dumps(not one.answer)) for one in order[:_MAX_TURNS]]
    items = [one for one in state.asked if one.kind == "items" and one.answer is None]
    return found + [("answer", one.key, '"[]"') for one in items[-1:] if is_endless]


# --- what the two sides of a comparison teach ---------------------------------------------------


def compared(failure: Failure, state: State) -> list[tuple[str, str, str]]:
    """What would make the sides of the failed comparison equal."""
    found: list[tuple[str, str, str]] = []
    pairs = [] if state.pair is None else [state.pair]
    for frame in reversed(failure.frames):
        names = frame.f_locals if "__unittest" in frame.f_globals else {}
        pairs += [(names[a], names[b]) for a, b in _SIDES if a in names and b in names]
        if names and frame.f_code.co_name == "assertIsNone":
            pairs.append((names["obj"], None))
    found += _identities(failure)
    for left, right in pairs:
        if state.faked and type(left) is type(right) is str:
            found.append(("message", "", left or right))
        found += solve(left, right, state)
        if all(type(one) is int and abs(one) > 1 << 40 for one in (left, right)):
            found.append(("memo", "", ""))
    found += _rows(failure.text, state)
    if isinstance(failure.error, KeyError) and any(map(is_recorder, failure.error.args)):
        found.append(("memo", "", ""))
    return found


def _rows(text: str, state: State) -> list[tuple[str, str, str]]:
    """``parametrize`` wants each of its rows to have as many values as there are names."""
    lengths = [one for one in state.asked if one.kind == "number"]
    items = [one for one in state.asked if one.kind == "items"]
    names = re.search(r"the number of names \((\d+)\)", text)
    if names:
        return [("answer", one.key, names[1]) for one in lengths[-1:]]
    is_zipped = text.startswith("zip() argument 2 is")
    return [("answer", items[-1].key, str(one.answer)) for one in lengths[-1:] if is_zipped]


def _identities(failure: Failure) -> list[tuple[str, str, str]]:
    """``assert f() is None`` tells no pair: what stands on the right is the value."""
    frame = next(
        (one for one in failure.frames[::-1] if STAGE.ground.frame(one) is one), failure.last
    )
    if frame is None or not isinstance(failure.error, AssertionError):
        return []
    statement = source_of(frame).statement(frame.f_lineno)
    test = statement.test if isinstance(statement, ast.Assert) else None
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is):
        value = test.comparators[0]
        names = {**frame.f_globals, **frame.f_locals}
        parts = [one for name, one in names.items() if name[:4] == "@py_"]  # pytest keeps them
        sides = [names.get(getattr(test.left, "id", "")), *parts[::-1], *STAGE.state.recorders[-1:]]
        known = [one for one in sides if is_recorder(one)]
        if isinstance(value, ast.Constant) and known:
            return [("value", facts_of(known[0]).key, repr(value.value))]
    return []


def solve(left: Any, right: Any, state: State, depth: int = 0) -> list[tuple[str, str, str]]:
    """Return what would make ``left`` equal ``right``, from either side."""
    found: list[tuple[str, str, str]] = []
    for one, other in ((left, right), (right, left)):
        exact_one = other.expected if is_approximate(other) else other
        found += _solve_one(one, exact_one, state, depth)
    return found


def _solve_one(one: Any, other: Any, state: State, depth: int) -> list[tuple[str, str, str]]:
    text = literal(other)
    if isinstance(one, (list, dict, set, bytearray)) and text:
        found = _becomes(one, text, state)
        if found:
            return found
    if is_recorder(one):
        facts = facts_of(one)
        if is_recorder(other) and facts.how == "result":
            is_name = "()" not in facts_of(other).path  # ``Color(1) is Color.RED``
            if is_name or facts.number > facts_of(other).number:
                text = "=" + facts_of(other).key
        return [("value", facts.key, text)] if text else []
    if isinstance(one, type) and re.fullmatch(r"Unwritten\d+", one.__name__):
        return _of_type(one, other)
    if type(one) in (int, float) and type(other) in (int, float):
        return _number(one, other, state)
    if type(one) is str and type(other) is str:
        return _texts(one, other, state)
    if isinstance(one, (list, tuple, set, frozenset, dict)) and depth < 3:
        return _items(one, other, text, state, depth)
    return []


def _becomes(one: Any, text: str, state: State) -> list[tuple[str, str, str]]:
    """An argument of a call is compared later on: the call was to change it."""
    return [
        ("effect", call.key, f"{index} {text}")
        for call in state.calls[::-1]
        for index, argument in enumerate(call.args)
        if argument is one
    ][:2]


def _of_type(cls: type, other: Any) -> list[tuple[str, str, str]]:
    recorder = STAGE.by_number.get(int(cls.__name__.removeprefix("Unwritten")))
    name = getattr(other, "__name__", "")
    if recorder is None or name not in BASES:
        return []
    value = (
        literal(BASES[name]()) if name in ("str", "bytes", "int", "float", "list", "dict") else ""
    )
    return [("value", facts_of(recorder).key, value)] if value else []


def _number(one: float, other: float, state: State) -> list[tuple[str, str, str]]:
    for asked in [one for one in state.asked[:-31:-1] if one.kind == "number"][:1]:
        answer = asked.answer + (other - one)
        return [("answer", asked.key, json.dumps(answer))]
    return []


def _texts(one: str, other: str, state: State) -> list[tuple[str, str, str]]:
    found = []
    for recorder in state.recorders[:-21:-1]:
        token = f"<{type(recorder).__name__}>"
        if isinstance(recorder, str) and facts_of(recorder).how != "name" and token in one:
            before, _, after = one.partition(token)
            text = other[len(before) : len(other) - len(after)]
            if other == before + text + after:
                found.append(("value", facts_of(recorder).key, repr(text)))
            break
    if one == "" and state.calls:  # of what is written to the standard output
        found.append(("effect", state.calls[-1].key, f"prints {other!r}"))
    for asked in state.asked[:-31:-1]:
        token = f"<{type(asked.who).__name__}>"
        if asked.kind == "text" and asked.answer is None and token in one:
            before, _, after = one.partition(token)
            if other.startswith(before) and other.endswith(after):
                text = other[len(before) : len(other) - len(after)]
                found.append(("answer", asked.key, json.dumps(text)))
            elif other in one or len(other) < 400:
                found.append(("answer", asked.key, json.dumps(token + other)))
            break
    return found


def _items(one: Any, other: Any, text: str, state: State, depth: int) -> list[tuple[str, str, str]]:
    return [*_lengths(one, other, text, state), *_pairs(one, other, state, depth)]


def _lengths(one: Any, other: Any, text: str, state: State) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    same_kind = isinstance(other, (list, tuple, set, frozenset, dict))
    for asked in state.asked[:-41:-1] if text and same_kind else ():
        if asked.kind == "number" and len(one) != len(other):
            found.append(("answer", asked.key, json.dumps(len(other))))
        items = facts_of(asked.who).items if asked.kind == "items" else None
        if items is None or isinstance(asked.answer, str):
            continue
        if len(one) != len(other) and not isinstance(one, dict):
            number = max(0, len(items) + len(other) - len(one))
            found.append(("answer", asked.key, json.dumps(number)))
        if any(item is value for item in items for value in one):
            found.append(("answer", asked.key, json.dumps(literal(list(other)))))
        break
    return found


def _pairs(one: Any, other: Any, state: State, depth: int) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if all(isinstance(side, (set, frozenset)) for side in (one, other)):
        one, other = one - other, other - one
        one = sorted(filter(is_recorder, one), key=lambda each: facts_of(each).number)
        other = sorted((each for each in other if not is_recorder(each)), key=repr)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        for left, right in zip(one, other):  # noqa: B905 (as far as both go)
            found += solve(left, right, state, depth + 1)
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() & other.keys():
            found += solve(one[key], other[key], state, depth + 1)
    return found
