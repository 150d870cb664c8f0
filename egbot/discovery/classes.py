"""Owns what a missing class becomes: an exception, an enum, a dataclass, a tuple, or one with members."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from egbot.discovery import enums, exceptions
from egbot.discovery.functions import Part, constant_line, part_of
from egbot.discovery.kinds import CLASSES, Kind, is_sure_dataclass, is_tuple, kind_of
from egbot.discovery.needs import Use
from egbot.discovery.things import Thing, is_constructor
from egbot.source.examples import Expressions
from egbot.source.signatures import Binding, Parameter, Signature, common_type
from egbot.source.special import names_for, special_parameters
from egbot.source.stubs import class_code, fields, function_code, summary

_OF_TUPLE = frozenset(dir(tuple)) | {"_replace", "_asdict", "_fields", "_make"}
_ORDER = frozenset({"lt", "le", "gt", "ge"})
_OF_DATACLASS = frozenset({"__eq__", "__repr__", "__hash__", *(f"__{name}__" for name in _ORDER)})
_GUESSED = "That it is a dataclass is a guess."
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
class _Body:
    """A class in the making.

    ``whole`` are the texts of complete members and of nested classes, whose functions are ``nested``.
    """

    base: str = ""
    decorator: str = ""
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    nested: list[Part] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ClassMaker:
    """Makes the classes of one file; ``siblings`` are its missing names, which may be bases."""

    expressions: Expressions
    siblings: frozenset[str]
    is_shown: bool

    def make(self, thing: Thing, kind: Kind) -> tuple[str, tuple[Part, ...]]:
        """A class's text, and its functions that are to be written."""
        body = _Body()
        make = {"exception": self._exception, "enum": self._enum, "class": self._plain}
        make.get(kind, self._fields)(thing, body)
        code = class_code(
            thing.name,
            "\n\n".join([summary(thing.name), *body.notes]),
            base=body.base,
            decorator=body.decorator,
            attributes=body.lines,
            members=[*body.whole, *(part.code(is_shown=self.is_shown) for part in body.parts)],
        )
        return code, (*body.parts, *body.nested)

    # --- kinds ---

    def _exception(self, thing: Thing, body: _Body) -> None:
        objects = thing.objects()
        body.base = exceptions.base_of(thing, self.siblings)
        init = exceptions.init_code(self._init(thing).signature.parameters, objects)
        body.whole += [init] if init else []
        self._members(thing, objects, body, {*exceptions.KNOWN, *exceptions.attributes(objects)})
        if exceptions.shows_more(objects):
            body.parts.append(self._special(objects, "__str__"))

    def _enum(self, thing: Thing, body: _Body) -> None:
        values = enums.values_of(thing)
        objects = thing.at("()").joined(thing.at(f".{name}") for name in values)
        objects = objects.joined(thing.at(*path) for path in enums.looped(thing))
        body.base = enums.base_of(thing, objects, values)
        body.lines, body.notes = enums.lines_of(values, body.base)
        if body.base.startswith("str") and "str" in objects.relations():
            shown = Signature("__str__", (), "method", "str")
            body.whole.append(function_code(shown, "Return the value.", "return str(self.value)"))
        self._members(thing, objects, body, {"name", "value", *values})
        if "repr" in objects.relations():
            body.parts.append(self._special(objects, "__repr__"))

    def _fields(self, thing: Thing, body: _Body) -> None:
        """A dataclass, or a named tuple."""
        objects, init = thing.objects(), self._init(thing)
        body.lines = _field_lines(init.signature.parameters, objects)
        names = {item.name for item in init.signature.parameters}
        if is_tuple(thing):
            body.base, own = "typing.NamedTuple", _OF_TUPLE
        else:
            body.decorator, own = _decorator(objects), _OF_DATACLASS
            body.notes = [] if is_sure_dataclass(thing) else [_GUESSED]
        self._members(thing, objects, body, names | own)
        body.parts += self._specials(objects, own)

    def _plain(self, thing: Thing, body: _Body) -> None:
        objects, made, init = thing.objects(), thing.here("call"), self._init(thing)
        body.base, body.notes = _base(thing, objects), _guesses(thing)
        known = {*dir(getattr(builtins, body.base))} if body.base else set()
        known -= {"__init__", "__call__"}
        if "set" in objects.details("operator"):  # a descriptor: what else happens is its value's
            objects = replace(objects, uses=objects.here("operator"), told=())
            body.whole.append(_KEEP_NAME)
        takes_any = any(use.sight.args or use.sight.kwargs for use in made)
        is_stored = takes_any or bool(objects.here("set", "delete"))
        given = {item.name: item.annotation for item in init.signature.parameters}
        self._members(thing, objects, body, known, given if is_stored else None)
        keeps_state = any(part.signature.binding == "method" for part in body.parts)
        body.parts += self._specials(objects, known)
        if is_stored or (made and keeps_state and not body.lines and not body.base):
            body.parts.insert(0, init)
        self._add_hooks(thing, body)

    # --- members ---

    def _part(
        self, thing: Thing, name: str, binding: Binding, parameters: tuple[Parameter, ...] = ()
    ) -> Part:
        return part_of(thing, Signature(name, parameters, binding), self.expressions)

    def _init(self, thing: Thing) -> Part:
        whole = replace(thing, qualname=f"{thing.qualname}.__init__")
        signature = Signature("__init__", (), "method", "None")
        return part_of(whole, signature, self.expressions, _field_names(thing))

    def _members(
        self,
        thing: Thing,
        objects: Thing,
        body: _Body,
        known: set[str],
        stored: Mapping[str, str] | None = None,
    ) -> None:
        """What was asked of objects and of the class itself, but for what is ``known``.

        Where attributes are ``stored``, by the types of what is passed, they are no properties.
        """
        of_class = [name for name in thing.names() if name not in known]
        for name in objects.names():
            member = objects.member(name)
            if name in known or (name in of_class and not member.here("call")):
                continue
            if member.here("call") or stored is None:
                binding: Binding = "method" if member.here("call") else "property"
                body.parts.append(self._part(member, name, binding))
            else:
                values = [one.value for one in member.expected("eq", "is")]
                body.lines += fields({name: common_type(values) or stored.get(name, "")})
        for name in of_class:
            self._of_class(thing.member(name), objects.member(name), body)

    def _of_class(self, member: Thing, of_objects: Thing, body: _Body) -> None:
        """What was asked of the class itself: a class, a value, a function."""
        kind, name = kind_of(member, is_member=True), member.name
        same = [part for part in body.parts if part.signature.name == name]
        if kind in CLASSES:
            code, parts = self.make(member, kind)
            body.whole.append(code)
            body.nested += parts
        elif kind == "constant":
            body.lines.append(constant_line(member))
        elif same or _is_unbound(member):
            body.parts = [part for part in body.parts if part not in same]
            body.parts.append(self._part(_bound(member).joined([of_objects]), name, "method"))
        else:
            binding: Binding = "classmethod" if is_constructor(name) else "staticmethod"
            body.parts.append(self._part(member, name, binding))

    def _specials(self, objects: Thing, known: Collection[str]) -> Iterator[Part]:
        """The special methods that operators, statements and comparisons ask objects for."""
        found: dict[str, list[Use]] = {}
        asked = [(use.sight.kind, use.sight.detail, use) for use in objects.uses if not use.steps]
        asked += [("relation", one.relation, one.use) for one in objects.told if not one.steps]
        for kind, detail, use in asked:
            for name in names_for(kind, detail):
                found.setdefault(name, []).append(use)
        for name, uses in found.items():
            if name not in known:
                yield self._special(replace(objects, uses=tuple(uses)), name)

    def _special(self, objects: Thing, name: str) -> Part:
        whole = replace(objects, qualname=f"{objects.qualname}.{name}")
        if name == "__call__":
            return self._part(whole, name, "method")
        is_async = name in ("__aenter__", "__aexit__", "__anext__")
        signature = Signature(name, special_parameters(name), "method", is_async=is_async)
        return Part(whole.qualname, signature, whole.uses, ())

    def _add_hooks(self, thing: Thing, body: _Body) -> None:
        """What Python asks of a class by itself: for its subclasses, as a metaclass, for types."""
        keywords = [use for use in thing.here("subclass") if use.sight.kwargs]
        without = [use for use in thing.here("subclass") if not use.sight.kwargs][len(keywords) :]
        if keywords:  # each class statement has a use of its own beside that of its keywords
            hook = _called(thing, "__init_subclass__", [*keywords, *without])
            body.parts.append(self._part(hook, hook.name, "classmethod"))
        if body.base == "type":
            hook = _called(thing, "__init__", thing.here("class"))
            names = [Parameter(name, "plain") for name in ("name", "bases", "namespace")]
            body.parts.insert(0, self._part(hook, hook.name, "method", tuple(names)))
        given = [use.sight.args[0].type_name for use in thing.here("item") if use.sight.args]
        if any(one == "type" or one.startswith("typing.") for one in given):
            body.whole.append(_TAKE_TYPES)


