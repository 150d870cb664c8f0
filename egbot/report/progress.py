"""The views of a run while it works: live on a terminal, plain lines elsewhere, or nothing.

They take the events of ``egbot.progress`` and do not know who sends them. A view never raises for
what an event holds, and the live one gives the terminal back however the run ends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from egbot.progress import (
    AttemptEnded,
    AttemptStarted,
    CandidatesRun,
    FailuresFound,
    LineChosen,
    LineStarted,
    Progress,
    Stage,
    TargetEnded,
    TargetStarted,
    Tick,
)
from egbot.records import CandidateRun, Outcome
from egbot.report import story
from egbot.report.terminal import status_text
from egbot.report.text import WHY_CHARS, block, count, one_line, seconds

_MAX_CODE_LINES = 30
_MAX_CANDIDATES = 8


class View(Protocol):
    """A context manager that takes events while it is entered."""

    def __call__(self, event: Progress) -> None:
        """Take one event."""
        ...

    def __enter__(self) -> Self:
        """Start to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop to show and restore the terminal."""
        ...


def make_view(console: Console, *, plain: bool) -> View:
    """The live view, or plain lines when asked for or when the console is no terminal."""
    return PlainView(console) if plain or not console.is_terminal else LiveView(console)


@dataclass(frozen=True, slots=True)
class Picture:
    """What the live view shows at one moment."""

    stage: str = "starting"
    title: str = ""
    attempt: str = ""
    code: str = ""
    line: int = 0
    chosen: str = ""
    candidates: tuple[CandidateRun, ...] = ()
    num_tokens: int = 0
    started_s: float = 0.0


def advance(picture: Picture, event: Progress) -> Picture:
    """The picture after an event."""
    match event:
        case Stage(name, detail):
            return replace(picture, stage=_stage(name, detail))
        case TargetStarted(index, total, target):
            title = f"{index}/{total}  {one_line(target.qualname)}  {one_line(target.path, 200)}"
            fresh = Picture(stage=picture.stage, started_s=picture.started_s)
            return replace(fresh, title=title, code=target.header)
        case AttemptStarted(number, guidance):
            told = f"attempt {number}, {story.agent_words(guidance)}"
            return replace(picture, attempt=told, line=0, chosen="", candidates=())
        case LineStarted(number, text_so_far):
            code = text_so_far
            return replace(picture, line=number, code=code, chosen="", candidates=())
        case CandidatesRun(candidates):
            return replace(picture, candidates=candidates)
        case LineChosen(step):
            return replace(picture, chosen=step.text)
        case AttemptEnded(attempt):
            return replace(picture, code=attempt.code or picture.code, chosen="", candidates=())
        case Tick(usage):
            return replace(picture, num_tokens=usage.num_tokens_generated)
        case FailuresFound() | TargetEnded():
            return picture


class LiveView:
    """The function as it grows, the candidates and what their runs did, time and tokens.

    Finished targets and the list of failures are printed above and stay.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._picture = Picture()
        self._live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __call__(self, event: Progress) -> None:
        """Take one event; the screen follows within an eighth of a second."""
        self._picture = advance(self._picture, event)
        if isinstance(event, FailuresFound | TargetEnded):
            for line in plain_lines(event):
                self._live.console.print(line)

    def __enter__(self) -> Self:
        """Start to draw."""
        self._picture = replace(self._picture, started_s=time.monotonic())
        self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the drawing away and show the cursor again, whatever ended the run."""
        self._live.stop()

    def _render(self) -> RenderableType:
        elapsed_s = time.monotonic() - self._picture.started_s
        return render(self._picture, elapsed_s, self._console.height)


class PlainView:
    """One plain line for each event that matters: for logs, pipes and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: Progress) -> None:
        """Print the event's line, if it has one."""
        for line in plain_lines(event):
            self._console.print(line, soft_wrap=True)

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to restore."""


class NullView:
    """Shows nothing."""

    def __call__(self, event: Progress) -> None:
        """Drop the event."""

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to restore."""


# --- pure drawing -----------------------------------------------------------------------------


