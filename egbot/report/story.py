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
    Guidance,
    LineStep,
    Outcome,
    Run,
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
    "no_target": "no function to write was found",
    "no_patch": "no attempt wrote a function that passes its tests and the guard",
    "rejected": "an answer passed on the way, but the final check refused it",
    "contradictory_tests": "no function can pass all of these tests",
    "over_budget": "the budget of tokens or seconds was not enough",
    "interrupted": "the run ended before it was done",
}

CAUTIONS = {
    "unwatched": "No test was seen running it: while modules are imported, or in another process, "
    "it is not watched.",
    "one_example": "The tests call it with one example only.",
    "ignores_arguments": "Its result does not depend on its arguments.",
}

FINISHES = {
    "solved": "passed every target test",
    "candidate": "a candidate passed every target test",
    "wrong": "not solved",
    "max_lines": "not solved at the line limit",
    "no_code": "no code that runs",
    "over_budget": "over budget",
    "stopped": "stopped",
}

_MAX_LINES_NAMED = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """The code that a report shows, the number of its first line, and the runs of exactly it.

    ``num_dropped`` more of its runs are in no record.
    """

    code: str
    first_line: int
    tests: tuple[TestOutcome, ...]
    is_final: bool
    num_dropped: int = 0


def shown(outcome: Outcome) -> Shown:
    """The delivered code with its runs or, where nothing was delivered, the nearest try.

    ``outcome.evidence`` is taken as the runs of the patch or, without one, of the nearest try.
    """
    attempt = _nearest_attempt(outcome)
    candidate = nearest_candidate(outcome)
    code = outcome.patch.replacement if outcome.patch else attempt.code if attempt else ""
    if outcome.evidence and code.strip():
        return _placed(outcome, code, outcome.evidence, outcome.num_dropped("evidence"))
    best = attempt.num_passed if attempt else 0
    if outcome.patch is None and candidate is not None and candidate.num_passed >= best:
        return _placed(outcome, candidate.program, candidate.executions, candidate.num_dropped)
    for one in candidates(outcome):
        if one.program.strip() == code.strip():
            return _placed(outcome, code, one.executions, one.num_dropped)
    return _placed(outcome, code, () if code else outcome.evidence, 0)


def _nearest_attempt(outcome: Outcome) -> Attempt | None:
    """The attempt whose answer came to the final check last, which ``evidence`` is of; else the
    one that passed the most tests.
    """
    found = [one for one in outcome.attempts if one.finish in ("solved", "candidate")]
    best = max(outcome.attempts, key=lambda each: each.num_passed, default=None)
    return found[-1] if found else best


def _placed(outcome: Outcome, code: str, tests: tuple[TestOutcome, ...], num_dropped: int) -> Shown:
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
    is_final = outcome.patch is not None
    return Shown(textwrap.dedent(text), first, tests, is_final, num_dropped)


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
    return next((one for one in tests if one.status not in ("passed", "skipped", "not_run")), None)


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


def num_target_tests(outcome: Outcome) -> int:
    """How many tests the function is for, those included that the record has no room for."""
    has_own = outcome.target is not None and bool(outcome.target.tests)
    name = "tests" if has_own or outcome.num_dropped("tests") else "failing"
    return len(target_tests(outcome)) + outcome.num_dropped(name)


def score(outcome: Outcome) -> tuple[int, int]:
    """How many target tests pass, and how many there are; by the verdict where it ran them."""
    total = num_target_tests(outcome)
    if outcome.verdict is not None and not outcome.verdict.vetoes:
        passed = _num(outcome, "target_passed", outcome.verdict.target_passed)
        return min(passed, total), total
    passed = sum(test.status == "passed" for test in shown(outcome).tests)
    best = max((attempt.num_passed for attempt in outcome.attempts), default=0)
    return min(max(passed, best), total), total


def fates(outcome: Outcome) -> dict[str, str]:
    """Of each target test whether it ``passes`` or ``fails`` with what is shown, as far as known.

    Where nothing was tried, they fail.
    """
    verdict = outcome.verdict
    if verdict is not None and not verdict.vetoes:
        whole = not outcome.num_dropped("target_passed")
        passed = dict.fromkeys(verdict.target_passed, "passes")
        return {**dict.fromkeys(target_tests(outcome), "fails"), **passed} if whole else passed
    if not outcome.attempts:
        return dict.fromkeys(target_tests(outcome), "fails")
    ran = (test for test in shown(outcome).tests if test.status not in ("skipped", "not_run"))
    return {test.node_id: "passes" if test.status == "passed" else "fails" for test in ran}


