"""Writes one function: prompt, agents, runs, verdict, and the patch for an accepted one.

It knows one target; which target comes next and what is saved is the pipeline's business.
"""

from __future__ import annotations

import ast
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

from egbot.config import Settings
from egbot.errors import ModelError
from egbot.nodeids import files_of
from egbot.ports import Decoder, DecodeSession, GroupDecoder, Sandbox, SessionGroup
from egbot.progress import Report, Stage
from egbot.prompt import make_prompt
from egbot.records import (
    Attempt,
    Fault,
    Guidance,
    LeftTest,
    Lesson,
    Limits,
    Outcome,
    Patch,
    Probe,
    Prompt,
    Reason,
    Stats,
    Target,
    TestOutcome,
    Tree,
    TreeFile,
    Verdict,
)
from egbot.report.text import count
from egbot.source.contradictions import contradictions
from egbot.source.diff import unified_diff
from egbot.source.edit import Slot, insert, prepare
from egbot.source.excerpt import class_preamble, excerpt_of_tests, surroundings
from egbot.source.outline import describe, find, read_outline
from egbot.synthesis.agents import Gather, schedule, try_agents
from egbot.synthesis.answer import Frame, make_frame
from egbot.synthesis.budget import Budget
from egbot.synthesis.completions import normalise
from egbot.synthesis.runs import Runs
from egbot.synthesis.task import Task
from egbot.synthesis.together import Open
from egbot.synthesis.trimming import trimmed
from egbot.verify import Claim, parted, vanished, verify

_MAX_NAMED = 10
_UNSTEADY = "was left out: its function has another number of tests with every collection"
_EXCERPT_CHARS = 1600
_LEAST_EXCERPT_CHARS = 400


@dataclass(frozen=True, slots=True)
class Workbench:
    """One target with all that is needed to write it. ``guards`` must go on passing.

    ``trims`` says whether what no test ran is left out of an accepted function. ``budget`` is for
    writing it; the proof has until the deadline of ``limits``. ``reds`` are tests that fail with a
    recorder in the function's place, and how. With ``standins``, recorders stand in for other
    functions that are not written either, and nothing is proved yet.
    """

    tree: Tree
    target: Target
    tests: tuple[str, ...]
    guards: tuple[str, ...]
    settings: Settings
    sandbox: Sandbox
    limits: Limits
    budget: Budget
    report: Report
    trims: bool = True
    reds: Mapping[str, Fault] = field(default_factory=dict)
    standins: Standins | None = None


@dataclass(frozen=True, slots=True)
class Standins:
    """What recorders need to stand in for others, and the programs that did not serve these."""

    probe: Probe
    lessons: tuple[Lesson, ...] = ()
    refused: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Result:
    """What the attempts have brought so far; ``code`` is the accepted function."""

    attempts: list[Attempt]
    sessions: list[DecodeSession]
    code: str | None = None
    verdict: Verdict | None = None
    evidence: tuple[TestOutcome, ...] = ()
    red: Mapping[str, str] = field(default_factory=dict)


def write_target(
    bench: Workbench, load_decoder: Callable[[], Decoder]
) -> tuple[Outcome, str | None]:
    """Try until the function is proved or the budget ends; the outcome and the accepted code.

    The outcome has no patch yet: that depends on the files that the person has.
    """
    start_s = time.perf_counter()
    clashes = contradictions(bench.target, bench.tree, bench.tests)
    if clashes:
        detail = "no function can pass both: " + "; ".join(clashes)
        return Outcome("contradictory_tests", bench.target, bench.tests, detail=detail), None
    slot = _slot(bench.tree[bench.target.path].data, bench.target)
    frame = _frame(slot, bench.target, bench.tree)
    modules = files_of(bench.tests)
    if bench.target.path in modules:
        modules = ()  # examples in docstrings: pytest rewrites a file that is named by itself
    decoder = load_decoder()
    bench.report(
        Stage("opening the sandbox", f"{bench.sandbox.backend}, {count(len(bench.tests), 'test')}")
    )
    limits = replace(bench.limits, deadline_s=bench.budget.deadline_s)
    standins = bench.standins or Standins(Probe())
    probe = standins.probe if bench.standins else None
    with bench.sandbox.open(bench.tree, modules, limits, probe) as executor:
        tests, unsteady = parted(bench.tests, vanished(executor.collection, bench.tests))
        if unsteady and not tests:
            detail, left = "none of its tests can be asked for again", _left(unsteady)
            return Outcome("no_patch", bench.target, unsteady, detail=detail, left=left), None
        bench = replace(bench, tests=tests)
        before = bench.tree[bench.target.path].data
        runs = Runs(executor, slot, before, bench.target, tests, limits, bench.reds)
        runs.lessons, runs.refused = standins.lessons, standins.refused
        runs.allow = bench.settings.guard.allow
        with closing(runs):
            task = Task(frame, runs, bench.budget, bench.report, decoder.count_tokens)
            result = _attempt(bench, task, decoder)
    outcome = _outcome(bench, result, _stats(result, runs, time.perf_counter() - start_s))
    outcome = replace(outcome, unwritten=tuple(sorted(runs.unwritten)))
    return replace(outcome, left=(*_left(unsteady), *outcome.left)), result.code