def _called(thing: Thing, name: str, uses: Iterable[Use]) -> Thing:
    """Uses as if they were calls of a method."""
    calls = (replace(use, sight=replace(use.sight, kind="call")) for use in uses)
    return replace(thing, qualname=f"{thing.qualname}.{name}", uses=tuple(calls), told=())


def _is_unbound(member: Thing) -> bool:
    """Whether a method is called on its class, with the object first."""
    made = member.root.who.partition("()")[0] + "()"
    first = [use.sight.args[0].who if use.sight.args else "" for use in member.here("call")]
    return bool(first) and all(who == made for who in first)


def _bound(member: Thing) -> Thing:
    """The calls of a method on its class as if they were on the object."""
    calls = {id(use) for use in member.here("call")}
    uses = tuple(
        replace(use, sight=replace(use.sight, args=use.sight.args[1:])) if id(use) in calls else use
        for use in member.uses
    )
    return replace(member, uses=uses)


def _base(thing: Thing, objects: Thing) -> str:
    if "metaclass" in thing.details("class"):
        return "type"
    found = {enums.builtin_base(one.value.text) for one in objects.expected("isinstance")} - {""}
    return found.pop() if len(found) == 1 else ""


def _guesses(thing: Thing) -> list[str]:
    if thing.is_title or "class" in thing.kinds():
        return [] if thing.uses or thing.told else [_UNSEEN]
    asked = "call it and" if thing.here("call") else "only"
    names = ", ".join([*thing.names(), *thing.at("()").names()])
    return [f"The tests {asked} use {names}: that it is a class is a guess."]


