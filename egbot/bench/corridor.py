"""Takes one blanked or deleted function of a package through the whole pipeline, from its failing tests on.

It does not know how a package is fetched. Nobody tells the pipeline which function was blanked.
"""

from __future__ import annotations

import time
from dataclasses import replace

from egbot import state
from egbot.bench.oracle import Oracle, signature_fits
from egbot.bench.packages import blanked, deleted
from egbot.bench.results import Result, Status, Try
from egbot.bench.solving import PASSING, Tools, blank_result, limits_of
from egbot.bench.tasks import BlankedFunction, Task
from egbot.config import GuidanceSettings, Settings
from egbot.pipeline import solve
from egbot.records import Outcome, Run, Tree
from egbot.survey import survey

_ORACLE_LINES = 400  # the most that may be asked for: the perfect model is judged for no length


def check_package(tree: Tree, settings: Settings, tools: Tools) -> str:
    """Run the package's own tests before anything is blanked: "" or what is wrong with them."""
    found = survey(tools.sandbox(tree), tree, (), limits_of(settings))
    broken = [one.node_id for one in (*found.failing, *found.collection.errors)]
    if broken:
        return f"{len(broken)} of its own tests fail here, such as {broken[0]}"
    return "" if found.passing else "none of its own tests passes here"


def solve_blanked(
    task: Task, work: BlankedFunction, repeat: int, settings: Settings, tools: Tools
) -> Result:
    """Take the function away, run the pipeline and say by outcome what came of it.

    Raises what the rooms raise; UsageError when the package has no such function.
    """
    start_s = time.monotonic()
    whole = tools.package(work)
    tree = (deleted if work.is_deleted else blanked)(whole, work.target)
    oracle = Oracle(work.target, whole[work.target.partition("::")[0]].data)
    if tools.oracle:
        one = GuidanceSettings(method="samples:1", max_lines=_ORACLE_LINES)
        settings = settings.model_copy(update={"guidance": one})
    run = solve(
        state.Request(tree),
        settings,
        state.Tools(
            tools.sandbox(tree),
            oracle.decoder if tools.oracle else tools.decoder,
            oracle.report,
            lambda _: None,
        ),
    )
    status, detail = _status(run, work.target)
    if tools.find_only and status == "no_patch":
        status, detail = "found", ""
    own = _last(run, work.target)
    return replace(
        blank_result(task, repeat, status, detail),
        agent=_writer(own) if own and status == "solved" else 0,
        code=own.patch.replacement if own and own.patch else "",
        num_visible=len(own.failing) if own else 0,
        num_judged=len(own.failing) if own else 0,
        num_judged_passed=len(own.verdict.target_passed) if own and own.verdict else 0,
        num_tokens_forwarded=run.stats.num_tokens_forwarded,
        num_tokens_generated=run.stats.num_tokens_generated,
        wall_s=round(time.monotonic() - start_s, 3),
        attempts=_tries(own),
        num_guided_tokens=own.stats.num_guided_tokens if own else 0,
        num_draft_tokens_accepted=own.stats.num_draft_tokens_accepted if own else 0,
        targets=tuple(dict.fromkeys(_name(one) for one in run.outcomes if one.target)),
        form=work.form,
        fits=own is not None and signature_fits(own),
        versions=run.versions,
    )


def _status(run: Run, target: str) -> tuple[Status, str]:
    """The outcome as the table has it. A target beside the blanked function is a wrong one."""
    names = list(dict.fromkeys(_name(one) for one in run.outcomes if one.target))
    if not names:
        told = "; ".join(one.detail for one in run.outcomes)
        is_idle = all(one.reason == "nothing_to_do" for one in run.outcomes)
        return ("not_needed" if is_idle else "no_target"), told
    if names != [target]:
        return "wrong_target", f"took {', '.join(names)}"
    outcome = _last(run, target)
    if outcome is None:
        return "no_target", ""
    if outcome.reason == "patched":
        return "solved", ""
    return ("over_budget" if outcome.reason == "over_budget" else "no_patch"), outcome.detail


def _last(run: Run, target: str) -> Outcome | None:
    """The last outcome of the target, which may have been tried twice."""
    return next((one for one in reversed(run.outcomes) if _name(one) == target), None)


def _writer(outcome: Outcome) -> int:
    """The number of the attempt that wrote the accepted function, from 1."""
    code = outcome.patch.replacement if outcome.patch else ""
    for number, one in enumerate(outcome.attempts, 1):
        if one.code == code and one.finish in PASSING:
            return number
    return 0


def _name(outcome: Outcome) -> str:
    return f"{outcome.target.path}::{outcome.target.qualname}" if outcome.target else ""


def _tries(outcome: Outcome | None) -> tuple[Try, ...]:
    """The attempts; their costs are known for the whole function only."""
    if outcome is None:
        return ()
    last = len(outcome.attempts)
    return tuple(
        Try(
            agent=number,
            guidance={"gamma": one.guidance.gamma, "candidates": one.guidance.candidates},
            finish=one.finish,
            num_passed=one.num_passed,
            num_tokens_forwarded=outcome.stats.num_tokens_forwarded if number == last else 0,
            wall_s=round(sum(each.wall_s for each in outcome.attempts[:number]), 3),
        )
        for number, one in enumerate(outcome.attempts, 1)
    )
