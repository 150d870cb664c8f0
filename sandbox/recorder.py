"""Recorders: objects that stand in for something missing and note all that happens to them.

Where Python forces a choice (truth, number, text, items) ``ask`` gives a default, or the answer that
a lesson has for this place in the source. What follows from a failure is ``lessons``' affair.
"""

# mypy: disable-error-code="explicit-override"

from __future__ import annotations

import abc
import ast
import builtins
import datetime
import decimal
import dis
import re
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

from sandbox.asking import (
    OWN_FOLDER,
    Frame,
    asker,
    calls_one_of,
    is_asserted,
    is_equal_to,
    principal,
    wanted,
)
from sandbox.reprs import Reprs, printable, shorten
from sandbox.stage import STAGE, Asked, Call, Sight

MAX_EXPECTED = 20
MAX_ARGUMENTS = 40
MAX_LITERAL = 2000
_SIZED = frozenset((str, bytes, list, tuple, set, dict))
_LITERALS = _SIZED | {int, float, complex, bool, type(None), type(...)}

Seen = dict[str, str]

# --- values as text ---------------------------------------------------------------------------


def seen(value: Any) -> Seen:
    """Describe a value as a Seen record, now; a class by its name."""
    found = {"text": "", "type_name": _full_name(type(value))}
    if is_recorder(value):
        path = facts_of(value).path
        return {"text": cut(f"<{path}>"), "type_name": "unwritten", "who": cut(path)}
    if isinstance(value, type):
        found["text"] = _full_name(value)
        if "_origin" in vars(value):
            found["who"] = cut(facts_of(vars(value)["_origin"]).path)
        return found
    with STAGE.silence():
        found["text"], text = Reprs(400)(value), literal(value)
    return dict(found, literal=text) if text else found


def _full_name(cls: type) -> str:
    home = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
    return shorten(printable(home + cls.__qualname__), 200)


def literal(value: Any) -> str:
    """Return the text of a value of built-in types that can be read back, "" for any other."""
    waiting = [value]
    for one in waiting:  # which grows
        kind = type(one)
        if kind not in _LITERALS or (kind is float and one - one != 0):  # infinity, nan
            return ""
        size = one.bit_length() // 4 if kind is int else len(one) if kind in _SIZED else 0
        if size + len(waiting) > MAX_LITERAL:
            return ""
        if kind in (list, tuple, set, dict):
            waiting += [*one, *one.values()] if kind is dict else one
    try:
        text = repr(value)
    except RecursionError:
        return ""
    return text if len(text) <= MAX_LITERAL else ""


def cut(path: str) -> str:
    """A recorder's path as it travels."""
    return path if len(path) <= 400 else path[:199] + ".." + path[-199:]


# --- what is known of a recorder --------------------------------------------------------------


class Facts:
    """What is known of one recorder.

    ``path`` says what it is, ``key`` which one (for lessons), ``how`` what made it: name, result,
    attr, item, enter, awaited, op. Expectations of it belong to ``sight``, by way of ``via``.
    """

    __slots__ = ("how", "items", "key", "kids", "number", "path", "sight", "via")

    def __init__(self, path: str, key: str, how: str, sight: Sight, via: str) -> None:
        self.path, self.key, self.how, self.sight, self.via = path, key, how, sight, via
        self.kids: dict[Any, Any] = {}
        self.items: list[Any] | None = None
        self.number = len(STAGE.by_number)


def is_recorder(value: Any) -> bool:
    """Whether it is a recorder."""
    return issubclass(type(value), Recorder)


def facts_of(value: Any) -> Facts:
    """Return what is known of a recorder."""
    own = object.__getattribute__(value, "__dict__")
    if "_unwritten" not in own:  # made by another of its bases
        own["_unwritten"] = _facts_of_instance(type(value))
    return own["_unwritten"]  # type: ignore[no-any-return]


_SEEDS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("str", "list", "tuple", "dict", "set", "tzinfo", "timedelta", "time"), ()),
    **dict.fromkeys(("datetime", "date"), (2001, 2, 3)),
    "bytes": (b"",),
    "int": (1,),
    "float": (1.0,),
    "Decimal": ("1",),
}
BASES: dict[str, type] = {
    name: next(getattr(one, name) for one in (builtins, datetime, decimal) if hasattr(one, name))
    for name in _SEEDS
}
"""Types that a recorder may derive from where C code takes nothing else."""


