"""Owns the text of missing classes and exceptions: attributes, methods, nested classes.

It knows nothing of files.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import replace
from typing import Literal

from egbot.source.calls import Shape, Use, uses
from egbot.source.calls import shapes as shapes_of
from egbot.source.examples import Key
from egbot.source.lacking import Lack
from egbot.source.members import Member, member, members
from egbot.source.modules import is_test_path
from egbot.source.signatures import NO_EVIDENCE, Evidence, Signature, infer_signature, looks_like
from egbot.source.stubs import indented, quoted, stub_code, stub_docstring, summary
from egbot.source.symbols import Code
from egbot.source.texts import PLACEHOLDER, at_import, constant_text, function_text

_ERROR_NAMES = frozenset(dir(Exception))


def class_text(
    code: Code, lack: Lack, evidence: Evidence, kind: Literal["class", "exception"]
) -> str:
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
        docstring += f"\n\n{PLACEHOLDER}"
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
        if kind in ("class", "exception") and name[:1].isupper():
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
