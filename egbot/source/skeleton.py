"""Owns the whole text of a missing definition, for people: classes, constants and exceptions too.

It says in docstrings and comments what the tests do not tell. It knows nothing of files.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from egbot.source.calls import Shape, Use, uses
from egbot.source.calls import shapes as shapes_of
from egbot.source.examples import Key
from egbot.source.lacking import Lack
from egbot.source.members import Member, member, members
from egbot.source.modules import is_test_path
from egbot.source.scopes import runs_at_import
from egbot.source.signatures import (
    NO_EVIDENCE,
    Evidence,
    Parameter,
    Signature,
    gather,
    infer_signature,
    looks_like,
)
from egbot.source.stubs import indented, quoted, stub_code, stub_docstring, summary
from egbot.source.symbols import Code
from egbot.source.values import UNTOLD, empty_result, empty_value, told_value

Kind = Literal["function", "class", "exception", "constant", "method", "property", "import"]
_PLACEHOLDER = "The tests call it while they are collected: until it is written, it does nothing."
_OPEN = (Parameter("args", "star"), Parameter("kwargs", "double_star"))
_ERROR_NAMES = frozenset(dir(Exception))


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A missing definition: ``text`` is its source; ``problem`` says why there is none."""

    key: Key
    kind: Kind
    text: str
    problem: str = ""


def skeleton(code: Code, lack: Lack) -> Skeleton:
    """The definition of a missing name, as far as the code tells it."""
    key = lack.key
    evidence = gather(code, key)
    problem = conflict(key, evidence.uses)
    kind = _kind(key, evidence, lack)
    if problem:
        return Skeleton(key, kind, "", problem)
    if kind == "import":
        return Skeleton(key, kind, f"import {key[1]}\n")
    if kind == "constant":
        return Skeleton(key, kind, constant_text(lack, evidence.uses))
    if kind in {"class", "exception"}:
        return Skeleton(key, kind, class_text(code, lack, evidence, kind))
    found = Member(infer_signature(key, evidence), evidence)
    if kind == "property":
        kind = "property" if found.signature.binding == "property" else "method"
    return Skeleton(key, kind, function_text(code, key, found))


def conflict(key: Key, found: tuple[Use, ...]) -> str:
    """Both places, where a name is a class in one and a function or a value in the other; or ""."""
    classes = [use for use in found if use.role in {"base", "raised"}]
    functions = [use for use in found if use.awaited and use.call is not None]
    values = [use for use in found if use.role == "value" and told_value((use,))]
    calls = [use for use in found if use.role in {"call", "decorator"}]
    for firsts, first, others, other in (
        (classes, "a class", functions, "a coroutine function"),
        (classes, "a class", values, "a value"),
        (calls, "something to call", values, "a value"),
    ):
        if firsts and others:
            return (
                f"{key[1]} of {key[0]} is used as {first} in {firsts[0].path}:{firsts[0].line} "
                f"and as {other} in {others[0].path}:{others[0].line}; give one of them another name"
            )
    return ""


def _kind(key: Key, evidence: Evidence, lack: Lack) -> Kind:
    name = key[1].rpartition(".")[2]
    roles = {use.role for use in evidence.uses}
    if not evidence.uses and lack.parts and name in sys.stdlib_module_names:
        return "import"
    kind = looks_like(key, evidence)
    if kind == "exception" or name.endswith("Warning"):
        return "exception"
    if kind == "class":
        return "class"
    is_given = any(value is not None and not _is_callable(value) for value in lack.patches)
    if "." in key[1]:
        return "property"
    if kind == "value" or (is_given and not roles & {"call", "decorator", "passed"}):
        is_passed_on = name.islower() and not is_given and not name.startswith("__")
        if is_passed_on and all(_is_handed_on(use) for use in evidence.uses):
            return "function"
        return "constant"
    is_object = not evidence.uses or roles <= {"call", "value"}
    is_async = any(use.awaited for use in evidence.uses)
    return "class" if lack.parts and is_object and not is_async else "function"


def _is_callable(value: ast.expr) -> bool:
    return not isinstance(value, ast.Constant | ast.List | ast.Dict | ast.Tuple | ast.Set)


def _is_handed_on(use: Use) -> bool:
    return isinstance(use.around, ast.Call | ast.List | ast.Tuple | ast.keyword | ast.Dict)


# --- constants --------------------------------------------------------------------------------


def constant_text(lack: Lack, found: tuple[Use, ...]) -> str:
    """``NAME = value``; a comment says when the value is only a placeholder."""
    name = lack.key[1].rpartition(".")[2]
    told = told_value(found)
    if told:
        return f"{name} = {told}\n"
    return f"{name} = {empty_value(found, lack.parts, lack.patches)}  # {UNTOLD}\n"


