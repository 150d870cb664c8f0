"""Owns what a need becomes: a function, a class with its members, an exception, a value, a module."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from egbot.discovery import classes
from egbot.discovery.functions import Part, constant_line, part_of
from egbot.discovery.needs import Need, Use
from egbot.discovery.things import Fact, Thing, is_constructor
from egbot.source.examples import Expressions
from egbot.source.signatures import (
    Binding,
    Parameter,
    Signature,
    common_type,
    names_for,
    special_parameters,
)
from egbot.source.stubs import class_code, summary

Kind = Literal["function", "class", "exception", "enum", "dataclass", "tuple", "constant", "import"]
_USED = re.compile(r"\b(enum|dataclasses|typing)\.\w")
_OF_METACLASS = tuple(Parameter(name, "plain") for name in ("name", "bases", "namespace"))


@dataclass(frozen=True, slots=True)
class Definition:
    """What to write for a need: ``code``, in which ``parts`` are still to be written."""

    need: Need
    kind: Kind
    code: str
    parts: tuple[Part, ...] = ()

    @property
    def imports(self) -> tuple[str, ...]:
        """The imports that its code needs, or is."""
        if self.kind == "import":
            return (self.code.rstrip(),)
        return tuple(f"import {name}" for name in dict.fromkeys(_USED.findall(self.code)))


def define(
    need: Need, expressions: Expressions, siblings: Collection[str], *, is_shown: bool = False
) -> Definition:
    """The definition of something missing, as far as its uses tell it.

    ``siblings`` are the missing names of its file. What ``is_shown`` lets the tests be collected
    until it is written.
    """
    thing, is_member = Thing.of(need), "." in need.qualname
    kind = _kind_of(thing, is_member=is_member)
    if is_member and need.root.detail != "class read":
        kind = "function"
    if kind == "constant":
        return Definition(need, kind, constant_line(thing) + "\n")
    if kind != "function":
        code, parts = _Maker(expressions, siblings, is_shown).make(thing, kind)
        return Definition(need, kind, code, parts)
    part = part_of(thing, Signature(need.name, (), _binding(need, thing)), expressions)
    return Definition(need, kind, part.code(is_shown=is_shown), (part,))


def _binding(need: Need, thing: Thing) -> Binding:
    if "." not in need.qualname:
        return "function"
    if need.root.detail.endswith("read") and not thing.here("call"):
        return "property"
    details = {one.detail for one in thing.here("call", "decorate", "get")}
    is_special = need.name.startswith("__")
    return "method" if is_special or details != {"class"} else _bound_to_class(need.name)


def _bound_to_class(name: str) -> Binding:
    return "classmethod" if is_constructor(name) else "staticmethod"


def _kind_of(thing: Thing, *, is_member: bool = False) -> Kind:
    """The kind of a name, or of a class's member, by what happens to it."""
    if classes.is_exception(thing):
        return "exception"
    if thing.name[:1].isupper() and classes.is_enum(thing):
        return "enum"
    names, is_called = thing.names(), bool(thing.here("call", "decorate"))
    if is_member and not (is_called and thing.is_title and thing.at("()").names()):
        return "function" if is_called else "constant"
    used = thing.here("item", "iterate", "operator", "enter", "relation")
    is_value = bool(used) and not names and not thing.here("call")
    if thing.here("subclass", "class") or (thing.is_title and not is_value):
        if classes.is_tuple(thing):
            return "tuple"
        return "dataclass" if classes.is_dataclass(thing) else "class"
    if is_called or names:
        return "function" if is_called else "class"
    is_value = is_value or thing.name.isupper() or thing.name[:2] == "__"
    return "constant" if is_value else "function"


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the classes of one file; ``siblings`` are its missing names, which may be bases."""

    expressions: Expressions
    siblings: Collection[str]
    is_shown: bool

    def make(self, thing: Thing, kind: Kind) -> tuple[str, tuple[Part, ...]]:
        """A class's text, and its functions that are to be written."""
        init = self._init(thing)
        given = init.signature.parameters
        match kind:
            case "exception":
                body = classes.exception(thing, given, self.siblings)
            case "enum":
                body = classes.enum(thing)
            case "dataclass" | "tuple":
                body = classes.of_fields(thing, given)
            case _:
                body = classes.plain(thing, given)
        parts = self._of_objects(thing, body)
        nested = self._of_class(thing, body, parts)
        keeps_state = any(part.signature.binding == "method" for part in parts)
        is_made = bool(thing.here("call")) and keeps_state and not body.lines and not body.base
        parts += self._special(body)
        if kind == "class":
            own = [init] if body.types is not None or is_made else []
            parts = [*own, *parts, *self._hooks(thing, body.base)]
        code = class_code(
            thing.name,
            "\n\n".join([summary(thing.name), *body.notes]),
            base=body.base,
            decorator=body.decorator,
            attributes=body.lines,
            members=[*body.whole, *(part.code(is_shown=self.is_shown) for part in parts)],
        )
        return code, (*parts, *nested)

    def _part(self, thing: Thing, binding: Binding, parameters: tuple[Parameter, ...] = ()) -> Part:
        return part_of(thing, Signature(thing.name, parameters, binding), self.expressions)

    def _init(self, thing: Thing) -> Part:
        signature, names = Signature("__init__", (), "method", "None"), classes.named_fields(thing)
        return part_of(thing.named("__init__"), signature, self.expressions, names)

    def _of_objects(self, thing: Thing, body: classes.Body) -> list[Part]:
        """What was asked of objects: methods, and what they store or else have as properties."""
        parts, of_class = [], thing.names()
        for name in body.objects.names():
            member = body.objects.member(name)
            is_called = bool(member.here("call"))
            if name in body.known or (name in of_class and not is_called):
                continue
            if is_called or body.types is None:
                parts.append(self._part(member, "method" if is_called else "property"))
            else:
                kind = common_type(one.value for one in member.expected("eq", "is"))
                body.lines.append(f"{name}: {kind or body.types.get(name) or 'object'}")
        return parts

    def _of_class(self, thing: Thing, body: classes.Body, parts: list[Part]) -> list[Part]:
        """What was asked of the class itself: values, functions, classes; the parts of these."""
        nested: list[Part] = []
        known = {*body.known, *(part.signature.name for part in parts)}
        for name in thing.names():
            member = thing.member(name)
            kind = _kind_of(member, is_member=True)
            if name in known:
                continue
            if kind == "constant":
                body.lines.append(constant_line(member))
            elif kind == "function":
                parts.append(self._part(member, _bound_to_class(name)))
            else:
                code, more = self.make(member, kind)
                body.whole.append(code)
                nested += more
        return nested

    def _special(self, body: classes.Body) -> Iterator[Part]:
        """The special methods that operators, statements and comparisons ask objects for."""
        objects = body.objects
        found: dict[str, list[Use]] = {}
        for one in sorted(objects.facts, key=lambda fact: fact.kind == "relation"):
            for name in () if one.steps else names_for(one.kind, one.detail):
                found.setdefault(name, []).append(one.use)
        for name, uses in found.items():
            if name in body.known:
                continue
            if name == "__call__":
                yield self._part(objects.named(name), "method")
                continue
            is_async = name in ("__aenter__", "__aexit__", "__anext__")
            signature = Signature(name, special_parameters(name), "method", is_async=is_async)
            yield Part(objects.named(name).qualname, signature, tuple(uses))

    def _hooks(self, thing: Thing, base: str) -> Iterator[Part]:
        """What Python calls by itself: where a class is derived from it, or has it as a metaclass."""
        derived = thing.here("subclass")
        if any(one.sight.kwargs for one in derived):
            yield self._part(_called(thing.named("__init_subclass__"), derived), "classmethod")
        if base == "type":
            hook = _called(thing.named("__init__"), thing.here("class"))
            yield self._part(hook, "method", _OF_METACLASS)


def _called(thing: Thing, facts: Iterable[Fact]) -> Thing:
    """A method, with facts as if they were its calls."""
    return replace(thing, facts=tuple(replace(one, kind="call") for one in facts))
