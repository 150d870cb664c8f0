"""A trace as tables and trees: what each iteration of a loop changed, and who called whom.

It does not know how either is drawn. Code and events come from outside: code that cannot be parsed
has no loops, and no trace is too deep.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from egbot.records import TraceEvent
from egbot.report.text import one_line

MAX_LOOPS = 8
MAX_ROWS = 60
MAX_COLUMNS = 8
MAX_CALLS = 200
MAX_DEPTH = 12

_KEEP_LAST = 10
_VALUE_CHARS = 120
_INLINE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


@dataclass(frozen=True, slots=True)
class Iteration:
    """One row: its number from 1, the index of its first event, the values that it left.

    A cell is "" where the iteration did not change the variable.
    """

    number: int
    step: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """One run of a loop. ``rows`` leaves out iterations in the middle of a long one."""

    line: int
    num_iterations: int
    columns: tuple[str, ...]
    rows: tuple[Iteration, ...]


@dataclass(slots=True)
class Call:
    """One call with what it came to and the calls that it made; ``step`` is its event's index."""

    step: int
    words: str
    result: str = ""
    failed: bool = False
    calls: list[Call] = field(default_factory=list)


def frames(events: Sequence[TraceEvent]) -> list[int]:
    """For each event the number of the call that it belongs to: the last one at its depth."""
    open_calls: dict[int, int] = {}
    found, number = [], 0
    for event in events:
        if event.kind == "call" or event.depth not in open_calls:
            open_calls[event.depth] = number
            number += 1
        found.append(open_calls[event.depth])
    return found


# --- loops ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _OpenLoop:
    line: int
    end_line: int
    iterations: list[tuple[int, dict[str, str], bool]] = field(default_factory=list)


def loops(code: str, first_line: int, events: Sequence[TraceEvent]) -> tuple[Loop, ...]:
    """The loops that ran at least twice and lie in no other loop, in the order of their end.

    A loop inside another one shows in the outer one's rows, by the values that it left.
    """
    spans = _loop_spans(code, first_line)
    if not spans:
        return ()
    found: list[Loop] = []
    for done in _runs(spans, events):
        made = _table(done)
        if made is not None:
            found.append(made)
        if len(found) == MAX_LOOPS:
            break
    return tuple(found)


def _loop_spans(code: str, first_line: int) -> dict[int, int]:
    """The first and the last line of every loop's body, by the line of its head."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    offset = first_line - 1
    return {
        node.lineno + offset: (node.body[-1].end_lineno or node.lineno) + offset
        for node in ast.walk(module)
        if isinstance(node, ast.For | ast.AsyncFor | ast.While)
    }


def _runs(spans: dict[int, int], events: Sequence[TraceEvent]) -> Iterator[_OpenLoop]:
    """Each run of an outermost loop, once it has ended."""
    running: dict[int, _OpenLoop] = {}
    for step, (event, frame) in enumerate(zip(events, frames(events), strict=True)):
        loop = running.get(frame)
        is_inside = loop is not None and loop.line <= event.line <= loop.end_line
        if loop is not None and (event.kind == "return" or not is_inside):
            yield running.pop(frame)
            loop = None
        if event.kind != "line":
            continue
        if loop is None and event.line in spans:
            loop = running[frame] = _OpenLoop(event.line, spans[event.line])
        if loop is None:
            continue
        if event.line == loop.line:
            loop.iterations.append((step, dict(event.changes), False))
        else:
            start, values, _ = loop.iterations[-1]
            loop.iterations[-1] = (start, {**values, **dict(event.changes)}, True)
    yield from running.values()


def _table(loop: _OpenLoop) -> Loop | None:
    # the last visit of the head only finds that the loop is over
    done = [(step, values) for step, values, went_in in loop.iterations if values or went_in]
    if len(done) < 2:
        return None
    names = list(dict.fromkeys(name for _, values in done for name in values))[:MAX_COLUMNS]
    rows = [
        Iteration(
            number, step, tuple(one_line(values.get(name, ""), _VALUE_CHARS) for name in names)
        )
        for number, (step, values) in enumerate(done, 1)
        if number <= MAX_ROWS - _KEEP_LAST or number > len(done) - _KEEP_LAST
    ]
    return Loop(loop.line, len(done), tuple(one_line(name, 60) for name in names), tuple(rows))


# --- calls ------------------------------------------------------------------------------------


def calls(events: Sequence[TraceEvent]) -> tuple[Call, ...]:
    """The calls as a tree; none where no call was made inside another one.

    Comprehensions are no calls, although some versions of Python run them as such. At most
    ``MAX_CALLS`` are kept, at most ``MAX_DEPTH`` deep.
    """
    roots: list[Call] = []
    path: dict[int, Call] = {}  # the open call at each depth
    num_calls, is_nested = 0, False
    for step, event in enumerate(events):
        if event.kind == "call":
            path = {depth: call for depth, call in path.items() if depth < event.depth}
            if event.function.endswith(_INLINE) or num_calls == MAX_CALLS:
                continue
            parent = path[max(path)] if path else None
            if len(path) >= MAX_DEPTH:
                continue
            num_calls += 1
            is_nested = is_nested or parent is not None
            path[event.depth] = Call(step, _call_words(event))
            (roots if parent is None else parent.calls).append(path[event.depth])
        elif event.kind in ("return", "exception") and event.depth in path:
            call = path[event.depth]
            call.failed = event.kind == "exception"
            call.result = one_line(event.value or "", _VALUE_CHARS)
    return tuple(roots) if is_nested else ()


def _call_words(event: TraceEvent) -> str:
    given = ", ".join(f"{name}={value}" for name, value in event.changes)
    name = event.function.rpartition(".<locals>.")[2]
    return one_line(f"{name}({given})", _VALUE_CHARS)
