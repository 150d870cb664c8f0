"""Owns which kind of definition a missing thing is: what the tests show, and where it is a guess."""

from __future__ import annotations

import builtins
import re
from typing import Literal

from egbot.discovery.enums import is_enum
from egbot.discovery.things import Thing, Told

Kind = Literal["function", "class", "exception", "enum", "dataclass", "tuple", "constant", "import"]
CLASSES: frozenset[Kind] = frozenset({"class", "exception", "enum", "dataclass", "tuple"})
ERROR = re.compile(r"(Error|Exception|Warning)$")
ERRORS = frozenset(
    name
    for name, one in vars(builtins).items()
    if isinstance(one, type) and issubclass(one, BaseException)
)
_OF_TUPLE = frozenset({"_replace", "_asdict", "_fields", "_make"})


def kind_of(thing: Thing, *, is_member: bool = False) -> Kind:
    """The kind of a name, or of a class's member, by what happens to it."""
    if is_exception(thing):
        return "exception"
    kinds, names = thing.kinds(), thing.names()
    is_called = bool(kinds & {"call", "decorate"})
    if thing.name[:1].isupper() and is_enum(thing):
        return "enum"
    if is_member and not (is_called and thing.is_title and thing.at("()").names()):
        return "function" if is_called else "constant"
    if kinds & {"subclass", "class", "object"} or (thing.is_title and not _is_value(thing)):
        return _class_kind(thing)
    if is_called:
        return "function"
    if names:
        return "class"
    is_value = thing.name.isupper() or thing.name[:2] == "__" or _is_value(thing)
    return "constant" if is_value else "function"


def _is_value(thing: Thing) -> bool:
    """Whether it is only compared, looped over and the like."""
    used = thing.kinds() & {"item", "iterate", "operator", "enter"} or thing.relations()
    return bool(used) and not thing.names() and not thing.here("call")


# --- exceptions -----------------------------------------------------------------------------------


def is_exception(thing: Thing) -> bool:
    """Whether it is raised or caught, or named as if it were."""
    bases = thing.details("class")
    is_raised = "raise" in thing.kinds() | thing.at("()").kinds()
    return is_raised or bool(ERROR.search(thing.name)) or any(map(ERROR.search, bases))


# --- classes whose objects are their fields -------------------------------------------------------


def _class_kind(thing: Thing) -> Kind:
    if is_tuple(thing):
        return "tuple"
    return "dataclass" if is_dataclass(thing) else "class"


def is_tuple(thing: Thing) -> bool:
    """Whether it is asked for what only named tuples have."""
    return bool({*thing.at("()").names(), *thing.names()} & _OF_TUPLE)


def is_dataclass(thing: Thing) -> bool:
    """Whether the tests say that it is one, or see no more of its objects than their fields."""
    made = thing.at("()")
    if is_sure_dataclass(thing):
        return True
    calls = thing.here("call")
    fields = {*made.names(), *(name for use in calls for name, _ in use.sight.kwargs)}
    is_equal = any(one.value.who == f"{thing.root.who}()" for one in made.expected("eq"))
    width = max((len(use.sight.args) + len(use.sight.kwargs) for use in calls), default=0)
    is_stored = all(_is_stored(one) for one in made.told)
    plain = {name for name in fields if not made.at(f".{name}").here("call")}
    return is_equal and is_stored and 0 < width <= len(plain) and "subclass" not in thing.kinds()


def is_sure_dataclass(thing: Thing) -> bool:
    """Whether the tests use it as only dataclasses can be used."""
    made = thing.at("()")
    frozen = any("FrozenInstance" in one.value.text for one in made.expected("raises"))
    shown = any(one.value.literal[1:].startswith(f"{thing.name}(") for one in made.expected("repr"))
    said = "dataclass" in thing.details("class") | made.details("class")
    return said or frozen or (shown and bool(made.names()))


def _is_stored(one: Told) -> bool:
    """Whether an attribute that is compared is what was passed under its name."""
    given = dict(one.use.sight.kwargs).get(".".join(one.steps)[1:])
    return given is None or one.relation != "eq" or given.literal == one.value.literal
