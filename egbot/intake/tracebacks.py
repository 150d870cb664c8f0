"""Owns the reading of traceback text, as reports of other tools hold it, into a Fault.

It knows nothing of the report around the text.
"""

from __future__ import annotations

import re

from egbot.records import Fault, Frame, Tree

MAX_FRAMES = 40
_PYTHON_FRAME = re.compile(
    r'^\s*File "([^"\n]{1,500})", line (\d{1,9})(?:, in (\S{1,200}))?', re.MULTILINE
)
_PYTEST_FRAME = re.compile(
    r"^([^\s:][^:\n]{0,500}\.py):(\d{1,9}): ?(?:in (\S{1,200}))?", re.MULTILINE
)
_ERROR_LINE = re.compile(
    r"^(?:E\s+)?((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning|Failed)?)"
    r"(?::[ \t]?(.*))?$",
    re.MULTILINE,
)
_KNOWN_ENDS = ("Error", "Exception", "Exit", "Interrupt", "Warning", "Failed")
_ASSERTION = re.compile(r"^E\s+(assert .*)$", re.MULTILINE)


def read_traceback(text: str, message: str, tree: Tree) -> Fault:
    """The exception that ``text`` ends with and its frames inside the repository.

    ``message`` is the report's one-line summary; it names the exception where the text does not.
    Attributes are left empty: text does not hold them.
    """
    type_name, said = _exception(text) or _exception(message) or ("", "")
    if not type_name:
        said = message.strip().split("\n", 1)[0]
        type_name = "AssertionError" if said.startswith("assert") else "Failed"
    return Fault(type_name, said[:2000], _frames(text, tree))


def _exception(text: str) -> tuple[str, str] | None:
    found = None
    for match in _ERROR_LINE.finditer(text):
        marked = match[0].startswith("E ")
        name = match[1].rpartition(".")[2]
        if name.endswith(_KNOWN_ENDS) or (marked and match[2] is not None and "Error" in name):
            found = (name, (match[2] or "").strip())
    if found is None:
        assertion = _ASSERTION.search(text)
        return ("AssertionError", assertion[1]) if assertion else None
    return found


def _frames(text: str, tree: Tree) -> tuple[Frame, ...]:
    found: list[tuple[int, Frame]] = []
    for pattern in (_PYTHON_FRAME, _PYTEST_FRAME):
        for match in pattern.finditer(text):
            path = repository_path(match[1], tree)
            if path is not None:
                found.append((match.start(), Frame(path, int(match[2]), match[3] or "")))
    found.sort(key=lambda item: item[0])
    frames = [frame for _, frame in found]
    return tuple(frames if len(frames) <= MAX_FRAMES else frames[-MAX_FRAMES:])


def repository_path(path: str, tree: Tree, near: str = "") -> str | None:
    """The tree's path that ``path`` (absolute or relative, of any machine) stands for, or None.

    It may go on from the folder ``near``, begin elsewhere, or be the end of one path only.
    """
    parts = [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]
    if ".." in parts or "site-packages" in parts:
        return None
    for start in range(-1, len(parts)):
        candidate = "/".join(parts[start:]) if start >= 0 else "/".join([near, *parts])
        if candidate in tree:
            return candidate
    ends = [one for one in tree if one.endswith(f"/{'/'.join(parts)}")]
    return ends[0] if len(ends) == 1 else None