def plain_lines(event: Progress) -> list[Text]:
    """An event as lines of a log; most events of a single line of code have none."""
    match event:
        case Stage(name, detail):
            return [Text(_stage(name, detail))]
        case FailuresFound(failing, left):
            alone = f", {len(left):,} left alone" if left else ""
            told = [Text(f"{count(len(failing), 'failing test')}{alone}")]
            return told + [
                Text(f"  left: {one_line(e.node_id)}: {one_line(e.why, WHY_CHARS)}") for e in left
            ]
        case TargetStarted(index, total, target):
            where = f"{one_line(target.qualname)} in {one_line(target.path, 200)}"
            return [Text(f"target {index} of {total}: {where}")]
        case AttemptStarted(number, guidance):
            return [Text(f"  attempt {number}: {story.agent_words(guidance)}")]
        case LineChosen(step):
            return [Text(f"    {one_line(step.text.rstrip(), 100)}  ({seconds(step.wall_s)})")]
        case AttemptEnded(attempt):
            finish = story.FINISHES[attempt.finish]
            return [Text(f"  {finish} ({attempt.num_passed} passed, {seconds(attempt.wall_s)})")]
        case TargetEnded(outcome):
            return [_ended(outcome)]
        case LineStarted() | CandidatesRun() | Tick():
            return []


def _ended(outcome: Outcome) -> Text:
    passed, total = story.score(outcome)
    good = outcome.reason in ("patched", "nothing_to_do")
    words = f"{story.VERDICTS[outcome.reason]}: {story.name(outcome)}"
    told = f"  {passed}/{count(total, 'test')}" if total else ""
    told += f", {seconds(outcome.stats.wall_s)}" if outcome.stats.wall_s else ""
    return status_text(good, words).append(told, style="dim")


def _stage(name: str, detail: str) -> str:
    return f"{one_line(name, 80)}: {one_line(detail, 200)}" if detail else one_line(name, 80)


def render(picture: Picture, elapsed_s: float, height: int = 40) -> RenderableType:
    """The picture as a renderable at most about ``height`` lines high."""
    foot = Text(
        f"{picture.stage} · {seconds(elapsed_s)} · {count(picture.num_tokens, 'token')}",
        style="dim",
        no_wrap=True,
        overflow="ellipsis",
    )
    if not picture.title:
        return foot
    head = Text(picture.title, style="bold", no_wrap=True, overflow="ellipsis")
    parts: list[RenderableType] = [head]
    if picture.attempt:
        parts.append(Text(f"{picture.attempt}, line {picture.line}", style="dim"))
    shown = picture.candidates[:_MAX_CANDIDATES]
    room = max(min(_MAX_CODE_LINES, height - len(shown) - 8), 3)
    parts += [Text(), *_code(picture, room), Text()]
    if shown:
        parts += [_candidates(shown), Text()]
    return Group(*parts, foot)


def _code(picture: Picture, room: int) -> list[Text]:
    lines = block(picture.code, 20_000).rstrip("\n").expandtabs(4).split("\n")
    cut = max(len(lines) - room, 0)
    found = [Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in lines[cut:]]
    if cut:
        found.insert(0, Text(f"  … {count(cut, 'line')} above", style="dim"))
    if picture.chosen:
        text = one_line(picture.chosen.rstrip("\n").expandtabs(4), 300)
        found.append(Text(f"  {text}", style="green", no_wrap=True, overflow="ellipsis"))
    elif picture.line:
        found.append(Text("  ▍", style="cyan"))
    return found


def _candidates(candidates: tuple[CandidateRun, ...]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 2), expand=True)
    table.add_column(no_wrap=True, ratio=2, overflow="ellipsis")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, ratio=3, overflow="ellipsis")
    for candidate in candidates:
        total = candidate.num_tests
        failed = story.first_failure(candidate.executions)
        told = story.fault_words(failed) if failed else one_line(candidate.detail)
        table.add_row(
            Text(one_line(candidate.text.strip().split("\n", 1)[0], 80)),
            status_text(0 < total == candidate.num_passed, f"{candidate.num_passed}/{total}"),
            Text(told, style="dim"),
        )
    return table
