"""Owns what a missing class has by its kind: an exception, an enum, a dataclass, a tuple, or a plain one."""

from __future__ import annotations

import builtins
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from egbot.discovery.things import Fact, Thing, checked, names_in
from egbot.source.signatures import Parameter, Signature
from egbot.source.stubs import function_code

_ERRORS = {
    name: one
    for name, one in vars(builtins).items()
    if isinstance(one, type) and issubclass(one, BaseException)
}
_ERROR = re.compile(r"(Error|Exception|Warning)$")
_ENUMS = frozenset({"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"})
_FLAG_OPERATORS = frozenset({"or", "and", "xor", "invert", "ior", "contains"})
_OF_ENUM = frozenset(dir(int)) - {"__repr__"} | {"__contains__", "__iter__", "__len__"}
_OF_TUPLE = frozenset({"_replace", "_asdict", "_fields", "_make"})
_ORDER = frozenset({"lt", "le", "gt", "ge"})
_OF_DATACLASS = frozenset(dir(object)) - {"__str__"}
_BASES = frozenset({"dict", "list", "tuple", "set", "frozenset", "str", "bytes", "int", "float"})
_UNSEEN = "The tests do not show what it is: that it is a class is a guess."
_KEEP_NAME = '''def __set_name__(self, owner, name):
    """Keep the name of the attribute."""
    self.name = name
'''
_TAKE_TYPES = '''@classmethod
def __class_getitem__(cls, item):
    """Take type arguments."""
    return cls
'''


@dataclass(slots=True)
class Body:
    """A class in the making, and what is known of its ``objects``.

    ``whole`` are the texts of complete members; of what is ``known`` nothing is to be written. Where
    objects store what is passed or set, ``types`` are those of what is passed.
    """

    objects: Thing
    base: str = ""
    decorator: str = ""
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    known: Collection[str] = ()
    types: Mapping[str, str] | None = None


def plain(thing: Thing, given: tuple[Parameter, ...]) -> Body:
    """A class of which no more is known."""
    body = Body(thing.objects(), _base(thing), notes=_guesses(thing))
    takes_any = any(one.sight.args or one.sight.kwargs for one in thing.here("call"))
    if takes_any or body.objects.here("set", "delete"):
        body.types = {item.name: item.annotation for item in given}
    body.known = {*dir(getattr(builtins, body.base))} - {"__call__"} if body.base else ()
    if "set" in body.objects.details("operator"):  # a descriptor: what else happens is its value's
        body.objects = replace(body.objects, facts=body.objects.here("operator"))
        body.whole.append(_KEEP_NAME)
    types = [one.sight.args[0].type_name for one in thing.here("item") if one.sight.args]
    if any(one == "type" or one.startswith("typing.") for one in types):
        body.whole.append(_TAKE_TYPES)
    return body


def _base(thing: Thing) -> str:
    if "metaclass" in thing.details("class"):
        return "type"
    found = {one.value.text for one in thing.objects().expected("isinstance")} & _BASES
    return found.pop() if len(found) == 1 else ""


def _guesses(thing: Thing) -> list[str]:
    if thing.is_title or thing.here("class"):
        return [] if thing.facts else [_UNSEEN]
    asked = "call it and" if thing.here("call") else "only"
    names = ", ".join([*thing.names(), *thing.at("()").names()])
    return [f"The tests {asked} use {names}: that it is a class is a guess."]


# --- exceptions -----------------------------------------------------------------------------------


def is_exception(thing: Thing) -> bool:
    """Whether it is raised or caught, or named as if it were."""
    is_raised = thing.here("raise") or thing.at("()").here("raise")
    return bool(is_raised) or any(map(_ERROR.search, (thing.name, *thing.details("class"))))


def exception(thing: Thing, given: tuple[Parameter, ...], siblings: Collection[str]) -> Body:
    """An exception: it keeps keywords and what it is asked for; what is called is to be written."""
    body, known = Body(thing.objects(), _bases(thing, siblings)), frozenset(dir(Exception))
    objects = body.objects
    asked = [name for name in objects.names() if not objects.at(f".{name}").here("call")]
    asked = [name for name in asked if name not in known]
    init = _init_code(given, asked)
    body.whole += [init] if init else []
    calls = [(one.sight, one.value.literal) for one in objects.expected("str")]
    shows_more = any(
        sight.kind == "call" and [one.literal for one in sight.args] != [text]
        for sight, text in calls
    )
    body.known = {*known, *asked} - ({"__str__"} if shows_more else set())
    return body


