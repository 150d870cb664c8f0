"""The events that egbot sends while it works: small, frozen, in the order in which things happen.

No event knows who looks at it; the views live in ``egbot.report.progress``.

A run sends ``Stage`` (any number), ``FailuresFound``, then for each target: ``TargetStarted``; for
each attempt ``AttemptStarted``, for each of its lines ``LineStarted``, ``CandidatesRun`` (not when
no candidates are drawn), ``LineChosen``; then ``AttemptEnded``; at last ``TargetEnded``. ``Tick``
may come at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from egbot.records import (
    Attempt,
    CandidateRun,
    FailingTest,
    Guidance,
    LeftTest,
    LineStep,
    Outcome,
    Target,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A new piece of work begins: ``name`` in a few words ("opening sandbox"), then the detail."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FailuresFound:
    """The first run of the tests is over: what fails, and which of it egbot leaves alone."""

    failing: tuple[FailingTest, ...]
    left: tuple[LeftTest, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetStarted:
    """Work on one function begins. ``index`` counts from 1."""

    index: int
    total: int
    target: Target


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """One agent begins. ``number`` counts from 1 for each target."""

    number: int
    guidance: Guidance


@dataclass(frozen=True, slots=True)
class LineStarted:
    """The next line is looked for. ``number`` counts from 1; ``text_so_far`` is the function's code."""

    number: int
    text_so_far: str


@dataclass(frozen=True, slots=True)
class CandidatesRun:
    """The distinct candidates for the current line have been run."""

    candidates: tuple[CandidateRun, ...]


@dataclass(frozen=True, slots=True)
class LineChosen:
    """The current line has been decoded."""

    step: LineStep


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """One agent is done; ``attempt.finish`` says whether it solved the task."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class TargetEnded:
    """All that will be done for one function is done."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Tick:
    """What the model has done since the target was started, ``elapsed_s`` seconds in."""

    usage: Usage
    elapsed_s: float


Progress = (
    Stage
    | FailuresFound
    | TargetStarted
    | AttemptStarted
    | LineStarted
    | CandidatesRun
    | LineChosen
    | AttemptEnded
    | TargetEnded
    | Tick
)

Report = Callable[[Progress], None]
"""Where events go. It must be quick and must not raise."""


def silent(event: Progress) -> None:
    """Take an event and do nothing: the ``Report`` for those who do not want to watch."""
    del event