# --- functions --------------------------------------------------------------------------------


def function_text(code: Code, key: Key, found: Member) -> str:
    """A function, method or property with examples and with what is not known of it."""
    signature, evidence = found.signature, found.evidence
    is_early = at_import(evidence.uses)
    notes = (*signature.notes, *result_notes(evidence), *_unknowns(signature, evidence))
    noted = replace(signature, notes=(*notes, _PLACEHOLDER) if is_early else notes)
    docstring = stub_docstring(code, key, noted, evidence.examples)
    body = _placeholder(signature, evidence.uses) if is_early else "raise NotImplementedError"
    return stub_code(signature, docstring, body)


def at_import(found: Iterable[Use]) -> bool:
    """Whether one of these uses runs while the tests are collected."""
    return any(
        use.role in {"call", "decorator"} or isinstance(use.node, ast.Attribute)
        for use in found
        if use.scope is not None and runs_at_import(use.scope, use.node)
    )


def result_notes(evidence: Evidence) -> tuple[str, ...]:
    """What the code asks of the results, as sentences."""
    asked = dict.fromkeys(item for use in evidence.uses for item in use.results)
    kinds = {item.kind for item in asked}
    notes = [text for kind, text in _RESULT_NOTES if kind in kinds]
    methods = [f"{item.name}()" for item in asked if item.kind == "method"]
    attributes = [item.name for item in asked if item.kind == "attribute"]
    if methods or attributes:
        names = dict.fromkeys([*attributes, *methods])
        notes.append(f"The result has {', '.join(names)}.")
    return tuple(notes)


_RESULT_NOTES = (
    ("iterated", "The result can be iterated over."),
    ("next", "The result is an iterator."),
    ("called", "The result is called."),
    ("indexed", "The result is indexed."),
    ("ordered", "The result is compared by order."),
    ("searched", "The result is asked for members (`in`)."),
    ("len", "The result has a length."),
)


def _unknowns(signature: Signature, evidence: Evidence) -> tuple[str, ...]:
    notes = []
    if signature.binding != "property" and not evidence.shapes:
        notes.append("The tests do not show how it is called.")
    told = signature.returns or any(use.results or use.consumed for use in evidence.uses)
    claims = {example.relation for example in evidence.examples}
    if not told and not claims - {"called", "raises"}:
        notes.append("The tests do not tell what it returns.")
    return tuple(notes)


def _placeholder(signature: Signature, found: tuple[Use, ...]) -> str:
    if signature.name == "__init__":
        return ""
    names = [item.name for item in signature.parameters if item.kind == "plain"]
    if any(use.role == "decorator" for use in found) and names:
        return f"return {names[0]}"
    if any(use.consumed == "decorator" for use in found):
        return "return lambda function: function"
    if signature.binding == "classmethod":
        return "return cls.__new__(cls)"
    if signature.returns.startswith('"'):
        made = signature.returns.strip('"')
        return f"return {made}.__new__({made})"
    asked = [item for use in found for item in use.results]
    return f"return {empty_result(signature.returns, asked)}"


# --- classes ----------------------------------------------------------------------------------


def class_text(code: Code, lack: Lack, evidence: Evidence, kind: Kind) -> str:
    """A class or an exception with the members that the code uses."""
    key = lack.key
    name = key[1].rpartition(".")[2]
    is_error = kind == "exception"
    base = _base(key, evidence) if is_error or _is_metaclass(evidence.uses) else ""
    found = {item.signature.name: item for item in members(code, key)}
    for part in lack.parts:
        if part not in found:
            found[part] = member(code, key, part)
    if is_error:
        found = {name: item for name, item in found.items() if name not in _ERROR_NAMES}
    shapes = (*evidence.shapes, *_subclass_shapes(code, evidence))
    init = infer_signature((key[0], f"{key[1]}.__init__"), replace(evidence, shapes=shapes))
    attributes, methods = _parts(code, key, found, init)
    lines = [*quoted("\n\n".join([summary(name, name), *_class_notes(key, evidence, lack)]))]
    if attributes:
        lines += ["", *attributes]
    constructor = _error_init(init) if is_error else _init_text(code, key, init, evidence, methods)
    if _needs_hook(evidence.uses):
        methods = [_HOOK, *methods]
    for text in (constructor, *methods):
        if text:
            lines += ["", *text.rstrip("\n").split("\n")]
    head = f"class {name}({base}):" if base else f"class {name}:"
    return "\n".join([head, *indented(lines)]) + "\n"


_HOOK = '''def __init_subclass__(cls, **kwargs):
    """Take the keywords that the tests' subclasses pass."""
    super().__init_subclass__()
'''