def _bases(thing: Thing, siblings: Collection[str]) -> str:
    """The bases that the tests name, without those that are a base of another."""
    named = thing.details("class") | thing.at("()").details("class") | {"Exception"}
    named |= {"Warning"} if thing.name.endswith("Warning") else set()
    own = sorted(named & {*siblings} - {thing.name})
    kinds = [_ERRORS[name] for name in sorted(named & {*_ERRORS})]
    lowest = [
        one.__name__
        for one in kinds
        if not any(other is not one and issubclass(other, one) for other in kinds)
    ]
    inherited = {"Exception", "Warning"} if own else set()
    return ", ".join([*own, *(name for name in lowest if name not in inherited)])


def _init_code(given: tuple[Parameter, ...], asked: list[str]) -> str:
    """A constructor that keeps what is ``asked``; "" where Exception's own is enough."""
    positional = [item for item in given if item.kind == "plain"]
    guessed = [name for name in asked if name not in {item.name for item in given}]
    optional = [*(item.name for item in given if item.kind == "keyword_only"), *guessed]
    kept = [*(item.name for item in positional if item.name in asked), *optional]
    if not kept:
        return ""
    passed = ", ".join(item.name for item in positional)
    parameters = [replace(item, annotation="") for item in positional]
    if kept == optional:
        passed, parameters = "*args", [Parameter("args", "star")]
    parameters += [Parameter(name, "keyword_only", "None") for name in optional]
    lines = [f"super().__init__({passed})", *(f"self.{name} = {name}" for name in kept)]
    said = f"\n\nThat {', '.join(guessed)} can be passed by keyword is a guess." if guessed else ""
    signature = Signature("__init__", tuple(parameters), "method", "None")
    return function_code(signature, f"Keep what is passed.{said}", "\n".join(lines))


# --- enums ----------------------------------------------------------------------------------------


def is_enum(thing: Thing) -> bool:
    """Whether it has members with names and values, or is called for one of its own."""
    if thing.details("class") & _ENUMS or ".__members__" in thing.first_steps():
        return True
    if any(_member_of(thing, one) for one in thing.at("()").expected("is", "eq")):
        return True
    members, names = _members(thing), _member_names(thing)
    typed = (one.value.who for member in members for one in member.expected("isinstance"))
    if thing.who in typed or any({"name", "value"} & {*one.names()} for one in members):
        return True
    is_plain = thing.is_title and not thing.here("call", "subclass")
    return is_plain and len(names) > 1 and all(name.isupper() for name in names)


def enum(thing: Thing) -> Body:
    """An enum with its members and their values, as far as the tests tell them."""
    values: dict[str, str] = {}
    for name, value in _told_members(thing):
        if name.isidentifier():
            values[name] = values.get(name) or value
    told = [value for value in values.values() if value]
    untold = [name for name, value in values.items() if not value]
    body = Body(thing.at("()").joined(_members(thing)))
    body.base = _enum_base(thing, body.objects)
    body.known = {*_OF_ENUM, "name", "value", *values}
    if told and untold:
        body.notes.append(f"The tests do not tell the value of {', '.join(untold)}.")
    values |= _new_values(untold, told, body.base)
    body.lines = [f"{name} = {value}" for name, value in values.items()]
    if body.base.startswith("str") and body.objects.expected("str"):
        shown = Signature("__str__", (), "method", "str")
        body.whole.append(function_code(shown, "Return the value.", "return str(self.value)"))
    return body


def _new_values(names: list[str], told: list[str], base: str) -> dict[str, str]:
    """Values for members of which the tests tell none, beside those that are ``told``."""
    if base.startswith("str") or (told and told[0][0] in "'\""):
        return {name: repr(name.lower()) for name in names}
    if not told or base.endswith("Flag") or not all(re.fullmatch(r"-?\d+", one) for one in told):
        return dict.fromkeys(names, "enum.auto()")
    return {name: str(number) for number, name in enumerate(names, max(map(int, told)) + 1)}


def _member_names(thing: Thing) -> list[str]:
    """The members that an enum would have: attributes that are never called."""
    return [
        name
        for name in thing.names()
        if name[0] != "_" and not thing.at(f".{name}").here("call", "set")
    ]


def _member_of(thing: Thing, one: Fact) -> str:
    """The member that something is expected to be, "" for none."""
    head, _, name = one.value.who.rpartition(".")
    return name if head == thing.who and name.isidentifier() else ""


