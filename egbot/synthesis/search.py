"""The line loop of EG-CFG: sample, run, render the signal, decode the next line, again.

It sees a DecodeSession and the runs of candidates; it knows neither torch nor Docker. The
algorithm is that of Lavon, Katz and Wolf, "Execution Guided Line-by-Line Code Generation"
(arXiv 2506.10948), section 3.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from egbot.ports import DecodeSession, StopRule
from egbot.progress import CandidatesRun, LineChosen, LineStarted, Tick
from egbot.records import (
    Attempt,
    CandidateRun,
    Finish,
    Guidance,
    GuidedText,
    LineStep,
    Sample,
)
from egbot.synthesis.answer import new_lines, split_body
from egbot.synthesis.completions import is_viable, make_runnable, normalise
from egbot.synthesis.rules import SolutionRule, horizon_rule, line_rule, made
from egbot.synthesis.signal import Wording, better_than_others, render_signal
from egbot.synthesis.task import Task

_LINE_TOKENS = 96
_MEAN_LINE_TOKENS = 16
_MEAN_SAMPLE_TOKENS = 64  # a whole function; SmolLM2's for HumanEval have 56
_LEAST_SAMPLE_TOKENS = 320
_ROUNDS = 4  # no round of samples may take more than this part of what is left
_MAX_LOST_LINES = 1  # a header like `match x:` needs its next line; two in a row never recover
_SEED_STRIDE = 1009  # a prime, so that the seeds of lines and agents do not meet


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look ahead brought: distinct candidates, and all samples as drafts of the line."""

    candidates: tuple[CandidateRun, ...] = ()
    drafts: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()


@dataclass(slots=True)
class _Progress:
    """One attempt while it runs."""

    steps: list[LineStep] = field(default_factory=list)
    best: CandidateRun | None = None
    recycled: tuple[Sample, ...] = ()
    num_cut: int = 0

    def note(self, candidates: Iterable[CandidateRun]) -> None:
        """Remember the candidate that passed the most tests, the first of equals."""
        for candidate in candidates:
            if self.best is None or candidate.num_passed > self.best.num_passed:
                self.best = candidate


def write_function(task: Task, session: DecodeSession, guidance: Guidance) -> Attempt:
    """Let one agent write the function and say how far it came.

    With gamma 0 the signal has no influence, so candidates are drawn once, from the first line on,
    and that is all. The attempt ends when a candidate passes every test, at the function's end, at
    the budget or after ``guidance.max_lines`` lines.
    """
    start_s = time.perf_counter()
    progress = _Progress()
    task.budget.spend(session.usage.num_tokens_forwarded)  # of the prompt, if nobody read it before
    if guidance.gamma == 0.0 and guidance.candidates and guidance.method != "paper":
        finish = _sample_only(task, session, guidance, progress)
    else:
        finish = _decode(task, session, guidance, progress)
        if finish != "candidate":
            finish = _judge(task, session, progress, finish)
    best = progress.best
    return Attempt(
        guidance=guidance,
        finish=finish,
        lines=tuple(progress.steps),
        code=_solution_text(task, best) if best else "",
        num_passed=best.num_passed if best else 0,
        wall_s=time.perf_counter() - start_s,
        num_cut=progress.num_cut,
    )


def _decode(task: Task, session: DecodeSession, guidance: Guidance, progress: _Progress) -> Finish:
    """Write line by line until something ends the attempt.

    "wrong" means that the code is complete, or that it can never become a function again.
    """
    num_lost = 0
    for number in range(1, guidance.max_lines + 1):
        if task.budget.exhausted:
            return "over_budget"
        start_s = time.perf_counter()
        task.report(LineStarted(number, task.frame.code(session.text)))
        look = _Look()
        if guidance.candidates and guidance.gamma > 0:
            look = _explore(task, session, guidance, number, progress.recycled)
            task.report(CandidatesRun(look.candidates))
            solution = _accepted(task, guidance, progress, look)
            if solution is not None:
                progress.best = solution
                taken = new_lines(session.text, solution.text)
                progress.steps.append(
                    LineStep(taken, look.candidates, "", (), time.perf_counter() - start_s)
                )
                return "candidate"
        before = session.text
        step = _write_line(task, session, guidance, look, start_s)
        if step is None:
            return "over_budget"
        progress.recycled = _left_of(look.samples, session.text[len(before) :])
        if step.text:
            progress.steps.append(step)
            task.report(LineChosen(step))
        body, ended = split_body(task.frame, session.text)
        if ended or not step.tokens:
            return "wrong"
        num_lost = 0 if is_viable(task.frame, body) else num_lost + 1
        if num_lost > _MAX_LOST_LINES:
            return "wrong"
    progress.num_cut = 1
    return "max_lines"


