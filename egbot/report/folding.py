"""A trace as a few readable lines: loops folded to their first and last iterations.

It does not know where the lines are shown; it never changes or interprets a value.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from egbot.records import TestOutcome, Trace, TraceEvent
from egbot.report.story import Shown
from egbot.report.text import count, one_line

_FOLD_FROM = 4  # iterations; fewer are shown in full
_KEEP_FIRST = 2


@dataclass(frozen=True, slots=True)
class Gap:
    """Iterations of a loop that a short view leaves out."""

    num_iterations: int
    num_events: int
    depth: int


def fold(events: Sequence[TraceEvent]) -> list[TraceEvent | Gap]:
    """Shorten loops to their first two and their last iteration.

    A loop is a line that comes again, in the same call, before any line above it does.
    """
    return list(_folded(events))


def _folded(events: Sequence[TraceEvent]) -> Iterator[TraceEvent | Gap]:
    again, end = _next_same(events), _next_above(events)
    # A stack of its own, because a hostile trace may nest deeper than Python's stack does.
    todo: list[range | Gap] = [range(len(events))]
    while todo:
        part = todo.pop()
        if isinstance(part, Gap):
            yield part
            continue
        if not part:
            continue
        start, stop = part.start, part.stop
        heads = _heads(again, end, start, stop) if events[start].kind == "line" else [start]
        if len(heads) <= _FOLD_FROM:
            yield events[start]
            todo.append(range(start + 1, stop))
            continue
        # The last head is the loop's exit test, or the iteration that breaks out of it.
        cut, last, leave = heads[_KEEP_FIRST], heads[-2], heads[-1]
        kept = [range(one, other) for one, other in pairwise(heads[: _KEEP_FIRST + 1])]
        gap = Gap(len(heads) - 2 - _KEEP_FIRST, last - cut, events[start].depth)
        todo += reversed([*kept, gap, range(last, leave), range(leave, stop)])


def _heads(again: list[int], end: list[int], start: int, stop: int) -> list[int]:
    limit = min(end[start], stop)
    found, index = [], start
    while index < limit:
        found.append(index)
        index = again[index]
    return found


def _next_same(events: Sequence[TraceEvent]) -> list[int]:
    """For each event the next ``line`` event of the same line and depth, or the number of events."""
    seen: dict[tuple[int, int], int] = {}
    found = [len(events)] * len(events)
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if event.kind == "line":
            key = (event.depth, event.line)
            found[index] = seen.get(key, len(events))
            seen[key] = index
    return found


def _next_above(events: Sequence[TraceEvent]) -> list[int]:
    """For each event the next one that leaves its call or goes to a line above it."""
    found = [len(events)] * len(events)
    waiting: list[tuple[tuple[int, int], int]] = []
    for index, event in enumerate(events):
        # A caught exception does not leave the loop that it happened in.
        own = {"line": event.line, "exception": sys.maxsize}
        key = (event.depth, own.get(event.kind, -1))
        while waiting and key < waiting[-1][0]:
            found[waiting.pop()[1]] = index
        waiting.append((key, index))
    return found


def trace_lines(
    shown: Shown, trace: Trace, *, limit_lines: int = 40, width_chars: int = 100
) -> list[str]:
    """A folded trace, one line of text per step: line number, source, what came of it."""
    source = shown.code.splitlines()
    width = min(max((len(line.expandtabs(4)) for line in source), default=0), 44)
    lines = []
    for step in fold(trace.events):
        indent = "  " * min(step.depth, 12)
        if isinstance(step, Gap):
            lines.append(f"{'':>5}  {indent}… {count(step.num_iterations, 'more iteration')} …")
        else:
            lines.append(_step_line(step, shown, source, width, width_chars))
    if len(lines) > limit_lines:
        cut = len(lines) - limit_lines
        keep = limit_lines // 3
        middle = f"{'':>5}  … {count(cut, 'more step')} …"
        lines = [*lines[: limit_lines - keep], middle, *lines[-keep:]]
    if trace.num_dropped:
        lines.append(f"{'':>5}  … {count(trace.num_dropped, 'event')} beyond the limit …")
    return lines


def _step_line(
    event: TraceEvent, shown: Shown, source: list[str], width: int, width_chars: int
) -> str:
    indent = "  " * min(event.depth, 12)
    values = ", ".join(f"{name} = {value}" for name, value in event.changes)
    if event.kind == "call":
        return f"{event.line:>5}  {indent}" + one_line(
            f"call {event.function}({values.replace(' = ', '=')})", width_chars
        )
    if event.kind == "return":
        return f"{event.line:>5}  {indent}" + one_line(f"return → {event.value}", width_chars)
    if event.kind == "exception":
        return f"{event.line:>5}  {indent}" + one_line(f"raises {event.value}", width_chars)
    index = event.line - shown.first_line
    text = source[index].expandtabs(4) if 0 <= index < len(source) else event.function
    code = one_line(text, 60)
    told = f"    # {one_line(values, width_chars)}" if values else ""
    return f"{event.line:>5}  {indent}{code:<{width if told else 0}}{told}"


def comparison_lines(test: TestOutcome, limit_chars: int = 1000) -> list[str]:
    """The failing assertion as a few lines: its source, then both sides."""
    comparison = test.comparison
    if comparison is None:
        return []
    lines = [f"assertion  {one_line(comparison.source, limit_chars)}"]
    if comparison.left is not None:
        lines.append(f"left       {one_line(comparison.left, limit_chars)}")
    if comparison.operator is not None:
        lines.append(f"operator   {one_line(comparison.operator, limit_chars)}")
    if comparison.right is not None:
        lines.append(f"right      {one_line(comparison.right, limit_chars)}")
    return lines
