"""Describes exceptions and failing assertions as data. It knows nothing of running tests.

Exceptions come from hostile code: every look into them is guarded and every text bounded.
"""

from __future__ import annotations

import ast
import contextlib
import linecache
import os
import re
from types import CodeType, FrameType, TracebackType
from typing import Any

from sandbox.reprs import Reprs, message_of, printable, shorten

MAX_MESSAGE_CHARS = 4000
MAX_SOURCE_CHARS = 2000
MAX_NOTES = 20
MAX_FRAMES = 40
MAX_ATTRIBUTE_CHARS = 1000

Fault = dict[str, Any]

_NO_ATTRIBUTE = re.compile(
    r"(module|type object)? ?'([^']*)' (?:object )?has no attribute '([^']*)'"
)
_UNITTEST_OPERATORS = {
    "assertEqual": "==",
    "assertNotEqual": "!=",
    "assertAlmostEqual": "==",
    "assertNotAlmostEqual": "!=",
    "assertIs": "is",
    "assertIsNot": "is not",
    "assertIn": "in",
    "assertNotIn": "not in",
    "assertLess": "<",
    "assertLessEqual": "<=",
    "assertGreater": ">",
    "assertGreaterEqual": ">=",
    "assertCountEqual": "==",
    "assertListEqual": "==",
    "assertTupleEqual": "==",
    "assertSetEqual": "==",
    "assertDictEqual": "==",
    "assertSequenceEqual": "==",
    "assertMultiLineEqual": "==",
}


def describe(error: BaseException, traceback: TracebackType | None, root: str) -> Fault:
    """Describe an exception; frames are those below ``root``, outermost first, paths relative."""
    inner = _doctest_error(error)
    if inner is not None:
        error, traceback = inner
    return {
        "type_name": shorten(printable(type(error).__name__), 200),
        "message": _message(error),
        "frames": _frames(traceback, root),
        "attributes": _attributes(error, root),
    }


def _message(error: BaseException) -> str:
    """Return what an exception says, and the notes added to it (a shrunk example, say)."""
    text = message_of(error, MAX_MESSAGE_CHARS)
    notes: Any = None
    with contextlib.suppress(BaseException):
        notes = error.__dict__.get("__notes__")
    if type(notes) is list:
        whole = [note[:MAX_MESSAGE_CHARS] for note in notes[:MAX_NOTES] if type(note) is str]
        text = "\n".join([text, *(printable(note, keep="\n\t") for note in whole)])
    return shorten(text, MAX_MESSAGE_CHARS)


def plain_fault(type_name: str, message: str) -> Fault:
    """Describe a failure that has no exception of its own."""
    text = shorten(printable(message[:100000], keep="\n\t"), MAX_MESSAGE_CHARS)
    return {"type_name": type_name, "message": text, "frames": [], "attributes": []}


def relative_path(path: str, root: str) -> str | None:
    """Return ``path`` as a POSIX path relative to ``root``; None when it lies elsewhere."""
    whole = os.path.realpath(path)
    if not whole.startswith(root + os.sep):
        return None
    relative = whole.removeprefix(root + os.sep)
    return None if "site-packages" in relative.split(os.sep) else relative


