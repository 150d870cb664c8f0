"""Takes one function task from its stub to a judged result, through egbot's own workbench.

It does not know the other tasks. The model sees the visible tests only; the hidden ones are in no
tree that the agents work on and decide in a sandbox of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from egbot.bench.results import Result, Status, Try
from egbot.bench.tasks import JUDGE, SOLUTION, VISIBLE, BlankedFunction, Function, Task
from egbot.config import GuidanceSettings, Settings
from egbot.discovery.targets import named_target
from egbot.nodeids import files_of
from egbot.ports import Decoder, Sandbox
from egbot.progress import AttemptEnded, Progress
from egbot.records import Guidance, Job, Limits, Outcome, Tree, TreeFile
from egbot.source.edit import prepare
from egbot.source.text import SourceSyntaxError
from egbot.synthesis.agents import schedule
from egbot.synthesis.budget import Budget
from egbot.verify import Claim, verify
from egbot.workbench import Workbench, write_target

_MIB = 1024 * 1024
PASSING = frozenset(["solved", "candidate"])
"""How an attempt ends whose code passes the tests that it was given."""
_LEAST_CHECK_S = 10.0  # a reference is judged for its answers, on a machine that may be busy


@dataclass(frozen=True, slots=True)
class Tools:
    """The effects of a benchmark: a sandbox for a tree's dependencies, the model, a package's files.

    With ``find_only`` the model writes nothing: what counts is what was found missing. With
    ``oracle`` one that knows the right body stands in for it.
    """

    sandbox: Callable[[Tree], Sandbox]
    decoder: Callable[[], Decoder]
    package: Callable[[BlankedFunction], Tree]
    find_only: bool = False
    oracle: bool = False


@dataclass(slots=True)
class _Log:
    """The attempts of a task with what the whole task had cost when each ended.

    ``agents`` are those of the schedule; attempts may run side by side and end in any order.
    """

    budget: Budget
    agents: tuple[Guidance, ...]
    tries: list[Try] = field(default_factory=list)

    def report(self, event: Progress) -> None:
        """Take an event of the workbench."""
        if isinstance(event, AttemptEnded):
            self.tries.append(
                Try(
                    agent=self.number(event.attempt.guidance),
                    guidance=asdict(event.attempt.guidance),
                    finish=event.attempt.finish,
                    num_passed=event.attempt.num_passed,
                    num_tokens_forwarded=self.budget.num_tokens_spent,
                    wall_s=round(self.budget.elapsed_s, 3),
                )
            )

    def number(self, guidance: Guidance) -> int:
        """An agent's number in the schedule, from 1; 0 for one that it does not have."""
        return self.agents.index(guidance) + 1 if guidance in self.agents else 0


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the workbench brought: the function to judge ("" for none) and who wrote it."""

    outcome: Outcome
    code: str
    agent: int
    tries: tuple[Try, ...]


def blank_result(task: Task, repeat: int, status: Status, detail: str = "") -> Result:
    """A result of which nothing more is known."""
    return Result(
        task=task.task_id,
        repeat=repeat,
        place=task.place,
        status=status,
        solved=status == "solved",
        agent=0,
        code="",
        detail=detail,
        num_visible=0,
        num_dropped=0,
        num_judged=0,
        num_judged_passed=0,
        num_tokens_forwarded=0,
        num_tokens_generated=0,
        wall_s=0.0,
        attempts=(),
    )


def limits_of(settings: Settings) -> Limits:
    """What one test may use."""
    sandbox = settings.sandbox
    return Limits(test_s=sandbox.test_s, memory_bytes=sandbox.memory_mib * _MIB)


# --- the set's own solution --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Check:
    """What the set's own solution did. ``failed`` are judging tests, ``dropped`` visible ones."""

    failed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def check_reference(work: Function, tools: Tools, limits: Limits) -> Check:
    """Run the set's own solution, if there is one, on the tests that judge and those shown.

    A visible example that it fails contradicts the set itself and is not shown to the model. No
    guard looks at the reference: it may do what a candidate may not. Raises SandboxError.
    """
    if work.reference is None:
        return Check()
    tree = {**work.tree, **work.hidden, SOLUTION: TreeFile(work.reference)}
    tests = (*work.visible, *work.judges)
    modules = files_of(tests)
    limits = replace(limits, test_s=max(limits.test_s, _LEAST_CHECK_S))
    with tools.sandbox(work.tree).open(tree, modules, limits) as executor:
        outcomes = executor.run(Job(tests, trace=False, limits=limits)).outcomes
        passed = {one.node_id for one in outcomes if one.status == "passed"}
    return Check(
        failed=tuple(test for test in work.judges if test not in passed),
        dropped=tuple(test for test in work.visible if test not in passed),
    )