def _sample_only(
    task: Task, session: DecodeSession, guidance: Guidance, progress: _Progress
) -> Finish:
    """Draw functions until one passes every test; the best one is the attempt's only step."""
    start_s = time.perf_counter()
    task.report(LineStarted(1, task.frame.code(session.text)))
    max_lines = min(guidance.sample_lines, guidance.max_lines)
    rule = SolutionRule(task, session.text, max_lines, start_s)
    drawn = _draw(task, session, guidance, 1, rule.stop)
    if not guidance.horizon_lines:
        progress.num_cut = rule.num_cut + sum(one.finish == "length" for one in drawn)
    ended = sorted(filter(rule.counts, drawn), key=lambda one: one.num_tokens)  # shortest first
    look = _run(task, session.text, ended, start_s, rule.runs)
    task.report(CandidatesRun(look.candidates))
    solution = _accepted(task, guidance, progress, look)
    progress.best = solution or progress.best
    if progress.best is not None:
        text = new_lines(session.text, progress.best.text)
        wall_s = time.perf_counter() - start_s
        progress.steps.append(LineStep(text, look.candidates, "", (), wall_s))
    if solution is not None:
        return "candidate"
    if task.budget.exhausted or len(drawn) < guidance.candidates:
        return "over_budget"
    return "wrong" if progress.best else "no_code"


def _accepted(
    task: Task, guidance: Guidance, progress: _Progress, look: _Look
) -> CandidateRun | None:
    """A candidate that passes every test, and remember the best; the paper looks at none.

    Of several the one with the fewest lines that no test ran, then the shortest, then the first.
    """
    if guidance.method == "paper":
        return None
    progress.note(look.candidates)
    solving = [one for one in look.candidates if task.runs.solves(one)]
    return min(
        solving,
        key=lambda one: (task.runs.num_unrun_lines(one.program), len(one.program)),
        default=None,
    )


def _explore(
    task: Task,
    session: DecodeSession,
    guidance: Guidance,
    number: int,
    recycled: tuple[Sample, ...],
) -> _Look:
    """Draw candidates from the current position and run the distinct ones on every test.

    What is left of samples that began with the line that was chosen are samples from here: they
    come first, as they did before, and those that have not ended are drawn to the full horizon.
    The paper's method recycles none and uses none as drafts.
    """
    start_s = time.perf_counter()
    stop = horizon_rule(task, session.text, guidance.sample_lines)
    samples = _draw(task, session, guidance, number, stop, recycled)
    look = _run(task, session.text, samples, start_s, {})
    return _Look(look.candidates) if guidance.method == "paper" else look


