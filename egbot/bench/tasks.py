"""Owns a benchmark task: a small tree with one function to write, and the tests that judge it.

It knows neither where tasks come from nor how they are run.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from egbot.records import Tree, TreeFile
from egbot.source.stubs import quoted

SOLUTION = "solution.py"
VISIBLE = "test_solution.py"
JUDGE = "test_judge.py"
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a task file; ``place`` is FILE:LINE, as a person would look for it."""

    place: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that cannot be used, and why."""

    place: str
    why: str


class BadRecordError(Exception):
    """A record is no task; the message says why. Data, not a fault of egbot."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function to write in ``tree``, where its stub stands.

    ``visible`` are the node ids that the model is given (none: it has the description alone),
    ``judges`` those that decide; ``hidden`` holds their files, which ``tree`` does not have.
    ``reference`` is a whole solution.py that should pass all of them, where the set has one.
    """

    tree: Tree
    qualname: str
    visible: tuple[str, ...]
    hidden: Tree
    judges: tuple[str, ...]
    reference: bytes | None = None


@dataclass(frozen=True, slots=True)
class BlankedFunction:
    """A function of a package, to be blanked and rewritten against the package's own tests.

    ``package`` and ``version`` name a source distribution with this ``sha256``, else ``path`` is
    a folder. ``target`` is PATH::QUALNAME. One that ``is_deleted`` goes with its header.
    """

    package: str
    version: str
    sha256: str
    path: str
    target: str
    is_deleted: bool = False

    @property
    def form(self) -> str:
        """What was done to it, in words for a table."""
        kind = "method" if "." in self.target.partition("::")[2] else "function"
        return f"deleted {kind}" if self.is_deleted else "blanked body"


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a set."""

    task_id: str
    place: str
    work: Function | BlankedFunction


# --- fields -----------------------------------------------------------------------------------


def text_field(record: Record, *names: str, default: str | None = None) -> str:
    """The first of ``names`` that the record has. Raises BadRecordError."""
    for name in names:
        if name in record.fields:
            value = record.fields[name]
            if not isinstance(value, str):
                raise BadRecordError(f"{name} is no text")
            return value
    if default is None:
        raise BadRecordError(f"it has no {' or '.join(names)}")
    return default


def list_field(record: Record, name: str) -> tuple[str, ...]:
    """A list of texts, empty where it is missing. Raises BadRecordError."""
    value = record.fields.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadRecordError(f"{name} is no list of texts")
    return tuple(value)


def id_field(record: Record, *names: str) -> str:
    """The task's id as text; numbers are common. Raises BadRecordError."""
    for name in names:
        value = record.fields.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    raise BadRecordError(f"it has no {' or '.join(names)}")


# --- files ------------------------------------------------------------------------------------


def tree_of(files: Mapping[str, str]) -> Tree:
    """Files given as text."""
    return {path: TreeFile(text.encode("utf-8", "replace")) for path, text in files.items()}


def parsed(code: str, what: str) -> ast.Module:
    """The syntax tree. Raises BadRecordError, which names ``what``, when there is none."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        told = error.msg if isinstance(error, SyntaxError) else str(error)
        raise BadRecordError(f"{what} is no Python: {told}") from error


def test_module(head: str, checks: Iterable[str], stem: str) -> tuple[str, tuple[str, ...]]:
    """A test file with one test for each piece of code in ``checks``, and the tests' names."""
    parts, names = [head.rstrip() + "\n"], []
    for number, check in enumerate(checks, 1):
        names.append(f"{stem}_{number}")
        body = textwrap.indent(textwrap.dedent(check).strip(), _INDENT)
        parts.append(f"def {names[-1]}():\n{body}\n")
    return "\n\n".join(parts), tuple(names)


test_module.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever its name says


def docstring_lines(text: str) -> str:
    """A docstring of this text, indented for a function's body."""
    lines = quoted(text.strip().replace("\r\n", "\n"))
    if len(lines) == 1 and lines[0].endswith('""""'):
        lines = [lines[0].removesuffix('"""'), '"""']
    return textwrap.indent("\n".join(lines), _INDENT)
