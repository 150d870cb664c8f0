"""Owns the text of missing constants and functions, with what the tests do not tell of them.

It knows nothing of classes or files.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace

from egbot.source.calls import Use
from egbot.source.examples import Key
from egbot.source.importtime import runs_at_import
from egbot.source.lacking import Lack
from egbot.source.members import Member
from egbot.source.signatures import Evidence, Signature
from egbot.source.stubs import stub_code, stub_docstring
from egbot.source.symbols import Code
from egbot.source.values import UNTOLD, empty_result, empty_value, told_value

PLACEHOLDER = "The tests call it while they are collected: until it is written, it does nothing."


def constant_text(lack: Lack, found: tuple[Use, ...]) -> str:
    """``NAME = value``; a comment says when the value is only a placeholder."""
    name = lack.key[1].rpartition(".")[2]
    told = told_value(found)
    if told:
        return f"{name} = {told}\n"
    return f"{name} = {empty_value(found, lack.parts, lack.patches)}  # {UNTOLD}\n"


def function_text(code: Code, key: Key, found: Member) -> str:
    """A function, method or property with examples and with what is not known of it."""
    signature, evidence = found.signature, found.evidence
    is_early = at_import(evidence.uses)
    notes = (*signature.notes, *result_notes(evidence), *_unknowns(signature, evidence))
    noted = replace(signature, notes=(*notes, PLACEHOLDER) if is_early else notes)
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
    sizes = dict.fromkeys(item.name for item in asked if item.kind == "unpacked")
    notes += [f"The result is unpacked into {size} values." for size in sizes]
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
