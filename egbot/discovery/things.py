"""Owns things: what the tests do with one missing definition, and expect, by the steps from it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from egbot.discovery.needs import Need, Needs, Use, steps_of
from egbot.records import Seen, Sight
from egbot.source.examples import Expressions

_CONSTRUCTOR = re.compile(r"(from|of|parse|load|make|create|new|build|default)(_|$)")
_MADE = re.compile(r"^(\[.*?\](?=\())?\(\)(\.__i(add|sub|or|and|xor|mul)__\(\))*")
"""A new object of a class, with type arguments too, or after ``+=`` and the like."""

_NOTHING = Seen("", "")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened to what ``steps`` lead to, or that is expected of it.

    ``kind`` and ``detail`` are the sight's, or "relation" and which one the tests expect to ``value``.
    """

    steps: tuple[str, ...]
    kind: str
    detail: str
    use: Use
    value: Seen = _NOTHING

    @property
    def sight(self) -> Sight:
        """What was seen: the call, say, of whose result something is expected."""
        return self.use.sight


@dataclass(frozen=True, slots=True)
class Thing:
    """A definition, or what steps lead to from one; ``who`` is the definition's path."""

    qualname: str
    who: str
    facts: tuple[Fact, ...]

    @classmethod
    def of(cls, need: Need) -> Thing:
        """All that is known of a need."""

        def plain(path: str) -> tuple[str, ...]:
            return steps_of(_MADE.sub("()", path) if need.name[:1].isupper() else path)

        facts = []
        for use in need.uses:
            sight, path = use.sight, "".join(use.steps)
            result = f"{path}()" if sight.kind == "call" else path
            if sight.kind not in ("name", "member", "stub"):
                facts.append(Fact(plain(path), sight.kind, sight.detail, use))
            for one in sight.expected:
                steps = plain(result + one.via)
                facts.append(Fact(steps, "relation", one.relation, use, checked(one.value)))
        return cls(need.qualname, need.root.who, tuple(facts))

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
        led = (one for one in self.facts if one.steps[:end] == steps)
        return replace(self, facts=tuple(replace(one, steps=one.steps[end:]) for one in led))

    def member(self, name: str) -> Thing:
        """Its attribute of that name, as a definition."""
        return self.at(f".{name}").named(name)

    def named(self, name: str) -> Thing:
        """The same of a definition in it."""
        return replace(self, qualname=f"{self.qualname}.{name}")

    def joined(self, others: Iterable[Thing]) -> Thing:
        """It and others as one."""
        return replace(self, facts=tuple(one for thing in (self, *others) for one in thing.facts))

    def objects(self) -> Thing:
        """The objects of a class: what is made by calling it, or by what sounds like it."""
        makers = (name for name in self.names() if is_constructor(name))
        return self.at("()").joined(self.at(f".{name}", "()") for name in makers)

    def first_steps(self) -> tuple[str, ...]:
        """The steps that were taken from it: ``.name``, ``()``, ``[key]``."""
        return tuple(dict.fromkeys(one.steps[0] for one in self.facts if one.steps))

    def here(self, *kinds: str) -> tuple[Fact, ...]:
        """What happened to itself, of some kinds."""
        return tuple(one for one in self.facts if not one.steps and one.kind in kinds)

    def details(self, kind: str) -> frozenset[str]:
        """The details of what happened to itself."""
        return frozenset(detail for one in self.here(kind) for detail in one.detail.split(","))

    def expected(self, *relations: str) -> tuple[Fact, ...]:
        """What is expected of itself."""
        return tuple(one for one in self.here("relation") if one.detail in relations)

    def literal(self, *relations: str) -> str:
        """The literal that all comparisons of it agree on; "" without one."""
        found = {one.value.literal for one in self.expected("eq", "is", *relations)}
        return found.pop() if len(found) == 1 else ""

    def names(self) -> tuple[str, ...]:
        """The attributes that it was asked for, or that were set."""
        steps = (
            one.steps[0]
            for one in self.facts
            if len(one.steps) == 1 and one.kind in ("get", "call", "set")
        )
        asked = [step[1:] for step in steps if step[0] == "."]
        asked += [one.detail for one in self.here("set", "delete")]
        found = dict.fromkeys(name for name in asked if name.isidentifier())
        return tuple(name for name in found if name[:2] != "__")


def is_constructor(name: str) -> bool:
    """Whether a function of a class sounds as if it made objects of it."""
    return bool(_CONSTRUCTOR.match(name))


def checked(value: Seen) -> Seen:
    """A stranger's word, without a literal that is none: it would become source text."""
    return value if _is_literal(value.literal) else replace(value, literal="")


@lru_cache(maxsize=10_000)
def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def names_in(literal: str) -> tuple[str, ...]:
    """The names in a list, a tuple or the like, of a set by the alphabet; none for other literals."""
    value = ast.literal_eval(literal) if _is_literal(literal) else ()
    items = sorted(value, key=str) if isinstance(value, set) else value
    listed = items if isinstance(items, list | tuple | dict) else ()
    return tuple(one for one in listed if isinstance(one, str) and one.isidentifier())


# --- modules that were taken for names ------------------------------------------------------------


def take_apart(needs: Needs, expressions: Expressions) -> Needs:
    """Make a module of a name of a package of which only attributes are used."""
    modules, found = dict(needs.modules), []
    for need in needs.needs:
        names = _names_of_module(need)
        if not names or expressions.at(need.root.place) is not None:  # its package imports it
            found.append(replace(need, uses=[] if names else list(need.uses)))
        module = f"{need.module}.{need.name}"
        path = f"{need.path.removesuffix('__init__.py')}{need.name}.py"
        for name in names:
            modules[module], step = path, (f".{name}",)
            uses = [replace(one, steps=one.steps[1:]) for one in need.uses if one.steps[:1] == step]
            root = replace(need.root, who=f"{need.root.who}.{name}", detail="")
            found.append(Need(path, module, name, 0, "missing_name", root, uses))
    return replace(needs, needs=tuple(found), modules=modules)


def _names_of_module(need: Need) -> tuple[str, ...]:
    """What it is asked for, where it can be a module of its package."""
    thing = Thing.of(need)
    is_plain = need.name.islower() and need.origin == "missing_name" and "." not in need.qualname
    is_called, in_package = thing.here("call", "decorate"), need.path.endswith("__init__.py")
    return thing.names() if is_plain and in_package and not is_called else ()