def _base(key: Key, evidence: Evidence) -> str:
    if _is_metaclass(evidence.uses):
        return "type"
    for use in evidence.uses:
        around = use.around
        if isinstance(around, ast.Call) and getattr(around.func, "id", "") == "issubclass":
            other = around.args[1] if around.args[0] is use.node else None
            if isinstance(other, ast.Name) and other.id in _builtin_errors():
                return other.id
    return "Warning" if key[1].endswith("Warning") else "Exception"


def _builtin_errors() -> frozenset[str]:
    return frozenset(
        name
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    )


def _is_metaclass(found: tuple[Use, ...]) -> bool:
    return any(
        isinstance(use.around, ast.keyword) and use.around.arg == "metaclass" for use in found
    )


def _needs_hook(found: tuple[Use, ...]) -> bool:
    return any(
        isinstance(use.around, ast.ClassDef)
        and any(item.arg not in {None, "metaclass"} for item in use.around.keywords)
        for use in found
    )


def _subclass_shapes(code: Code, evidence: Evidence) -> tuple[Shape, ...]:
    """How the tests make objects of their own subclasses that have no ``__init__``."""
    found: list[Use] = []
    for use in evidence.uses:
        node = use.around
        if not isinstance(node, ast.ClassDef) or not is_test_path(use.path):
            continue
        symbol = code.definition(use.path, node.name)
        own = [getattr(item, "name", "") for item in getattr(symbol, "body", [])]
        if symbol is not None and "__init__" not in own:
            found.extend(uses(code, (use.path, node.name)))
    return shapes_of(tuple(found), ())


def _class_notes(key: Key, evidence: Evidence, lack: Lack) -> list[str]:
    roles = {use.role for use in evidence.uses}
    name = key[1].rpartition(".")[2]
    if name[:1].isupper() or roles & {"base", "raised"}:
        return []
    if "call" in roles:
        return ["The tests call it and use its members: that it is a class is a guess."]
    parts = ", ".join(lack.parts)
    return [f"The tests only use its members ({parts}): that it is a class is a guess."]


def _init_text(
    code: Code, key: Key, init: Signature, evidence: Evidence, methods: list[str]
) -> str:
    roles = {use.role for use in evidence.uses}
    if not init.parameters and (not methods or "call" not in roles):
        return ""
    inner = (key[0], f"{key[1]}.__init__")
    is_early = at_import(evidence.uses) or _is_subclassed(evidence.uses)
    shown = replace(evidence, uses=())
    docstring = stub_docstring(code, inner, init, shown.examples)
    if is_early:
        docstring += f"\n\n{_PLACEHOLDER}"
    return stub_code(init, docstring, "" if is_early else "raise NotImplementedError")


def _is_subclassed(found: tuple[Use, ...]) -> bool:
    return any(isinstance(use.around, ast.ClassDef) for use in found)


def _error_init(init: Signature) -> str:
    """What Exception cannot take by itself: keywords become attributes."""
    keywords = [item.name for item in init.parameters if item.kind == "keyword_only"]
    if not keywords:
        return ""
    passed = [item.name for item in init.parameters if item.kind == "plain"]
    stars = [f"*{item.name}" for item in init.parameters if item.kind == "star"]
    lines = [f"super().__init__({', '.join([*passed, *stars])})"]
    lines += [f"self.{name} = {name}" for name in keywords]
    return stub_code(init, "Keep what the tests pass.", "\n".join(lines))


def _parts(
    code: Code, key: Key, found: dict[str, Member], init: Signature
) -> tuple[list[str], list[str]]:
    """The lines of the attributes and the texts of everything with a body of its own."""
    given = {item.name for item in init.parameters}
    attributes: list[str] = []
    methods: list[str] = []
    for name, item in found.items():
        inner = (key[0], f"{key[1]}.{name}")
        kind = looks_like(inner, item.evidence) if item.evidence is not NO_EVIDENCE else "function"
        if kind in {"class", "exception"} and name[:1].isupper():
            lack = Lack(inner, {}, {}, [])
            methods.append(class_text(code, lack, item.evidence, kind))
        elif item.signature.binding != "property":
            is_special = item.evidence is NO_EVIDENCE
            methods.append(
                stub_code(item.signature, "") if is_special else function_text(code, inner, item)
            )
        elif _is_class_level(name, item.evidence.uses):
            attributes += constant_text(Lack(inner, {}, {}, []), item.evidence.uses).splitlines()
        elif name in given or init.parameters:
            attributes.append(f"{name}: {item.signature.returns or 'object'}")
        else:
            methods.append(function_text(code, inner, item))
    return attributes, methods


def _is_class_level(name: str, found: tuple[Use, ...]) -> bool:
    return name.isupper() or at_import(found) or any(use.receiver == "class" for use in found)