# --- one task -----------------------------------------------------------------------------------


def solve_task(task: Task, work: Function, repeat: int, settings: Settings, tools: Tools) -> Result:
    """Let the agents write the function and judge the answer.

    ``settings`` bound this one task. Raises what the rooms raise: SandboxError, ModelError.
    """
    limits = limits_of(settings)
    start_s = time.monotonic()
    check = check_reference(work, tools, limits)
    if check.failed:
        told = f"the set's own solution fails {len(check.failed)} of {len(work.judges)} tests"
        found = blank_result(task, repeat, "bad_reference", f"{told}: {check.failed[0]}")
        return replace(found, wall_s=round(time.monotonic() - start_s, 3))
    shown = replace(work, visible=tuple(t for t in work.visible if t not in check.dropped))
    budget = Budget(settings.max_seconds, settings.max_tokens, time.monotonic)
    answer = _written(shown, settings, tools, budget)
    wall_s = round(budget.elapsed_s, 3)
    status, num_passed, why = _judged(shown, answer, tools, limits)
    stats = answer.outcome.stats
    return replace(
        blank_result(task, repeat, status, why),
        agent=answer.agent,
        code=answer.code,
        num_visible=len(shown.visible),
        num_dropped=len(check.dropped),
        num_judged=len(work.judges),
        num_judged_passed=num_passed,
        num_tokens_forwarded=stats.num_tokens_forwarded,
        num_tokens_generated=stats.num_tokens_generated,
        wall_s=wall_s,
        attempts=answer.tries,
        num_guided_tokens=stats.num_guided_tokens,
        num_draft_tokens_accepted=stats.num_draft_tokens_accepted,
        versions={"sandbox": tools.sandbox(work.tree).backend},
    )


def _written(work: Function, settings: Settings, tools: Tools, budget: Budget) -> _Answer:
    """The workbench's answer. Without tests there is nothing to run: one plain greedy answer."""
    target = named_target(f"{SOLUTION}::{work.qualname}", work.tree)
    if not work.visible:
        plain = GuidanceSettings(method="greedy", max_lines=settings.guidance.max_lines)
        settings = settings.model_copy(update={"guidance": plain})
    stages = schedule(settings.guidance, settings.seed, settings.max_lines)
    log = _Log(budget, tuple(agent for stage in stages for agent in stage))
    bench = Workbench(
        tree=_without(work.tree, work.visible),
        target=replace(target, origin="stub", tests=work.visible),
        tests=work.visible,
        guards=(),
        settings=settings,
        sandbox=tools.sandbox(work.tree),
        limits=limits_of(settings),
        budget=budget,
        report=log.report,
        trims=False,  # the hidden tests judge what the method wrote, all of it
    )
    outcome, accepted = write_target(bench, tools.decoder)
    code = accepted or ""
    if not work.visible and outcome.attempts:
        code = outcome.attempts[0].code
    own = (one for one in outcome.attempts if code and one.code == code)
    writer = next((one for one in own if not work.visible or one.finish in PASSING), None)
    agent = log.number(writer.guidance) if writer is not None else 0
    return _Answer(outcome, code, agent, tuple(log.tries))


def _without(tree: Tree, visible: tuple[str, ...]) -> Tree:
    """The tree as the model's side sees it: no test file where every example was dropped."""
    return tree if visible else {path: file for path, file in tree.items() if path != VISIBLE}


def _judged(
    work: Function, answer: _Answer, tools: Tools, limits: Limits
) -> tuple[Status, int, str]:
    """The verdict of the hidden tests in a fresh sandbox: status, tests passed, and why not."""
    if not answer.code:
        is_over = answer.outcome.reason == "over_budget"
        return ("over_budget" if is_over else "no_patch"), 0, answer.outcome.detail
    slot = prepare(work.tree[SOLUTION].data, work.qualname, SOLUTION)
    try:
        after = slot.fill(answer.code)
    except SourceSyntaxError as error:
        return "no_patch", 0, str(error)
    claim = Claim(
        tree={**work.tree, **work.hidden},
        path=SOLUTION,
        qualname=work.qualname,
        ordinal=slot.definition.ordinal,
        after=after,
        tests=work.judges,
        guards=(),
    )
    verdict, _ = verify(tools.sandbox(work.tree), claim, repeats=1, limits=limits)
    num_passed = len(verdict.target_passed)
    if verdict.accepted:
        return "solved", num_passed, ""
    why = f"{num_passed} of {len(work.judges)} tests of {JUDGE} pass"
    return "wrong", num_passed, "; ".join(verdict.vetoes) or why