def _attempt(bench: Workbench, task: Task, decoder: Decoder) -> _Result:
    """Let the agents try; the first function that a fresh sandbox accepts ends it."""
    result = _Result([], [])

    def opener(source: Decoder | SessionGroup) -> Open:
        def open_session(guidance: Guidance) -> DecodeSession:
            session = _open(bench, task.frame, source, guidance)
            result.sessions.append(session)
            return session

        return open_session

    gather = _gathering(decoder, opener) if isinstance(decoder, GroupDecoder) else None
    settings = bench.settings
    stages = schedule(settings.guidance, settings.seed, settings.max_lines)
    for attempt in try_agents(task, stages, opener(decoder), gather):
        result.attempts.append(attempt)
        if attempt.finish not in {"solved", "candidate"}:
            continue
        slot = task.runs.slot
        if bench.standins:
            result.code = slot.settled(attempt.code)
            return result
        shortest = trimmed(task.runs, attempt.code) if bench.trims else attempt.code
        for code in dict.fromkeys(map(slot.settled, (shortest, attempt.code))):
            red = _set_apart(task.runs, code)
            tests = tuple(test for test in bench.tests if test not in red)
            result.verdict, result.evidence = prove(bench, slot.fill(code), tests)
            result.red = red
            if result.verdict.accepted:
                result.code = code
                return result
    return result


def _set_apart(runs: Runs, code: str) -> Mapping[str, str]:
    program = normalise(code)
    return runs.set_apart(runs.run(code, program)) if program is not None else {}


def prove(
    bench: Workbench, after: bytes, tests: tuple[str, ...]
) -> tuple[Verdict, tuple[TestOutcome, ...]]:
    """What a fresh sandbox says of the target's file with the function in it."""
    bench.report(Stage("verifying", f"{bench.target.qualname} in a fresh sandbox"))
    claim = Claim(
        tree=bench.tree,
        path=bench.target.path,
        qualname=bench.target.qualname,
        after=after,
        tests=tests,
        guards=tuple(test for test in bench.guards if test not in bench.tests),
        ordinal=bench.target.ordinal,
        allow=bench.settings.guard.allow,
    )
    repeats = bench.settings.verify_repeats
    return verify(bench.sandbox, claim, repeats=repeats, limits=bench.limits)


def _gathering(decoder: GroupDecoder, opener: Callable[[SessionGroup], Open]) -> Gather:
    """Groups of sessions that advance together."""

    @contextmanager
    def gather() -> Iterator[tuple[Open, Callable[[], None]]]:
        with decoder.together() as group:
            yield opener(group), group.cancel

    return gather


def _frame(slot: Slot, target: Target, tree: Tree) -> Frame:
    """What the answer starts with; the docstring of a stub of our own says nothing new."""
    preamble = class_preamble(tree, target)
    if target.origin.startswith("missing"):
        return make_frame(slot.definition.header, "", preamble)
    opening = _opening(slot.definition.code)
    if opening:
        return make_frame(opening, "", preamble)
    return make_frame(slot.definition.header, slot.definition.docstring, preamble)


def _opening(code: str) -> str:
    """``code`` up to the end of its docstring, as the person wrote it; "" without such a place."""
    node = ast.parse(code).body[0]
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ""
    docstring = node.body[0]
    if ast.get_docstring(node) is None or docstring.end_lineno is None:
        return ""
    lines = code.split("\n")[: docstring.end_lineno]
    rest = lines[-1].encode()[docstring.end_col_offset :].strip()
    stands_alone = docstring.lineno > node.lineno and (not rest or rest.startswith(b"#"))
    return "\n".join(lines) if stands_alone else ""


def _open(
    bench: Workbench, frame: Frame, decoder: Decoder | SessionGroup, guidance: Guidance
) -> DecodeSession:
    """Open the prompt; for a model with a short context it shows fewer of the tests."""
    max_chars = _EXCERPT_CHARS
    while True:
        try:
            return decoder.open(_prompt(bench, frame, guidance, max_chars))
        except ModelError:
            if max_chars <= _LEAST_EXCERPT_CHARS:
                raise
            max_chars //= 2


def _prompt(bench: Workbench, frame: Frame, guidance: Guidance, max_chars: int) -> Prompt:
    target = bench.target
    tests = excerpt_of_tests(target, bench.tree, bench.tests, max_chars)
    return make_prompt(
        name=target.qualname,
        opening=frame.opening,
        body_indent=frame.body_indent,
        tests=tests,
        context=surroundings(bench.tree, target, f"{frame.header}\n{tests}"),
        style=guidance.style,
    )