# --- fields ---------------------------------------------------------------------------------------


def _decorator(objects: Thing) -> str:
    is_frozen = any("Frozen" in one.value.text for one in objects.expected("raises"))
    options = ["frozen=True"] if is_frozen else []
    options += ["order=True"] if objects.relations() & _ORDER else []
    return f"dataclasses.dataclass({', '.join(options)})" if options else "dataclasses.dataclass"


def _field_names(thing: Thing) -> tuple[str, ...]:
    """The names of the fields, where the tests list them."""
    told = thing.at("._fields").literal()
    if told:
        value = ast.literal_eval(told)
        return tuple(map(str, value)) if isinstance(value, tuple | list) else ()
    rows = thing.at(".fields", "()", ".__iter__", "()")
    names = [rows.at(f"[{place}]", ".name").literal() for place in range(len(rows.told))]
    return tuple(str(ast.literal_eval(name)) for name in names if name)


def _field_lines(parameters: tuple[Parameter, ...], objects: Thing) -> list[str]:
    """A line for each field, with the default that the tests show."""
    lines = []
    for place, item in enumerate(parameters):
        seen = {
            one.value.literal
            for one in objects.at(f".{item.name}").expected("eq", "is")
            if place >= len(one.use.sight.args) and item.name not in dict(one.use.sight.kwargs)
        }
        default = seen.pop() if item.default and len(seen) == 1 else item.default
        kind = item.annotation if default == "None" else item.annotation.removesuffix(" | None")
        if default[:1] in ("[", "{"):
            default = f"dataclasses.field(default_factory=lambda: {default})"
        lines.append(f"{item.name}: {kind or 'object'}{f' = {default}' if default else ''}")
    return lines
