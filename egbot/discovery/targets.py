"""Owns targets: a function of a file as a record, and the functions that a person names."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from egbot.errors import UsageError
from egbot.records import Example, Origin, Target, Tree
from egbot.source.outline import Definition, definitions, find
from egbot.source.text import SourceSyntaxError


def make_target(  # noqa: PLR0913  each is a field
    tree: Tree,
    path: str,
    qualname: str,
    ordinal: int | None,
    *,
    origin: Origin,
    tests: tuple[str, ...] = (),
    evidence: tuple[str, ...] = (),
    examples: tuple[Example, ...] = (),
) -> Target | None:
    """The function as it stands in ``tree``, or None where there is none.

    Of equal names the ``ordinal``-th counts, by default the last. Raises SourceSyntaxError.
    """
    found = find(tree[path].data, qualname, ordinal) if path in tree else None
    if found is None:
        return None
    target = _target(tree, path, found, origin)
    return replace(target, tests=tests, evidence=evidence, examples=examples)


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
        raise UsageError(f"there is no file {path}", hint=_near(path, tree))
    try:
        listed = definitions(tree[path].data)
    except SourceSyntaxError as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="correct the file") from error
    same = [one for one in listed if one.qualname == qualname]
    if not same:
        names = [definition.qualname for definition in listed]
        raise UsageError(f"{path} has no function {qualname}", hint=_near(qualname, names))
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


def _near(name: str, names: Iterable[str]) -> str:
    listed = list(names)
    close = difflib.get_close_matches(name, listed, n=3, cutoff=0.5)
    close = close or [other for other in listed if other.rpartition(".")[2] == name][:3]
    return f"did you mean {' or '.join(close)}?" if close else "check the spelling"
