"""What the line loop knows of one target. It does not know how a function is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from egbot.progress import Report
from egbot.synthesis.answer import Frame
from egbot.synthesis.budget import Budget
from egbot.synthesis.runs import Runs


@dataclass(frozen=True, slots=True)
class Task:
    """What the loop needs to know of one target. ``count_tokens`` measures texts for the model."""

    frame: Frame
    runs: Runs
    budget: Budget
    report: Report
    count_tokens: Callable[[str], int] = len
