"""Owns what reaches standard output and standard error: nothing that is printed ends a run.

All text of a command passes here, a stranger's too. What the stream's encoding lacks, it says
otherwise; no line is taken for a command of GitHub's runner; what is no terminal gets no control
characters. When nobody reads any more, the rest is dropped and the work goes on.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from egbot.report.text import defused, visible

_PLAIN = str.maketrans({"✓": "+", "✕": "x", "…": "...", "·": "-", "→": "->", "▍": "|", "—": "-"})
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


class Output:
    """A text stream over ``stream`` (None: there is none), whose ``write`` never raises OSError."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._is_terminal = stream is not None and stream.isatty()
        self.encoding = (stream.encoding if stream else None) or "utf-8"
        self.errors = "backslashreplace"

    def write(self, text: str) -> int:
        """Write ``text`` as far as somebody reads it."""
        shown = defused(text)
        if not self._is_terminal:
            parts = _COLOUR.split(shown)
            parts[::2] = map(visible, parts[::2])
            shown = "".join(parts)
        self.put(shown)
        return len(text)

    def put(self, text: str) -> None:
        """Write ``text`` as it is, for programs: a patch, for instance."""
        if self._stream is None:
            return
        try:
            codecs.encode(text, self.encoding)
        except UnicodeEncodeError:
            text = codecs.encode(text.translate(_PLAIN), self.encoding, "backslashreplace").decode(
                self.encoding
            )
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            self._drop()

    def flush(self) -> None:
        """Hand on what was written."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError):
            self._drop()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._is_terminal

    def fileno(self) -> int:
        """The descriptor. Raises OSError where there is none."""
        if self._stream is None:
            raise OSError("no such stream")
        return self._stream.fileno()

    def _drop(self) -> None:
        """Send what the stream still holds, and all that follows, nowhere."""
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
        self._stream = None


@contextmanager
def safe_output() -> Iterator[None]:
    """Within it, all that is printed passes an Output."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Output(sys.stdout), Output(sys.stderr)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = streams


def put(text: str) -> None:
    """Print a patch or another text for programs: unaltered, unless a runner reads it."""
    out: object = sys.stdout
    if isinstance(out, Output) and os.environ.get("GITHUB_ACTIONS") != "true":
        out.put(text)
    else:
        sys.stdout.write(text)


def put_json(text: str) -> None:
    """Print ``text``, which is JSON in ASCII, so that it stays the same JSON everywhere."""
    sys.stdout.write(text.replace("##[", "##\\u005b") + "\n")