def _outcome(bench: Workbench, result: _Result, stats: Stats) -> Outcome:
    reason: Reason = "no_patch"
    tried = count(len(result.attempts), "attempt")
    detail = f"{tried}, none of which passes the tests and the guard"
    num_cut = sum(one.num_cut for one in result.attempts)
    if num_cut:
        were = "was" if num_cut == 1 else "were"
        detail += (
            f"; {count(num_cut, 'function')} {were} cut before the end (--max-lines, --max-tokens)"
        )
    if result.code is not None:
        reason, detail = "patched", ""
    elif result.verdict is not None and _is_cut(bench, result.verdict):
        reason = "over_budget"
        detail = "a function passed its tests, but the time ended before that was proved"
    elif result.verdict is not None:
        num_tests = len(bench.tests) - len(result.red)
        reason, detail = "rejected", _why_rejected(result.verdict, num_tests)
    elif bench.budget.exhausted or any(one.finish == "over_budget" for one in result.attempts):
        reason, detail = "over_budget", bench.budget.exhausted or bench.budget.too_little
    return Outcome(
        reason=reason,
        target=bench.target,
        failing=bench.tests,
        verdict=result.verdict,
        attempts=tuple(result.attempts),
        stats=stats,
        detail=detail,
        left=(
            *_left(result.verdict.unsteady if result.verdict else ()),
            *(LeftTest(test, why) for test, why in result.red.items()),
        ),
        evidence=result.evidence,
    )


def _left(unsteady: tuple[str, ...]) -> tuple[LeftTest, ...]:
    return tuple(LeftTest(test, _UNSTEADY) for test in unsteady)


def _is_cut(bench: Workbench, verdict: Verdict) -> bool:
    """Whether the time ended in the middle of the proof."""
    return not verdict.vetoes and bench.budget.clock() >= bench.limits.deadline_s


def _why_rejected(verdict: Verdict, num_tests: int) -> str:
    if verdict.vetoes:
        return "the guard has a veto: " + "; ".join(verdict.vetoes)
    if verdict.regressions:
        return "tests that passed before fail: " + _some(verdict.regressions)
    if verdict.flaky:
        return "tests that pass only sometimes: " + _some(verdict.flaky)
    if len(verdict.target_passed) == num_tests and not verdict.proof:
        return "its tests pass without it as well, so that they prove nothing"
    return "in a fresh sandbox the tests do not pass"


def _some(node_ids: tuple[str, ...]) -> str:
    more = len(node_ids) - _MAX_NAMED
    return ", ".join(node_ids[:_MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _stats(result: _Result, runs: Runs, wall_s: float) -> Stats:
    usages = [session.usage for session in result.sessions]
    return Stats(
        wall_s=wall_s,
        sample_s=sum(usage.sample_s for usage in usages),
        execute_s=runs.execute_s,
        decode_s=sum(usage.decode_s for usage in usages),
        num_forwards=sum(usage.num_forwards for usage in usages),
        num_tokens_forwarded=sum(usage.num_tokens_forwarded for usage in usages),
        num_tokens_generated=sum(usage.num_tokens_generated for usage in usages),
        num_guided_tokens=sum(usage.num_guided_tokens for usage in usages),
        num_draft_tokens_accepted=sum(usage.num_draft_tokens_accepted for usage in usages),
        num_executions=runs.num_executions,
        num_execution_cache_hits=runs.num_cache_hits,
    )


# --- delivery ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivery:
    """The two trees with the accepted function, and its patch against the person's file."""

    plain: Tree
    tree: Tree
    patch: Patch


def deliver(plain: Tree, tree: Tree, target: Target, code: str, added: tuple[str, ...]) -> Delivery:
    """Write ``code`` into ``tree`` (where a stub stands) and into ``plain`` (where none may be).

    ``added`` are PATH::CLASS of definitions that stand complete in ``tree`` and that the target's
    file needs too.
    """
    stubbed = tree[target.path]
    after = _slot(stubbed.data, target).fill(code)
    old = plain.get(target.path)
    new = _written(old.data if old else None, stubbed.data, target, code, added)
    mode = old.mode if old else 0o100644
    patch = Patch(
        path=target.path,
        base_sha256=hashlib.sha256(old.data).hexdigest() if old else "",
        unified_diff=unified_diff(target.path, old.data if old else None, new, mode=mode),
        replacement=code,
    )
    return Delivery(
        plain={**plain, target.path: TreeFile(new, mode)},
        tree={**tree, target.path: TreeFile(after, stubbed.mode)},
        patch=patch,
    )


def _written(
    old: bytes | None, stubbed: bytes, target: Target, code: str, added: tuple[str, ...]
) -> bytes:
    """The person's file with the function in it, and with the classes that it needs."""
    source = old
    outline = read_outline(stubbed)
    for spec in added:
        path, _, name = spec.partition("::")
        made = outline.klass(name) if path == target.path else None
        if made is not None and read_outline(source or b"").klass(name) is None:
            source = insert(source, name, describe(outline, made).code)
    if source is None or find(source, target.qualname, target.ordinal) is None:
        source = insert(source, target.qualname, code)
    return _slot(source, target).fill(code)


def _slot(source: bytes, target: Target) -> Slot:
    return prepare(source, target.qualname, target.path, target.ordinal)
