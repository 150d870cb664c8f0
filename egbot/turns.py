"""Owns a run over several projects: each in turn, on what the ones before it wrote, as one record.

What a project is, and which of them are meant, is known elsewhere; one alone is the pipeline's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from egbot.config import Settings
from egbot.dependencies import homes
from egbot.errors import EgbotError, OutOfTimeError, SandboxError, UsageError
from egbot.pipeline import solve
from egbot.progress import Progress, Report, Stage
from egbot.records import Outcome, Run, Tree
from egbot.report.kept import bounded, limit_bytes
from egbot.state import Request, Tools, total
from egbot.synthesis.budget import Budget

_OWN_FAULTS = (UsageError, SandboxError, OutOfTimeError)
"""What keeps one project from being looked at, and no other one."""


def solve_each(
    meant: Mapping[str, tuple[str, ...]],
    request: Request,
    settings: Settings,
    tools_of: Callable[[str, Tree], Tools],
    budget: Budget,
    start: Run,
) -> Run:
    """Solve the projects ``meant`` with the tests for each (none: all), what others need first.

    Each gets an equal share of what is left of the budget; one that cannot be looked at is told in
    the record, which goes on from ``start``. Raises what the pipeline raises, and of what is one
    project's own fault the first if all have one.
    """
    if len(meant) == 1:
        ((project, tests),) = meant.items()
        tools = tools_of(project, request.tree)
        return solve(replace(request, tests=tests), settings, tools, budget)
    turn = _Turn(start, request.tree, budget)
    faults: list[EgbotError] = []
    in_order = sorted(meant, key=lambda one: (len(homes(request.tree, one)), one))
    for number, project in enumerate(in_order):
        turn = _Turn(turn.run, turn.tree, budget)
        try:
            tools = turn.watched(tools_of(project, turn.tree))
            part = replace(request, tree=turn.tree, tests=meant[project])
            solve(part, settings, tools, budget.share(len(in_order) - number))
        except _OWN_FAULTS as error:
            faults.append(error)
            why = f"{project or 'the root'} was left out: {error.message}; {error.hint}"
            turn.run = _with(turn.run, Outcome("no_target", None, (), detail=why.rstrip("; ")))
    if len(faults) == len(in_order):
        raise faults[0]
    run = turn.run
    if not run.outcomes:
        run = _with(run, Outcome("nothing_to_do", None, (), detail="all tests looked at pass"))
    return replace(run, finished=True)


class _Turn:
    """One project's part: ``run`` and ``tree`` are what all up to it came to."""

    def __init__(self, run: Run, tree: Tree, budget: Budget) -> None:
        self.run, self.tree = run, tree
        self._before, self._budget = run, budget

    def watched(self, tools: Tools) -> Tools:
        """``tools`` that save the whole record, and tell of the tree in the end."""

        def save(part: Run) -> None:
            self.run = _joined(self._before, part, self._budget.elapsed_s)
            tools.save(self.run)

        def hand_on(tree: Tree) -> None:
            self.tree = tree

        return replace(tools, save=save, hand_on=hand_on)


def _joined(before: Run, part: Run, wall_s: float) -> Run:
    """Both records as one that is not finished; of nothing to do it is told in the end."""
    stats = replace(total((before.stats, part.stats)), wall_s=wall_s)
    run = replace(part, outcomes=before.outcomes, stats=stats, finished=False)
    for outcome in part.outcomes:
        run = run if outcome.reason == "nothing_to_do" else _with(run, outcome)
    return replace(run, detail=part.detail)


def _with(run: Run, outcome: Outcome) -> Run:
    kept = bounded(outcome, limit_bytes(len(run.outcomes) + 1))
    return replace(run, outcomes=(*run.outcomes, kept), detail="")


def naming(report: Report, project: str) -> Report:
    """A report that tells of which project each piece of work is."""

    def tell(event: Progress) -> None:
        name = f"{project or 'the root'}: "
        report(replace(event, name=name + event.name) if isinstance(event, Stage) else event)

    return tell
