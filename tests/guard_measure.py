"""Measures the guard on functions that people wrote: ``python -m tests.guard_measure [PACKAGE…]``.

Each function is judged as if it had just been written: the file before has a stub in its place.
Printed are the share of functions with a veto, of all and of those that take values and return one,
the reasons, and the milliseconds of a first and a later look at a long file.
"""

from __future__ import annotations

import ast
import re
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from egbot.source.guard import vetoes
from egbot.source.outline import read_outline
from egbot.source.text import SourceSyntaxError

SITE = Path(sysconfig.get_path("purelib"))
PACKAGES = [
    "anyio",
    "click",
    "git",
    "gitdb",
    "github",
    "h11",
    "idna",
    "jinja2",
    "jsonschema",
    "markdown_it",
    "markupsafe",
    "more_itertools",
    "mpmath",
    "multidict",
    "networkx",
    "packaging",
    "platformdirs",
    "pydantic",
    "pygments",
    "referencing",
    "requests",
    "rich",
    "sympy",
    "tqdm",
    "typer",
    "urllib3",
    "yarl",
]
_IMPURE = frozenset(
    [
        "os",
        "sys",
        "io",
        "open",
        "print",
        "input",
        "exec",
        "eval",
        "compile",
        "globals",
        "locals",
        "__import__",
        "subprocess",
        "threading",
        "socket",
        "logging",
        "inspect",
        "importlib",
        "ctypes",
        "shutil",
        "tempfile",
        "asyncio",
        "warnings",
        "weakref",
        "gc",
        "setattr",
        "delattr",
    ]
)
"""Names by which a function reaches beyond its arguments; ``value_functions`` has none of them."""


@dataclass(frozen=True)
class Written:
    """A function as it is, and its file with a stub in its place."""

    path: str
    qualname: str
    before: bytes
    after: bytes
    takes_and_returns: bool


def functions(package: str, most: int = 10**9) -> Iterator[Written]:
    """The functions of an installed package, at most so many of one file."""
    folder = SITE / package
    for file in sorted(folder.rglob("*.py")):
        path = file.relative_to(SITE)
        if re.search(r"(^|/)(tests?|testing|conftest)(/|\.)|/_?test", str(path)):
            continue
        data = file.read_bytes()
        try:
            sites = read_outline(data).functions
        except SourceSyntaxError:
            continue
        if b"\r" in data or not data.isascii():
            continue
        names = Counter(one.qualname for one in sites)
        chosen = [one for one in sites if names[one.qualname] == 1 and "<" not in one.qualname]
        for site in chosen[:: max(1, len(chosen) // most)]:
            written = _written(str(path), data, site.qualname, site.node)
            if written is not None:
                yield written


def _written(path: str, data: bytes, qualname: str, node: ast.AST) -> Written | None:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or len(node.body) < 2:
        return None
    first = node.body[1] if ast.get_docstring(node) is not None else node.body[0]
    above = min([first.lineno, *(one.lineno for one in getattr(first, "decorator_list", ()))])
    lines = data.decode().split("\n")
    stub = " " * first.col_offset + "raise NotImplementedError"
    before = "\n".join([*lines[: above - 1], stub, *lines[node.end_lineno :]]).encode()
    return Written(path, qualname, before, data, _takes_and_returns(node))


def _takes_and_returns(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it computes a value from its arguments: nothing is stored, imported or printed."""
    inner = list(ast.walk(node))
    names = {one.id for one in inner if isinstance(one, ast.Name)}
    stores = any(
        isinstance(one, ast.Attribute) and not isinstance(one.ctx, ast.Load) for one in inner
    )
    kinds = (ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.AsyncFunctionDef)
    returns = any(isinstance(one, ast.Return) and one.value is not None for one in inner)
    is_plain = (
        not stores and names.isdisjoint(_IMPURE) and not isinstance(node, ast.AsyncFunctionDef)
    )
    return (
        is_plain
        and returns
        and bool(node.args.args)
        and not any(isinstance(one, kinds) for one in inner)
    )


def main() -> None:
    """Print the figures."""
    say = sys.stdout.write
    counts: Counter[tuple[bool, bool]] = Counter()
    reasons: Counter[str] = Counter()
    for package in sys.argv[1:] or PACKAGES:
        for one in functions(package, most=4):
            found = vetoes(one.before, one.after, one.qualname, path=one.path)
            counts[one.takes_and_returns, bool(found)] += 1
            reasons.update({re.sub(r"Line \d+: |;.*", "", text)[:60] for text in found})
            if found and one.takes_and_returns:
                say(f"{one.path}::{one.qualname}: {found[0]}\n")
    for kind in ((True, False), (True,)):
        vetoed = sum(number for (value, bad), number in counts.items() if bad and value in kind)
        total = sum(number for (value, _), number in counts.items() if value in kind)
        what = "all functions" if len(kind) == 2 else "functions that take values and return one"
        say(f"{what}: {vetoed} of {total} vetoed ({vetoed / max(total, 1):.1%})\n")
    for reason, number in reasons.most_common(25):
        say(f"{number:5} {reason}\n")
    longest = max(
        (one for one in functions("sympy", most=1)), key=lambda one: one.after.count(b"\n")
    )
    for number in range(3):
        start_s = time.perf_counter()
        vetoes(longest.before, longest.after, longest.qualname)
        say(f"look {number + 1}: {(time.perf_counter() - start_s) * 1000:.1f} ms\n")
    say(f"of {longest.after.count(bytes([10])):,} lines\n")


if __name__ == "__main__":
    main()
