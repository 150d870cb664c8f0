"""Owns what a need becomes: a function, a class with its members, an exception, a value, a module."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from egbot.discovery.needs import Need, Use
from egbot.records import Example, Sight
from egbot.source.examples import Expressions, argument_names, doctest_lines, examples_of
from egbot.source.signatures import Call, Parameter, Signature, common_type, parameters_of
from egbot.source.stubs import UNWRITTEN, class_code, fields, function_code, summary

Kind = Literal["function", "class", "exception", "enum", "dataclass", "constant", "module"]
MAX_EXAMPLES = 6
_PLACEHOLDER = "The tests call it while they are collected: until it is written, it does nothing."
_ERROR = re.compile(r"(Error|Exception|Warning)$")
_ENUMS = ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")
_CONSTRUCTOR = re.compile(r"(from|of|parse|load|make|create|new|build|default)(_|$)")
_OF_ENUM = frozenset({".value", ".name"})
_SPECIAL = {
    "iterate": {"": "__iter__", "next": "__next__"},
    "enter": {"": "__enter__", "async": "__aenter__"},
    "await": {"": "__await__"},
}
_ASYNC = ("__aenter__", "__aexit__")
_PARAMETERS = {
    **dict.fromkeys(("__setitem__",), ("key", "value")),
    **dict.fromkeys(("__getitem__", "__delitem__"), ("key",)),
    **dict.fromkeys(("__exit__", "__aexit__"), ("kind", "error", "trace")),
    "__contains__": ("item",),
}
_UNARY = frozenset(
    [
        "neg",
        "pos",
        "abs",
        "invert",
        "round",
        "trunc",
        "floor",
        "ceil",
        "int",
        "float",
        "complex",
        "index",
        "bytes",
        "fspath",
    ]
)
_ASKED = {
    "eq": "__eq__",
    "ne": "__eq__",
    "lt": "__lt__",
    "le": "__le__",
    "gt": "__gt__",
    "ge": "__ge__",
    "len": "__len__",
    "str": "__str__",
    "repr": "__repr__",
    "true": "__bool__",
    "false": "__bool__",
    "contains": "__contains__",
    "lacks": "__contains__",
}
_PLAIN = frozenset(
    [
        "__iter__",
        "__next__",
        "__enter__",
        "__aenter__",
        "__await__",
        "__call__",
        "__len__",
        "__str__",
        "__repr__",
        "__bool__",
    ]
)


@dataclass(frozen=True, slots=True)
class Part:
    """A function that is to be written: its uses and what they tell."""

    qualname: str
    signature: Signature
    uses: tuple[Use, ...]
    examples: tuple[Example, ...]

    def code(self, *, is_shown: bool) -> str:
        """Its stub. One that is called while tests are collected does nothing, where it is shown."""
        owner, _, name = self.qualname.rpartition(".")
        shown = doctest_lines(self.examples, MAX_EXAMPLES)
        is_early = is_shown and any(not use.test for use in self.uses)
        blocks = [summary(name, owner), "\n".join(shown), _PLACEHOLDER if is_early else ""]
        body = self._placeholder() if is_early else UNWRITTEN
        return function_code(self.signature, "\n\n".join(filter(None, blocks)), body)

    def _placeholder(self) -> str:
        kinds = {use.sight.kind for use in self.uses}
        plain = [item.name for item in self.signature.parameters if item.kind == "plain"]
        if "decorate" in kinds and plain:
            return f"return {plain[0]}"
        asked = {one.relation for use in self.uses for one in use.sight.expected}
        return "return []" if asked & {"iterates", "unpacks", "len"} else ""


@dataclass(frozen=True, slots=True)
class Definition:
    """What to write for a need: ``code``, in which ``parts`` are still to be written."""

    need: Need
    kind: Kind
    code: str
    parts: tuple[Part, ...] = ()


def define(
    need: Need, expressions: Expressions, *, in_package: bool, is_shown: bool = False
) -> Definition:
    """The definition of something missing, as far as its uses tell it.

    ``in_package`` says that the file is a package's own, so that a name of it may be a module. What
    ``is_shown`` lets the tests be collected until it is written.
    """
    kind = _kind(need, in_package=in_package)
    match kind:
        case "function":
            part = _function(need, expressions)
            return Definition(need, kind, part.code(is_shown=is_shown), (part,))
        case "constant":
            return Definition(need, kind, f"{need.name} = {_value(need)}\n")
        case "exception":
            return Definition(need, kind, _exception(need))
        case "enum":
            return Definition(need, kind, _enum(need))
        case "class" | "dataclass":
            return _class(need, kind, expressions, is_shown=is_shown)
        case _:
            return Definition(need, kind, "")


# --- which kind -------------------------------------------------------------------------------


def _kind(need: Need, *, in_package: bool) -> Kind:
    kinds, name = need.kinds(), need.name
    bases = {use.sight.detail for use in need.below() if use.sight.kind == "class"}
    is_called = bool(kinds & {"call", "decorate"})
    attributes = _attributes(need)
    if "raise" in kinds or _ERROR.search(name) or any(map(_ERROR.search, bases)):
        return "exception"
    if "." in need.qualname or need.origin == "missing_member":
        return "function"
    if bases & {*_ENUMS} or _is_enum(need, attributes):
        return "enum"
    is_title = name[:1].isupper() and (is_called or not name.isupper())
    if kinds & {"subclass", "class"} or (is_title and (is_called or attributes)):
        return "dataclass" if _is_dataclass(need, bases) else "class"
    if is_called:
        return "function"
    if attributes:
        return "module" if in_package and name.islower() else "class"
    if name.isupper() or any(use.sight.expected for use in need.below()):
        return "constant"
    if is_title:
        return "class"
    return "constant" if name.startswith("__") else "function"


def _attributes(need: Need) -> tuple[str, ...]:
    """The names that were asked for on the thing itself."""
    steps = (use.steps[0] for use in need.uses if use.steps)
    return tuple(dict.fromkeys(step[1:] for step in steps if step.startswith(".")))


def _is_enum(need: Need, attributes: Sequence[str]) -> bool:
    """Class-level names that are never called, whose value or name is asked for, or items."""
    is_plain = attributes and not any(need.kinds(f".{name}") & {"call"} for name in attributes)
    told = any(len(use.steps) > 1 and use.steps[1] in _OF_ENUM for use in need.uses)
    looped = bool(need.kinds() & {"iterate", "item"})
    return bool(is_plain) and need.name[:1].isupper() and (told or looped or _is_caps(attributes))


def _is_caps(names: Sequence[str]) -> bool:
    return len(names) > 1 and all(name.isupper() for name in names)


def _is_dataclass(need: Need, bases: Iterable[str]) -> bool:
    if "dataclass" in bases:
        return True
    is_equal = any(
        one.relation in ("eq", "ne") and one.value.who.startswith(f"{need.root.who}()")
        for use in need.uses
        for one in use.sight.expected
        if not one.via
    )
    methods = [use for use in need.uses if use.steps[:1] == ("()",) and use.sight.kind == "call"]
    return (
        is_equal and not methods and any(use.sight.kwargs or use.sight.args for use in _made(need))
    )


def _made(need: Need) -> tuple[Use, ...]:
    """The calls that make objects."""
    return tuple(use for use in need.below() if use.sight.kind == "call")


# --- functions --------------------------------------------------------------------------------


def _function(need: Need, expressions: Expressions) -> Part:
    binding: Signature = Signature(need.name)
    uses = tuple(use for use in need.below() if use.sight.kind in ("call", "decorate", "get"))
    if "." in need.qualname:
        binding = replace(binding, binding=_binding(need, uses))
    return part_of(need.qualname, binding, uses, expressions)


def _binding(
    need: Need, uses: Sequence[Use]
) -> Literal["method", "classmethod", "staticmethod", "property"]:
    details = {use.sight.detail for use in uses}
    if need.root.detail.endswith("read"):
        return "property"
    if need.name.startswith("__") or not uses or details != {"class"}:
        return "method"
    return _class_binding(need.name)


def _class_binding(name: str) -> Literal["classmethod", "staticmethod"]:
    return "classmethod" if _CONSTRUCTOR.match(name) else "staticmethod"


def part_of(
    qualname: str, signature: Signature, uses: tuple[Use, ...], expressions: Expressions
) -> Part:
    """A function as its calls tell it; ``signature`` gives its name and how it is bound."""
    calls: list[Call] = []
    examples: list[Example] = []
    for use in uses:
        sight = use.sight
        node = expressions.at(sight.place)
        calls.append(Call(sight.args, sight.kwargs, argument_names(node, len(sight.args))))
        is_function = signature.binding in ("function", "staticmethod")
        name = qualname if is_function else signature.name
        examples += examples_of(name, sight, node, use.test, is_function=is_function)
    if signature.binding != "property" and not signature.parameters:
        signature = replace(signature, parameters=parameters_of(calls))
    if not calls and signature.binding == "function":
        signature = replace(signature, parameters=(Parameter("value", "plain"),))
    is_async = signature.name in _ASYNC or any(use.sight.detail == "coroutine" for use in uses)
    returns = "None" if signature.name == "__init__" else signature.returns or _returns(uses)
    return Part(
        qualname,
        replace(signature, is_async=is_async, returns=returns),
        uses,
        tuple(dict.fromkeys(examples)),
    )


def _returns(uses: Iterable[Use]) -> str:
    told = [one for use in uses for one in use.sight.expected if not one.via]
    values = [one.value for one in told if one.relation in ("eq", "is")]
    if (
        any(one.relation in ("true", "false", "isinstance", "raises") for one in told)
        and not values
    ):
        return ""
    return common_type(values)


# --- classes ----------------------------------------------------------------------------------


def _class(need: Need, kind: Kind, expressions: Expressions, *, is_shown: bool) -> Definition:
    made = _made(need)
    init = _init(need, made, expressions)
    is_data = kind == "dataclass"
    given = {item.name for item in init.signature.parameters} if is_data else frozenset()
    takes_any = any(use.sight.args or use.sight.kwargs for use in made)
    parts: list[Part] = []
    attributes: dict[str, str] = {}
    for name, uses in _instance_members(need).items():
        called = tuple(use for use in uses if use.sight.kind == "call" and len(use.steps) == 2)
        if called:
            parts.append(_member(need, name, "method", called, expressions))
        elif name in given:
            continue
        elif any(use.sight.kind == "set" for use in uses) or (takes_any and not is_data):
            attributes[name] = _type_of(need, name)
        else:
            parts.append(_member(need, name, "property", uses, expressions))
    constants = []
    for name in _attributes(need):
        called = tuple(use for use in need.below(f".{name}") if use.sight.kind == "call")
        if called:
            parts.append(_member(need, name, _class_binding(name), called, expressions))
        else:
            constants.append(f"{name} = {_told(need, f'.{name}')}")
    parts += _special_members(need, expressions)
    if is_data:
        parts = [part for part in parts if part.signature.name != "__eq__"]
    elif takes_any or attributes or (parts and not constants and made and _keeps_state(parts)):
        parts.insert(0, init)
    own = _data_fields(init.signature) if is_data else fields(attributes)
    code = class_code(
        need.name,
        summary(need.name),
        base="type" if _is_metaclass(need) else "",
        decorator="dataclasses.dataclass" if is_data else "",
        attributes=[*own, *constants],
        members=[part.code(is_shown=is_shown) for part in parts],
    )
    return Definition(need, kind, code, tuple(parts))


def _keeps_state(parts: Iterable[Part]) -> bool:
    return any(part.signature.binding == "method" for part in parts)


def _init(need: Need, made: tuple[Use, ...], expressions: Expressions) -> Part:
    signature = Signature("__init__", (), "method")
    return part_of(f"{need.qualname}.__init__", signature, made, expressions)


def _member(
    need: Need,
    name: str,
    binding: Literal["method", "property", "classmethod", "staticmethod"],
    uses: tuple[Use, ...],
    expressions: Expressions,
) -> Part:
    return part_of(f"{need.qualname}.{name}", Signature(name, (), binding), uses, expressions)


def _instance_members(need: Need) -> dict[str, tuple[Use, ...]]:
    """The uses of what was asked for on objects of the class, by name."""
    found: dict[str, tuple[Use, ...]] = {}
    for use in need.uses:
        steps = use.steps
        if len(steps) > 1 and steps[0] == "()" and steps[1].startswith("."):
            name = steps[1][1:]
            found[name] = (*found.get(name, ()), use)
    return found


def _special_members(need: Need, expressions: Expressions) -> list[Part]:
    """The special methods that operators and statements asked objects of the class for."""
    uses: dict[str, list[Use]] = {}
    for use in need.below("()"):
        for name in _special_names(use.sight):
            uses.setdefault(name, []).append(use)
    for use in (*_made(need), *need.below("()")):
        for one in use.sight.expected:
            name = "" if one.via else _ASKED.get(one.relation, "")
            if name:
                uses.setdefault(name, [])
    return [
        part_of(
            f"{need.qualname}.{name}",
            Signature(name, _special_parameters(name), "method"),
            tuple(found) if name == "__call__" else (),
            expressions,
        )
        for name, found in uses.items()
    ]


def _special_names(sight: Sight) -> tuple[str, ...]:
    if sight.kind == "operator":
        return (f"__{sight.detail}__",)
    if sight.kind == "item":
        return ("__getitem__",)
    if sight.kind == "call":
        return ("__call__",)
    name = _SPECIAL.get(sight.kind, {}).get(sight.detail, "")
    if sight.kind == "enter" and name:
        return (name, name.replace("enter", "exit"))
    return (name,) if name else ()


def _special_parameters(name: str) -> tuple[Parameter, ...]:
    binary = () if name.strip("_") in _UNARY or name in _PLAIN else ("other",)
    return tuple(Parameter(item, "plain") for item in _PARAMETERS.get(name, binary))


def _is_metaclass(need: Need) -> bool:
    return any(use.sight.detail == "metaclass" for use in need.below())


# --- complete definitions ----------------------------------------------------------------------


def _exception(need: Need) -> str:
    """An exception with what Exception cannot keep by itself: keywords, and attributes asked for."""
    told = [use.sight.detail for use in need.below() if _ERROR.search(use.sight.detail)]
    base = next((one for one in told if one != "Exception"), "Exception")
    if need.name.endswith("Warning") and base == "Exception":
        base = "Warning"
    names = dict.fromkeys(name for use in _made(need) for name, _ in use.sight.kwargs)
    names |= dict.fromkeys(one for one in _instance_members(need) if not hasattr(Exception, one))
    members = []
    if names:
        lines = ["super().__init__(*args)", *(f"self.{name} = {name}" for name in names)]
        taken = (Parameter("args", "star"), *(Parameter(n, "keyword_only", "None") for n in names))
        made = Signature("__init__", taken, "method", "None")
        members.append(function_code(made, "Keep what is passed.", "\n".join(lines)))
    return class_code(need.name, summary(need.name), base=base, members=members)


def _enum(need: Need) -> str:
    bases = [use.sight.detail for use in need.below() if use.sight.detail in _ENUMS]
    joined = {use.sight.detail for use in need.uses if use.sight.kind == "operator"}
    base = bases[0] if bases else "Flag" if joined & {"or", "and", "invert", "xor"} else "Enum"
    looked_up = {
        one.value.who.rpartition(".")[2]: use.sight.args[0].literal
        for use in _made(need)
        for one in use.sight.expected
        if one.relation in ("eq", "is") and len(use.sight.args) == 1
    }
    lines = []
    for name in _attributes(need):
        told = _told(need, f".{name}", ".value")
        value = looked_up.get(name) if told == "None" else told
        lines.append(f"{name} = {value or 'enum.auto()'}")
    return class_code(need.name, summary(need.name), base=f"enum.{base}", attributes=lines)


def _data_fields(init: Signature) -> list[str]:
    return [
        f"{item.name}: {item.annotation or 'object'}{f' = {item.default}' if item.default else ''}"
        for item in init.parameters
    ]


def _value(need: Need) -> str:
    return _told(need)


def _told(need: Need, *steps: str) -> str:
    """The literal that every comparison of what ``steps`` lead to agrees on, "None" without one."""
    whole = "".join(steps)
    values = {
        one.value.literal
        for use in need.uses
        for one in use.sight.expected
        if one.relation in ("eq", "is")
        and "".join(use.steps) + one.via == whole
        and use.sight.kind != "call"
    }
    return values.pop() or "None" if len(values) == 1 else "None"


def _type_of(need: Need, name: str) -> str:
    """The type that every comparison of an attribute of an object agrees on, "" without one."""
    told = [one for use in _made(need) for one in use.sight.expected if one.via == f".{name}"]
    return common_type([one.value for one in told if one.relation in ("eq", "is")])
