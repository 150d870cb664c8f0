"""A run and one outcome for people at a terminal, as rich renderables.

It does not know how the run was made. Outside text is always ``Text``, never rich's markup, and
what does not show (ANSI escapes too) is made visible first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from egbot.records import Outcome, Run, Target, TestOutcome
from egbot.report import story
from egbot.report.compare import Comparison, Difference, Side
from egbot.report.folding import comparison_lines, trace_lines
from egbot.report.text import block, count, one_line, seconds

_DIFF_CHARS = 20_000
_MAX_TESTS = 30


def summary(
    run: Run, console: Console, *, reports: Path | None = None, took_s: float | None = None
) -> None:
    """Print a run: a table of its targets, the diffs, where the reports lie (``reports``).

    ``took_s`` is how long it took with all that came after its record was written.
    """
    if run.outcomes:
        console.print(_targets(run))
    for outcome in run.outcomes:
        if outcome.patch is not None and outcome.reason == "patched":
            console.print()
            diff = _diff(outcome.patch.unified_diff, is_terminal=console.is_terminal)
            console.print(diff, soft_wrap=not console.is_terminal)
            for caution in story.cautions(outcome):
                console.print(Text(f"look closer: {caution}", style="yellow"), soft_wrap=True)
        elif outcome.detail:
            head = Text(f"{story.name(outcome)}: ", style="bold")
            told = head.append(block(outcome.detail, 2_000), style="not bold")
            console.print(told, soft_wrap=not console.is_terminal)
    console.print()
    console.print(_closing(run, run.stats.wall_s if took_s is None else took_s))
    if run.detail:
        console.print(Text(block(run.detail, 2_000)))
    if reports is not None:
        where = Text("Reports: ", style="dim").append(one_line(str(reports), 400))
        console.print(where, soft_wrap=True)


def trace(seen: story.Shown, target: Target, others: Sequence[str], console: Console) -> None:
    """Print what a function did in each of ``seen.tests``; ``others`` are entered too."""
    title = Text(one_line(target.qualname), style="bold")
    console.print(title.append(f"  {one_line(target.path, 300)}", style="dim"))
    if others:
        names = ", ".join(one_line(name) for name in others[:5])
        rest = f" and {len(others) - 5} more" if len(others) > 5 else ""
        told = f"the test also enters {names}{rest}; to follow another one: --target PATH::QUALNAME"
        console.print(Text(told, style="dim"))
    for test in seen.tests:
        console.print()
        console.print(Group(*_test_rows(test), *_trace_rows(seen, test)))


def compared(comparison: Comparison, console: Console) -> None:
    """Print where two runs part, function by function."""
    for title, rows in (("settings", comparison.settings), ("versions", comparison.versions)):
        for name, left, right in rows:
            told = Text(f"{title}: ", style="dim").append(f"{name}  {left} → {right}", "default")
            console.print(told)
    for each in comparison.functions:
        console.print()
        console.print(Text(each.function, style="bold"))
        for letter, side in (("A", each.a), ("B", each.b)):
            console.print(Padding(_side(letter, side), (0, 0, 0, 2), expand=False))
        for line in _parting_lines(each):
            console.print(Padding(line, (0, 0, 0, 2), expand=False))
    console.print()
    words = "both runs did the same" if comparison.is_same else "the runs differ"
    console.print(Text(words, style="bold"))


def status_text(good: bool, words: str) -> Text:
    """A verdict that does not need its colour to be understood."""
    return Text(f"{'✓' if good else '✕'} {words}", style="green" if good else "red")


def _targets(run: Run) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("function", "file", "outcome"):
        table.add_column(title, overflow="fold")
    for title in ("tests", "time", "tokens"):
        table.add_column(title, justify="right", no_wrap=True)
    for outcome in run.outcomes:
        passed, total = story.score(outcome)
        table.add_row(
            Text(story.name(outcome), style="bold"),
            Text(story.path(outcome)),
            status_text(outcome.reason in ("patched", "nothing_to_do"), _verdict(outcome)),
            Text(f"{passed}/{total}" if total else ""),
            Text(seconds(outcome.stats.wall_s) if outcome.stats.wall_s else ""),
            Text(f"{story.num_tokens(outcome):,}" if story.num_tokens(outcome) else ""),
        )
    return table


def _verdict(outcome: Outcome) -> str:
    return story.VERDICTS[outcome.reason]


def _closing(run: Run, took_s: float) -> Text:
    solved = sum(outcome.reason == "patched" for outcome in run.outcomes)
    total = sum(outcome.target is not None for outcome in run.outcomes)
    nothing = "no function to write was found" if run.finished else "no function was written"
    told = f"{solved} of {count(total, 'target')} solved" if total else nothing
    words = f"{told}; {seconds(took_s)}{_overrun(run, took_s)}"
    text = Text(words, style="bold")
    return text if run.finished else text.append("; the run was not finished", style="yellow")


def _overrun(run: Run, took_s: float) -> str:
    """What the budget was, and by how much the run went over it."""
    budget_s = run.settings.get("max_seconds")
    if not isinstance(budget_s, int | float):
        return ""
    over_s = took_s - budget_s
    return f" of {seconds(budget_s)}" + (f", {seconds(over_s)} too long" if over_s > 0 else "")


def _diff(diff: str, *, is_terminal: bool) -> RenderableType:
    """The diff; where no person reads it, its lines stay whole."""
    text = block(diff, _DIFF_CHARS)
    if not is_terminal:
        return Text(text)
    return Syntax(text, "diff", theme="ansi_light", background_color="default", word_wrap=True)


def _trace_rows(seen: story.Shown, test: TestOutcome) -> list[Text]:
    if test.trace is None or not test.trace.events:
        why = "no trace was recorded" if test.trace is None else "the function was not called"
        return [Text(why, style="dim")]
    lines = trace_lines(seen, test.trace)
    return [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]


def _test_rows(test: TestOutcome) -> list[RenderableType]:
    good = test.status == "passed"
    row = status_text(good, test.status.replace("_", " "))
    told = [] if good else comparison_lines(test, 300) or [story.fault_words(test)]
    return [
        row.append(f"  {one_line(test.node_id, 300)}", style="default"),
        *(Padding(Text(line), (0, 0, 0, 4), expand=False) for line in told),
    ]


def _side(letter: str, side: Side | None) -> Text:
    if side is None:
        return Text(f"{letter}  not in this run", style="dim")
    good = side.reason in ("patched", "nothing_to_do")
    took = "?" if side.wall_s is None else seconds(side.wall_s)
    told = f"  {side.num_passed}/{count(side.num_tests, 'test')}, {took}"
    told += f", {count(side.num_tokens, 'token')}"
    text = Text(f"{letter}  ").append_text(status_text(good, story.VERDICTS[side.reason]))
    return text.append(told, style="default")


def _parting_lines(difference: Difference) -> list[Text]:
    lines = [
        Text(f"only {letter} passes {test}")
        for letter, tests in (("A", difference.only_a), ("B", difference.only_b))
        for test in tests[:_MAX_TESTS]
    ]
    parting = difference.parting
    if parting is None:
        same = difference.a is not None and difference.b is not None
        return [*lines, Text("the same in both", style="dim")] if same else lines
    places = (("attempt", parting.attempt), ("line", parting.line), (parting.what, parting.index))
    where = ", ".join(f"{name} {number}" for name, number in places if number)
    head = Text("they part at " if where else "they part in the ", style="cyan")
    head.append(where or parting.what)
    if where and not parting.index and parting.what not in ("line", "attempts"):
        head.append(f" ({parting.what})")
    return [*lines, head, Text(f"  A  {parting.a}"), Text(f"  B  {parting.b}")]
