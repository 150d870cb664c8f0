"""Owns targets: a function of a file as a record, and the functions that a person names."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

from egbot.errors import UsageError
from egbot.records import Example, Origin, Target, Tree
from egbot.source.outline import definitions, find
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
    file = tree.get(path)
    found = find(file.data, qualname, ordinal) if file is not None else None
    if file is None or found is None:
        return None
    return Target(
        path=path,
        qualname=qualname,
        origin=origin,
        header=found.header,
        docstring=found.docstring,
        span=found.span,
        file_sha256=hashlib.sha256(file.data).hexdigest(),
        tests=tests,
        evidence=evidence,
        ordinal=found.ordinal,
        examples=examples,
    )


def named_target(spec: str, tree: Tree, line: int = 0) -> Target:
    """The target that ``PATH::QUALNAME`` names; of equal names the one that begins on ``line``.

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
        same = [one for one in listed if one.qualname == qualname]
        at_line = [one for one in same if one.span.start_line == line] or same
        if not at_line:
            names = [definition.qualname for definition in listed]
            raise UsageError(f"{path} has no function {qualname}", hint=_near(qualname, names))
        evidence = (f"named as {spec}",)
        target = make_target(
            tree, path, qualname, at_line[-1].ordinal, origin="named", evidence=evidence
        )
    except SourceSyntaxError as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="correct the file") from error
    if target is None:
        raise UsageError(f"{path} has no function {qualname}", hint="correct the name")
    return target


def entered_target(spec: str, tree: Tree, entered: Iterable[tuple[str, int]]) -> Target:
    """A written function with the tests that entered it, by the definition that ran.

    ``entered`` are tests with the line on which what they entered begins.
    """
    seen = list(entered)
    target = named_target(spec, tree, seen[0][1] if seen else 0)
    return replace(target, tests=tuple(dict.fromkeys(test for test, _ in seen)))


def check_name(spec: str, tree: Tree) -> None:
    """Refuse early what ``named_target`` would refuse in the end.

    A function that is not there yet may become a stub, if a file speaks of it. Raises UsageError.
    """
    try:
        named_target(spec, tree)
    except UsageError as error:
        name = re.split(r"::|\.", spec)[-1].encode()
        is_mentioned = "::" in spec and any(
            re.search(rb"\b%s\b" % re.escape(name), file.data)
            for path, file in tree.items()
            if path.endswith(".py")
        )
        if isinstance(error.__cause__, SourceSyntaxError) or not is_mentioned:
            raise


def _near(name: str, names: Iterable[str]) -> str:
    listed = list(names)
    close = difflib.get_close_matches(name, listed, n=3, cutoff=0.5)
    close = close or [other for other in listed if other.rpartition(".")[2] == name][:3]
    return f"did you mean {' or '.join(close)}?" if close else "check the spelling"
