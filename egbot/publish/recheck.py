"""Owns the second look at a run's patches: rebuilt from the forge's own files, or refused.

It does not trust the run: each function is put into the real file by egbot's own splice, so that
nothing but that function, its imports and the exception classes it needs can come in. It does not
run the tests; what is not covered is that the claim "these tests pass" is the run's own.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from egbot.errors import UsageError
from egbot.nodeids import files_of_tests
from egbot.publish.paths import path_problem, tests_path_problem
from egbot.records import Outcome, Patch, Run, Target
from egbot.report.text import one_line
from egbot.source.diff import unified_diff
from egbot.source.edit import insert, prepare
from egbot.source.guard import vetoes
from egbot.source.outline import find, says_nothing, stub_places
from egbot.source.text import SourceSyntaxError, parse_text

MAX_CODE_CHARS = 100_000
MAX_FILE_BYTES = 4 * 1024 * 1024
_MAX_CLASSES = 20
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
)
"""Control, direction, zero-width, filler and tag characters, and halves of pairs."""
_AFAR = re.compile(r"\S[ \t]{100,}\S|^[ \t]{200,}\S", re.MULTILINE)

Contents = Mapping[str, bytes | None]
"""Path to the file's bytes at one commit; None where there is no such file."""


@dataclass(frozen=True, slots=True)
class Function:
    """An accepted function. ``alone`` is the file as it is now with this function only."""

    path: str
    qualname: str
    code: str
    alone: bytes | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What may be delivered: ``after`` holds whole files; nothing where ``refusals`` says why.

    ``is_moved`` tells that the only trouble is a file that is not the one the run saw, ``is_there``
    that every function stands in the files already.
    """

    functions: tuple[Function, ...] = ()
    after: Mapping[str, bytes] | None = None
    refusals: tuple[str, ...] = ()
    is_moved: bool = False
    is_there: bool = False


class _RefusedError(Exception):
    """One patch cannot be taken; the message is a clause for people."""


class _MovedError(_RefusedError):
    """The file is not the one that the function was written for."""


def recheck(
    run: Run,
    contents: Contents,
    tests_texts: frozenset[str] = frozenset(),
    allow: tuple[str, ...] = (),
    named: frozenset[str] = frozenset(),
) -> Checked:
    """Rebuild every patch of ``run`` on ``contents``, one after another.

    ``tests_texts`` are the test files' texts that the request itself holds: a run may add no
    other; ``allow`` is what its base branch lets functions use, ``named`` are the written functions
    (PATH::QUALNAME) that it asks for anew. One refusal refuses the whole run, because its functions were verified together.
    """
    state = {path: data for path, data in contents.items() if data is not None}
    functions: list[Function] = []
    refusals: list[str] = []
    num_moved = 0
    for outcome in run.outcomes:
        if outcome.patch is None:
            continue
        try:
            function, after = _rebuilt(outcome, outcome.patch, state, contents, allow)
            _check_open(contents.get(function.path), function, named)
        except _RefusedError as error:
            refusals.append(f"{_named(outcome)}: {error}")
            num_moved += isinstance(error, _MovedError)
            continue
        functions.append(function)
        state[function.path] = after
    for patch in run.tests_added if functions else ():
        problem = _tests_problem(patch, contents, tests_texts)
        if problem:
            refusals.append(f"{one_line(patch.path, 120)}: {problem}")
        else:
            state[patch.path] = patch.replacement.encode()
    is_there = bool(refusals) and _are_there(run, contents)
    if refusals:
        is_moved = num_moved == len(refusals)
        return Checked(refusals=tuple(refusals), is_moved=is_moved, is_there=is_there)
    after_all = {path: data for path, data in state.items() if data != contents.get(path)}
    return Checked(tuple(functions), after_all, is_there=bool(functions) and not after_all)


def _named(outcome: Outcome) -> str:
    return one_line(outcome.target.qualname, 120) if outcome.target else "a patch without a target"


def _rebuilt(
    outcome: Outcome,
    patch: Patch,
    state: dict[str, bytes],
    contents: Contents,
    allow: tuple[str, ...],
) -> tuple[Function, bytes]:
    """The function and its file, written anew. Raises _RefusedError."""
    target = _claimed(outcome, patch)
    before = state.get(patch.path)
    if (hashlib.sha256(before).hexdigest() if before is not None else "") != patch.base_sha256:
        raise _MovedError(f"{patch.path} is not the file that it was written for")
    if before is not None and len(before) > MAX_FILE_BYTES:
        raise _RefusedError(f"{patch.path} is larger than {MAX_FILE_BYTES:,} bytes")
    after = _written(before, target, patch)
    reasons = vetoes(
        before,
        after,
        target.qualname,
        target.ordinal,
        path=patch.path,
        test_paths=files_of_tests(outcome.failing),
        allow=allow,
    )
    if reasons:
        raise _RefusedError("the guard has a veto: " + " ".join(reasons[:5]))
    original = contents.get(patch.path)
    alone = after if before == original else _alone(original, target, patch.replacement)
    return Function(patch.path, target.qualname, patch.replacement, alone), after


def _check_open(original: bytes | None, function: Function, named: frozenset[str]) -> None:
    """Refuse to replace what is written, unless the request names it. Raises _RefusedError."""
    name = f"{function.path}::{function.qualname}"
    if original is None or name in named:
        return
    stubs = {one.qualname for one in stub_places(function.path, original)}
    if find(original, function.qualname) is not None and function.qualname not in stubs:
        raise _RefusedError(
            f"{one_line(name, 200)} is written already; the request must name it (--target {name})"
        )


def _claimed(outcome: Outcome, patch: Patch) -> Target:
    """The target, where all that the run claims of it agrees. Raises _RefusedError."""
    target = outcome.target
    if target is None or target.path != patch.path:
        raise _RefusedError("its patch is for another file than its target")
    verdict = outcome.verdict
    if outcome.reason != "patched" or verdict is None or not verdict.accepted:
        raise _RefusedError("it holds a patch that no final check accepted")
    if verdict.regressions or verdict.vetoes or not (verdict.target_passed and verdict.proof):
        raise _RefusedError("its final check contradicts itself")
    problem = path_problem(patch.path)
    if problem:
        raise _RefusedError(f"{one_line(patch.path, 200)} {problem}")
    if len(patch.replacement) > MAX_CODE_CHARS:
        raise _RefusedError(f"it is longer than {MAX_CODE_CHARS:,} characters")
    if _UNSEEN.search(patch.replacement):
        raise _RefusedError("it holds characters that are not seen, or that change what is seen")
    if _AFAR.search(patch.replacement):
        raise _RefusedError("it holds code behind a hundred blanks")
    return target


def _written(before: bytes | None, target: Target, patch: Patch) -> bytes:
    """The file with the function, by egbot's own hand; it must be what the run says it is."""
    try:
        after = _with_function(before, target, patch.replacement)
        if _diff(patch, before, after) == _hunks(patch.unified_diff):
            return after
        after = _with_function(_with_classes(before, patch), target, patch.replacement)
    except (SourceSyntaxError, UsageError, ValueError, RecursionError) as error:
        raise _RefusedError(
            f"it cannot be put into {patch.path}: {one_line(str(error))}"
        ) from error
    if _diff(patch, before, after) != _hunks(patch.unified_diff):
        raise _RefusedError("its diff changes more than this one function")
    return after


