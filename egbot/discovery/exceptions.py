"""Owns what a missing exception keeps beside its arguments, and its bases."""

from __future__ import annotations

import builtins
from dataclasses import replace

from egbot.discovery.kinds import ERRORS
from egbot.discovery.things import Thing
from egbot.source.signatures import Parameter, Signature
from egbot.source.stubs import function_code

KNOWN = frozenset(dir(Exception))


def base_of(thing: Thing, siblings: frozenset[str]) -> str:
    """The bases that the tests name, without those that are a base of another."""
    named = thing.details("class") | thing.at("()").details("class") | {"Exception"}
    named |= {"Warning"} if thing.name.endswith("Warning") else set()
    found = sorted(named & (siblings - {thing.name})) + sorted(named & ERRORS)
    return ", ".join(
        one for one in found if not any(_is_above(one, other) for other in found if other != one)
    )


def _is_above(one: str, other: str) -> bool:
    kinds = [getattr(builtins, name) if name in ERRORS else None for name in (one, other)]
    if kinds[1] is None:
        return one in ("Exception", "Warning")
    return kinds[0] is not None and issubclass(kinds[1], kinds[0])


def attributes(objects: Thing) -> tuple[str, ...]:
    """What it is asked for beside what every exception has."""
    asked = (name for name in objects.names() if not objects.at(f".{name}").here("call"))
    return tuple(name for name in asked if name not in KNOWN)


def init_code(given: tuple[Parameter, ...], objects: Thing) -> str:
    """A constructor that keeps keywords and what is asked for; "" where Exception's own is enough."""
    asked = attributes(objects)
    guessed = [name for name in asked if name not in {item.name for item in given}]
    kept = [item.name for item in given if item.kind == "keyword_only" or item.name in asked]
    if not kept and not guessed:
        return ""
    plain = [item.name for item in given if item.kind == "plain"]
    if not {*plain} & {*kept}:
        given = (Parameter("args", "star"), *(one for one in given if one.kind == "keyword_only"))
        plain = ["*args"]
    optional = [
        replace(one, default="None") if one.kind == "keyword_only" else one for one in given
    ]
    optional += [Parameter(name, "keyword_only", "None") for name in guessed]
    parameters = tuple(replace(one, annotation="") for one in optional)
    lines = [f"super().__init__({', '.join(plain)})"]
    lines += [f"self.{name} = {name}" for name in (*kept, *guessed)]
    said = f"\n\nThat {', '.join(guessed)} can be passed by keyword is a guess." if guessed else ""
    signature = Signature("__init__", parameters, "method", "None")
    return function_code(signature, f"Keep what is passed.{said}", "\n".join(lines))


def shows_more(objects: Thing) -> bool:
    """Whether its text is another than its only argument."""
    calls = [(one, one.use.sight) for one in objects.expected("str")]
    return any(
        sight.kind == "call" and [arg.literal for arg in sight.args] != [one.value.literal]
        for one, sight in calls
    )
