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

from egbot.records import Attempt, LineStep, Outcome, Run, Target, TestOutcome
from egbot.report import story
from egbot.report.compare import Comparison, Difference, Side
from egbot.report.folding import comparison_lines, trace_lines
from egbot.report.text import block, count, one_line, percent, seconds

_DIFF_CHARS = 20_000
_MAX_TESTS = 30


def summary(run: Run, console: Console, *, reports: Path | None = None) -> None:
    """Print a run: a table of its targets, the diffs, where the reports lie (``reports``)."""
    if run.outcomes:
        console.print(_targets(run))
    for outcome in run.outcomes:
        if outcome.patch is not None and outcome.reason == "patched":
            console.print()
            console.print(_diff(outcome.patch.unified_diff))
        elif outcome.detail:
            head = Text(f"{story.name(outcome)}: ", style="bold")
            console.print(head.append(block(outcome.detail, 2_000), style="not bold"))
    console.print()
    console.print(_closing(run))
    if run.detail:
        console.print(Text(block(run.detail, 2_000)))
    if reports is not None:
        console.print(Text("Reports: ", style="dim").append(one_line(str(reports), 400)))


def explain(outcome: Outcome, console: Console) -> None:
    """Print one outcome as a short story: verdict, code, one traced test, how it was written."""
    for part in _story(outcome):
        console.print(part)
        console.print()


def trace(seen: story.Shown, target: Target, others: Sequence[str], console: Console) -> None:
    """Print what a function did in each of ``seen.tests``; ``others`` are called too."""
    title = Text(one_line(target.qualname), style="bold")
    console.print(title.append(f"  {one_line(target.path, 300)}", style="dim"))
    if others:
        names = ", ".join(one_line(name) for name in others[:5])
        rest = f" and {len(others) - 5} more" if len(others) > 5 else ""
        told = f"the test also calls {names}{rest}; to follow another one: --target PATH::QUALNAME"
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
            Text(f"{passed}/{total}"),
            Text(seconds(outcome.stats.wall_s)),
            Text(f"{story.num_tokens(outcome):,}"),
        )
    return table


def _verdict(outcome: Outcome) -> str:
    return story.VERDICTS[outcome.reason]


def _closing(run: Run) -> Text:
    solved = sum(outcome.reason == "patched" for outcome in run.outcomes)
    total = sum(outcome.target is not None for outcome in run.outcomes)
    told = f"{solved} of {count(total, 'target')} solved" if total else "no function to write"
    words = f"{told}; {seconds(run.stats.wall_s)}"
    text = Text(words, style="bold")
    return text if run.finished else text.append("; the run was not finished", style="yellow")


def _diff(diff: str) -> Syntax:
    return _syntax(block(diff, _DIFF_CHARS), "diff")


def _syntax(code: str, language: str) -> Syntax:
    return Syntax(code, language, theme="ansi_light", background_color="default", word_wrap=True)


def _story(outcome: Outcome) -> list[RenderableType]:
    passed, total = story.score(outcome)
    title = Text(story.name(outcome), style="bold").append(f"  {story.path(outcome)}", style="dim")
    good = outcome.reason in ("patched", "nothing_to_do")
    told = status_text(good, _verdict(outcome)).append(
        f"  {passed} of {count(total, 'test')}; {story.verdict_words(outcome)}", style="default"
    )
    parts: list[RenderableType] = [Group(title, told)]
    seen = story.shown(outcome)
    if outcome.patch is not None:
        parts.append(_diff(outcome.patch.unified_diff))
    elif seen.code.strip():
        parts.append(Group(_title("The nearest try"), _syntax(block(seen.code, 20_000), "python")))
    parts += _run_view(seen)
    parts.append(_tests(seen.tests))
    if outcome.attempts:
        best = max(outcome.attempts, key=lambda attempt: attempt.num_passed)
        parts.append(_attempt(best))
    unchecked = [Text(f"- {sentence}") for sentence in story.not_checked(outcome)]
    parts.append(Group(_title("What was not checked"), *unchecked))
    return parts


def _title(words: str) -> Text:
    return Text(words, style="bold underline")


def _run_view(seen: story.Shown) -> list[RenderableType]:
    test = story.traced(seen.tests)
    if test is None:
        return []
    head = _title("How it runs").append(
        f"  {one_line(test.node_id, 300)}", style="not underline dim"
    )
    return [Group(head, *_trace_rows(seen, test))]


def _trace_rows(seen: story.Shown, test: TestOutcome) -> list[Text]:
    if test.trace is None or not test.trace.events:
        return [Text("the function was not called", style="dim")]
    lines = trace_lines(seen, test.trace)
    return [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]


def _tests(tests: tuple[TestOutcome, ...]) -> Group:
    rows: list[RenderableType] = [_title("Tests")]
    for test in tests[:_MAX_TESTS]:
        rows += _test_rows(test)
    if len(tests) > _MAX_TESTS:
        rows.append(Text(f"… and {len(tests) - _MAX_TESTS} more", style="dim"))
    if not tests:
        rows.append(Text("no run was recorded", style="dim"))
    return Group(*rows)


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


def _attempt(attempt: Attempt) -> Group:
    head = _title("How it was written")
    head.append(f"  {story.guidance_words(attempt)}", style="not underline dim")
    steps = [part for step in attempt.lines for part in _line(step)]
    return Group(head, *steps)


def _line(step: LineStep) -> list[RenderableType]:
    took = f"{count(len(step.tokens), 'token')}, {seconds(step.wall_s)}"
    parts: list[RenderableType] = [
        Text(one_line(step.text.rstrip("\n"), 200), style="bold").append(
            f"    {story.why_line(step)} ({took})", style="not bold dim"
        )
    ]
    for candidate in step.candidates[:6]:
        first = one_line(candidate.text.strip().split("\n", 1)[0], 60)
        parts.append(
            Padding(Text(f"tried {first} …: {story.run_words(candidate)}", "dim"), (0, 0, 0, 6))
        )
    parted = story.divergence(step)
    if parted is not None:
        token = parted[1]
        told = (
            f"{one_line(token.text, 40)!r} instead of {one_line(token.plain_choice, 40)!r}: "
            f"{percent(token.logp_plain)} plain, {percent(token.logp_conditioned)} with the signal"
        )
        parts.append(Padding(Text(told, "cyan"), (0, 0, 0, 6)))
    return parts
