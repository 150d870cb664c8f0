"""Owns what a missing function or value becomes: its signature, docstring and what it does until written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from egbot.discovery.needs import Use
from egbot.discovery.things import Fact, Thing, names_in
from egbot.records import Example
from egbot.source.examples import Expressions, argument_names, doctest_lines, examples_of
from egbot.source.signatures import Call, Parameter, Signature, common_type, parameters_of
from egbot.source.stubs import UNWRITTEN, function_code, summary

_MAX_SHOWN = 6
_PLACEHOLDER = "The tests call it while they are collected: until it is written, it does nothing."
_EMPTY = {
    kind.__name__: repr(kind()) for kind in (str, int, float, bool, bytes, list, dict, tuple, set)
}
_KEY = re.compile(r"\[('[\w .:/-]*')\]")
_ORDERED = frozenset({"lt", "le", "gt", "ge", "approx"})
_SAID = {
    ("iterate", "async"): "It is an asynchronous generator: it yields.",
    ("iterate", ""): "The result can be iterated over.",
    ("iterate", "next"): "The result is an iterator.",
    ("enter", ""): "The result is used as a context manager (`with`).",
    ("enter", "async"): "The result is used as a context manager (`async with`).",
    ("call", ""): "The result is called.",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A function that is to be written: its uses and what they tell; ``notes`` are sentences."""

    qualname: str
    signature: Signature
    uses: tuple[Use, ...]
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()
    placeholder: str = ""

    def code(self, *, is_shown: bool) -> str:
        """Its stub. One that is called while tests are collected does nothing, where it is shown."""
        owner, _, name = self.qualname.rpartition(".")
        shown = doctest_lines(self.examples, _MAX_SHOWN)
        is_early = is_shown and any(not use.test for use in self.uses)
        notes = [*self.notes, _PLACEHOLDER if is_early else ""]
        is_plain = name[:2] != "__" or name == "__init__" or bool(shown) or is_early
        blocks = [summary(name, owner) if is_plain else "", "\n".join(shown), *notes]
        body = self.placeholder if is_early else UNWRITTEN
        return function_code(self.signature, "\n\n".join(filter(None, blocks)), body)


def part_of(
    thing: Thing, signature: Signature, expressions: Expressions, fields: tuple[str, ...] = ()
) -> Part:
    """A function as its calls tell it; ``signature`` gives its name and how it is bound.

    ``fields`` are what its positional arguments are called elsewhere. Parameters that ``signature``
    has are kept.
    """
    made = thing.here("call", "decorate")
    facts = made or thing.here("get", "set")
    is_function = signature.binding in ("function", "staticmethod")
    name = thing.qualname if is_function else signature.name
    examples: list[Example] = []
    for one in facts:
        node = expressions.at(one.sight.place)
        examples += examples_of(name, one.sight, node, one.use.test, is_function=is_function)
    parameters = signature.parameters
    if signature.binding != "property" and not parameters:
        is_unseen = not made and signature.binding == "function"
        unseen = (Parameter("args", "star"),)
        parameters = unseen if is_unseen else _parameters(made, expressions, fields)
    result = thing.at("()") if signature.binding != "property" else thing
    is_awaited = any(one.detail == "coroutine" for one in facts)
    signature = replace(
        signature,
        parameters=parameters,
        returns=signature.returns or _returns(thing, result),
        is_async=is_awaited or "async" in result.details("iterate"),
    )
    uses = tuple(one.use for one in facts)
    notes, empty = _notes(thing, signature, result), _placeholder(thing, signature, result)
    return Part(thing.qualname, signature, uses, tuple(dict.fromkeys(examples)), notes, empty)


def _parameters(
    made: Iterable[Fact], expressions: Expressions, fields: tuple[str, ...]
) -> tuple[Parameter, ...]:
    """Parameters for all calls, but for those that are to be refused because they do not fit."""
    calls: list[Call] = []
    refused: list[Call] = []
    for one in made:
        call = Call(one.sight.args, one.sight.kwargs, _hints(one, expressions, fields))
        told = ((each.relation, each.value.text) for each in one.sight.expected)
        (refused if ("raises", "TypeError") in told else calls).append(call)
    return parameters_of(calls or refused)


def _hints(made: Fact, expressions: Expressions, fields: tuple[str, ...]) -> tuple[str, ...]:
    """What the arguments are called: ``.x`` where that is sure, since the object shows it as ``x``."""
    literals = [one.literal for one in made.sight.args]
    said = argument_names(expressions.at(made.sight.place), len(literals))
    names = dict(enumerate(said)) if len(said) == len(literals) else {}
    for one in made.sight.expected:
        value = one.value.literal
        if one.via == ".asdict()":
            fields = fields or names_in(value)
        elif one.via[1:].isidentifier() and one.relation in ("eq", "is"):
            names |= {literals.index(value): one.via} if literals.count(value) == 1 else {}
    names |= {place: f".{name}" for place, name in enumerate(fields)}
    return tuple(names.get(place, "") for place in range(len(literals)))


