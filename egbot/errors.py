"""The deliberate errors of egbot and their exit codes. It knows nothing of who raises them.

    EgbotError                    3  base; also any fault of the surroundings
    ├── UsageError                2  a wrong option, file or setting
    ├── SurroundingsError         3  something that egbot needs is missing or broken
    │   ├── ModelError            3  the model cannot be found, loaded or trusted
    │   ├── SandboxError          3  no sandbox, or it broke
    │   ├── SpaceError            3  the disk is full or a folder cannot be written
    │   ├── OutOfTimeError        3  the time budget ended before anything could be tried
    │   └── ForgeError            4  GitHub refused or could not be reached; the files hold it all
    │       └── HeadMovedError    4  the branch is no longer where the function was written for
    └── InterruptedRunError     130  the person (or the runner) stopped the run

A message says what happened, where, and what to do next; it is fit for a pull request, so it
never holds a secret. Candidate crashes and failing tests are data, never errors.
"""

import difflib
from collections.abc import Iterable

EXIT_SOLVED = 0
EXIT_NOT_SOLVED = 1
EXIT_USAGE = 2
EXIT_SURROUNDINGS = 3
EXIT_NOT_DELIVERED = 4
EXIT_INTERRUPTED = 130


class EgbotError(Exception):
    """A fault that egbot foresaw; ``exit_code`` is what the command line returns for it."""

    exit_code = EXIT_SURROUNDINGS

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(EgbotError):
    """What was asked for cannot be done as asked: an option, a file or a setting is wrong."""

    exit_code = EXIT_USAGE


class SurroundingsError(EgbotError):
    """Something around egbot is missing or broken."""


class ModelError(SurroundingsError):
    """The model cannot be found, loaded or trusted."""


class SandboxError(SurroundingsError):
    """No sandbox could be had, or the one in use broke."""


class SpaceError(SurroundingsError):
    """The disk is full or a folder cannot be written."""


class OutOfTimeError(SurroundingsError):
    """The time budget ended while something was made ready; what was reached stands."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} took what was left of the time budget",
            hint="give the run more: --max-seconds, or max_seconds in [tool.egbot]",
        )


class ForgeError(SurroundingsError):
    """GitHub refused a request or could not be reached, after the retries that make sense."""

    exit_code = EXIT_NOT_DELIVERED


class HeadMovedError(ForgeError):
    """The branch is not at the commit that was expected; nothing was changed."""


class InterruptedRunError(EgbotError):
    """The run was stopped from outside; what was reached so far has been saved."""

    exit_code = EXIT_INTERRUPTED


def near(name: str, names: Iterable[str]) -> str:
    """A hint for a name that is not there: those that come near, or end like it."""
    listed, last = sorted(set(names)), name.rpartition("/")[2]
    close = difflib.get_close_matches(name, listed, n=3, cutoff=0.6)
    close = close or [one for one in listed if f"/{one}".endswith((f"/{last}", f".{last}"))][:3]
    return f"did you mean {' or '.join(close)}?" if close else "check the spelling"
