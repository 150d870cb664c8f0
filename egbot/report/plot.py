"""The work on one target over time as the numbers of a drawing: phases, lines, candidates, passes.

It does not know the drawing's markup. Horizontal places are percentages, so that the page's width
needs no script; vertical ones are pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from egbot.report import story
from egbot.report.text import count, seconds
from egbot.report.timeline import Period, TimedLine, TimedOutcome

HEIGHT = 232
_TOP, _BOTTOM = 92, 204
_MAX_LINES = 150
_MAX_DOTS = 600
_MAX_TICKS = 6
_DOT_SHARE = 0.008  # of the width: dots nearer than this would hide one another
_STEPS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle; ``label`` is "" where there is no room for it, and not ``is_roomy`` where a
    narrow page has none.
    """

    kind: str
    x: str
    width: str
    label: str
    words: str
    is_roomy: bool


@dataclass(frozen=True, slots=True)
class Dot:
    """A result: ``kind`` is ``none``, ``some`` or ``all`` of the tests, ``shape`` what it is of.

    ``label`` says how many candidates one dot stands for; "" for one.
    """

    shape: str
    kind: str
    x: str
    y: float
    words: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis; a narrow page leaves out the labels of minor ones."""

    at: str
    label: str
    is_minor: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table that says the same in words."""

    attempt: int
    line: int
    began: str
    took: str
    candidates: str
    best: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything that is drawn. ``words`` is the whole in one sentence."""

    words: str
    phases: tuple[Block, ...]
    lines: tuple[Block, ...]
    dots: tuple[Dot, ...]
    times: tuple[Tick, ...]
    heights: tuple[Tick, ...]
    rows: tuple[Row, ...]
    num_left_out: int


def plot(timed: TimedOutcome) -> Plot | None:
    """The drawing of one target's work, or None where no time was recorded."""
    total_s = timed.period.length_s
    if not timed.attempts or total_s <= 0:
        return None
    scale = _Scale(timed.period.start_s, total_s, max(story.score(timed.outcome)[1], 1))
    lines = [(attempt.number, line) for attempt in timed.attempts for line in attempt.lines]
    dots = list(_dots(timed, scale))
    return Plot(
        words=_words(timed),
        phases=tuple(_phases(timed, scale)),
        lines=tuple(_line(number, line, scale) for number, line in lines[:_MAX_LINES]),
        dots=tuple(dots[:_MAX_DOTS]),
        times=tuple(_times(total_s)),
        heights=tuple(_heights(scale)),
        rows=tuple(_row(number, line, scale) for number, line in lines[:_MAX_LINES]),
        num_left_out=max(len(lines) - _MAX_LINES, 0) + max(len(dots) - _MAX_DOTS, 0),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    start_s: float
    total_s: float
    num_tests: int

    def x(self, at_s: float) -> str:
        return f"{min(max((at_s - self.start_s) / self.total_s, 0.0), 1.0) * 100:.2f}%"

    def width(self, length_s: float) -> str:
        return f"{min(length_s / self.total_s, 1.0) * 100:.2f}%"

    def y(self, num_passed: int) -> float:
        share = min(max(num_passed, 0), self.num_tests) / self.num_tests
        return round(_BOTTOM - share * (_BOTTOM - _TOP), 1)

    def kind(self, num_passed: int) -> str:
        if num_passed >= self.num_tests:
            return "all"
        return "some" if num_passed > 0 else "none"


def _words(timed: TimedOutcome) -> str:
    lines = [line for attempt in timed.attempts for line in attempt.lines]
    passing = sum(
        each.candidate.num_tests > 0 and each.candidate.num_passed == each.candidate.num_tests
        for line in lines
        for each in line.candidates
    )
    decoded = sum(bool(line.step.tokens) for line in lines)
    parts = (
        count(len(timed.attempts), "attempt"),
        count(decoded, "decoded line") if decoded else "",
        story.num_candidates(timed.outcome),
    )
    told = f"In {seconds(timed.period.length_s)}: {', '.join(filter(None, parts))}."
    return f"{told} {count(passing, 'candidate')} passed every test." if passing else told


def _phases(timed: TimedOutcome, scale: _Scale) -> Iterator[Block]:
    first, last = timed.attempts[0].period.start_s, timed.attempts[-1].period.end_s
    if first > timed.period.start_s:
        yield _block(
            "other", Period(timed.period.start_s, first), scale, "loading", "loading the model"
        )
    for each in timed.attempts:
        told = f"{story.FINISHES[each.attempt.finish]}, {each.attempt.num_passed} passed"
        name = f"attempt {each.number}"
        yield _block("attempt", each.period, scale, name, f"{name}: {told}")
    if timed.period.end_s > last:
        name = "final check" if timed.outcome.verdict is not None else "the rest"
        yield _block("other", Period(last, timed.period.end_s), scale, name)


def _block(kind: str, period: Period, scale: _Scale, label: str, words: str = "") -> Block:
    share, needed = period.length_s / scale.total_s, 7 * len(label) + 10  # pixels
    return Block(
        kind,
        scale.x(period.start_s),
        scale.width(period.length_s),
        label if share * 700 > needed else "",
        f"{words or label}, {seconds(period.length_s)}",
        share * 290 > needed,
    )


def _line(attempt: int, line: TimedLine, scale: _Scale) -> Block:
    num_tried = len(line.candidates) + line.step.num_dropped
    told = f"attempt {attempt}, line {line.number}"
    told += f", {count(num_tried, 'candidate')}" if num_tried else ""
    return _block("line", line.period, scale, str(line.number), told)


def _dots(timed: TimedOutcome, scale: _Scale) -> Iterator[Dot]:
    for attempt in timed.attempts:
        for line in attempt.lines:
            yield from _line_dots(attempt.number, line, scale)
        passed = attempt.attempt.num_passed
        told = f"end of attempt {attempt.number}: passed {passed} of {scale.num_tests}"
        at_s = attempt.period.end_s
        yield Dot("end", scale.kind(passed), scale.x(at_s), scale.y(passed), told)


def _line_dots(attempt: int, line: TimedLine, scale: _Scale) -> Iterator[Dot]:
    """The candidates where their results were known; those at one place share a dot."""
    places: dict[tuple[int, int], list[int]] = {}
    for number, each in enumerate(line.candidates, 1):
        place = round(each.period.end_s / scale.total_s / _DOT_SHARE)
        places.setdefault((place, each.candidate.num_passed), []).append(number)
    for (_, passed), numbers in places.items():
        first = line.candidates[numbers[0] - 1]
        who = f"candidate {numbers[0]}"
        if len(numbers) > 1:
            who = f"candidates {', '.join(map(str, numbers))}, each"
        yield Dot(
            "candidate",
            scale.kind(passed),
            scale.x(first.period.end_s),
            scale.y(passed),
            f"attempt {attempt}, line {line.number}, {who}: "
            f"passed {passed} of {first.candidate.num_tests}",
            f"\N{MULTIPLICATION SIGN}{len(numbers)}" if len(numbers) > 1 else "",
        )


def _times(total_s: float) -> Iterator[Tick]:
    minutes = (60.0 * each for each in (1, 2, 5, 10, 20, 30, 60, 120, 360, 1440, 14400, 144000))
    step_s = next((each for each in (*_STEPS_S, *minutes) if total_s / each <= _MAX_TICKS), total_s)
    for index in range(int(total_s / step_s) + 1):
        at_s = index * step_s
        yield Tick(f"{at_s / total_s * 100:.2f}%", _clock(at_s), index % 2 == 1)


def _clock(at_s: float) -> str:
    """A place on the time axis, shortly: ``0``, ``0.5 s`` or ``500 ms``, ``30 s``, ``1:30 min``."""
    if at_s == 0:
        return "0"
    minutes, rest = divmod(round(at_s), 60)
    return f"{minutes}:{rest:02d} min" if minutes else seconds(at_s).replace(".0 s", " s")


def _heights(scale: _Scale) -> Iterator[Tick]:
    num = scale.num_tests
    for passed in range(num + 1) if num <= 4 else (0, num // 2, num):
        yield Tick(f"{scale.y(passed):g}", str(passed))


def _row(attempt: int, line: TimedLine, scale: _Scale) -> Row:
    best = max((each.candidate.num_passed for each in line.candidates), default=None)
    return Row(
        attempt,
        line.number,
        seconds(line.period.start_s - scale.start_s),
        seconds(line.period.length_s),
        str(len(line.candidates)),
        "none" if best is None else f"{best} of {scale.num_tests}",
    )