def nearest_words(outcome: Outcome) -> str:
    """A sentence on how far the nearest try came; "" where there was none."""
    if not shown(outcome).code.strip() or outcome.patch is not None:
        return ""
    passed, total = score(outcome)
    return f"The nearest try passes {passed:,} of {count(total, 'test')}."


def _num(outcome: Outcome, name: str, kept: tuple[str, ...]) -> int:
    """How long the list ``name`` was before its end was left out of the record."""
    return len(kept) + outcome.num_dropped(name)


def verdict_words(outcome: Outcome) -> str:
    """One clause on what the final check said."""
    verdict = outcome.verdict
    if verdict is None:
        return REASONS[outcome.reason]
    if verdict.accepted:
        guards = _num(outcome, "guard_passed", verdict.guard_passed)
        still = f", and {count(guards, 'test')} that passed before still {'passes' if guards == 1 else 'pass'}"
        return f"{REASONS['patched']}{still if guards else ''}"
    faults = [
        (_num(outcome, "regressions", verdict.regressions), "regression", ""),
        (_num(outcome, "vetoes", verdict.vetoes), "veto", "vetoes"),
        (_num(outcome, "flaky", verdict.flaky), "flaky test", ""),
    ]
    told = ", ".join(count(number, *nouns) for number, *nouns in faults if number)
    if (
        not told
        and verdict.target_passed
        and len(verdict.target_passed) == len(target_tests(outcome))
    ):
        told = "its tests pass without it as well"
    return f"the final check refused it: {told or 'not every target test passed'}"


def num_tokens(outcome: Outcome) -> int:
    """Tokens generated for the target."""
    return outcome.stats.num_tokens_generated


def agent_words(guidance: Guidance) -> str:
    """What kind of agent it is, in a few words."""
    if _is_greedy(guidance):
        return "greedy"
    if guidance.gamma == 0.0:
        return count(guidance.candidates, "sample")
    return f"gamma {guidance.gamma:g}, {count(guidance.candidates, 'candidate')} a line"


def _is_greedy(guidance: Guidance) -> bool:
    """Whether it draws nothing: then no setting of samples matters."""
    return not guidance.candidates or (guidance.gamma == 0.0 and guidance.method == "paper")


def guidance_words(attempt: Attempt) -> str:
    """An agent's setting in one line, as far as it had an effect."""
    g = attempt.guidance
    prompt = f"{g.style.replace('_', '-')} prompt"
    if _is_greedy(g):
        return f"{agent_words(g)} · {prompt}"
    horizon = f"horizon {count(g.horizon_lines, 'line')}" if g.horizon_lines else "whole functions"
    drawn = f"temperature {g.temperature:g} · top-p {g.top_p:g}"
    return f"{agent_words(g)} · {horizon} · {drawn} · {prompt} · seed {g.seed}"


def written_words(attempt: Attempt) -> str:
    """How many lines were decoded, which samples have none of; "" for none."""
    number = sum(bool(step.tokens) for step in attempt.lines) + attempt.num_dropped
    return f"{count(number, 'line')} decoded" if number else ""


def num_candidates(outcome: Outcome) -> str:
    """``3 candidates``: the distinct programs that ran; "" for none."""
    looked = len({one.program for one in candidates(outcome)})
    is_cut = any(
        attempt.num_dropped or any(step.num_dropped for step in attempt.lines)
        for attempt in outcome.attempts
    )
    return f"{'over ' if is_cut else ''}{count(looked, 'candidate')}" if looked else ""


def run_words(candidate: CandidateRun) -> str:
    """What a candidate's runs did: how many passed and the first thing that went wrong."""
    total = candidate.num_tests
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
        return _why_taken(step)
    if not step.signal:
        return "plain greedy decoding, no signal given"
    if divergence(step) is None:
        return "guided and plain decoding agree on every token"
    return "guidance changed the line"