def _members(thing: Thing) -> list[Thing]:
    """What is asked for by name or by key, and what a loop gives."""
    steps = [f".{name}" for name in _member_names(thing)]
    steps += [step for step in thing.first_steps() if step[0] == "["]
    return [*map(thing.at, steps), *_looped(thing)]


def _looped(thing: Thing) -> list[Thing]:
    """What a loop over it gives, in order."""
    items = thing.at(".__iter__", "()")
    return [items.at(step) for step in sorted(items.first_steps(), key=lambda one: (len(one), one))]


def _told_members(thing: Thing) -> Iterator[tuple[str, str]]:
    """The members' names with their values, "" where it is not told, each as often as it is met."""
    for one in _looped(thing):
        yield one.at(".name").literal().strip("'"), one.at(".value").literal()
    for fact in thing.at(".__members__").facts:
        yield from ((name, "") for name in names_in(fact.value.literal))
    for name in _member_names(thing):
        member = thing.at(f".{name}")
        yield name, member.at(".value").literal() or member.literal("int")
    for fact in thing.here("item"):
        is_refused = any(one.relation == "raises" for one in fact.sight.expected)
        key = re.fullmatch(r"\['(\w+)'\]", fact.detail)
        if key and not is_refused:
            yield key[1], thing.at(fact.detail, ".value").literal()
    for fact in thing.at("()").expected("is", "eq"):
        name = _member_of(thing, fact)
        yield from ((name, checked(given).literal) for given in fact.sight.args[:1])


def _enum_base(thing: Thing, objects: Thing) -> str:
    """The base of an enum, as its operators and comparisons show it."""
    said = sorted(thing.details("class") & _ENUMS)
    kinds = {one.value.text for one in objects.expected("isinstance")}
    kinds |= {one.value.type_name for one in objects.expected("eq", "lt", "gt")}
    if said:
        return f"enum.{said[0]}"
    if "str" in kinds:
        return "str, enum.Enum"
    is_flag = objects.details("operator") & _FLAG_OPERATORS
    return f"enum.{'Int' if 'int' in kinds else ''}{'Flag' if is_flag else 'Enum'}"


# --- classes whose objects are their fields -------------------------------------------------------


def is_tuple(thing: Thing) -> bool:
    """Whether it is asked for what only named tuples have."""
    return not _OF_TUPLE.isdisjoint((*thing.at("()").names(), *thing.names()))


def is_dataclass(thing: Thing) -> bool:
    """Whether the tests use it as only dataclasses can be used."""
    made = thing.at("()")
    return "dataclass" in thing.details("class") | made.details("class") or _is_frozen(made)


def _is_frozen(objects: Thing) -> bool:
    return any("FrozenInstance" in one.value.text for one in objects.expected("raises"))


def named_fields(thing: Thing) -> tuple[str, ...]:
    """The names of the fields, where the tests list them."""
    rows = _looped(thing.at(".fields", "()"))
    listed = ", ".join(one.at(".name").literal() for one in rows)
    return names_in(thing.at("._fields").literal()) or names_in(f"[{listed}]")


def of_fields(thing: Thing, given: tuple[Parameter, ...]) -> Body:
    """A dataclass, or a named tuple."""
    body = Body(thing.objects(), lines=_field_lines(given, thing.objects()))
    names = {item.name for item in given}
    if is_tuple(thing):
        body.base, body.known = "typing.NamedTuple", {*names, *dir(tuple), *_OF_TUPLE}
        return body
    body.known = {*names, *_OF_DATACLASS}
    options = ["frozen=True"] if _is_frozen(body.objects) else []
    options += ["order=True"] if body.objects.details("relation") & _ORDER else []
    body.decorator = "dataclasses.dataclass" + (f"({', '.join(options)})" if options else "")
    return body


def _field_lines(parameters: tuple[Parameter, ...], objects: Thing) -> list[str]:
    """A line for each field, with the default that the tests show."""
    lines = []
    for place, item in enumerate(parameters):
        seen = {
            one.value.literal
            for one in objects.at(f".{item.name}").expected("eq", "is")
            if place >= len(one.sight.args) and item.name not in dict(one.sight.kwargs)
        }
        default = seen.pop() if item.default and len(seen) == 1 else item.default
        kind = item.annotation if default == "None" else item.annotation.removesuffix(" | None")
        if default[:1] in ("[", "{"):
            default = f"dataclasses.field(default_factory=lambda: {default})"
        lines.append(f"{item.name}: {kind or 'object'}{f' = {default}' if default else ''}")
    return lines
