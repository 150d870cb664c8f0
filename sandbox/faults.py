"""Describes exceptions and failing assertions as data. It knows nothing of running tests.

Exceptions come from hostile code: every look into them is guarded and every text bounded.
"""

from __future__ import annotations

import ast
import contextlib
import linecache
import os
from types import FrameType, TracebackType
from typing import Any

from sandbox.reprs import Reprs, message_of, printable, shorten

MAX_MESSAGE_CHARS = 4000
MAX_SOURCE_CHARS = 2000
MAX_NOTES = 20
MAX_FRAMES = 40

Fault = dict[str, Any]

_OPERATORS = {
    "==": "Equal AlmostEqual CountEqual ListEqual TupleEqual SetEqual DictEqual SequenceEqual"
    " MultiLineEqual",
    "!=": "NotEqual NotAlmostEqual",
    "is": "Is",
    "is not": "IsNot",
    "in": "In",
    "not in": "NotIn",
    "<": "Less",
    "<=": "LessEqual",
    ">": "Greater",
    ">=": "GreaterEqual",
}
_UNITTEST_OPERATORS = {
    "assert" + name: operator for operator, names in _OPERATORS.items() for name in names.split()
}


def describe(error: BaseException, root: str) -> Fault:
    """Describe an exception; frames are those below ``root``, outermost first, paths relative."""
    error = _inside_doctest(error)
    return {
        "type_name": shorten(printable(type(error).__name__), 200),
        "message": _message(error),
        "frames": _frames(error.__traceback__, root),
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
    return {
        "type_name": type_name,
        "message": _bounded(message[:100000], MAX_MESSAGE_CHARS),
        "frames": [],
    }


def _bounded(text: str, max_chars: int) -> str:
    return shorten(printable(text, keep="\n\t"), max_chars)


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


# --- failing assertions -----------------------------------------------------------------------

Recorded = tuple[str, str, str] | None
"""The last comparison that pytest explained: operator and both sides' reprs."""


def compare(error: BaseException, recorded: Recorded, reprs: Reprs) -> dict[str, Any] | None:
    """Describe the assertion behind ``error``, if one is."""
    try:
        return _doctest_comparison(error) or _assertion(error, recorded, reprs)
    except BaseException:  # whatever hides in a frame or a file must not cost the outcome
        return None


def _assertion(error: BaseException, recorded: Recorded, reprs: Reprs) -> dict[str, Any] | None:
    if not isinstance(error, AssertionError):
        return None
    caller: TracebackType | None = None
    method: FrameType | None = None  # the outermost of unittest's that the caller called
    traceback = error.__traceback__
    while traceback is not None:
        if "__unittest" in traceback.tb_frame.f_globals:
            method = method or traceback.tb_frame
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
        operator = _UNITTEST_OPERATORS.get(method.f_code.co_name)
        if operator is not None:
            names = method.f_code.co_varnames[1:3]
            left, right = (reprs(method.f_locals[name]) for name in names)
    elif not isinstance(statement, ast.Assert):
        return None
    elif recorded is not None and _ends_with_comparison(statement.test):
        operator, left, right = recorded
    return {"source": source, "left": left, "operator": operator, "right": right}


def _ends_with_comparison(test: ast.expr) -> bool:
    """Is the comparison that pytest explained last the one that made ``test`` false?"""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return all(isinstance(one, ast.Compare) for one in test.values)
    return isinstance(test, ast.Compare)


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
    return found, _bounded(ast.get_source_segment(text, found) or "", MAX_SOURCE_CHARS)


def _doctest_failure(error: BaseException) -> Any:
    """Return doctest's own exception inside pytest's, if that is what ``error`` is."""
    failures = getattr(error, "failures", None)
    if type(error).__name__ == "MultipleDoctestFailures" and failures:
        return failures[0]
    return error if hasattr(error, "example") and hasattr(error, "test") else None


def _inside_doctest(error: BaseException) -> BaseException:
    """Return the exception that an example raised, where ``error`` is doctest's word on it."""
    with contextlib.suppress(BaseException):
        inner = _doctest_failure(error).exc_info[1]
        if isinstance(inner, BaseException):
            return inner
    return error


def _doctest_comparison(error: BaseException) -> dict[str, Any] | None:
    failure = _doctest_failure(error)
    if failure is None or not hasattr(failure, "got"):
        return None
    texts = (">>> " + failure.example.source, failure.got, failure.example.want)
    source, left, right = (_bounded(text.rstrip("\n"), MAX_SOURCE_CHARS) for text in texts)
    return {"source": source, "left": left, "operator": "==", "right": right}