def _why_taken(step: LineStep) -> str:
    """Which candidate was taken: of all that ran, one that passed the most tests."""
    best = max(step.candidates, key=lambda one: one.num_passed, default=None)
    if best is None:
        return "taken from a candidate"
    passed, total = best.num_passed, best.num_tests
    if passed == total > 0:
        return f"taken from a candidate that passed {'every test' if total > 1 else 'the test'}"
    if step.num_dropped:  # the best one may not be in the record
        return "taken from a candidate"
    if passed == 0:
        return "taken from a candidate; none passed a test"
    return f"taken from the nearest candidate, which passed {passed:,} of {total:,} tests"


def cautions(outcome: Outcome) -> tuple[str, ...]:
    """What its tests leave open of an accepted function, in sentences without outside text."""
    verdict = outcome.verdict
    if verdict is None or not verdict.accepted:
        return ()
    told = [CAUTIONS[one] for one in verdict.cautions]
    lines = [str(line) for line in verdict.unrun_lines[:_MAX_LINES_NAMED]]
    more = len(verdict.unrun_lines) - len(lines)
    if more > 0:
        told.insert(0, f"Lines {', '.join(lines)} and {more:,} more were run by no test.")
    elif len(lines) > 1:
        told.insert(0, f"Lines {', '.join(lines[:-1])} and {lines[-1]} were run by no test.")
    elif lines:
        told.insert(0, f"Line {lines[0]} was run by no test.")
    return tuple(told)


def not_checked(outcome: Outcome) -> tuple[str, ...]:
    """What nobody should read into this report, in full sentences without outside text."""
    found = [
        "Behaviour that no test looks at: other inputs, speed, memory, security, style.",
        "The tests themselves: egbot takes them as the specification, right or wrong.",
    ]
    verdict = outcome.verdict
    if verdict is None:
        found.append("The final check in a fresh sandbox: it was not made for this target.")
    elif not verdict.accepted and not verdict.regressions and not verdict.guard_passed:
        found.append("The rest of the repository: the check had failed before it came to that.")
    elif not _num(outcome, "guard_passed", verdict.guard_passed) and not verdict.regressions:
        found.append("The rest of the repository: no other test was known to pass before.")
    if verdict is not None and verdict.flaky:
        flaky = _num(outcome, "flaky", verdict.flaky)
        found.append(f"{count(flaky, 'test')} changed between repeats (flaky).")
    dropped = sum(test.trace.num_dropped for test in shown(outcome).tests if test.trace)
    if dropped:
        they = "is" if dropped == 1 else "are"
        found.append(f"{count(dropped, 'trace event')} did not fit the limit and {they} not shown.")
    left = len(outcome.left) + outcome.num_dropped("left")
    if left:
        found.append(f"{count(left, 'test')} that egbot left alone.")
    return tuple(found)


def cost(outcome: Outcome, run: Run | None = None) -> tuple[tuple[str, str], ...]:
    """What the target cost, as pairs of a name and a value; what did not happen is left out.

    ``run`` adds what was spent once for all of its targets.
    """
    s = outcome.stats
    times = (
        ("wall time", s.wall_s),
        ("loading the model, once a run", run.stats.load_s if run else 0.0),
        ("sampling candidates", s.sample_s),
        ("running tests", s.execute_s),
        ("decoding lines", s.decode_s),
    )
    numbers = (
        ("tokens generated", s.num_tokens_generated),
        ("tokens forwarded", s.num_tokens_forwarded),
        ("forward passes", s.num_forwards),
        ("test runs", s.num_executions),
        ("test runs answered by the cache", s.num_execution_cache_hits),
    )
    told = [(name, seconds(value_s)) for name, value_s in times if value_s]
    return (*told, *((name, f"{number:,}") for name, number in numbers if number))


def facts(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The numbers at a report's head, as pairs of a name and a value; noughts are left out."""
    passed, total = score(outcome)
    s = outcome.stats
    found = (
        ("Tests", f"{passed:,} of {total:,}", total),
        ("Time", seconds(s.wall_s), s.wall_s),
        ("Tokens", f"{s.num_tokens_generated:,}", s.num_tokens_generated),
        ("Attempts", f"{len(outcome.attempts):,}", len(outcome.attempts)),
        ("Test runs", f"{s.num_executions:,}", s.num_executions),
    )
    return tuple((name, value) for name, value, number in found if number)
