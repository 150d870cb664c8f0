"""What a report tells of an outcome: which code, which runs, in which words, and what it leaves open.

It does not know how any of it is laid out.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from egbot.records import (
    Attempt,
    CandidateRun,
    LineStep,
    Outcome,
    TestOutcome,
    TokenChoice,
)
from egbot.report.text import count, one_line, seconds

VERDICTS = {
    "patched": "Verified",
    "nothing_to_do": "Nothing to do",
    "no_target": "No target found",
    "no_patch": "No patch found",
    "rejected": "Rejected",
    "contradictory_tests": "Tests contradict each other",
    "over_budget": "Over budget",
    "interrupted": "Interrupted",
}

REASONS = {
    "patched": "a fresh sandbox accepted it",
    "nothing_to_do": "no failing test asks for a function",
    "no_target": "no function could be named that would make the tests pass",
    "no_patch": "no attempt passed every target test",
    "rejected": "an answer passed on the way, but the final check refused it",
    "contradictory_tests": "no function can pass all of these tests",
    "over_budget": "the budget of tokens or seconds ran out",
    "interrupted": "the run was stopped before it was done",
}

FINISHES = {
    "solved": "passed every target test",
    "candidate": "a candidate passed on the way",
    "wrong": "complete, but tests fail",
    "max_lines": "too many lines",
    "no_code": "no code came",
    "over_budget": "over budget",
    "stopped": "stopped",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """The code that a report shows, the number of its first line, and the runs of exactly it."""

    code: str
    first_line: int
    tests: tuple[TestOutcome, ...]
    is_final: bool


def shown(outcome: Outcome) -> Shown:
    """The delivered code with its runs or, where nothing was delivered, the nearest try.

    ``outcome.evidence`` is taken as the runs of the patch or, without one, of the nearest try.
    """
    if outcome.patch is not None:
        code = outcome.patch.replacement
        return _placed(outcome, code, outcome.evidence or _runs_of(outcome, code), is_final=True)
    attempt = max(outcome.attempts, key=lambda each: each.num_passed, default=None)
    candidate = nearest_candidate(outcome)
    if attempt is not None and attempt.code.strip() and outcome.evidence:
        return _placed(outcome, attempt.code, outcome.evidence)
    if candidate is not None and (attempt is None or candidate.num_passed >= attempt.num_passed):
        return _placed(outcome, candidate.program, candidate.executions)
    if attempt is not None:
        return _placed(outcome, attempt.code, _runs_of(outcome, attempt.code))
    return _placed(outcome, "", outcome.evidence)


def _placed(
    outcome: Outcome, code: str, tests: tuple[TestOutcome, ...], *, is_final: bool = False
) -> Shown:
    """``code`` without its outer indentation and blank lines, at its place in the traced file.

    The traced call says best where the definition starts, because a delivered function and a bare
    candidate can lie at different lines of their files; the target's span is the next best guess.
    """
    text = code.lstrip("\r\n")
    first = outcome.target.span.start_line if outcome.target else 1
    first += code[: len(code) - len(text)].count("\n")
    own = outcome.target.qualname.rpartition(".")[2] if outcome.target else ""
    for test in tests:
        event = test.trace.events[0] if test.trace and test.trace.events else None
        if event and event.kind == "call" and event.function.rpartition(".")[2] == own:
            first = event.line
            break
    return Shown(textwrap.dedent(text), first, tests, is_final)


def nearest_candidate(outcome: Outcome) -> CandidateRun | None:
    """The candidate that passed the most tests; the later one where two are equal."""
    best: CandidateRun | None = None
    for candidate in candidates(outcome):
        if best is None or candidate.num_passed >= best.num_passed:
            best = candidate
    return best


def candidates(outcome: Outcome) -> Iterator[CandidateRun]:
    """Every candidate of every line of every attempt, in the order in which they were run."""
    for attempt in outcome.attempts:
        for step in attempt.lines:
            yield from step.candidates


def first_failure(tests: tuple[TestOutcome, ...]) -> TestOutcome | None:
    """The first test that ran and did not pass."""
    return next((test for test in tests if test.status not in ("passed", "skipped")), None)


def traced(tests: tuple[TestOutcome, ...]) -> TestOutcome | None:
    """The test to tell the story with: the one that visits the most lines, in the fewest steps.

    A failing test comes first, because that is what a reader looks for.
    """
    with_trace = [test for test in tests if test.trace is not None and test.trace.events]
    failing = [test for test in with_trace if test.status != "passed"]

    def rank(test: TestOutcome) -> tuple[int, int]:
        events = test.trace.events if test.trace else ()
        return (-len({event.line for event in events}), len(events))

    return min(failing or with_trace, key=rank, default=None)


def name(outcome: Outcome) -> str:
    """The function's qualified name, or what stands in its place."""
    return one_line(outcome.target.qualname) if outcome.target else "(no target)"


def path(outcome: Outcome) -> str:
    """The file of the target, or ""."""
    return one_line(outcome.target.path, 300) if outcome.target else ""


def target_tests(outcome: Outcome) -> tuple[str, ...]:
    """The node ids that the function is for."""
    return outcome.target.tests if outcome.target and outcome.target.tests else outcome.failing


