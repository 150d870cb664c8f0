"""What a pull request changes: files, patch text, and the lines that may be commented on.

It does not know comments, tokens or HTTP.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from tests.github.gitstore import BareRepository

# docs.github.com, "Diff limits": a file's diff beyond either is not loaded.
MAX_PATCH_LINES = 20_000
MAX_PATCH_BYTES = 500_000

Side = Literal["LEFT", "RIGHT"]
_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied"}
_HEADER = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True, slots=True)
class ChangedFile:
    path: str
    previous_path: str | None
    status: str
    blob: str
    num_added: int
    num_removed: int
    patch: str | None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a line stands in the patch: the hunk's number and the row in the patch text."""

    hunk: int
    row: int


@functools.lru_cache(maxsize=256)
def changed_files(store: BareRepository, base: str, head: str) -> tuple[ChangedFile, ...]:
    """The files that differ between two commits (full shas), as the "files" tab shows them."""
    raw = store.raw("diff", "--raw", "-z", "-M", "--full-index", "--no-abbrev", base, head)
    words = raw.decode("utf-8", "replace").split("\0")
    found: list[ChangedFile] = []
    at = 0
    while at < len(words) - 1:
        fields = words[at].split()
        letter = fields[4][0]
        num_paths = 2 if letter in "RC" else 1
        paths = words[at + 1 : at + 1 + num_paths]
        at += 1 + num_paths
        patch = _patch(store, (base, head), paths)
        rows = patch.split("\n") if patch else []
        found.append(
            ChangedFile(
                path=paths[-1],
                previous_path=paths[0] if num_paths == 2 else None,
                status=_STATUS.get(letter, "changed"),
                blob=fields[2] if letter == "D" else fields[3],
                num_added=sum(row.startswith("+") for row in rows),
                num_removed=sum(row.startswith("-") for row in rows),
                patch=_loaded(patch),
            )
        )
    return tuple(found)


def _patch(store: BareRepository, ends: tuple[str, str], paths: list[str]) -> str:
    words = ["diff", "-M", "-U3", "--no-color", "--no-ext-diff", *ends, "--", *paths]
    text = store.raw(*words).decode("utf-8", "replace")
    start = text.find("\n@@ ")
    return text[start + 1 :].rstrip("\n") if start >= 0 else ""


def _loaded(patch: str) -> str | None:
    if not patch or len(patch.encode()) > MAX_PATCH_BYTES or patch.count("\n") >= MAX_PATCH_LINES:
        return None
    return patch


def spots(patch: str) -> dict[tuple[Side, int], Spot]:
    """The lines of a patch that a comment may name.

    RIGHT holds additions and context, LEFT deletions (docs.github.com, "Create a review
    comment": parameter ``side``).
    """
    found: dict[tuple[Side, int], Spot] = {}
    hunk = left = right = 0
    for row, text in enumerate(patch.split("\n")):
        header = _HEADER.match(text)
        if header:
            hunk += 1
            left, right = int(header[1]), int(header[2])
        elif text.startswith("-"):
            found["LEFT", left] = Spot(hunk, row)
            left += 1
        elif text.startswith("+"):
            found["RIGHT", right] = Spot(hunk, row)
            right += 1
        elif text.startswith(" "):
            found["RIGHT", right] = Spot(hunk, row)
            left, right = left + 1, right + 1
    return found


def hunk_text(patch: str, spot: Spot) -> str:
    """The hunk from its header to the commented row (field ``diff_hunk``)."""
    rows = patch.split("\n")[: spot.row + 1]
    start = max(i for i, text in enumerate(rows) if _HEADER.match(text))
    return "\n".join(rows[start:])
