"""Owns the first look at a run.json that came from elsewhere: its size, its shape, its fingerprint.

It does not know whether what the file claims is true; `egbot.publish.recheck` asks that.
"""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from egbot.errors import UsageError
from egbot.records import Run
from egbot.report.files import read_run
from egbot.report.text import one_line

MAX_RUN_BYTES = 64 * 1024 * 1024
MAX_OUTCOMES = 200
_DIGEST_CHARS = 16


def load_run(path: Path, *, max_bytes: int = MAX_RUN_BYTES) -> Run:
    """The run in ``path``, which nobody needs to trust.

    Raises UsageError when it is no plain file, larger than ``max_bytes``, no JSON, of another
    schema, has unknown, missing or ill-typed keys, or more than 200 outcomes.
    """
    shown = one_line(str(path), 400)
    try:
        found = path.stat()
    except OSError as error:
        raise UsageError(
            f"{shown} cannot be read: {error.strerror}.", hint="Give the run.json of a run."
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{shown} is no plain file.", hint="Give the run.json of a run.")
    if found.st_size > max_bytes:
        raise UsageError(
            f"{shown} has {found.st_size:,} bytes; more than {max_bytes:,} are not read.",
            hint="A run writes far less; give the run.json that egbot wrote.",
        )
    run = read_run(path)
    if len(run.outcomes) > MAX_OUTCOMES:
        raise UsageError(
            f"{shown} has {len(run.outcomes):,} outcomes; more than {MAX_OUTCOMES} are not published.",
            hint="Give fewer targets to one run.",
        )
    return run


def fingerprint(run: Run) -> str:
    """What a run wants to change, as 16 hexadecimal digits; equal runs have equal ones.

    It covers the files and functions, not the story of how they came to be: the same function
    written twice is the same change.
    """
    digest = hashlib.sha256()
    patches = [one.patch for one in run.outcomes if one.patch is not None]
    for patch in (*run.tests_added, *patches):
        for text in (patch.path, patch.base_sha256, patch.replacement):
            data = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()[:_DIGEST_CHARS]