def make(path: str, key: str, how: str, sight: Sight, via: str = "") -> Any:
    """Make a recorder, or the value that a lesson has in its place.

    Its class is its own, named by its number, so that a TypeError of C code tells which one it is.
    """
    state = STAGE.state
    if how != "name" and key in state.of.get("value", {}):
        return _known_value(state.of["value"][key], sight, via)
    base = state.of.get("base", {}).get(path, "")
    if base == "coroutine" and how == "result":
        return _coroutine(path, key, sight, via)
    facts = Facts(path, key, how, sight, via)
    name, kind = f"Unwritten{facts.number}", BASES.get(base)
    try:
        cls = type(name, (Recorder, kind) if kind else (Recorder,), {})
    except TypeError:  # bool, and what C code does not mix
        state.note(f"{path} should be a {base}, which nothing can stand in for")
        cls, kind = type(name, (Recorder,), {}), None
    try:
        seeds = (f"<{name}>",) if kind is str else _SEEDS.get(base, ())
        self = kind.__new__(cls, *seeds) if kind else object.__new__(cls)
    except TypeError:  # without a state of their own
        self = object.__new__(cls)
    object.__getattribute__(self, "__dict__")["_unwritten"] = facts
    STAGE.by_number[facts.number] = self
    state.recorders.append(self)
    if kind:
        expect(self, "isinstance", kind)
    return self


def _known_value(text: str, sight: Sight, via: str) -> Any:
    value = known(text[1:]) if text.startswith("=") else ast.literal_eval(text)
    by_identity = value is None or isinstance(value, bool) or is_recorder(value)
    expect_of(sight, via, "is" if by_identity else "eq", value)
    return value


def known(key: str) -> Any:
    """Return the recorder that goes by a key, None without it."""
    for one in STAGE.state.recorders:
        if facts_of(one).key == key:
            return one
    head, _, rest = key.partition(":")
    first, *steps = rest.split(".")
    found = STAGE.names.get(f"{head}:{first}")
    for step in steps:
        found = attribute(found, step) if is_recorder(found) else None
    return found


async def _coroutine(path: str, key: str, sight: Sight, via: str) -> Any:
    sight["detail"] = "coroutine"
    return make(path, key, "awaited", sight, via)


def derive(self: Any, how: str, step: str) -> Any:
    """Make what comes of a recorder by one more step."""
    facts = facts_of(self)
    return make(facts.path + step, facts.key + step, how, facts.sight, facts.via + step)


# --- what is noted ----------------------------------------------------------------------------


def note(kind: str, who: Any, detail: str = "", *, once: bool = False, **more: Any) -> Sight:
    """Note one thing that happens to a recorder, or to a path. Raises LimitError."""
    if STAGE.quiet:
        return sight(kind, who, detail, **more)
    STAGE.state.tick()
    return STAGE.state.see(sight(kind, who, detail, **more), once)


def sight(kind: str, who: Any, detail: str = "", **more: Any) -> Sight:
    """Describe one thing that happens where the asker stands."""
    frame = STAGE.ground.frame(asker())
    function = "" if frame is None else STAGE.qualname(frame.f_code)
    return {
        "kind": kind,
        "who": cut(who if isinstance(who, str) else facts_of(who).path),
        "detail": detail[:200],
        "place": STAGE.ground.place(frame),
        "function": "" if function == "<module>" else function[:400],
        "args": [],
        "kwargs": [],
        "expected": [],
        **more,
    }


def expect(self: Any, relation: str, value: Any) -> None:
    """Note what is expected of a recorder."""
    facts = facts_of(self)
    expect_of(facts.sight, facts.via, relation, value)


def expect_of(sight: Sight, via: str, relation: str, value: Any) -> None:
    """Note what is expected of what ``via`` leads to from a call's result."""
    if STAGE.quiet:
        return
    expected = STAGE.state.adopt(sight)["expected"]
    one = {"via": via[-200:], "relation": relation[:40], "value": seen(value)}
    known = [{key: other[key] for key in one} for other in expected]
    if len(expected) < MAX_EXPECTED and one not in known:
        expected.append(dict(one, place=STAGE.ground.place(STAGE.ground.frame(asker()))))