def score(outcome: Outcome) -> tuple[int, int]:
    """How many target tests pass, and how many there are; by the verdict where there is one."""
    total = len(target_tests(outcome))
    if outcome.verdict is not None:
        return len(outcome.verdict.target_passed), total
    passed = sum(test.status == "passed" for test in shown(outcome).tests)
    best = max((attempt.num_passed for attempt in outcome.attempts), default=0)
    return min(max(passed, best), total), total


def verdict_words(outcome: Outcome) -> str:
    """One clause on what the final check said."""
    verdict = outcome.verdict
    if verdict is None:
        return REASONS[outcome.reason]
    if verdict.accepted:
        guards = count(len(verdict.guard_passed), "test")
        return f"a fresh sandbox accepted it, and {guards} that passed before still pass"
    faults = [
        count(len(verdict.regressions), "regression") if verdict.regressions else "",
        count(len(verdict.vetoes), "veto", "vetoes") if verdict.vetoes else "",
        count(len(verdict.flaky), "flaky test") if verdict.flaky else "",
    ]
    told = ", ".join(fault for fault in faults if fault)
    return f"the final check refused it: {told or 'not every target test passed'}"


def num_tokens(outcome: Outcome) -> int:
    """Tokens generated for the target."""
    return outcome.stats.num_tokens_generated


def guidance_words(attempt: Attempt) -> str:
    """An agent's setting in one line."""
    g = attempt.guidance
    horizon = f"horizon {count(g.horizon_lines, 'line')}" if g.horizon_lines else "whole functions"
    return (
        f"gamma {g.gamma:g} · {count(g.candidates, 'candidate')} · {horizon} · temperature {g.temperature:g} · top-p {g.top_p:g} · "
        f"{g.style.replace('_', '-')} prompt · seed {g.seed}"
    )


def run_words(candidate: CandidateRun) -> str:
    """What a candidate's runs did: how many passed and the first thing that went wrong."""
    total = len(candidate.executions)
    told = f"passed {candidate.num_passed} of {total}"
    failed = first_failure(candidate.executions)
    if failed is not None:
        return f"{told}; {fault_words(failed)}"
    return f"{told}; {one_line(candidate.detail)}" if candidate.detail else told


def fault_words(test: TestOutcome) -> str:
    """Why a test did not pass, on one line."""
    if test.comparison is not None and test.comparison.left is not None:
        left, right = one_line(test.comparison.left, 80), one_line(test.comparison.right or "", 80)
        return f"{left} {one_line(test.comparison.operator or '?', 12)} {right} is false"
    if test.fault is not None:
        told = f"{test.fault.type_name}: {test.fault.message}" if test.fault.message else ""
        return one_line(told or test.fault.type_name)
    return test.status.replace("_", " ")


def divergence(step: LineStep) -> tuple[int, TokenChoice] | None:
    """The first token of a line where guided and plain decoding part, and its index."""
    for index, token in enumerate(step.tokens):
        if token.text != token.plain_choice:
            return index, token
    return None


def why_line(step: LineStep) -> str:
    """Why this line: what the signal changed, in one clause without outside text."""
    if not step.tokens:
        return "taken from a candidate that passed every test"
    if not step.signal:
        return "plain greedy decoding, no signal given"
    if divergence(step) is None:
        return "guided and plain decoding agree on every token"
    return "guidance changed the line"


def not_checked(outcome: Outcome) -> tuple[str, ...]:
    """What nobody should read into this report, in full sentences without outside text."""
    found = [
        "Behaviour that no test looks at: other inputs, speed, memory, security, style.",
        "The tests themselves: egbot takes them as the specification, right or wrong.",
    ]
    verdict = outcome.verdict
    if verdict is None:
        found.append("The final check in a fresh sandbox: it was not made for this target.")
    elif not verdict.guard_passed:
        found.append("The rest of the repository: no other test was passing before.")
    if verdict is not None and verdict.flaky:
        found.append(f"{count(len(verdict.flaky), 'test')} changed between repeats (flaky).")
    dropped = sum(test.trace.num_dropped for test in shown(outcome).tests if test.trace)
    if dropped:
        found.append(f"{count(dropped, 'trace event')} did not fit the limit and are not shown.")
    if outcome.left:
        found.append(f"{count(len(outcome.left), 'failing test')} that egbot left alone.")
    return tuple(found)


def cost(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """What the target cost, as pairs of a name and a value."""
    s = outcome.stats
    return (
        ("wall time", seconds(s.wall_s)),
        ("loading the model", seconds(s.load_s)),
        ("sampling candidates", seconds(s.sample_s)),
        ("running tests", seconds(s.execute_s)),
        ("decoding lines", seconds(s.decode_s)),
        ("tokens generated", f"{s.num_tokens_generated:,}"),
        ("tokens forwarded", f"{s.num_tokens_forwarded:,}"),
        ("forward passes", f"{s.num_forwards:,}"),
        ("test runs", f"{s.num_executions:,}"),
        ("test runs answered by the cache", f"{s.num_execution_cache_hits:,}"),
    )


def _runs_of(outcome: Outcome, code: str) -> tuple[TestOutcome, ...]:
    wanted = code.strip()
    for candidate in candidates(outcome):
        if candidate.program.strip() == wanted:
            return candidate.executions
    return ()
