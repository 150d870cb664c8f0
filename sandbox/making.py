"""How recorders come to be: from names, from other recorders, from calls, which may have effects."""

from __future__ import annotations

import ast
import builtins
import datetime
import decimal
import sys
import warnings
from typing import Any

from sandbox.asking import Frame, asker
from sandbox.noting import (
    MAX_ARGUMENTS,
    Facts,
    arguments,
    expect,
    expect_of,
    facts_of,
    is_recorder,
    note,
)
from sandbox.stage import STAGE, Call, Sight

_SEEDS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("datetime", "date"), (2001, 2, 3)),
    **dict.fromkeys(("int", "float", "Decimal"), (1,)),
}
BASES: dict[str, type] = {
    one.__name__: one
    for one in (
        *(str, bytes, int, float, decimal.Decimal, list, tuple, dict, set, datetime.datetime),
        *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo),
    )
}
"""Types that a recorder may derive from where C code takes nothing else."""


def make(path: str, key: str, how: str, sight: Sight, via: str = "") -> Any:
    """Make a recorder, or the value that a lesson has in its place.

    Its class is its own, named by its number, so that a TypeError of C code tells which one it is.
    """
    state = STAGE.state
    if how != "name" and key in state.of.get("value", {}):
        return known_value(state.of["value"][key], sight, via)
    base = state.of.get("base", {}).get(path, "")
    if base == "coroutine" and how == "result":
        return _coroutine(path, key, sight, via)
    facts = Facts(path, key, how, sight, via)
    name, kind = f"Unwritten{facts.number}", BASES.get(base)
    try:
        cls = type(name, (STAGE.recorder, kind) if kind else (STAGE.recorder,), {})
    except TypeError:  # bool, and what C code does not mix
        state.note(f"{path} should be a {base}, which nothing can stand in for")
        cls, kind = type(name, (STAGE.recorder,), {}), None
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


def known_value(text: str, sight: Sight, via: str) -> Any:
    """Return the value that a lesson has, or with ``=`` the recorder that goes by a key."""
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


# --- calls ------------------------------------------------------------------------------------


def call(path: str, args: tuple[Any, ...], kwargs: dict[str, Any], detail: str = "") -> Any:
    """Note a call of what ``path`` names; return a recorder of its result."""
    state = STAGE.state
    sight = note("call", path, detail, **arguments(args, kwargs))
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