def _draw(
    task: Task,
    session: DecodeSession,
    guidance: Guidance,
    number: int,
    stop: StopRule,
    recycled: tuple[Sample, ...] = (),
) -> tuple[Sample, ...]:
    """As many samples as the agent wants: the recycled ones first, drawn on unless they ended.

    Samples are drawn side by side, so that the budget must be looked at before: what is left of it
    pays for so many of the usual length, and for one in any case. Greedy rows are all the same, so
    that none of them goes on from another one's text.
    """
    if guidance.temperature <= 0.0:
        recycled = ()
    ended = tuple(one for one in recycled if one.finish == "eos")[: guidance.candidates]
    num_lines = guidance.sample_lines
    usual_tokens = min(num_lines * _MEAN_LINE_TOKENS, _MEAN_SAMPLE_TOKENS)
    num_affordable = max(task.budget.num_tokens_left // usual_tokens, 1)
    num_samples = min(guidance.candidates - len(ended), num_affordable)
    with _booked(task, session):
        drawn = session.sample(
            num_samples,
            temperature=guidance.temperature,
            top_p=guidance.top_p,
            max_tokens=_row_tokens(task, num_lines, num_samples),
            seed=guidance.seed * _SEED_STRIDE + number,
            stop=stop,
            starts=tuple(one.text for one in recycled if one not in ended)[:num_samples],
        )
    return (*ended, *drawn)


def _row_tokens(task: Task, num_lines: int, num_samples: int) -> int:
    """How long a sample may grow: ``num_lines``, as far as the budget pays for such a round."""
    affordable = task.budget.num_tokens_left // (_ROUNDS * max(num_samples, 1))
    longest = num_lines * _MEAN_LINE_TOKENS + _LINE_TOKENS
    return min(longest, max(_LEAST_SAMPLE_TOKENS, affordable))


def _run(
    task: Task,
    written: str,
    samples: Sequence[Sample],
    start_s: float,
    known: Mapping[str, CandidateRun],
) -> _Look:
    """Run the distinct programs that ``samples`` make of what is ``written``.

    As drafts, samples whose programs passed more tests come first. ``known`` are runs of programs
    from before, which are not repeated. When the time is over, at most one more program runs.
    """
    runs: dict[str, CandidateRun] = {}
    ranks: dict[str, int] = {}
    for sample in samples:
        one = made(task, written, sample)
        program = one.program
        if program is not None and program not in runs:
            run = known.get(program)
            if run is None and runs and task.budget.is_late:
                continue
            if run is None:
                run = task.runs.run(one.body, program)
                run = replace(run, ended_s=time.perf_counter() - start_s)
            runs[program] = replace(run, text=one.body, complete=one.complete)
        ranks[sample.text] = runs[program].num_passed if program is not None else -1
    drafts = sorted(ranks, key=lambda text: ranks[text], reverse=True)
    return _Look(tuple(runs.values()), tuple(drafts), tuple(samples))


def _left_of(samples: Iterable[Sample], line: str) -> tuple[Sample, ...]:
    """What is left of the distinct samples that began with ``line``, in their order."""
    left = (
        replace(sample, text=sample.text.removeprefix(line))
        for sample in samples
        if line and sample.text.startswith(line)
    )
    return tuple({one.text: one for one in left if one.text.strip()}.values())


def _write_line(
    task: Task,
    session: DecodeSession,
    guidance: Guidance,
    look: _Look,
    start_s: float,
) -> LineStep | None:
    """Render the candidates' runs and decode one line greedily under that signal.

    None where the budget does not pay for reading the signal: nobody can stop that halfway.
    """
    wording = Wording(guidance.trace, guidance.signal_tokens, task.count_tokens)
    told = look.candidates if guidance.tell == "all" else better_than_others(look.candidates)
    signal = render_signal(told, wording)
    before = session.text
    num_expected = session.cost(signal, max_tokens=_LINE_TOKENS)
    with _booked(task, session, num_expected) as is_paid:
        if not is_paid:
            return None
        guided: GuidedText = session.advance(
            signal=signal,
            gamma=guidance.gamma,
            max_tokens=_LINE_TOKENS,
            stop=line_rule(task, before),
            drafts=look.drafts,
        )
    body, _ = split_body(task.frame, session.text)
    return LineStep(
        text=new_lines(before, body),
        candidates=look.candidates,
        signal=signal,
        tokens=guided.tokens,
        wall_s=time.perf_counter() - start_s,
    )


def _judge(task: Task, session: DecodeSession, progress: _Progress, finish: Finish) -> Finish:
    """Run what was written; it counts also where the budget or the line limit cut it."""
    body, _ = split_body(task.frame, session.text)
    program = make_runnable(task.frame, body)
    if program is None:
        return finish if finish == "over_budget" else "no_code"
    written = task.runs.run(body, program)
    progress.note((written,))
    task.report(CandidatesRun((written,)))
    if task.runs.solves(written):
        progress.best = written
        return "solved"
    return finish


def _solution_text(task: Task, best: CandidateRun) -> str:
    """The candidate as the model wrote it, comments and all, or else its normalised program."""
    written = task.frame.code(best.text)
    is_same = normalise(written) == best.program and task.runs.fits(written)
    return written if is_same else best.program


@contextmanager
def _booked(task: Task, session: DecodeSession, num_expected: int = 0) -> Iterator[bool]:
    """Charge the tokens forwarded inside to the budget and show the new totals.

    The block is told whether the budget has ``num_expected`` left.
    """
    try:
        with task.budget.spending(
            lambda: session.usage.num_tokens_forwarded, num_expected
        ) as is_left:
            yield is_left
    finally:
        task.report(Tick(session.usage, task.budget.elapsed_s))
