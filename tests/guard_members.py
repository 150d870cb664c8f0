"""Writes the guard's table of standard modules and their public members: ``python -m tests.guard_members``.

It reads the stubs of the standard library that come with mypy, for Python 3.10 to 3.14: what
``__all__`` names there, else what is public; no modules. ``--check`` says what is new instead.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import mypy

from egbot.source.allowed import FREE

STUBS = Path(mypy.__file__).parent / "typeshed" / "stdlib"
TABLE = Path(__file__).parents[1] / "egbot" / "source" / "members.json"
FIRST, LAST = (3, 10), (3, 14)


def modules() -> dict[str, Path]:
    """The standard modules that some Python from 3.10 to 3.14 has, with their stubs."""
    since: dict[str, tuple[int, ...]] = {}
    until: dict[str, tuple[int, ...]] = {}
    for line in (STUBS / "VERSIONS").read_text().splitlines():
        found = re.match(r"(\S+): (\d+)\.(\d+)-(?:(\d+)\.(\d+))?", line)
        if found:
            since[found[1]] = (int(found[2]), int(found[3]))
            until[found[1]] = (int(found[4]), int(found[5])) if found[4] else LAST
    listed = {}
    for path in sorted(STUBS.rglob("*.pyi")):
        parts = path.relative_to(STUBS).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        around = [name[: one.start()] for one in re.finditer(r"\.|$", name)]
        if all(until.get(one, LAST) >= FIRST and since.get(one, FIRST) <= LAST for one in around):
            listed[name] = path
    return listed


def members(name: str, listing: dict[str, Path]) -> list[str]:
    """The public names of a module, in any of its versions."""
    nodes = list(_statements(ast.parse(listing[name].read_text(encoding="utf-8")).body))
    stars = [
        one.module
        for one in nodes
        if isinstance(one, ast.ImportFrom) and one.names[0].name == "*" and one.module in listing
    ]
    listed = [
        one.value
        for node in nodes
        if "__all__" in _bound(node)
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]
    public = listed or [one for node in nodes for one in _bound(node) if one[0] != "_"]
    public += [one for star in stars if star for one in members(star, listing)]
    return sorted({one for one in public if f"{name}.{one}" not in listing})


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If):
            yield from _statements([*node.body, *node.orelse])
        else:
            yield node


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.ImportFrom):
        return [one.asname for one in node.names if one.asname == one.name and one.asname]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [one.id for one in targets if isinstance(one, ast.Name)]


def table() -> dict[str, list[str]]:
    """The standard modules, with the public members of those that are free."""
    listed = modules()
    return {name: members(name, listed) if name in FREE else [] for name in listed}


def main() -> None:
    """Write the table, or say what the table lacks."""
    if sys.argv[1:] == ["--check"]:
        known = json.loads(TABLE.read_text())
        for name, names in table().items():
            for one in sorted({*names}.difference(known.get(name, "").split())):
                sys.stdout.write(f"{name}.{one}\n")
        return
    lines = [f"{json.dumps(name)}: {json.dumps(' '.join(one))}" for name, one in table().items()]
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
