"""Follows the work on one target by its events, so that an interruption loses nothing of it.

It does not know what interrupts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from egbot.progress import AttemptEnded, AttemptStarted, LineChosen, LineStarted, Progress, Report
from egbot.records import Attempt, Guidance, LineStep, Outcome, Stats, Target


@dataclass(slots=True)
class Witness:
    """A ``Report`` that remembers the attempts and hands every event on to ``report``."""

    report: Report
    attempts: list[Attempt] = field(default_factory=list)
    start_s: float = field(default_factory=time.perf_counter)
    _guidance: Guidance | None = None
    _begun_s: float = 0.0
    _steps: list[LineStep] = field(default_factory=list)
    _code: str = ""

    def __call__(self, event: Progress) -> None:
        """Remember ``event`` first: whoever is told next may stop the run."""
        match event:
            case AttemptStarted(guidance=guidance):
                self._guidance, self._steps, self._code = guidance, [], ""
                self._begun_s = time.perf_counter()
            case LineStarted(text_so_far=code):
                self._code = code
            case LineChosen(step=step):
                self._steps.append(step)
            case AttemptEnded(attempt=attempt):
                self.attempts.append(attempt)
                self._guidance = None
            case _:
                pass
        self.report(event)

    def outcome(self, target: Target, detail: str) -> Outcome:
        """What there is of an interrupted target; the attempt at work counts as "stopped"."""
        now_s = time.perf_counter()
        attempts = tuple(self.attempts)
        if self._guidance is not None:
            steps = tuple(self._steps)
            passed = [one.num_passed for step in steps for one in step.candidates]
            attempts += (
                Attempt(
                    guidance=self._guidance,
                    finish="stopped",
                    lines=steps,
                    code=self._code,
                    num_passed=max(passed, default=0),
                    wall_s=now_s - self._begun_s,
                ),
            )
        return Outcome(
            reason="interrupted",
            target=target,
            failing=target.tests,
            attempts=attempts,
            stats=Stats(wall_s=now_s - self.start_s),
            detail=detail,
        )
