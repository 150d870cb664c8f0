"""Owns the whole text of a missing definition, for people: classes, constants and exceptions too.

It says in docstrings and comments what the tests do not tell. It knows nothing of files.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from typing import Literal

from egbot.source.calls import Use
from egbot.source.classes import class_text
from egbot.source.examples import Key
from egbot.source.lacking import Lack
from egbot.source.members import Member
from egbot.source.signatures import Evidence, gather, infer_signature, looks_like
from egbot.source.symbols import Code
from egbot.source.texts import constant_text, function_text
from egbot.source.values import told_value

Kind = Literal["function", "class", "exception", "constant", "method", "property", "import"]


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
    if kind == "class" or kind == "exception":
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
