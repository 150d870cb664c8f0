"""Owns where sampled and decoded text ends, and what program it makes. It chooses no line.

The stop rules are asked after every token; those of samples have complete candidates run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from egbot.ports import StopRule
from egbot.records import CandidateRun, Sample
from egbot.synthesis.answer import count_lines, split_body
from egbot.synthesis.completions import make_runnable
from egbot.synthesis.task import Task


def horizon_rule(task: Task, written: str, horizon_lines: int) -> StopRule:
    """Stop a candidate after ``horizon_lines`` lines, at the function's end or the budget's.

    A candidate that is complete runs while others are still being drawn.
    """

    def stop(new: str) -> bool:
        is_complete = count_lines(new) >= horizon_lines or _is_over(task, written + new)
        if is_complete:
            task.runs.foresee(lambda: made(task, written, Sample(new, 0, "stop")).program)
        return is_complete

    return stop


@dataclass(slots=True)
class SolutionRule:
    """Ends functions at their end or after ``max_lines``, and all rows when one passes every test.

    A row that ends is run at once, between two steps of the batch: so the same rows are cut at the
    same tokens every time, however long a run takes. Long rows would else cost most of the time.
    """

    task: Task
    written: str
    max_lines: int
    start_s: float
    ended: set[str] = field(default_factory=set)
    runs: dict[str, CandidateRun] = field(default_factory=dict)  # by program
    is_solved: bool = False
    num_cut: int = 0

    def stop(self, new: str) -> bool:
        """The stop rule."""
        if self.is_solved:
            return True
        is_over = _is_over(self.task, self.written + new)
        if count_lines(new) < self.max_lines and not is_over:
            return False
        self.num_cut += not is_over
        self.ended.add(new)
        one = made(self.task, self.written, Sample(new, 0, "stop"))
        program = one.program
        if program is None or program in self.runs or self.task.budget.is_late:
            return True
        run = self.task.runs.run(one.body, program)
        self.runs[program] = replace(run, ended_s=time.perf_counter() - self.start_s)
        self.is_solved = self.task.runs.solves(run)
        return True

    def counts(self, sample: Sample) -> bool:
        """Whether ``sample`` ended by itself, rather than by another one's success."""
        return not self.is_solved or sample.finish != "stop" or sample.text in self.ended


@dataclass(frozen=True, slots=True)
class Made:
    """What a sample makes of what is written: the body, and the program (None: none runs)."""

    body: str
    program: str | None
    complete: bool


def made(task: Task, written: str, sample: Sample) -> Made:
    """What ``sample`` makes of what is ``written``; a last line that was cut is left out."""
    body, ended = split_body(task.frame, written + _complete_lines(sample))
    program = make_runnable(task.frame, body)
    return Made(body, program, ended or sample.finish == "eos")


def line_rule(task: Task, written: str) -> StopRule:
    """Stop behind the first newline that follows something, at the function's or budget's end."""

    def stop(new: str) -> bool:
        return count_lines(new) >= 1 or _is_over(task, written + new)

    return stop


def _is_over(task: Task, text: str) -> bool:
    """Whether the function has come to its end, or the time that there was for it."""
    return split_body(task.frame, text)[1] or bool(task.budget.exhausted)


def _complete_lines(sample: Sample) -> str:
    """The sample's text without a last line that the limit or the stop cut in the middle."""
    if sample.finish == "eos":
        return sample.text
    return sample.text[: sample.text.rfind("\n") + 1]
