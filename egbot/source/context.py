"""Picks the code of a module that a function's author would look at: its class, what it names.

It does not know how the code is shown to the model.
"""

from __future__ import annotations

import ast
import re

from egbot.records import Target
from egbot.source.outline import is_stub
from egbot.source.testtext import definitions, named
from egbot.source.text import SourceSyntaxError, parse_text

MAX_CHARS = 1500


def surroundings(source: str, target: Target, mentioned: str, max_chars: int = MAX_CHARS) -> str:
    """The module's top-level definitions and constants that are named in ``mentioned``.

    ``mentioned`` is the target's header, docstring and tests. Whole definitions only, as long as
    they fit ``max_chars``; never the target's own class (see `class_preamble`).
    """
    module = _parse(source)
    own = target.qualname.partition(".")[0]
    words = frozenset(re.findall(r"[^\W\d]\w*", mentioned))
    kept: list[str] = []
    for node in module.body:
        names = _names(node)
        if names & words and own not in names:
            piece = ast.unparse(node)
            if sum(len(one) for one in kept) + len(piece) <= max_chars:
                kept.append(piece)
    return "\n\n".join(kept)


def class_preamble(source: str, target: Target, max_chars: int = MAX_CHARS) -> str:
    """What stands above a method: the headers of its classes and the members that are written.

    Of other definitions of its name (a property's getter, overloads) those that stand above it.
    Without the docstrings when they do not fit, with the class header alone when nothing does.
    "" for a function. Canonical: four spaces a level.
    """
    owner = _owner(_parse(source), target.qualname)
    if owner is None:
        return ""
    name = target.qualname.rpartition(".")[2]
    members: list[ast.stmt] = []
    num_same = 0
    for one in owner.body:
        same = [found for found in definitions(ast.Module([one], [])) if found.name == name]
        num_same += len(same)
        if (not same or num_same <= target.ordinal) and not is_stub(one, owner):
            members.append(one)
    shells = (_shell(owner, members), _shell(owner, [one for one in members if _is_state(one)]))
    for shell in shells:
        if len(shell) <= max_chars:
            return shell
    return _shell(owner, [])


def _parse(source: str) -> ast.Module:
    try:
        return parse_text(source)
    except SourceSyntaxError:
        return ast.Module([], [])


def _owner(module: ast.Module, qualname: str) -> ast.ClassDef | None:
    """The class that holds the method ``qualname``, nested ones by their dotted names."""
    owner: ast.AST | None = module
    for name in qualname.split(".")[:-1]:
        owner = named(owner, name) if owner is not None else None
    return owner if isinstance(owner, ast.ClassDef) else None


def _shell(owner: ast.ClassDef, members: list[ast.stmt]) -> str:
    """The class with ``members`` only, open for one more."""
    shell = ast.ClassDef(
        name=owner.name,
        bases=owner.bases,
        keywords=owner.keywords,
        body=members or [ast.Pass()],
        decorator_list=owner.decorator_list,
    )
    text = ast.unparse(ast.fix_missing_locations(shell))
    return f"{text}\n" if members else text.removesuffix("\n    pass")


def _is_state(node: ast.stmt) -> bool:
    """Whether a member says what an instance holds: fields, constants, ``__init__``."""
    return isinstance(node, ast.Assign | ast.AnnAssign) or (
        isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )


def _names(node: ast.stmt) -> frozenset[str]:
    """The names that a top-level statement defines; a stub defines nothing worth showing."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return frozenset() if is_stub(node) else frozenset({node.name})
        case ast.ClassDef():
            return frozenset({node.name})
        case ast.Assign():
            return frozenset(one.id for one in node.targets if isinstance(one, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            return frozenset({name})
        case _:
            return frozenset()