def _with_function(source: bytes | None, target: Target, code: str) -> bytes:
    if source is None or find(source, target.qualname, target.ordinal) is None:
        source = insert(source, target.qualname, code)
    return prepare(source, target.qualname, target.path, target.ordinal).fill(code)


def _alone(source: bytes | None, target: Target, code: str) -> bytes | None:
    try:
        return _with_function(source, target, code)
    except (SourceSyntaxError, UsageError, ValueError, RecursionError):
        return None


def _diff(patch: Patch, before: bytes | None, after: bytes) -> str:
    return _hunks(unified_diff(patch.path, before, after))


def _hunks(diff: str) -> str:
    """A diff without its first lines, which tell a new file's mode."""
    start = re.search(r"^(?:--- |GIT binary patch|index )", diff, re.MULTILINE)
    return diff[start.start() :] if start else ""


# --- exception classes that come with a function ------------------------------------------------


def _with_classes(before: bytes | None, patch: Patch) -> bytes:
    """``before`` with the empty exception classes that the diff adds. Raises _RefusedError."""
    source = before or b""
    classes = _added_classes(patch.unified_diff)
    if not classes:
        raise _RefusedError("its diff changes more than this one function")
    for text in reversed(classes):  # each one was put above those that were there
        source = insert(source or None, "", text)
    return source


def _added_classes(diff: str) -> list[str]:
    """The empty exception classes among a diff's added lines, in their order."""
    added = [line[1:] for line in diff.split("\n") if line[:1] == "+" and line[:4] != "+++ "]
    found: list[str] = []
    for number, line in enumerate(added):
        if re.match(r"class \w+\(", line) and len(found) < _MAX_CLASSES:
            body = [line]
            for below in added[number + 1 :]:
                if below.strip() and not below.startswith((" ", "\t")):
                    break
                body.append(below)
            text = "\n".join(body).rstrip() + "\n"
            if _is_empty_exception(text):
                found.append(text)
    return found


def _is_empty_exception(text: str) -> bool:
    try:
        body = parse_text(text).body
    except SourceSyntaxError:
        return False
    node = body[0]
    if len(body) != 1 or not isinstance(node, ast.ClassDef):
        return False
    plain = all(isinstance(base, ast.Name | ast.Attribute) for base in node.bases)
    is_empty = all(says_nothing(item) for item in node.body)
    return plain and is_empty and not node.keywords and not node.decorator_list


# --- tests that came with the request -----------------------------------------------------------


def _tests_problem(patch: Patch, contents: Contents, texts: frozenset[str]) -> str:
    """Why a test file must not come along; "" where it may."""
    problem = tests_path_problem(patch.path)
    if problem:
        return problem
    if patch.base_sha256 or contents.get(patch.path) is not None:
        return "a test file of the repository is never changed"
    if patch.replacement not in texts:
        return "the request, as it reads now, does not hold these tests"
    return ""


def _are_there(run: Run, contents: Contents) -> bool:
    """Whether every function of the run stands in the files as they are, word for word."""
    patched = [(one.target, one.patch) for one in run.outcomes if one.patch is not None]
    for target, patch in patched:
        data = contents.get(patch.path)
        if target is None or data is None or not _holds(data, target, patch.replacement):
            return False
    return bool(patched)


def _holds(data: bytes, target: Target, code: str) -> bool:
    try:
        is_there = find(data, target.qualname, target.ordinal) is not None
        return is_there and _with_function(data, target, code) == data
    except (SourceSyntaxError, UsageError, ValueError, RecursionError):
        return False
