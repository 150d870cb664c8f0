"""Owns targets: a function of a file as a record, and the functions that a person names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from egbot.errors import UsageError, near
from egbot.records import Origin, Target, Tree
from egbot.source.outline import Definition, definitions, find
from egbot.source.text import SourceSyntaxError

Key = tuple[str, str, int]


def key_of(target: Target) -> Key:
    """Which function it is: its path, its name, and which one of that name."""
    return target.path, target.qualname, target.ordinal


def make_target(
    tree: Tree, path: str, qualname: str, ordinal: int | None, *, origin: Origin
) -> Target | None:
    """The function as it stands in ``tree``, or None where there is none.

    Of equal names the ``ordinal``-th counts, by default the last. Raises SourceSyntaxError.
    """
    found = find(tree[path].data, qualname, ordinal) if path in tree else None
    return _target(tree, path, found, origin) if found else None


def _target(tree: Tree, path: str, found: Definition, origin: Origin) -> Target:
    return Target(
        path=path,
        qualname=found.qualname,
        origin=origin,
        header=found.header,
        docstring=found.docstring,
        span=found.span,
        file_sha256=hashlib.sha256(tree[path].data).hexdigest(),
        tests=(),
        ordinal=found.ordinal,
    )


def named_target(spec: str, tree: Tree, entered: Sequence[tuple[str, int]] = ()) -> Target:
    """The target that ``PATH::QUALNAME`` names, with the tests that ``entered`` it.

    With each comes the line on which what it entered begins: of equal names, the one that ran counts.
    Raises UsageError when there is no such function.
    """
    path, _, rest = spec.strip().removeprefix("./").partition("::")
    qualname = rest.replace("::", ".")
    if not path or not qualname:
        raise UsageError(f"{spec} names no function", hint="write PATH::NAME or PATH::Class.name")
    if path not in tree:
        raise UsageError(f"there is no file {path}", hint=near(path, tree))
    try:
        listed = definitions(tree[path].data)
    except SourceSyntaxError as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="correct the file") from error
    same = [one for one in listed if one.qualname == qualname]
    if not same:
        names = [definition.qualname for definition in listed]
        raise UsageError(f"{path} has no function {qualname}", hint=near(qualname, names))
    ran = [one for one in same for _, line in entered[:1] if one.span.start_line == line]
    target = _target(tree, path, (ran or same)[-1], "named")
    tests = tuple(dict.fromkeys(test for test, _ in entered))
    return replace(target, tests=tests, evidence=(f"named as {spec}",))


def check_name(spec: str, tree: Tree) -> None:
    """Refuse early what ``named_target`` would refuse in the end.

    A function that is not there yet may become a stub, if a file speaks of it. Raises UsageError.
    """
    try:
        named_target(spec, tree)
    except UsageError as error:
        word = re.compile(rb"\b%s\b" % re.escape(re.split(r"::|\.", spec)[-1].encode()))
        files = [file.data for path, file in tree.items() if path.endswith(".py")]
        is_mentioned = "::" in spec and any(map(word.search, files))
        if isinstance(error.__cause__, SourceSyntaxError) or not is_mentioned:
            raise