def ask(kind: str, self: Any, default: Any) -> Any:
    """Make a choice: as a lesson says, as the statement at hand wants it, or the default."""
    if STAGE.quiet:
        return default
    state = STAGE.state
    state.tick()
    frame = STAGE.ground.frame(asker())
    key, times = state.key(kind, frame)
    if kind == "bool":
        default = wanted(frame, times)
    answer = state.answers.get(key, default)
    state.asked.append(Asked(key, kind, answer, self))
    return answer


# --- calls ------------------------------------------------------------------------------------


def call(path: str, args: tuple[Any, ...], kwargs: dict[str, Any], detail: str = "") -> Any:
    """Note a call of what ``path`` names; return a recorder of its result."""
    state = STAGE.state
    sight = note("call", path, detail, **_arguments(args, kwargs))
    if len(args) > MAX_ARGUMENTS or len(kwargs) > MAX_ARGUMENTS:
        state.note(f"{path} is called with more than {MAX_ARGUMENTS} arguments")
    if STAGE.quiet:
        return make(path + "()", path + "()", "result", sight)
    frame = STAGE.ground.frame(asker())
    key, _ = state.key("call", frame)
    state.calls.append(Call(sight, args, key))
    if frame is not None and key in state.of.get("effect", {}):
        _take_effect(state.of["effect"][key], state.calls[-1], frame)
    while state.warning_blocks:  # inside ``with warns(W)`` the first call warns
        kinds, warning = state.warning_blocks.pop()
        refuse(sight, "warns", kinds)
        warnings.warn(warning, stacklevel=3)
    if "memo" in state.of:  # the same arguments, the same recorder: keys of dictionaries, hashes
        same = (path, str(sight["args"]), str(sight["kwargs"]))
        if same not in state.memo:
            state.memo[same] = make(path + "()", key, "result", sight)
        return state.memo[same]
    return make(path + "()", key, "result", sight)


def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sight:
    named = [[str(key)[:200], seen(one)] for key, one in [*kwargs.items()][:MAX_ARGUMENTS]]
    return {"args": [seen(one) for one in args[:MAX_ARGUMENTS]], "kwargs": named}


def refuse(sight: Sight, relation: str, kinds: Any) -> None:
    """Note that a call is expected to raise, or to warn of, one of these classes."""
    last, kids, name, before = STAGE.state.last_set
    if last is sight:  # an attribute stays as it was
        kids[name] = before
        if before is None:
            del kids[name]
    for kind in kinds if isinstance(kinds, tuple) else (kinds,):
        expect_of(sight, "", relation, kind)


def _take_effect(effect: str, one: Call, frame: Frame) -> None:
    """Do what a call is to do: print, change an argument, or raise."""
    what, _, text = effect.partition(" ")
    if what == "prints":
        sys.stdout.write(ast.literal_eval(text))
        expect_of(one.sight, "", "prints", ast.literal_eval(text))
    elif what.isdecimal() and int(what) < len(one.args):
        _become(one.args[int(what)], ast.literal_eval(text))
        expect_of(one.sight, "", f"argument {what} becomes", ast.literal_eval(text))
    else:
        _raise(text, one.sight, frame)


def _become(argument: Any, value: Any) -> None:
    """Have a list, set or dictionary hold what another holds."""
    if isinstance(argument, (list, bytearray)):
        argument[:] = value
    else:
        argument.clear()
        argument.update(value)


