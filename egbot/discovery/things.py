"""Owns things: what the tests do with one missing definition, and expect, by the steps from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from egbot.discovery.needs import Need, Needs, Use, steps_of
from egbot.records import Seen, Sight
from egbot.source.examples import Expressions

_SAME = tuple(f".__i{name}__" for name in ("add", "sub", "or", "and", "xor", "mul"))
_CONSTRUCTOR = re.compile(r"(from|of|parse|load|make|create|new|build|default)(_|$)")
Steps = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What is expected of what ``steps`` lead to; ``use`` is the call, say, of whose result."""

    steps: Steps
    relation: str
    value: Seen
    use: Use


@dataclass(frozen=True, slots=True)
class Thing:
    """A definition, or what steps lead to from one."""

    qualname: str
    root: Sight
    uses: tuple[Use, ...]
    told: tuple[Told, ...]

    @classmethod
    def of(cls, need: Need) -> Thing:
        """All that is known of a need."""
        is_class = need.name[:1].isupper()
        uses = tuple(
            replace(use, steps=_plain(use.steps, is_class))
            for use in need.uses
            if use.sight.kind not in ("name", "member", "stub") or use.sight.expected
        )
        told = tuple(
            Told(
                _plain((*_result(use), *steps_of(one.via)), is_class), one.relation, one.value, use
            )
            for use in uses
            for one in use.sight.expected
        )
        return cls(need.qualname, need.root, uses, told)

    @property
    def name(self) -> str:
        """Its last name."""
        return self.qualname.rpartition(".")[2]

    @property
    def is_title(self) -> bool:
        """Whether it is called as classes are."""
        is_constant = self.name.isupper() and len(self.name) > 1 and not self.here("call")
        return self.name[:1].isupper() and not is_constant

    def at(self, *steps: str) -> Thing:
        """What ``steps`` lead to."""
        end = len(steps)
        uses = (
            replace(one, steps=one.steps[end:]) for one in self.uses if one.steps[:end] == steps
        )
        told = (
            replace(one, steps=one.steps[end:]) for one in self.told if one.steps[:end] == steps
        )
        return replace(self, uses=tuple(uses), told=tuple(told))

    def member(self, name: str) -> Thing:
        """Its attribute of that name, as a definition."""
        return replace(self.at(f".{name}"), qualname=f"{self.qualname}.{name}")

    def joined(self, others: Iterable[Thing]) -> Thing:
        """It and others as one."""
        things = (self, *others)
        uses = tuple(use for one in things for use in one.uses)
        return replace(self, uses=uses, told=tuple(one for thing in things for one in thing.told))

    def here(self, *kinds: str) -> tuple[Use, ...]:
        """The uses of itself, of some kinds."""
        return tuple(use for use in self.uses if not use.steps and use.sight.kind in kinds)

    def kinds(self) -> frozenset[str]:
        """What happened to itself."""
        return frozenset(use.sight.kind for use in self.uses if not use.steps)

    def details(self, kind: str) -> frozenset[str]:
        """The details of what happened to itself."""
        found = (use.sight.detail for use in self.here(kind))
        return frozenset(detail for one in found for detail in one.split(","))

    def names(self) -> tuple[str, ...]:
        """The attributes that it was asked for, or that were set."""
        asked = (
            use.steps[0][1:]
            for use in self.uses
            if len(use.steps) == 1
            and use.steps[0][0] == "."
            and use.sight.kind in ("get", "call", "set")
        )
        given = (use.sight.detail for use in self.here("set", "delete"))
        names = (name for name in (*asked, *given) if name.isidentifier())
        return tuple(name for name in dict.fromkeys(names) if name[:2] != "__")

    def expected(self, *relations: str) -> Iterator[Told]:
        """What is expected of itself."""
        return (one for one in self.told if not one.steps and one.relation in relations)

    def relations(self) -> frozenset[str]:
        """The relations in which it is expected to be."""
        return frozenset(one.relation for one in self.told if not one.steps)

    def literal(self, *relations: str) -> str:
        """The literal that all comparisons of it agree on; "" without one."""
        found = {one.value.literal for one in self.expected("eq", "is", *relations)}
        return found.pop() if len(found) == 1 else ""

    def objects(self) -> Thing:
        """The objects of a class: what is made by calling it, or by what sounds like it."""
        makers = (name for name in self.names() if is_constructor(name))
        return self.at("()").joined(self.at(f".{name}", "()") for name in makers)


def is_constructor(name: str) -> bool:
    """Whether a function of a class sounds as if it made objects of it."""
    return bool(_CONSTRUCTOR.match(name))


def _result(use: Use) -> Steps:
    return (*use.steps, "()") if use.sight.kind == "call" else use.steps


def _plain(steps: Steps, is_class: bool) -> Steps:
    """Steps from a class without ``+=`` and the like of its objects, and without type arguments."""
    found: list[str] = []
    for step in steps if is_class else ():
        found.append(step)
        if found[0] == step == "()" and len(found) > 2 and found[-2] in _SAME:
            del found[-2:]
        elif len(found) == 2 and found[0][0] == "[" and step == "()":
            found = ["()"]
    return tuple(found) if is_class else steps


# --- modules that were taken for names ------------------------------------------------------------


def take_apart(needs: Needs, expressions: Expressions) -> Needs:
    """Make a module of a name of a package of which only attributes are used."""
    modules = dict(needs.modules)
    found = [one for need in needs.needs for one in _taken_apart(need, modules, expressions)]
    return replace(needs, needs=tuple(found), modules=modules)


def _taken_apart(need: Need, modules: dict[str, str], expressions: Expressions) -> list[Need]:
    """The needs of such a module, and of its import where it is not imported by name."""
    thing = Thing.of(need)
    is_plain = need.name.islower() and need.origin == "missing_name" and "." not in need.qualname
    in_package = need.path.endswith("__init__.py")
    if not (is_plain and in_package and thing.names()) or thing.kinds() & {"call", "decorate"}:
        return [replace(need, uses=list(need.uses))]
    module = f"{need.module}.{need.name}"
    modules[module] = f"{need.path.removesuffix('__init__.py')}{need.name}.py"
    found = []
    for name in thing.names():
        uses = thing.at(f".{name}").uses
        root = replace(need.root, who=f"{need.root.who}.{name}", detail="")
        found.append(Need(modules[module], module, name, 0, "missing_name", root, list(uses)))
    by_attribute = expressions.at(need.root.place) is not None
    return [replace(need, uses=[]), *found] if by_attribute else found