def _returns(thing: Thing, result: Thing) -> str:
    """The annotation: a class of the same file, or what all values have in common."""
    module = thing.who.partition(":")[0]
    made = {f"{one.value.who}()" for one in result.expected("isinstance")}
    made |= {one.value.who for one in result.expected("eq")}
    classes = {found[1] for one in made if (found := re.fullmatch(r"(.+:[A-Z]\w*)\(\)", one))}
    if classes:
        home, _, name = classes.pop().partition(":")
        return f'"{name}"' if home == module and not classes else ""
    return common_type(one.value for one in result.expected("eq", "is"))


def _notes(thing: Thing, signature: Signature, result: Thing) -> tuple[str, ...]:
    if signature.name.startswith("__"):
        return ()
    notes = [text for (kind, detail), text in _SAID.items() if detail in result.details(kind)]
    notes = notes[:1] if "async" in result.details("iterate") else notes
    sizes = dict.fromkeys(one.value.text for one in result.expected("unpacks"))
    notes += [f"The result is unpacked into {size} values." for size in sizes]
    names = [f"{name}()" if result.at(f".{name}").here("call") else name for name in result.names()]
    if names and not signature.returns:
        notes.append(f"The result has {', '.join(names)}.")
    if not thing.here("call", "decorate") and signature.binding != "property":
        notes.append("The tests do not show how it is called.")
    if not signature.returns and not result.facts:
        notes.append("The tests do not tell what it returns.")
    return tuple(notes)


# --- what it does until it is written -----------------------------------------------------------------


def _placeholder(thing: Thing, signature: Signature, result: Thing) -> str:
    if signature.name == "__init_subclass__":
        return "super().__init_subclass__()"
    if signature.returns == "None":
        return ""
    first = next((one for one in signature.parameters if one.kind == "plain"), None)
    back = "lambda function: function"
    if _takes_function(thing) and first is not None:
        same = f"return {first.name}"
        return f"{same} if {first.name} else {back}" if first.default else same
    if _takes_function(result):
        return f"return {back}"
    made = "cls" if signature.binding == "classmethod" else signature.returns.strip('"')
    if made == "cls" or signature.returns[:1] == '"':
        return f"return {made}.__new__({made})"
    empty = _EMPTY.get(signature.returns) or _empty_value(result)
    return f"return {empty}" if empty != "None" else ""


def _takes_function(thing: Thing) -> bool:
    given = [one.sight.args[0] for one in thing.here("call") if len(one.sight.args) == 1]
    is_given = any(one.type_name in ("function", "type") for one in given)
    return is_given or bool(thing.here("decorate"))


def _empty_value(thing: Thing) -> str:
    """An empty value of the kind that is asked of a thing, as source text; "None" for no idea."""
    told = thing.expected("eq", *_ORDERED)
    types = {one.value.type_name for one in told if not one.value.who}
    if len(types) == 1 and (found := _EMPTY.get(types.pop())):
        return found
    if thing.here("call"):
        return "lambda *args, **kwargs: None"
    sizes = [one.value.text for one in thing.expected("unpacks")]
    if sizes and sizes[0].isdigit():
        return repr((None,) * min(int(sizes[0]), 50))
    if names := {*thing.names()}:
        kinds = (dict, str, list, set)
        return next((repr(kind()) for kind in kinds if names <= {*dir(kind)}), "None")
    if items := thing.here("item"):
        keys = {key.type_name for one in items for key in one.sight.args}
        return "{}" if "str" in keys else "[]"
    asked = thing.details("operator") | thing.details("relation")
    if thing.here("iterate") or asked & {"len", "contains"}:
        return "[]"
    return "0" if thing.details("operator") - {"bool", "eq", "ne"} or asked & _ORDERED else "None"


def constant_line(thing: Thing) -> str:
    """``NAME = value``; a comment says where that is not all, or only an empty value."""
    value = thing.literal() or thing.at(".value").literal()  # of an enum's member
    if value:
        return f"{thing.name} = {value}"
    keys = (_KEY.fullmatch(step) for step in thing.first_steps())
    entries = {key[1]: known for key in keys if key and (known := thing.at(key[0]).literal())}
    items = dict.fromkeys(one.value.literal for one in thing.expected("contains"))
    if entries:
        listed = ", ".join(f"{key}: {one}" for key, one in entries.items())
        return f"{thing.name} = {{{listed}}}  # the tests tell no more of it"
    if items and all(items):
        return f"{thing.name} = ({', '.join(items)},)  # the tests tell no more of it"
    return f"{thing.name} = {_empty_value(thing)}  # the tests do not tell its value"