def _frames(traceback: TracebackType | None, root: str) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    known: dict[str, str | None] = {}
    while traceback is not None:
        code = traceback.tb_frame.f_code
        file = code.co_filename
        if file not in known:
            known[file] = relative_path(file, root) if os.path.isabs(file) else None
        path = known[file]
        if path is not None:
            line = traceback.tb_lineno or 0
            frames.append({"path": path, "line": line, "function": code.co_name[:200]})
        traceback = traceback.tb_next
    if len(frames) > MAX_FRAMES:
        frames = frames[: MAX_FRAMES // 2] + frames[-(MAX_FRAMES // 2) :]
    return frames


def _attributes(error: BaseException, root: str) -> list[list[str]]:
    try:
        pairs = _attribute_pairs(error, root)
    except BaseException:
        return []
    return [
        [key, shorten(printable(value), MAX_ATTRIBUTE_CHARS)]
        for key, value in pairs
        if type(value) is str
    ]


def _attribute_pairs(error: BaseException, root: str) -> list[tuple[str, Any]]:
    if isinstance(error, ImportError):
        path = error.path
        if type(path) is str:
            path = relative_path(path, root) or path
        return [("name", error.name), ("path", path)]
    if isinstance(error, NameError):
        return [("name", error.name)]
    if isinstance(error, AttributeError):
        return _missing_attribute(error)
    return []


def _missing_attribute(error: AttributeError) -> list[tuple[str, Any]]:
    name, owner = error.name, error.obj
    if type(name) is not str:  # raised by hand, or by an assignment
        match = _NO_ATTRIBUTE.search(str(error))
        if match is None:
            return []
        kinds = {"module": "module", "type object": "type"}
        kind = kinds.get(match.group(1) or "", "instance")
        return [("name", match.group(3)), ("owner_type", kind), ("owner_name", match.group(2))]
    if owner is None and "'NoneType'" not in str(error):
        return [("name", name)]
    if isinstance(owner, type(os)):
        return [("name", name), ("owner_type", "module"), ("owner_name", owner.__name__)]
    kind = "type" if isinstance(owner, type) else "instance"
    holder = owner if isinstance(owner, type) else type(owner)
    owner_name = f"{holder.__module__}:{holder.__qualname__}"
    return [("name", name), ("owner_type", kind), ("owner_name", owner_name)]


# --- failing assertions -----------------------------------------------------------------------

Recorded = tuple[str, str, str] | None
"""The last comparison that pytest explained: operator and both sides' reprs."""


def compare(
    error: BaseException, traceback: TracebackType | None, recorded: Recorded, reprs: Reprs
) -> dict[str, Any] | None:
    """Describe the assertion behind ``error``, if one is."""
    try:
        doctest = _doctest_comparison(error)
        if doctest is not None:
            return doctest
        return _assertion(error, traceback, recorded, reprs)
    except BaseException:  # whatever hides in a frame or a file must not cost the outcome
        return None


def _assertion(
    error: BaseException, traceback: TracebackType | None, recorded: Recorded, reprs: Reprs
) -> dict[str, Any] | None:
    if not isinstance(error, AssertionError):
        return None
    caller: TracebackType | None = None
    method: FrameType | None = None
    while traceback is not None:
        if "__unittest" in traceback.tb_frame.f_globals:
            if method is None:
                method = traceback.tb_frame
        else:
            caller, method = traceback, None
        traceback = traceback.tb_next
    if caller is None:
        return None
    statement, source = _statement(caller)
    if statement is None:
        return None
    left = operator = right = None
    if method is not None:
        left, operator, right = _unittest_sides(method, reprs)
    elif isinstance(statement, ast.Assert):
        if _ends_with_comparison(statement.test) and recorded is not None:
            operator, left, right = recorded
    else:
        return None
    return {"source": source, "left": left, "operator": operator, "right": right}


def _ends_with_comparison(test: ast.expr) -> bool:
    """Is the comparison that pytest explained last the one that made ``test`` false?"""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return all(isinstance(one, ast.Compare) for one in test.values)
    return isinstance(test, ast.Compare)


def _unittest_sides(method: FrameType, reprs: Reprs) -> tuple[str | None, str | None, str | None]:
    code: CodeType = method.f_code
    operator = _UNITTEST_OPERATORS.get(code.co_name)
    names = code.co_varnames[1:3]
    if operator is None or len(names) < 2:
        return None, None, None
    left, right = (reprs(method.f_locals[name]) for name in names)
    return left, operator, right


def _statement(entry: TracebackType) -> tuple[ast.stmt | None, str]:
    """Return the smallest statement at the entry's line, and its text without indentation."""
    lines = linecache.getlines(entry.tb_frame.f_code.co_filename, entry.tb_frame.f_globals)
    text = "".join(lines)
    found: ast.stmt | None = None
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Assert, ast.Expr)) and (
            node.lineno <= entry.tb_lineno <= (node.end_lineno or node.lineno)
        ):
            found = node
    if found is None:
        return None, ""
    source = ast.get_source_segment(text, found) or ""
    return found, shorten(printable(source, keep="\n\t"), MAX_SOURCE_CHARS)


def _doctest_failure(error: BaseException) -> Any:
    """Return doctest's own exception inside pytest's, if that is what ``error`` is."""
    failures = getattr(error, "failures", None)
    if type(error).__name__ == "MultipleDoctestFailures" and failures:
        return failures[0]
    return error if hasattr(error, "example") and hasattr(error, "test") else None


def _doctest_error(
    error: BaseException,
) -> tuple[BaseException, TracebackType | None] | None:
    try:
        info = getattr(_doctest_failure(error), "exc_info", None)
    except BaseException:
        return None
    if isinstance(info, tuple) and len(info) == 3 and isinstance(info[1], BaseException):
        return info[1], info[2]
    return None


def _doctest_comparison(error: BaseException) -> dict[str, Any] | None:
    failure = _doctest_failure(error)
    if failure is None or not hasattr(failure, "got"):
        return None
    source = ">>> " + failure.example.source.rstrip("\n")
    sides = [
        shorten(printable(text.rstrip("\n"), keep="\n\t"), MAX_SOURCE_CHARS)
        for text in (failure.got, failure.example.want)
    ]
    return {
        "source": shorten(printable(source, keep="\n\t"), MAX_SOURCE_CHARS),
        "left": sides[0],
        "operator": "==",
        "right": sides[1],
    }
