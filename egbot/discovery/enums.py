"""Owns what a missing enum is: how it is known, its members with their values, its base."""

from __future__ import annotations

import ast
import re

from egbot.discovery.things import Thing, Told

_ENUMS = frozenset({"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"})
_BASES = frozenset({"dict", "list", "tuple", "set", "frozenset", "str", "bytes", "int", "float"})


def is_enum(thing: Thing) -> bool:
    """Whether it has members with names and values, or is called for one of its own."""
    names = member_names(thing)
    if thing.details("class") & _ENUMS or "__members__" in _asked(thing):
        return True
    if any(member_of(thing, one) for one in thing.at("()").expected("is", "eq")):
        return True
    items = [step for use in thing.uses for step in use.steps[:1] if step[0] == "["]
    members = [thing.at(f".{name}") for name in names] + [thing.at(step) for step in items]
    members += [thing.at(*path) for path in looped(thing)]
    if any({"name", "value"} & {*one.names()} for one in members):
        return True
    is_typed = any(
        one.value.who == thing.root.who for m in members for one in m.expected("isinstance")
    )
    is_plain = bool(names) and not thing.here("call", "subclass") and thing.is_title
    return is_typed or (is_plain and len(names) > 1 and all(name.isupper() for name in names))


def member_names(thing: Thing) -> tuple[str, ...]:
    """The members that an enum would have: attributes that are never called."""
    return tuple(
        name
        for name in thing.names()
        if name[0] != "_" and not thing.at(f".{name}").here("call", "set")
    )


def member_of(thing: Thing, one: Told) -> str:
    """The member that something is expected to be, "" for none."""
    head, _, name = one.value.who.rpartition(".")
    return name if head == thing.root.who and name.isidentifier() else ""


def looped(thing: Thing) -> list[tuple[str, str, str]]:
    """The steps to what a loop over it gives, in order."""
    start = (".__iter__", "()")
    found = [
        (*start, step) for use in thing.uses for step in use.steps[2:3] if use.steps[:2] == start
    ]
    found += [(*start, one.steps[2]) for one in thing.told if one.steps[:2] == start]
    return sorted(dict.fromkeys(found), key=lambda path: (len(path[2]), path[2]))


def _asked(thing: Thing) -> set[str]:
    return {step[1:] for use in thing.uses for step in use.steps[:1]}


def values_of(thing: Thing) -> dict[str, str]:
    """The members, in order, with the texts of their values, "" where the tests tell none.

    One whose name they do not tell is called MEMBER_ and its place.
    """
    rows = [
        (thing.at(*path, ".name").literal(), thing.at(*path, ".value").literal())
        for path in looped(thing)
    ]
    found = {ast.literal_eval(name): value for name, value in rows if name}
    for one in thing.at(".__members__").told:
        found |= {name: "" for name in _names_in(one.value.literal) if name not in found}
    for name in [*member_names(thing), *_keys(thing)]:
        found[name] = found.get(name) or _value_of(thing, name)
    for one in thing.told:
        name, args = member_of(thing, one), one.use.sight.args
        if one.steps == ("()",) and name and args and args[0].literal:
            found[name] = found.get(name) or args[0].literal
    for place, (name, value) in enumerate(rows, 1):
        if not name and value and value not in found.values():
            found[f"MEMBER_{place}"] = value
    return {name: value for name, value in found.items() if name.isidentifier()}


def _value_of(thing: Thing, name: str) -> str:
    by_name = thing.at(f"[{name!r}]", ".value").literal()
    member = thing.at(f".{name}")
    return by_name or member.at(".value").literal() or member.literal("int")


def _keys(thing: Thing) -> list[str]:
    """The names by which members are asked for, but for those that are refused."""
    items = [
        (use.steps[0] if use.steps else use.sight.detail, use.sight)
        for use in thing.uses
        if use.sight.kind == "item" or (use.steps and use.steps[0][0] == "[")
    ]
    found = [
        step[2:-2]
        for step, sight in items
        if re.fullmatch(r"\['\w+'\]", step)
        and not any(one.relation == "raises" for one in sight.expected)
    ]
    return list(dict.fromkeys(found))


def _names_in(literal: str) -> list[str]:
    """The texts in a literal, sorted where it has no order."""
    value = ast.literal_eval(literal or "()")
    listed = sorted(value, key=str) if isinstance(value, set) else value
    items = listed if isinstance(listed, list | tuple | dict) else ()
    return [one for one in items if isinstance(one, str)]


def base_of(thing: Thing, objects: Thing, values: dict[str, str]) -> str:
    """The base of an enum, as its operators and comparisons show it; ``objects`` are all members."""
    said = sorted(one for one in thing.details("class") if one.endswith(("Enum", "Flag")))
    kinds = {
        text for one in objects.expected("isinstance") if (text := builtin_base(one.value.text))
    }
    direct = {
        one.value.type_name
        for name in values
        for one in thing.at(f".{name}").expected("eq", "lt", "gt")
    }
    is_flag = bool(objects.details("operator") & {"or", "and", "xor", "invert", "ior", "contains"})
    if said:
        return f"enum.{said[0]}"
    if "str" in kinds | direct:
        return "str, enum.Enum"
    return f"enum.{'Int' if 'int' in kinds | direct else ''}{'Flag' if is_flag else 'Enum'}"


def lines_of(values: dict[str, str], base: str) -> tuple[list[str], list[str]]:
    """The lines of the members, and what is said of those that the tests do not tell."""
    told = [value for value in values.values() if value]
    untold = ", ".join(name for name, value in values.items() if not value)
    nameless = ", ".join(name for name in values if name.startswith("MEMBER_"))
    notes = [f"The tests do not tell the name of {nameless}."] if nameless else []
    notes += [f"The tests do not tell the value of {untold}."] if told and untold else []
    lines = [f"{name} = {one or _next_value(name, told, base)}" for name, one in values.items()]
    return lines, notes


def _next_value(name: str, told: list[str], base: str) -> str:
    """A value for a member of which the tests tell none; ``told`` are the others', and grows."""
    if base.startswith("str") or (told and told[0][0] in "'\""):
        return repr(name.lower())
    if not told or base.endswith("Flag") or not all(re.fullmatch(r"-?\d+", one) for one in told):
        return "enum.auto()"
    told.append(str(max(int(one) for one in told) + 1))
    return told[-1]


def builtin_base(text: str) -> str:
    """The name of a built-in type that classes derive from; else ""."""
    return text if text in _BASES else ""
