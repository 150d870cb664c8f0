"""The figures of one run: what was solved, by whom, at what cost. Pure functions on results.

It does not know how results came about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from egbot.bench.odds import pass_at_k, relative_success, wilson
from egbot.bench.results import COUNTED, Result
from egbot.bench.tasks import Fault

SCHEMA = "egbot.bench.summary/1"


@dataclass(frozen=True, slots=True)
class Relative:
    """``num_solved`` tasks against a greedy ``baseline`` on the same ``num_tasks``.

    ``times`` is their ratio, ``rate`` the relative success rate; None where it is not defined.
    """

    baseline: str
    num_baseline: int
    num_solved: int
    num_tasks: int
    times: float | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of summary.json. Tasks are counted in their first repeat.

    ``interval_95`` is Wilson's for solved / total, ``pass_at`` maps k to the unbiased estimate over
    all repeats. Costs are over all repeats: all that was spent by what it solved. ``draft_share`` is
    that of guided tokens without a step of their own, None where none were written.
    """

    name: str
    solved: int
    total: int
    num_waiting: int
    num_repeats: int
    interval_95: tuple[float, float]
    pass_at: Mapping[str, float]
    by_status: Mapping[str, int]
    by_agent: Mapping[str, int]
    by_package: Mapping[str, Mapping[str, int]]
    by_form: Mapping[str, Mapping[str, int]]
    tokens: int
    wall_s: float
    tokens_per_solved: float | None
    seconds_per_solved: float | None
    draft_share: float | None
    relative: Relative | None
    bad_references: tuple[str, ...]
    faults: tuple[Fault, ...]
    run: Mapping[str, object] = field(default_factory=dict)


def summarise(
    name: str,
    results: Sequence[Result],
    *,
    num_waiting: int = 0,
    faults: tuple[Fault, ...] = (),
    baseline: tuple[str, Sequence[Result]] | None = None,
    run: Mapping[str, object] | None = None,
) -> Summary:
    """Count. ``baseline`` names the results of a greedy run; else the run's own first agent is used
    where that was greedy.
    """
    first = counted(results)
    solved = sum(one.solved for one in first.values())
    all_counted = [one for one in results if one.status in COUNTED]
    all_solved = sum(one.solved for one in all_counted)
    tokens = sum(one.num_tokens_forwarded for one in all_counted)
    wall_s = sum(one.wall_s for one in all_counted)
    return Summary(
        name=name,
        solved=solved,
        total=len(first),
        num_waiting=num_waiting,
        num_repeats=len({one.repeat for one in results}),
        interval_95=wilson(solved, len(first)),
        pass_at=_pass_at(all_counted),
        by_status=dict(Counter(one.status for one in results if one.repeat == 0)),
        by_agent=_by_agent(first.values()),
        by_package=_by_package(results),
        by_form=_by_form(first.values()),
        tokens=tokens,
        wall_s=round(wall_s, 3),
        tokens_per_solved=tokens / all_solved if all_solved else None,
        seconds_per_solved=wall_s / all_solved if all_solved else None,
        draft_share=_draft_share(all_counted),
        relative=_relative(first, baseline),
        bad_references=tuple(
            f"{one.place} {one.task}: {one.detail}"
            for one in results
            if one.status == "bad_reference" and one.repeat == 0
        ),
        faults=faults,
        run=run or {},
    )


def summary_json(summary: Summary) -> dict[str, object]:
    """The summary as plain dicts and lists."""
    return {"schema": SCHEMA, **asdict(summary)}


def counted(results: Iterable[Result]) -> dict[str, Result]:
    """Each task's first repeat, where the task is one that could have been solved."""
    return {one.task: one for one in results if one.repeat == 0 and one.status in COUNTED}


def _draft_share(results: Sequence[Result]) -> float | None:
    guided = sum(one.num_guided_tokens for one in results)
    return sum(one.num_draft_tokens_accepted for one in results) / guided if guided else None


def _pass_at(results: Iterable[Result]) -> dict[str, float]:
    """pass@k for each k that every task has runs for, averaged over the tasks."""
    runs: dict[str, list[bool]] = {}
    for one in results:
        runs.setdefault(one.task, []).append(one.solved)
    most = min((len(solved) for solved in runs.values()), default=0)
    return {
        str(k): sum(pass_at_k(len(one), sum(one), k) for one in runs.values()) / len(runs)
        for k in range(1, most + 1)
    }


def _by_agent(results: Iterable[Result]) -> dict[str, int]:
    """Tasks solved by each agent, in words: its number and what it is."""
    found: Counter[str] = Counter()
    for one in results:
        if one.solved and one.agent:
            found[agent_words(one)] += 1
    return dict(sorted(found.items()))


def _by_package(results: Iterable[Result]) -> dict[str, dict[str, int]]:
    """Outcomes for each package; nothing where tasks are not functions of packages."""
    found: dict[str, Counter[str]] = {}
    for one in results:
        package, is_function, _ = one.task.partition("::")
        if is_function and one.repeat == 0:
            found.setdefault(package, Counter())[one.status] += 1
    return {package: dict(outcomes) for package, outcomes in found.items()}


