"""Owns the reading of JUnit XML: the failing tests that another run has reported.

It knows nothing of how egbot runs tests. The file comes from outside: its size is bounded, and
documents that declare types or entities are refused before any parser sees them.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Literal

from egbot.errors import UsageError
from egbot.intake.tracebacks import read_traceback, repository_path
from egbot.records import FailingTest, Tree

MAX_BYTES = 32 * 1024 * 1024
MAX_TESTS = 5000
MAX_DEPTH = 100
_MAX_TEXT_CHARS = 20_000
_FORBIDDEN = re.compile(rb"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)

Phase = Literal["collect", "setup", "call", "teardown"]


def junit_failures(data: bytes, name: str, tree: Tree, near: str = "") -> tuple[FailingTest, ...]:
    """The failures and errors of a JUnit report, with node ids of the tree.

    ``name`` is the file's name for messages, ``near`` the folder where the report may be from. Raises UsageError when the file is too large, is no
    JUnit XML, declares a document type or entities, or names tests that the tree does not hold.
    """
    root = _parse(data, name)
    found: dict[str, FailingTest] = {}
    unknown: list[str] = []
    for case in _cases(root):
        result = _result(case)
        if result is None:
            continue
        node_id, is_collection = _node_id(case, tree, near)
        if node_id is None:
            unknown.append(f"{case.get('classname', '')}.{case.get('name', '')}")
            continue
        text = _text(result)
        fault = read_traceback(text, result.get("message", ""), tree)
        phase = "collect" if is_collection else _phase(result)
        status: Literal["failed", "error"] = "failed" if _tag(result) == "failure" else "error"
        found.setdefault(node_id, FailingTest(node_id, phase, fault, status))
        if len(found) > MAX_TESTS:
            raise UsageError(f"{name} reports more than {MAX_TESTS} failing tests")
    if unknown and not found:
        raise UsageError(
            f"{name} reports failing tests that are not in the repository, as {unknown[0][:200]}",
            hint="give the report of a run over these files",
        )
    return tuple(found.values())


def _parse(data: bytes, name: str) -> ElementTree.Element:
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name} is larger than {MAX_BYTES} bytes", hint="give a smaller report")
    # UTF-16 and UTF-32 would hide a declaration from the search below
    if b"\x00" in data:
        raise UsageError(f"{name} is not UTF-8 text", hint="write the report as UTF-8")
    forbidden = _FORBIDDEN.search(data)
    if forbidden:
        line = data.count(b"\n", 0, forbidden.start()) + 1
        raise UsageError(
            f"{name}, line {line}: a document type or entity is declared, which reports never need",
            hint="give the report as the test tool wrote it",
        )
    encoding = re.match(rb"\s*(?:\xef\xbb\xbf)?<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)", data)
    if encoding and encoding[1].lower() not in {b"utf-8", b"utf8", b"us-ascii", b"ascii"}:
        raise UsageError(f"{name}, line 1: the report is not UTF-8", hint="write it as UTF-8")
    try:
        # entities are refused above, so that expat has nothing to expand
        root = ElementTree.fromstring(data)  # noqa: S314
    except ElementTree.ParseError as error:
        line, column = error.position
        raise UsageError(
            f"{name}, line {line}, column {column + 1}: this is not well-formed XML",
            hint="give the file that pytest --junitxml writes",
        ) from error
    if _tag(root) not in {"testsuites", "testsuite"}:
        raise UsageError(
            f"{name}, line 1: <{_tag(root)[:40]}> is no JUnit report",
            hint="give the file that pytest --junitxml writes",
        )
    return root


def _cases(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """The testcase elements in order; suites may be nested, but not without end."""
    waiting = [(root, 0)]
    while waiting:
        element, depth = waiting.pop()
        if _tag(element) == "testcase":
            yield element
        elif depth < MAX_DEPTH:
            waiting.extend((child, depth + 1) for child in reversed(element))


def _result(case: ElementTree.Element) -> ElementTree.Element | None:
    return next((child for child in case if _tag(child) in {"failure", "error"}), None)


def _tag(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _text(element: ElementTree.Element) -> str:
    text = "".join(element.itertext())
    return text if len(text) <= _MAX_TEXT_CHARS else text[-_MAX_TEXT_CHARS:]


def _phase(result: ElementTree.Element) -> Phase:
    message = result.get("message", "")
    if message.startswith("failed on setup"):
        return "setup"
    return "teardown" if message.startswith("failed on teardown") else "call"


# --- node ids ---------------------------------------------------------------------------------


def _node_id(case: ElementTree.Element, tree: Tree, near: str) -> tuple[str | None, bool]:
    """The test's node id, and whether the case is a module that could not be collected."""
    classname, name = case.get("classname", ""), case.get("name", "")
    if not classname and name:
        # pytest reports a collection error under the module's dotted name (or its path)
        dotted = f"{name.replace('.', '/')}.py"
        path = repository_path(name, tree, near) or repository_path(dotted, tree, near)
        if path is not None:
            return path, True
    file = case.get("file")
    path = repository_path(file, tree, near) if file else None
    if path is not None:
        classes = _classes_after(classname, path)
        return "::".join([path, *classes, name]), False
    path, classes = split_dotted(classname, tree, near)
    return (None, False) if path is None or not name else ("::".join([path, *classes, name]), False)


def _classes_after(classname: str, path: str) -> list[str]:
    """The classes at the end of ``tests.test_x.TestA``, once the file is known."""
    stem = path.removesuffix(".py").rpartition("/")[2]
    parts = [part for part in classname.split(".") if part]
    if stem in parts:
        return parts[len(parts) - parts[::-1].index(stem) :]
    return [part for part in parts if part[:1].isupper()]


def split_dotted(dotted: str, tree: Tree, near: str = "") -> tuple[str | None, list[str]]:
    """The file of the longest prefix that is a module of the tree, and the names behind it.

    A run from another folder, such as ``near``, reports shorter or longer names.
    """
    parts = [part for part in dotted.split(".") if part]
    for length in range(len(parts), 0, -1):
        path = repository_path("/".join(parts[:length]) + ".py", tree, near)
        if path is not None:
            return path, parts[length:]
    return None, []