def _raise(name: str, sight: Sight, frame: Frame) -> None:
    """Raise what a handler around the call waits for, by the name that it has there."""
    first, *rest = name.split(".")
    kind = frame.f_locals.get(first, frame.f_globals.get(first, getattr(builtins, first, None)))
    for part in rest:
        kind = getattr(kind, part, None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        refuse(sight, "raises", kind)
        raise kind()


def _hands_back(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call decorates a test, which the runner must still find."""
    target = args[0] if len(args) == 1 and not kwargs else None
    if not isinstance(target, (types.FunctionType, type)) or is_recorder(target):
        return False
    frame = asker()
    if frame is None or not target.__name__.lower().startswith("test"):
        return False
    code = getattr(target, "__code__", None)
    return code is None or frame.f_lineno <= code.co_firstlineno + 1


# --- the object -------------------------------------------------------------------------------

_DEAF = re.compile(
    r"_pytest/|/pluggy/|/(inspect|doctest|typing|functools|copy|dataclasses|pickle)\.py$"
    r"|/unittest/(case|loader|suite)\.py$|/hypothesis/"
)
"""They ask every object for attributes that nobody meant."""

HOOKS = re.compile(
    r"pytest_plugins|pytestmark|_pytestfixturefunction|pytest_mock_example_attribute_\w+|load_tests"
    r"|(setup|teardown)(_module|_function)?|(setUp|tearDown)Module|collect_ignore(_glob)?"
)
"""What they ask modules for."""
_ANSWERED = frozenset(("__version__", "__author__", "__license__", "__title__", "__members__"))


def is_deaf(frame: Frame | None) -> bool:
    """Whether an attribute is asked for by what asks every object for it."""
    frame = principal(frame)
    return frame is None or bool(_DEAF.search(frame.f_code.co_filename))


def is_hidden(name: str) -> bool:
    """Whether a name is one that Python or pytest ask for of their own accord."""
    special = name.startswith("__") and name.endswith("__")
    return (special and name not in _ANSWERED) or bool(HOOKS.fullmatch(name))


def attribute(self: Any, name: str) -> Any:
    """The attribute of a recorder, always the same one."""
    facts = facts_of(self)
    if name not in facts.kids:
        step = "." + name
        sight = note("get", facts.path + step, once=True)
        if facts.how == "name" or (facts.how == "attr" and facts.sight["kind"] == "get"):
            facts.kids[name] = make(facts.path + step, facts.key + step, "attr", sight)
        else:
            facts.kids[name] = derive(self, "attr", step)
    return facts.kids[name]


class Recorder:
    """Stands in for something missing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """``type(one)(...)``: a call of what it came from; recorders themselves are not made so."""
        number = int(re.sub(r"\D", "", cls.__name__) or 0)
        return call(facts_of(STAGE.by_number[number]).path.removesuffix("()"), args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Note the call; a decorated test comes back as it is."""
        facts = facts_of(self)
        if _hands_back(args, kwargs):
            note("decorate", self, args[0].__name__)
            return args[0]
        if len(args) == 3 and type(args[2]) is dict and "__qualname__" in args[2]:
            return _made_by(self, *args)
        return call(facts.path, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__name__" or name == "__qualname__":
            return re.split(r"[:.]", facts_of(self).path)[-1]
        if is_hidden(name) or is_deaf(asker()):
            raise AttributeError(name)
        return attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        kids = facts_of(self).kids
        sight = note("set", self, name, args=[seen(value)])
        STAGE.state.last_set = (sight, kids, name, kids.get(name))
        kids[name] = value

    def __delattr__(self, name: str) -> None:
        note("delete", self, name)
        facts_of(self).kids.pop(name, None)

    def __iter__(self) -> Iterator[Any]:
        count = _unpacked(sys._getframe(1))  # noqa: SLF001
        if count is not None:
            expect(self, "unpacks", count)
        facts = facts_of(self)
        note("iterate", self, once=True)
        answer = ask("items", self, None)
        if isinstance(answer, str):
            items = list(ast.literal_eval(answer))
            expect(self, "iterates", items)
            return iter(items)
        if isinstance(answer, int):  # so many, still unknown
            count = answer
        number = 1 if count is None else min(count, 1000)
        facts.items = [derive(self, "item", f".__iter__()[{one}]") for one in range(number)]
        return iter(facts.items)

    def __next__(self) -> Any:
        kids, by_itself = facts_of(self).kids, is_called_for("next", "anext", "__next__")
        note("iterate", self, "next", once=not by_itself)
        if not by_itself:  # a loop, which is to end
            if ("", "left") not in kids:
                kids["", "left"] = iter(self)
            return next(kids["", "left"])
        kids["", "next"] = kids.get(("", "next"), -1) + 1
        return derive(self, "item", f".__next__()[{kids['', 'next']}]")

    def __aiter__(self) -> Any:
        note("iterate", self, "async", once=True)
        return self

    async def __anext__(self) -> Any:
        try:
            return self.__next__()
        except StopIteration:
            raise StopAsyncIteration from None

    def __reversed__(self) -> Iterator[Any]:
        return self.__iter__()

    def __getitem__(self, key: Any) -> Any:
        step = f"[{cut(seen(key)['text'])}]"
        kids = facts_of(self).kids
        if isinstance(key, int) and not is_recorder(key) and key > 1000:
            raise IndexError(key)
        note("item", self, step, once=True, args=[seen(key)])
        if ("[", step) not in kids:
            kids["[", step] = derive(self, "item", step)
        return kids["[", step]

    def __setitem__(self, key: Any, value: Any) -> None:
        note("operator", self, "setitem", args=[seen(key), seen(value)])
        facts_of(self).kids["[", f"[{cut(seen(key)['text'])}]"] = value

    def __delitem__(self, key: Any) -> None:
        note("operator", self, "delitem", args=[seen(key)])

    def __contains__(self, item: Any) -> bool:
        answer = bool(ask("bool", self, True))
        _expect_truth(self, "contains" if answer else "lacks", item, "contains")
        return answer

    def __bool__(self) -> bool:
        answer = bool(ask("bool", self, True))
        _expect_truth(self, "true" if answer else "false", answer)
        return answer

    def __set_name__(self, _owner: type, name: str) -> None:
        facts_of(self).kids["", "name"] = name

    def __get__(self, holder: Any, _owner: Any = None) -> Any:
        return getattr(holder, "__dict__", {}).get(facts_of(self).kids.get(("", "name")), self)

    def __set__(self, holder: Any, value: Any) -> None:
        note("operator", self, "set", args=[seen(value)])
        vars(holder)[facts_of(self).kids.get(("", "name"))] = value

    def __enter__(self) -> Any:
        note("enter", self)
        return derive(self, "enter", ".__enter__()")

    def __exit__(self, *_: object) -> None:
        return None

    async def __aenter__(self) -> Any:
        note("enter", self, "async")
        return derive(self, "enter", ".__aenter__()")

    async def __aexit__(self, *_: object) -> None:
        return None

    def __await__(self) -> Any:
        facts = facts_of(self)
        note("await", self, once=True)
        if facts.how == "result":
            STAGE.state.adopt(facts.sight)["detail"] = "coroutine"
        yield from ()
        return make(facts.path, facts.key + " awaited", "awaited", facts.sight, facts.via)

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        return self._as_text("str")

    def __repr__(self) -> str:
        frame = sys._getframe(1)  # noqa: SLF001
        file = frame.f_code.co_filename
        if file.startswith(OWN_FOLDER) or is_deaf(frame) or file.endswith("reprlib.py"):
            return f"<{facts_of(self).path}>"
        return self._as_text("repr")

    def __format__(self, spec: str) -> str:
        return self._as_text("str")

    def _as_text(self, relation: str) -> str:
        answer = ask("text", self, None)
        if not isinstance(answer, str):
            return f"<{type(self).__name__}>"
        expect(self, relation, answer)
        return answer

    def __fspath__(self) -> str:
        note("operator", self, "fspath", once=True)
        return self._as_text("str")

    def __bytes__(self) -> bytes:
        note("operator", self, "bytes")
        return b""

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[type, ...]:
        note("subclass", self)
        return (derived_base(self),)

    def __instancecheck__(self, value: Any) -> bool:
        note("class", self, once=True)
        answer = bool(ask("bool", self, True))
        if is_recorder(value):
            expect(value, "isinstance", self)
        return answer

    def __subclasscheck__(self, _value: Any) -> bool:
        note("class", self, once=True)
        return bool(ask("bool", self, True))

    def __deepcopy__(self, *_: Any) -> Any:
        return self

    __copy__ = __deepcopy__

    def __reduce_ex__(self, _protocol: Any) -> Any:
        raise TypeError(f"cannot pickle {facts_of(self).path}, which is unwritten")


def _expect_truth(self: Any, relation: str, value: Any, operator: str = "") -> None:
    """Note what an assertion wants: that an ``if`` asks says no more than which operator."""
    frame = STAGE.ground.frame(asker())
    if frame is not None and is_asserted(frame):
        expect(self, relation, value)
    elif operator:
        note("operator", self, operator, once=True)


def is_called_for(*names: str) -> bool:
    """Whether the repository's code that runs now calls a function of one of these names."""
    return calls_one_of(STAGE.ground.frame(asker()), names)


def _unpacked(frame: Frame) -> int | None:
    """Into how many variables the frame takes a value apart now; None when it does not."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if not 0 <= at < len(code) - 1:
        return None
    operation, argument = dis.opname[code[at]], int(code[at + 1])
    if operation == "UNPACK_SEQUENCE":
        return argument
    return argument + 1 if operation == "UNPACK_EX" else None


_OPERATORS = (
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod divmod rdivmod pow rpow "
    "and rand or ror xor rxor neg pos abs invert lshift rlshift rshift rrshift matmul rmatmul round "
    "trunc floor ceil iadd isub imul ior iand ixor"
)


def _made_by(self: Any, name: str, bases: tuple[Any, ...], names: dict[str, Any]) -> type:
    """Make a class whose metaclass is unwritten: what it lacks is asked of the metaclass."""
    path = facts_of(self).path
    origin = make(path + "()", path + "()", "result", note("class", self, "metaclass", once=True))
    return DerivableMeta(name, bases, dict(names, _origin=origin))


def _number(name: str, default: float) -> None:
    def method(self: Any) -> Any:
        answer = ask("number", self, default)
        frame = STAGE.ground.frame(asker())
        if frame is not None and is_equal_to(frame, name, answer):
            expect(self, name, answer)
        elif name != "len" or is_called_for("len"):  # and not for how much room a list may need
            note("operator", self, name, once=True)
        return max(0, int(answer)) if name == "len" else type(default)(answer)

    setattr(Recorder, f"__{name}__", method)


def _operator(name: str) -> None:
    def method(self: Any, *others: Any) -> Any:
        note("operator", self, name, once=True, args=[seen(one) for one in others])
        return derive(self, "op", f".__{name}__()")

    setattr(Recorder, f"__{name}__", method)


def _comparison(name: str, opposite: str) -> None:
    def method(self: Any, other: Any) -> bool:
        if other is self and name in ("eq", "le", "ge"):
            return True
        answer = bool(ask("bool", self, True))
        relation = name if answer else opposite
        approximate = name == "eq" and is_approximate(other)
        value = other.expected if approximate else other
        _expect_truth(self, "approx" if approximate and answer else relation, value, name)
        if name == "eq" and is_recorder(other):
            _expect_truth(other, relation, self, name)
        return answer

    setattr(Recorder, f"__{name}__", method)


def is_approximate(value: Any) -> bool:
    """Whether it is what ``pytest.approx`` returns."""
    return type(value).__name__.startswith("Approx") and hasattr(value, "expected")


for _name, _default in (("len", 1), ("int", 1), ("float", 1.0), ("index", 1), ("complex", 1j)):
    _number(_name, _default)  # type: ignore[arg-type]
for _name in _OPERATORS.split():
    _operator(_name)
for _name, _opposite in (
    pair.split() for pair in ("eq ne", "ne eq", "lt ge", "le gt", "gt le", "ge lt")
):
    _comparison(_name, _opposite)


# --- classes ----------------------------------------------------------------------------------


class DerivableMeta(abc.ABCMeta):
    """Class of what derives from an unwritten class: members that nobody defines are unwritten."""

    def __init__(cls, *args: Any, **_kwargs: Any) -> None:
        super().__init__(*args)
        cls.__abstractmethods__ = frozenset()  # the unwritten base may define them

    def __instancecheck__(cls, value: Any) -> bool:  # ABCMeta's would ask the recorders' own
        return issubclass(type(value), cls)

    def __getattr__(cls, name: str) -> Any:
        origin = _origin(cls)
        if origin is None or is_hidden(name) or is_deaf(asker()):
            raise AttributeError(name)
        return getattr(origin, name)


def _origin(cls: type) -> Any:
    return next((vars(one)["_origin"] for one in cls.__mro__ if "_origin" in vars(one)), None)


class _Derived(Recorder, metaclass=DerivableMeta):
    """An instance of a class that derives from an unwritten one."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        foreign = next(one for one in cls.__mro__ if not issubclass(one, Recorder))
        try:
            self = foreign.__new__(cls, *args, **kwargs)
        except TypeError:
            self = foreign.__new__(cls)
        is_plain = cls.__init__ is _Derived.__init__
        facts = _facts_of_instance(cls, *args, **kwargs) if is_plain else _facts_of_instance(cls)
        object.__getattribute__(self, "__dict__")["_unwritten"] = facts
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not STAGE.quiet:  # of a class that takes its own arguments, what it hands on
            facts_of(self).sight.update(_arguments(args, kwargs))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        origin = _origin(cls)
        if kwargs and origin is not None:
            note("subclass", origin, "keywords", kwargs=_arguments((), kwargs)["kwargs"])

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def _facts_of_instance(cls: type, *args: Any, **kwargs: Any) -> Facts:
    """Note a call of a class that derives from an unwritten one.

    What a block makes, which no test has made, is noted once something is expected of it.
    """
    facts = facts_of(call(facts_of(_origin(cls)).path, args, kwargs))
    if STAGE.quiet:
        facts.sight.update(kind="raise", who=cut(facts.path))
    return facts


def derived_base(self: Any) -> type:
    """Return the class from which to derive instead of an unwritten one, always the same."""
    path = facts_of(self).path
    if path not in STAGE.bases:
        name = re.split(r"[:.]", path)[-1].strip("()") or "Base"
        STAGE.bases[path] = DerivableMeta(name, (_Derived,), {"_origin": self})
    for member in STAGE.state.of.get("member", {}):  # ``super()`` looks nowhere else
        holder, _, name = member.rpartition(".")
        if holder == path:
            setattr(STAGE.bases[path], name, _inherited(member))
    return STAGE.bases[path]


def _inherited(path: str) -> Any:
    return lambda _self, *args, **kwargs: call(path, args, kwargs, "instance")


_ERROR = re.compile(r"[A-Z]\w*(Error|Exception|Warning|NotFound)|Invalid\w+")


def missing_name(path: str, kind: str = "name", detail: str = "") -> Any:
    """Return what stands in for an unwritten name: an exception class if it is named so."""
    known = STAGE.names.get(path)
    if known is None:
        sight = note(kind, path, detail, once=True)
        value = STAGE.state.of.get("value", {}).get(path)
        if value is not None:
            return _known_value(value, sight, "")
        known = make(path, path, "name", sight)
        name = re.split(r"[:.]", path)[-1]
        if _ERROR.fullmatch(name) or STAGE.state.of.get("base", {}).get(path) == "Exception":
            known = exception_class(path, known)
        STAGE.names[path] = known
    else:
        note(kind, path, detail, once=True)
    return known


def exception_class(path: str, recorder: Any) -> type:
    """Return the class that stands in for an unwritten exception."""
    name = re.split(r"[:.]", path)[-1]
    note("class", recorder, "Exception", once=True)
    base = UserWarning if name.endswith("Warning") else Exception
    names = {"_origin": recorder, "__module__": path.partition(":")[0]}
    copied = {"__copy__": None, "__deepcopy__": None, "__reduce_ex__": Exception.__reduce_ex__}
    return DerivableMeta(name, (_Derived, base), {**names, **copied})


def asks_isinstance(value: Any, kinds: Any) -> bool:
    """``isinstance`` as the repository's files see it: a recorder is what it is asked for."""
    if STAGE.quiet or isinstance(value, kinds):
        return isinstance(value, kinds)
    if not is_recorder(value) or isinstance(value, BaseException):
        return "_origin" in vars(type(value)) and asks_issubclass(type(value), kinds)
    answer = bool(ask("bool", value, True))
    if answer:
        _expect_truth(value, "isinstance", kinds)
    return answer


def asks_issubclass(value: Any, kinds: Any) -> bool:
    """``issubclass`` as the repository's files see it."""
    is_error = isinstance(value, type) and issubclass(value, BaseException)
    known = value if is_recorder(value) else _origin(value) if is_error else None
    if STAGE.quiet or known is None or (is_error and issubclass(value, kinds)):
        return issubclass(value, kinds)
    names = kinds if isinstance(kinds, tuple) else (kinds,)
    note("class", known, ",".join(str(getattr(one, "__name__", one)) for one in names), once=True)
    return bool(ask("bool", known, True))