def _by_form(results: Iterable[Result]) -> dict[str, dict[str, int]]:
    """For each way of taking a function away: tasks, right targets, headers that fit, accepted."""
    found: dict[str, Counter[str]] = {}
    for one in results:
        if one.form:
            is_right = one.status not in ("no_target", "wrong_target", "error")
            row = {"tasks": 1, "target right": int(is_right), "header fits": int(one.fits)}
            found.setdefault(one.form, Counter()).update({**row, "accepted": int(one.solved)})
    return {form: dict(row) for form, row in sorted(found.items())}


def agent_words(result: Result) -> str:
    """The agent that solved a task."""
    own = [one.guidance for one in result.attempts if one.agent == result.agent]
    if not own:
        return f"{result.agent}"
    guidance = own[-1]
    gamma, candidates = guidance.get("gamma"), guidance.get("candidates")
    horizon = guidance.get("horizon_lines")
    if gamma == 0 and not candidates:
        return f"{result.agent} greedy"
    if gamma == 0:
        kind = f"samples:{candidates}"
    else:
        kind = f"guided gamma={gamma:g} s={candidates}" if isinstance(gamma, float) else "guided"
    return f"{result.agent} {kind}" + (f" d={horizon}" if horizon else "")


def _relative(
    first: Mapping[str, Result], baseline: tuple[str, Sequence[Result]] | None
) -> Relative | None:
    if baseline is None:
        if not _is_greedy_first(first.values()):
            return None
        name = "agent 1 of this run"
        greedy = {task: one.solved and one.agent == 1 for task, one in first.items()}
    else:
        name = baseline[0]
        greedy = {task: one.solved for task, one in counted(baseline[1]).items()}
    common = [task for task in first if task in greedy]
    num_solved = sum(first[task].solved for task in common)
    num_baseline = sum(greedy[task] for task in common)
    return Relative(
        baseline=name,
        num_baseline=num_baseline,
        num_solved=num_solved,
        num_tasks=len(common),
        times=num_solved / num_baseline if num_baseline else None,
        rate=relative_success(num_solved, num_baseline, len(common)),
    )


def _is_greedy_first(results: Iterable[Result]) -> bool:
    """Whether every task was tried greedily first."""
    firsts = [one.attempts[0].guidance for one in results if one.attempts]
    return bool(firsts) and all(
        one.get("gamma") == 0 and one.get("candidates") == 0 for one in firsts
    )


# --- words -------------------------------------------------------------------------------------


def summary_markdown(summary: Summary) -> str:
    """The figures as a Markdown table, and what was left out."""
    rows = [
        *(_solved_rows(summary) if summary.total else ()),
        *((f"status {name}", str(num)) for name, num in summary.by_status.items()),
        *((("still waiting", str(summary.num_waiting)),) if summary.num_waiting else ()),
    ]
    lines = [f"# {summary.name}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    lines += _form_lines(summary.by_form)
    lines += _package_lines(summary.by_package)
    listed = [*summary.bad_references, *(f"{one.place}: {one.why}" for one in summary.faults)]
    if listed:
        lines += ["", "Not counted:", "", *(f"- {_one_line(one)}" for one in listed)]
    return "\n".join(lines) + "\n"


def _solved_rows(summary: Summary) -> Iterator[tuple[str, str]]:
    """What was solved and what it cost."""
    low, high = summary.interval_95
    yield "solved", f"{summary.solved} of {summary.total} ({summary.solved / summary.total:.1%})"
    yield "95 % interval", f"{low:.1%} to {high:.1%}"
    yield from ((f"pass@{k}", f"{value:.1%}") for k, value in summary.pass_at.items())
    yield from ((f"by agent {name}", str(num)) for name, num in summary.by_agent.items())
    yield "tokens forwarded", f"{summary.tokens:,}"
    yield "tokens for each one solved", _number(summary.tokens_per_solved)
    yield "seconds for each one solved", _number(summary.seconds_per_solved)
    if summary.draft_share is not None:
        yield "guided tokens without a step", f"{summary.draft_share:.1%}"
    yield from _relative_rows(summary.relative)


def _form_lines(forms: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A row for each way of taking a function away, with parts of its tasks."""
    if not forms:
        return []
    names = list(next(iter(forms.values())))
    lines = ["", f"| form | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for form, row in forms.items():
        parts = (f"{row[one]} ({row[one] / row['tasks']:.0%})" for one in names[1:])
        lines.append(f"| {form} | {row['tasks']} | {' | '.join(parts)} |")
    return lines


def _package_lines(packages: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A row for each package, a column for each outcome that there was."""
    outcomes = sorted({name for row in packages.values() for name in row})
    if not outcomes:
        return []
    lines = ["", f"| package | {' | '.join(outcomes)} |", "|---" * (len(outcomes) + 1) + "|"]
    for package, row in packages.items():
        lines.append(f"| {package} | {' | '.join(str(row.get(one, 0)) for one in outcomes)} |")
    return lines


def _relative_rows(relative: Relative | None) -> tuple[tuple[str, str], ...]:
    if relative is None:
        return ()
    times = "none solved by it" if relative.times is None else f"{relative.times:.2f}"
    rate = "it left nothing" if relative.rate is None else f"{relative.rate:.1%}"
    told = f"{relative.baseline}, {relative.num_baseline} of {relative.num_tasks}"
    return (
        (f"times greedy ({told})", times),
        ("relative success rate", rate),
    )


def _number(value: float | None) -> str:
    return "none was solved" if value is None else f"{value:,.1f}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]
