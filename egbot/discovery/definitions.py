"""Owns what a need becomes: a function, a class with its members, an exception, a value, a module."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from egbot.discovery.classes import ClassMaker
from egbot.discovery.functions import Part, constant_line, part_of
from egbot.discovery.kinds import CLASSES, Kind, kind_of
from egbot.discovery.needs import Need
from egbot.discovery.things import Thing, is_constructor
from egbot.source.examples import Expressions
from egbot.source.signatures import Signature

_USED = re.compile(
    r"^ *(?:@|class \w+\((?:str, )?|\w+ = |\w+: .* = )(enum|dataclasses|typing)\.", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Definition:
    """What to write for a need: ``code``, in which ``parts`` are still to be written."""

    need: Need
    kind: Kind
    code: str
    parts: tuple[Part, ...] = ()

    @property
    def imports(self) -> tuple[str, ...]:
        """The imports that its code needs."""
        return tuple(f"import {name}" for name in dict.fromkeys(_USED.findall(self.code)))


def define(
    need: Need, expressions: Expressions, siblings: frozenset[str], *, is_shown: bool = False
) -> Definition:
    """The definition of something missing, as far as its uses tell it.

    ``siblings`` are the missing names of its file. What ``is_shown`` lets the tests be collected
    until it is written.
    """
    thing = Thing.of(need)
    is_member = "." in need.qualname or need.origin == "missing_member"
    kind = kind_of(thing, is_member=is_member)
    if is_member and need.root.detail != "class read" and kind != "function":
        kind = "function"
    if kind in CLASSES:
        code, parts = ClassMaker(expressions, siblings, is_shown).make(thing, kind)
        return Definition(need, kind, code, parts)
    if kind == "constant":
        return Definition(need, kind, constant_line(thing) + "\n")
    part = part_of(thing, Signature(need.name, (), _binding(need, thing)), expressions)
    return Definition(need, kind, part.code(is_shown=is_shown), (part,))


def _binding(
    need: Need, thing: Thing
) -> Literal["function", "method", "classmethod", "staticmethod", "property"]:
    if "." not in need.qualname:
        return "function"
    if need.root.detail.endswith("read") and not thing.here("call"):
        return "property"
    details = {use.sight.detail for use in thing.here("call", "decorate", "get")}
    if need.name.startswith("__") or details != {"class"}:
        return "method"
    return "classmethod" if is_constructor(need.name) else "staticmethod"
