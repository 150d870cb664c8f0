"""Owns what a missing function becomes: its signature, its docstring and what it does until written."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace

from egbot.discovery.needs import Use
from egbot.discovery.things import Thing
from egbot.records import Example, Sight
from egbot.source.examples import Expressions, argument_names, doctest_lines, examples_of
from egbot.source.signatures import Call, Parameter, Signature, common_type, parameters_of
from egbot.source.stubs import UNWRITTEN, function_code, summary

MAX_EXAMPLES = 6
PLACEHOLDER = "The tests call it while they are collected: until it is written, it does nothing."
_METHODS = ((dict, "{}"), (str, '""'), (list, "[]"), (set, "set()"))
_EMPTY = {
    "str": '""',
    "int": "0",
    "float": "0.0",
    "bool": "False",
    "bytes": 'b""',
    "list": "[]",
    "dict": "{}",
    "tuple": "()",
    "set": "set()",
}
_ORDERED = frozenset({"lt", "le", "gt", "ge", "approx"})
_CALLS = ("call", "decorate")
_KINDS_SAID = (
    ("iterate", "", "The result can be iterated over."),
    ("iterate", "next", "The result is an iterator."),
    ("iterate", "async", "The result can be iterated over with `async for`."),
    ("enter", "", "The result is used as a context manager (`with`)."),
    ("enter", "async", "The result is used as a context manager (`async with`)."),
    ("call", "", "The result is called."),
)


@dataclass(frozen=True, slots=True)
class Part:
    """A function that is to be written: its uses and what they tell; ``notes`` are sentences."""

    qualname: str
    signature: Signature
    uses: tuple[Use, ...]
    examples: tuple[Example, ...]
    notes: tuple[str, ...] = ()
    placeholder: str = ""

    def code(self, *, is_shown: bool) -> str:
        """Its stub. One that is called while tests are collected does nothing, where it is shown."""
        owner, _, name = self.qualname.rpartition(".")
        shown = doctest_lines(self.examples, MAX_EXAMPLES)
        is_early = is_shown and any(not use.test for use in self.uses)
        notes = [*self.notes, PLACEHOLDER if is_early else ""]
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
    uses = thing.here(*_CALLS) or thing.here("get", "set")
    examples: list[Example] = []
    calls: list[Call] = []
    for use in uses:
        sight, node = use.sight, expressions.at(use.sight.place)
        is_function = signature.binding in ("function", "staticmethod")
        name = thing.qualname if is_function else signature.name
        examples += examples_of(name, sight, node, use.test, is_function=is_function)
        if sight.kind in _CALLS and not _is_refused(sight):
            calls.append(Call(sight.args, sight.kwargs, _hints(sight, node, fields)))
    refused = [Call(use.sight.args, use.sight.kwargs) for use in thing.here("call")]
    if signature.binding != "property" and not signature.parameters:
        signature = replace(signature, parameters=parameters_of(calls or refused))
    if not thing.here(*_CALLS) and signature.binding == "function":
        signature = replace(signature, parameters=(Parameter("args", "star"),))
    result = thing.at("()") if signature.binding != "property" else thing
    is_awaited = any(use.sight.detail == "coroutine" for use in uses)
    is_async = is_awaited or "async" in result.details("iterate")
    returns = signature.returns or _returns(thing, result)
    signature = replace(signature, is_async=is_async, returns=returns)
    notes = _notes(thing, signature, result)
    empty = _placeholder(thing, signature, result)
    return Part(thing.qualname, signature, uses, tuple(dict.fromkeys(examples)), notes, empty)


def _is_refused(sight: Sight) -> bool:
    """Whether a call is to be refused because it does not fit."""
    return any(one.relation == "raises" and one.value.text == "TypeError" for one in sight.expected)


def _hints(sight: Sight, node: ast.expr | None, fields: tuple[str, ...]) -> tuple[str, ...]:
    """What the arguments are called: ``.x`` where that is sure, since the object shows it as ``x``."""
    named = list(argument_names(node, len(sight.args))) or [""] * len(sight.args)
    literals = [one.literal for one in sight.args]
    for one in sight.expected:
        name, value = one.via[1:], one.value.literal
        if one.via == ".asdict()":
            fields = fields or _keys(value, len(literals) + len(sight.kwargs))
        if name.isidentifier() and literals.count(value) == 1 and one.relation in ("eq", "is"):
            named[literals.index(value)] = one.via
    for place, name in enumerate(fields[: len(named)]):
        named[place] = f".{name}"
    return tuple(named)


def _keys(literal: str, count: int) -> tuple[str, ...]:
    value = ast.literal_eval(literal or "{}")
    is_whole = isinstance(value, dict) and len(value) == count
    return (
        tuple(map(str, value)) if is_whole and all(map(str.isidentifier, map(str, value))) else ()
    )


def _returns(thing: Thing, result: Thing) -> str:
    told = result.relations()
    classes = {one.value.who for one in result.expected("isinstance") if one.value.who}
    classes |= {
        one.value.who[:-2]
        for one in result.expected("eq")
        if re.search(r"[:.][A-Z]\w*\(\)$", one.value.who)
    }
    module = thing.root.who.partition(":")[0]
    if len(classes) == 1 and (name := classes.pop()).startswith(f"{module}:"):
        return f'"{name.partition(":")[2]}"' if name.partition(":")[2].isidentifier() else ""
    values = [one.value for one in result.expected("eq", "is")]
    is_open = told & {"true", "false", "isinstance", "raises"} and not values
    return "" if is_open else common_type(values)


# --- what is said -----------------------------------------------------------------------------------


def _notes(thing: Thing, signature: Signature, result: Thing) -> tuple[str, ...]:
    if signature.name.startswith("__"):
        return ()
    is_property = signature.binding == "property"
    notes = []
    if "async" in result.details("iterate"):
        notes.append("It is an asynchronous generator: it yields.")
    elif not is_property:
        notes += [text for kind, detail, text in _KINDS_SAID if detail in result.details(kind)]
    sizes = dict.fromkeys(one.value.text for one in result.expected("unpacks"))
    notes += [f"The result is unpacked into {size} values." for size in sizes]
    names = [f"{name}()" if result.at(f".{name}").here("call") else name for name in result.names()]
    if names and not signature.returns:
        notes.append(f"The result has {', '.join(names)}.")
    if not thing.here(*_CALLS) and not is_property:
        notes.append("The tests do not show how it is called.")
    is_told = bool(signature.returns or result.relations() - {"raises"} or result.uses)
    if not is_told and not result.told and not {"raises", "warns"} & result.relations():
        notes.append("The tests do not tell what it returns.")
    return tuple(notes)


# --- what it does until it is written -----------------------------------------------------------------


def _placeholder(thing: Thing, signature: Signature, result: Thing) -> str:
    if signature.name in ("__init__", "__set__", "__set_name__"):
        return ""
    if signature.name == "__init_subclass__":
        return "super().__init_subclass__()"
    plain = [item.name for item in signature.parameters if item.kind == "plain"]
    if _takes_function(thing) and plain:
        back = "lambda function: function"
        is_both = bool(signature.parameters[0].default)
        return f"return {plain[0]} if {plain[0]} else {back}" if is_both else f"return {plain[0]}"
    if _takes_function(result):
        return "return lambda function: function"
    if signature.binding == "classmethod" and (result.names() or signature.returns[:1] == '"'):
        return "return cls.__new__(cls)"
    if signature.returns[:1] == '"':
        made = signature.returns.strip('"')
        return f"return {made}.__new__({made})"
    empty = _EMPTY.get(signature.returns) or empty_value(result)
    return f"return {empty}" if empty != "None" else ""


def _takes_function(thing: Thing) -> bool:
    given = [use.sight.args[0] for use in thing.here("call") if len(use.sight.args) == 1]
    return bool(thing.here("decorate")) or any(
        one.type_name in ("function", "type") for one in given
    )


def empty_value(thing: Thing) -> str:
    """An empty value of the kind that is asked of a thing, as source text; "None" for no idea."""
    types = {one.value.type_name for one in thing.expected("eq", *_ORDERED) if not one.value.who}
    if len(types) == 1 and (found := _EMPTY.get(types.pop())):
        return found
    if thing.here("call"):
        return "lambda *args, **kwargs: None"
    sizes = [one.value.text for one in thing.expected("unpacks")]
    if sizes and sizes[0].isdigit():
        return repr((None,) * min(int(sizes[0]), 50))
    if thing.names():
        return next((text for kind, text in _METHODS if {*thing.names()} <= {*dir(kind)}), "None")
    if "item" in thing.kinds():
        is_mapping = any(a.type_name == "str" for use in thing.here("item") for a in use.sight.args)
        return "{}" if is_mapping else "[]"
    operators = thing.details("operator")
    if thing.kinds() & {"iterate"} or thing.relations() & {"len", "contains"}:
        return "[]"
    if operators & {"len", "contains"}:
        return "[]"
    is_number = bool(operators - {"bool", "eq", "ne"} or thing.relations() & _ORDERED)
    return "0" if is_number else "None"


def constant_line(thing: Thing) -> str:
    """``NAME = value``; a comment says where that is not all, or only an empty value."""
    value = thing.literal() or thing.at(".value").literal()  # of an enum's member
    if value:
        return f"{thing.name} = {value}"
    entries = {
        one.steps[0][1:-1]: one.value.literal
        for one in thing.told
        if len(one.steps) == 1 and one.steps[0][:2] in ("['", '["') and one.relation == "eq"
    }
    items = dict.fromkeys(one.value.literal for one in thing.expected("contains"))
    if entries and all(entries.values()):
        listed = ", ".join(f"{key}: {one}" for key, one in entries.items())
        return f"{thing.name} = {{{listed}}}  # the tests tell no more of it"
    if items and all(items):
        return f"{thing.name} = ({', '.join(items)},)  # the tests tell no more of it"
    return f"{thing.name} = {empty_value(thing)}  # the tests do not tell its value"
