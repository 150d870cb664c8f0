"""Owns what an issue's text says about tests: code blocks that hold tests, and tests it names.

It knows nothing of GitHub. The text is a stranger's: it is bounded, and never run from here.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass

from egbot.errors import UsageError
from egbot.intake.failures import selected_tests
from egbot.intake.junit import split_dotted
from egbot.intake.tracebacks import repository_path
from egbot.nodeids import file_of
from egbot.records import Tree
from egbot.source.text import quietly

MAX_TEXT_CHARS = 65_536  # an issue's body has no more
MAX_BLOCKS = 10
MAX_BLOCK_CHARS = 20_000
MAX_NAMED = 50
_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})[ \t]*([^\n`]*)$")
_NODE_ID = re.compile(
    r"(?:(?<![\w/.:\\-])(?:[A-Za-z]:)?[/\\]{1,2}|(?<![\w/.\\-]))"
    r"((?:[\w.-]{1,100}[/\\]{1,2}){0,12}[\w.-]{1,100}\.py)"
    r"((?:::[A-Za-z_]\w{0,200}){0,4})((?:\[[^\s`]{1,200}\](?=[\s`,.;:)'\"]|$))?)"
)
_UNITTEST = re.compile(
    r"(?<![\w.])((?:FAIL|ERROR): )?([\w.]{1,200}) \(((?:[A-Za-z_]\w{0,100}\.){1,12}\w{1,200})\)"
)
_LANGUAGES = frozenset({"", "python", "python3", "py", "pytest"})


@dataclass(frozen=True, slots=True)
class IssueTests:
    """``blocks`` are the sources of the fenced blocks that hold tests; ``named`` are node ids,
    paths or (from unittest) dotted names of tests in the order in which the text names them.
    """

    blocks: tuple[str, ...]
    named: tuple[str, ...]


def tests_in_issue(text: str) -> IssueTests:
    """The tests that an issue (or a comment) holds or names; whatever else it says is ignored."""
    text = text[:MAX_TEXT_CHARS].replace("\r\n", "\n").replace("\r", "\n")
    blocks, prose = _fenced(text)
    tests = [block for block in blocks if len(block) <= MAX_BLOCK_CHARS and _holds_tests(block)]
    return IssueTests(tuple(tests[:MAX_BLOCKS]), _named(prose))


tests_in_issue.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever its name says


def _fenced(text: str) -> tuple[list[str], str]:
    """The Python (or unnamed) fenced blocks, and the text without blocks of Python."""
    blocks: list[str] = []
    prose: list[str] = []
    inside: list[str] | None = None
    fence, indent, language = "", 0, ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if inside is None and mark is not None:
            inside, fence, indent = [], mark[2], len(mark[1])
            words = mark[3].strip().lower().strip("{}.").split()
            language = words[0] if words else ""
        elif inside is None:
            prose.append(line)
        elif mark is not None and mark[2].startswith(fence) and not mark[3].strip():
            if language in _LANGUAGES:
                blocks.append(textwrap.dedent("\n".join(inside)).strip("\n") + "\n")
            if language not in _LANGUAGES - {""}:
                prose.extend(inside)
            inside = None
        else:
            inside.append(line[indent:] if not line[:indent].strip() else line)
    prose.extend(inside or ())
    return blocks, "\n".join(prose)


def _holds_tests(block: str) -> bool:
    try:
        with quietly():
            module = ast.parse(block)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("test"):
                return True
        elif isinstance(node, ast.ClassDef) and _is_test_class(node):
            return True
    return False


def _is_test_class(node: ast.ClassDef) -> bool:
    bases = [getattr(base, "attr", getattr(base, "id", "")) for base in node.bases]
    named = node.name.startswith("Test") or "TestCase" in bases
    return named and any(getattr(item, "name", "").startswith("test") for item in node.body)


def _named(prose: str) -> tuple[str, ...]:
    found: dict[int, str] = {}
    for match in _NODE_ID.finditer(prose):
        path, names, row = match.groups()
        path = re.sub(r"[/\\]+", "/", path).removeprefix("./")
        stem = path.rpartition("/")[2]
        is_test = stem.startswith("test_") or stem.endswith("_test.py") or names
        if is_test and ".." not in path.split("/"):
            found[match.start()] = f"{path}{names}{row if names else ''}"
    for match in _UNITTEST.finditer(prose):
        failed, name, dotted = match.groups()
        if dotted.startswith("unittest.loader._FailedTest"):
            found[match.start()] = name
        elif failed and not name.startswith("test"):  # a fixture of a class or a module
            found[match.start()] = dotted
        elif name.startswith("test"):
            found[match.start()] = dotted if dotted.endswith(f".{name}") else f"{dotted}.{name}"
    return tuple(dict.fromkeys(found[place] for place in sorted(found)))[:MAX_NAMED]


def named_tests(
    issue: IssueTests, tree: Tree, near: str = ""
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The node ids and paths that an issue names, in ``near`` first; why some of its names are none."""
    found: list[str] = []
    problems: list[str] = []
    for name in issue.named:
        try:
            found += selected_tests((_in_tree(name, tree, near),), tree)
        except UsageError as error:
            problems.append(f"{error.message} ({error.hint})")
    return tuple(dict.fromkeys(found)), tuple(problems)


def _in_tree(name: str, tree: Tree, near: str) -> str:
    """The node id that ``name``, of whatever folder or machine, stands for; else ``name``."""
    path = file_of(name)
    if path.endswith(".py"):
        return f"{repository_path(path, tree, near) or path}{name.removeprefix(path)}"
    parts = name.split(".")
    for start in range(len(parts)):
        module, names = split_dotted(".".join(parts[start:]), tree, near)
        if module and not module.endswith("__init__.py"):
            return "::".join([module, *names])
    return name


named_tests.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever its name says
