"""Where two runs part: for each function the first thing that was not the same in both.

It does not know how a comparison is shown. Runs are compared in the order in which things
happened, so that the first difference is the cause of those after it, as far as the record tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Literal

from egbot.records import Attempt, CandidateRun, LineStep, Outcome, Run
from egbot.report import story
from egbot.report.text import count, one_line, percent
from egbot.report.trace_json import number

SCHEMA_COMPARISON = "egbot.comparison/1"

What = Literal["guidance", "candidate", "result", "token", "line", "finish", "attempts", "outcome"]
_CHARS = 200


@dataclass(frozen=True, slots=True)
class Parting:
    """The first difference. ``attempt``, ``line`` and ``index`` (of the candidate or token) count
    from 1; 0 where they do not apply. ``a`` and ``b`` are visible text, "" where a side has none.
    """

    what: What
    attempt: int
    line: int
    index: int
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Side:
    """One run's result for one function; ``wall_s`` is null where the record is broken."""

    reason: str
    num_passed: int
    num_tests: int
    wall_s: float | None
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One function in both runs. ``parting`` is None where nothing differs but the time taken.

    ``only_a`` and ``only_b`` are tests that the delivered or nearest code passes in one run only.
    """

    function: str
    a: Side | None
    b: Side | None
    parting: Parting | None
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs: the settings and versions that differ, as (name, a, b), and every function."""

    settings: tuple[tuple[str, str, str], ...]
    versions: tuple[tuple[str, str, str], ...]
    functions: tuple[Difference, ...]

    @property
    def is_same(self) -> bool:
        """Whether both runs did the same, in whatever time."""
        return all(each.a and each.b and each.parting is None for each in self.functions)


def compare(a: Run, b: Run) -> Comparison:
    """Compare two runs function by function, in the order of ``a``, then what only ``b`` has."""
    outcomes_a, outcomes_b = _by_function(a), _by_function(b)
    names = dict.fromkeys([*outcomes_a, *outcomes_b])
    return Comparison(
        settings=tuple(_changed(flat(a.settings), flat(b.settings))),
        versions=tuple(
            _changed({"egbot": a.egbot, **a.versions}, {"egbot": b.egbot, **b.versions})
        ),
        functions=tuple(
            _difference(name, outcomes_a.get(name), outcomes_b.get(name)) for name in names
        ),
    )


def comparison_document(comparison: Comparison) -> dict[str, object]:
    """The comparison as plain dicts and lists. Text is already visible and bounded."""
    return {
        "schema": SCHEMA_COMPARISON,
        "same": comparison.is_same,
        "settings": [list(row) for row in comparison.settings],
        "versions": [list(row) for row in comparison.versions],
        "functions": [asdict(each) for each in comparison.functions],
    }


def _by_function(run: Run) -> dict[str, Outcome]:
    return {
        f"{story.path(each)}::{story.name(each)}" if each.target else f"({each.reason})": each
        for each in run.outcomes
    }


def flat(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Settings without tables in tables: ``{"sandbox": {"test_s": 5}}`` as ``{"sandbox.test_s": 5}``."""
    found: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _changed(a: Mapping[str, object], b: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys([*a, *b]):
        left, right = a.get(name, "not there"), b.get(name, "not there")
        if left != right:
            yield one_line(name), one_line(str(left)), one_line(str(right))


def _difference(function: str, a: Outcome | None, b: Outcome | None) -> Difference:
    sides = (_side(a), _side(b))
    if a is None or b is None:
        return Difference(function, *sides, None)
    passing_a, passing_b = _passing(a), _passing(b)
    return Difference(
        function,
        *sides,
        next(_partings(a, b), None),
        tuple(one_line(test, _CHARS) for test in passing_a if test not in passing_b),
        tuple(one_line(test, _CHARS) for test in passing_b if test not in passing_a),
    )


def _side(outcome: Outcome | None) -> Side | None:
    if outcome is None:
        return None
    wall_s = number(outcome.stats.wall_s)
    return Side(outcome.reason, *story.score(outcome), wall_s, story.num_tokens(outcome))


def _passing(outcome: Outcome) -> dict[str, None]:
    if outcome.verdict is not None:
        return dict.fromkeys(outcome.verdict.target_passed)
    tests = story.shown(outcome).tests
    return dict.fromkeys(test.node_id for test in tests if test.status == "passed")


# --- the first difference -----------------------------------------------------------------------


def _partings(a: Outcome, b: Outcome) -> Iterator[Parting]:
    """The differences in the order in which they came about; only the first one means much."""
    for index, (one, other) in enumerate(zip_longest(a.attempts, b.attempts), 1):
        if one is None or other is None:
            sides = (count(len(each.attempts), "attempt") for each in (a, b))
            yield Parting("attempts", index, 0, 0, *sides)
            return
        yield from _in_attempt(index, one, other)
    if a.reason != b.reason:
        sides = (f"{story.VERDICTS[each.reason]}: {story.verdict_words(each)}" for each in (a, b))
        yield Parting("outcome", 0, 0, 0, *sides)
    codes = [each.patch.replacement if each.patch else "" for each in (a, b)]
    if codes[0] != codes[1]:
        yield Parting("outcome", 0, 0, 0, *(one_line(code, _CHARS) for code in codes))


def _in_attempt(index: int, a: Attempt, b: Attempt) -> Iterator[Parting]:
    if a.guidance != b.guidance:
        sides = (story.guidance_words(each) for each in (a, b))
        yield Parting("guidance", index, 0, 0, *sides)
    for line, (one, other) in enumerate(zip_longest(a.lines, b.lines), 1):
        if one is None or other is None:
            yield Parting("line", index, line, 0, _text(one), _text(other))
            return
        yield from _in_line(index, line, one, other)
    if (a.finish, a.code) != (b.finish, b.code):
        sides = (story.FINISHES[each.finish] for each in (a, b))
        yield Parting("finish", index, 0, 0, *sides)


def _in_line(attempt: int, line: int, a: LineStep, b: LineStep) -> Iterator[Parting]:
    for index, (one, other) in enumerate(zip_longest(a.candidates, b.candidates), 1):
        texts = ("" if each is None else one_line(each.text, _CHARS) for each in (one, other))
        if one is None or other is None or one.text != other.text:
            yield Parting("candidate", attempt, line, index, *texts)
            return
        if _statuses(one) != _statuses(other):
            results = (story.run_words(each) for each in (one, other))
            yield Parting("result", attempt, line, index, *results)
            return
    for index, (left, right) in enumerate(zip_longest(a.tokens, b.tokens), 1):
        if left is None or right is None or left.text != right.text:
            told = (
                ""
                if each is None
                else f"{one_line(each.text, 60)!r} ({percent(each.logp_conditioned)})"
                for each in (left, right)
            )
            yield Parting("token", attempt, line, index, *told)
            return
    if a.text != b.text:
        yield Parting("line", attempt, line, 0, _text(a), _text(b))


def _statuses(candidate: CandidateRun) -> list[tuple[str, str]]:
    # not what they said: a message may hold an address in memory
    return [(test.node_id, test.status) for test in candidate.executions]


def _text(step: LineStep | None) -> str:
    return "" if step is None else one_line(step.text, _CHARS)
