"""The values that travel between the rooms: frozen, made of tuples, written as JSON.

No record knows how it was made or who reads it. Times are seconds, paths are POSIX paths relative
to the repository's root, lines count from 1, spans are half-open byte ranges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

SCHEMA_RUN = "egbot.run/1"
SCHEMA_TRACE = "egbot.trace/1"

Status = Literal["passed", "failed", "error", "skipped", "timeout", "crash", "not_run"]
FAILED: frozenset[Status] = frozenset({"failed", "error", "timeout", "crash"})
Reason = Literal[
    "patched",
    "nothing_to_do",
    "no_target",
    "no_patch",
    "rejected",
    "contradictory_tests",
    "over_budget",
    "interrupted",
]
Caution = Literal["unwatched", "one_example", "ignores_arguments"]
Origin = Literal["stub", "missing_name", "missing_member", "missing_module", "named"]

# Bounds that pydantic checks where a record is read; making one checks nothing.
Text = Annotated[str, Field(max_length=65_536)]
LineNumber = Annotated[int, Field(strict=True, ge=0, le=10_000_000)]
Seconds = Annotated[float, Field(strict=True, ge=0, le=1e7)]
Items = partial(Field, fail_fast=True)  # an error for each wrong item would fill the memory

# --- a repository's files ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a snapshot. ``mode`` is git's: 0o100644, 0o100755 or 0o120000 (a link)."""

    data: bytes
    mode: int = 0o100644


Tree = Mapping[str, TreeFile]
"""A snapshot of a repository: path to file. Replaced, never changed in place."""


# --- failing tests ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a traceback that lies inside the repository."""

    path: str
    line: LineNumber
    function: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The exception that ended a test or a module's collection.

    ``attributes`` holds what the exception itself says as strings: ``name`` and ``path`` of an
    ImportError, ``name``, ``owner_type`` and ``owner_name`` (module or class) of an
    AttributeError.
    """

    type_name: str
    message: Text
    frames: Annotated[tuple[Frame, ...], Items(max_length=1_000)] = ()
    attributes: Annotated[tuple[tuple[str, str], ...], Items(max_length=32)] = ()


@dataclass(frozen=True, slots=True)
class FailingTest:
    """A test (or a test module that could not be collected) and why it fails."""

    node_id: str
    phase: Literal["collect", "setup", "call", "teardown"]
    fault: Fault
    status: Status = "failed"


@dataclass(frozen=True, slots=True)
class LeftTest:
    """A failing test that egbot leaves alone, and why."""

    node_id: str
    why: str


# --- targets ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open byte range of a file and the lines (from 1, both included) that it covers."""

    start_byte: int
    end_byte: int
    start_line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Example:
    """A call of a target that really happened, as Python text, and what the test expects of it.

    ``relation`` is one of an Expectation's, or "" where nothing is expected of it; ``expected`` is
    Python text, of "raises" and "warns" the class. ``exact`` says that all of it are literals.
    """

    call: Annotated[str, Field(max_length=2_000)]
    relation: Annotated[str, Field(max_length=40)]
    expected: Annotated[str, Field(max_length=2_000)]
    test: Text
    path: str
    line: LineNumber
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A function to write. ``path`` and ``span`` speak of the file once its stub is in place.

    It is the ``ordinal``-th definition of its name in the file, from 0. ``header`` is the
    definition up to and with its colon (decorators included), dedented; ``docstring`` is the
    docstring's cleaned text or "". ``tests`` are the node ids that need it.
    """

    path: str
    qualname: str
    origin: Origin
    header: str
    docstring: str
    span: Span
    file_sha256: str
    tests: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    ordinal: Annotated[int, Field(strict=True, ge=0, le=100_000)] = 0
    examples: Annotated[tuple[Example, ...], Items(max_length=200)] = ()


# --- prompts and guidance ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request to the model with one slot for the signal.

    Plain: ``head + tail``; conditioned: ``head + signal + tail``. Both are the user's turn; the
    answer starts with ``response_prefix`` (a code fence and the function's header), which the
    model continues.
    """

    system: str
    head: str
    tail: str
    response_prefix: str


@dataclass(frozen=True, slots=True)
class Guidance:
    """One agent's setting. ``gamma`` is the guidance scale: 0 is plain, 1 is the conditioned model.

    ``candidates`` is s, ``horizon_lines`` is d and ``temperature`` is t of the paper. ``method``
    "paper" leaves out all that egbot adds to it: accepting a candidate that passes, recycling
    candidates, using them as drafts, and short signals. ``trace`` says how much of a run the
    signal tells and ``signal_tokens`` how long it may be (0: no limit of its own); ``tell`` "best"
    tells of the candidates that passed more tests than others, and of none where all are equal.
    A sample looks ``horizon_lines`` ahead (0: to the function's end); without guidance that is the
    longest function that an agent draws.
    """

    gamma: float = 1.0
    candidates: int = 3
    horizon_lines: int = 2
    temperature: float = 0.8
    top_p: float = 0.95
    max_lines: int = 80
    seed: int = 0
    style: Literal["plain", "few_shot", "long_code"] = "plain"
    method: Literal["egbot", "paper"] = "egbot"
    trace: Literal["full", "final", "whole"] = "full"
    signal_tokens: int = 0
    tell: Literal["all", "best"] = "all"

    @property
    def sample_lines(self) -> int:
        """How many lines a sample looks ahead."""
        return self.horizon_lines or self.max_lines


@dataclass(frozen=True, slots=True)
class Sample:
    """Text that the model wrote from one position. ``finish`` says what ended it."""

    text: str
    num_tokens: int
    finish: Literal["stop", "eos", "length"]


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """One guided token: its natural-log probability on both sides and the plain side's favourite."""

    text: str
    logp_plain: float
    logp_conditioned: float
    plain_choice: str


@dataclass(frozen=True, slots=True)
class GuidedText:
    """Text that was decoded greedily from the guided distribution."""

    text: str
    tokens: tuple[TokenChoice, ...]
    finish: Literal["stop", "eos", "length"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What the model has done so far; seconds are wall time inside the engine.

    ``num_guided_tokens`` were written under guidance, with gamma above 0;
    ``num_draft_tokens_accepted`` came without a step of their own, because a draft foretold them
    (the line loop gives drafts to guided agents alone).
    """

    num_forwards: int = 0
    num_tokens_forwarded: int = 0
    num_tokens_generated: int = 0
    sample_s: float = 0.0
    decode_s: float = 0.0
    num_guided_tokens: int = 0
    num_draft_tokens_accepted: int = 0


# --- execution --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """What one test may use. ``max_events`` and ``max_repr_chars`` bound its trace.

    ``deadline_s``, on the clock of ``time.monotonic``, is for all of them: when it comes, what runs
    is stopped, and tests that have no result by then have not run.
    """

    test_s: float = 5.0
    memory_bytes: int = 1024 * 1024 * 1024
    file_bytes: int = 64 * 1024 * 1024
    max_events: int = 2000
    max_repr_chars: int = 120
    output_chars: int = 4000
    deadline_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Program:
    """A candidate: the whole text of one file in which the function ``qualname`` is new.

    Of several definitions of that name ``ordinal`` tells which, from 0 (None: the last).
    """

    path: str
    qualname: str
    source: str
    ordinal: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of one file's text. Columns count UTF-8 bytes from 0, the last one is not in it."""

    path: str
    line: LineNumber
    column: LineNumber = 0
    end_line: LineNumber = 0
    end_column: LineNumber = 0


@dataclass(frozen=True, slots=True)
class StubPlace:
    """A function whose body is to be written: the ``ordinal``-th definition of its name, from 0.

    One that is ``silent`` returns instead of raising: it may be meant so.
    """

    path: str
    qualname: str
    ordinal: int = 0
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Lesson:
    """Another way to stand in for something missing, for one test ("": for all).

    ``kind`` and ``key`` are the sandbox's own words, which it gave as a suggestion.
    """

    kind: str
    key: str
    value: Text = ""
    test: Text = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a sandbox needs to know to put recorders in place of all that is missing.

    ``own`` are top-level import names that the repository provides, whatever else is installed by
    that name; ``declared`` are those of its dependencies, which nothing stands in for. No recorder
    takes the place of anything in ``test_paths``; a new top-level module goes to the folder ``root``,
    and ``packages`` are those that stand in a folder of another name.
    ``lessons`` hold while tests are collected, too.
    """

    own: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    test_paths: tuple[str, ...] = ()
    stubs: tuple[StubPlace, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    root: str = ""
    packages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A value that a recorder met: its repr (cut), its type's name, and itself where it is literal.

    ``literal`` is Python text that can be read back, "" without one. ``who`` is set where the value
    is a recorder itself.
    """

    text: Annotated[str, Field(max_length=400)]
    type_name: Annotated[str, Field(max_length=200)]
    literal: Annotated[str, Field(max_length=2_000)] = ""
    who: Annotated[str, Field(max_length=400)] = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a test expects of a call's result, or of what ``via`` (``.x``, ``[0]``) leads to from it.

    What a loop gives is reached by ``.__iter__()[0]``, what ``next`` gives by ``.__next__()[0]``.
    ``relation``: eq ne lt le gt ge is approx contains lacks true false isinstance len int str repr
    raises warns unpacks iterates shows (a doctest's text) prints (to the standard output), or
    "argument N becomes" with N from 0. Only what an assertion asks counts as expected.
    """

    via: Annotated[str, Field(max_length=200)]
    relation: Annotated[str, Field(max_length=40)]
    value: Seen
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """One thing that happened to a recorder.

    ``who`` is a path: ``module:qualname`` and then steps ``.name``, ``()``, ``[key]``; a stub's one
    that is not the first of its name has ``@ordinal`` behind the qualname. ``kind``: module, name,
    member, stub (it was asked for and is missing); call get set delete item iterate enter await
    subclass decorate class operator, raise (where a block is given one) (it took part in that). ``detail`` says more: of a module
    "missing", or "exists" where others speak of it (``place`` is its file); of a name "star"; of a
    stub "silent"; of a member "instance" or "class" and "called" or "read", or "setter" or
    "deleter"; of class the base's name ("Exception", "dataclass", "metaclass"); of subclass
    "keywords" where there are some; of an operator its name; of a call
    "instance" or "class" for a method, then "misfit" where the stub's signature does not take it, or
    "coroutine" where it was awaited.
    """

    kind: Annotated[str, Field(max_length=20)]
    who: Annotated[str, Field(max_length=400)]
    detail: Annotated[str, Field(max_length=200)] = ""
    place: Place | None = None
    function: Annotated[str, Field(max_length=400)] = ""
    args: Annotated[tuple[Seen, ...], Items(max_length=40)] = ()
    kwargs: Annotated[tuple[tuple[str, Seen], ...], Items(max_length=40)] = ()
    expected: Annotated[tuple[Expectation, ...], Items(max_length=20)] = ()


@dataclass(frozen=True, slots=True)
class Entered:
    """A function of the repository that a test entered, by the line on which its definition begins."""

    path: str
    qualname: Annotated[str, Field(max_length=400)]
    line: LineNumber


@dataclass(frozen=True, slots=True)
class Evidence:
    """What recorders saw during one test, or while tests were collected. Nothing of it is believed.

    ``suggestions`` are what to try next, the surest first. ``progress`` grows where a test came
    further: its own last line, then how much happened. ``notes`` name what could not be followed.
    """

    sights: Annotated[tuple[Sight, ...], Items(max_length=2_000)] = ()
    entered: Annotated[tuple[Entered, ...], Items(max_length=2_000)] = ()
    suggestions: Annotated[tuple[Lesson, ...], Items(max_length=40)] = ()
    progress: tuple[LineNumber, LineNumber] = (0, 0)
    notes: Annotated[tuple[Annotated[str, Field(max_length=400)], ...], Items(max_length=40)] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """Run ``tests`` (node ids) with ``program`` in place of its file, or untouched without one.

    Unless it is ``patient``, a test that runs out of time ends the job: the others are not run.
    ``lessons`` are for a sandbox that was opened with a probe.
    """

    tests: tuple[str, ...]
    program: Program | None = None
    trace: bool = True
    limits: Limits = Limits()
    patient: bool = True
    lessons: tuple[Lesson, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """One step of the traced function.

    ``call``: ``changes`` are the arguments. ``line``: ``changes`` are the variables that running
    this line changed. ``return``: ``value`` is the result's repr. ``exception``: ``value`` is
    ``Type: message``. ``line`` is a line of the candidate's file; ``depth`` counts nested calls.
    """

    kind: Literal["call", "line", "return", "exception"]
    function: str
    line: LineNumber
    depth: Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
    changes: Annotated[tuple[tuple[str, str], ...], Items(max_length=10_000)] = ()
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What the target did during one test; ``num_dropped`` events did not fit the limit.

    ``lines`` are the lines of its file that ran, those of dropped events too; None where that is
    not known, because tracing ended long before the test.
    """

    events: Annotated[tuple[TraceEvent, ...], Items(max_length=1_000_000)]
    num_dropped: Annotated[int, Field(strict=True, ge=0)] = 0
    lines: Annotated[tuple[LineNumber, ...], Items(max_length=100_000)] | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The failing assertion: its source text and, where it compares, the two sides' reprs."""

    source: Text
    left: Text | None = None
    operator: Annotated[str, Field(max_length=64)] | None = None
    right: Text | None = None


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """What one test did in one run."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    node_id: str
    status: Status
    phase: Literal["setup", "call", "teardown"] = "call"
    duration_s: Seconds = 0.0
    fault: Fault | None = None
    comparison: Comparison | None = None
    output: Annotated[str, Field(max_length=1_000_000)] = ""
    trace: Trace | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """One job's result: an outcome for each test asked for, in that order.

    ``status`` is about the run: ``invalid`` means that the program does not compile or could not
    be put in place (``detail`` says why), ``protocol_error`` that the sandbox sent what it must
    not send.
    """

    status: Literal["ok", "timeout", "oom", "crash", "invalid", "protocol_error"]
    outcomes: tuple[TestOutcome, ...]
    detail: str = ""
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Collection:
    """What pytest found: the tests' node ids and the modules that could not be collected.

    ``unaskable`` are the beginnings of ids that are too long to ask for, or no text. ``renamed``
    are the functions with tests that go by the ids of an earlier collection, since theirs are
    others. ``switched_off`` are the repository's own options of pytest that the sandbox does
    without. ``evidence`` is what recorders saw meanwhile, in a sandbox that was opened with a probe.
    """

    node_ids: tuple[str, ...]
    errors: tuple[FailingTest, ...] = ()
    python_version: str = ""
    pytest_version: str = ""
    unaskable: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    switched_off: tuple[str, ...] = ()
    evidence: Evidence | None = None


# --- synthesis --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CandidateRun:
    """One distinct candidate and what its run did.

    ``ended_s`` is when that was known, in seconds since its line began. One that is not
    ``complete`` was cut at the horizon: that it returns nothing yet says little. ``num_dropped``
    executions were left out of the record.
    """

    text: str
    program: str
    executions: tuple[TestOutcome, ...]
    num_passed: int
    detail: str = ""
    ended_s: float = 0.0
    complete: bool = True
    num_dropped: int = 0

    @property
    def num_tests(self) -> int:
        """How many tests it was run on."""
        return len(self.executions) + self.num_dropped


@dataclass(frozen=True, slots=True)
class LineStep:
    """One line of the answer: the candidates looked at, the signal given and the line chosen.

    ``num_dropped`` candidates were left out of the record.
    """

    text: str
    candidates: tuple[CandidateRun, ...]
    signal: str
    tokens: tuple[TokenChoice, ...]
    wall_s: float
    num_dropped: int = 0


Finish = Literal["solved", "candidate", "wrong", "max_lines", "no_code", "over_budget", "stopped"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One agent's try at the function.

    ``finish``: ``solved`` (its own end passes every target test), ``candidate`` (a candidate
    passed on the way), ``wrong`` (complete, but tests fail), ``max_lines``, ``no_code``,
    ``over_budget``, ``stopped``. ``num_cut`` whole functions were cut at the longest that was allowed.
    ``num_dropped`` lines were left out of the record.
    """

    guidance: Guidance
    finish: Finish
    lines: tuple[LineStep, ...]
    code: str
    num_passed: int
    wall_s: float
    num_cut: int = 0
    num_dropped: int = 0


# --- the verdict and the outcome ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a fresh sandbox said of the patch.

    ``regressions`` are tests that passed before and do not now; ``flaky`` changed between repeats.
    ``proof`` are the target tests that fail without the function, ``unsteady`` those that were left
    out, because their number changes with every collection. ``unrun_lines`` are lines of the
    file, in the accepted function, that no target test ran. ``cautions``: no target test was seen
    running it (``unwatched``), they call it with one example only, its result has nothing to do
    with its arguments.
    """

    accepted: bool
    target_passed: tuple[str, ...]
    guard_passed: tuple[str, ...]
    regressions: tuple[str, ...] = ()
    vetoes: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    proof: tuple[str, ...] = ()
    unsteady: tuple[str, ...] = ()
    unrun_lines: tuple[int, ...] = ()
    cautions: tuple[Caution, ...] = ()


@dataclass(frozen=True, slots=True)
class Patch:
    """The change to one file; ``base_sha256`` is of the file before it ("" for a new file)."""

    path: str
    base_sha256: str
    unified_diff: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Stats:
    """Seconds by the clock and counts, for one outcome or (added up) for a whole run."""

    wall_s: float = 0.0
    load_s: float = 0.0
    sample_s: float = 0.0
    execute_s: float = 0.0
    decode_s: float = 0.0
    num_forwards: int = 0
    num_tokens_forwarded: int = 0
    num_tokens_generated: int = 0
    num_executions: int = 0
    num_execution_cache_hits: int = 0
    num_guided_tokens: int = 0
    num_draft_tokens_accepted: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything about one target: what was tried, what came of it and what it cost.

    ``dropped`` says of which lists (of this record, its target or its verdict) how many entries
    were left out, by the lists' names. ``unwritten`` are functions (PATH::NAME) that candidates came to
    and that raise NotImplementedError themselves.
    """

    reason: Reason
    target: Target | None
    failing: tuple[str, ...]
    patch: Patch | None = None
    verdict: Verdict | None = None
    attempts: tuple[Attempt, ...] = ()
    stats: Stats = Stats()
    detail: str = ""
    left: tuple[LeftTest, ...] = ()
    evidence: tuple[TestOutcome, ...] = ()
    dropped: tuple[tuple[str, int], ...] = ()
    unwritten: tuple[str, ...] = ()

    def num_dropped(self, name: str) -> int:
        """How many entries of the list ``name`` were left out."""
        return dict(self.dropped).get(name, 0)


@dataclass(frozen=True, slots=True)
class Trigger:
    """What on GitHub asked for a run, as its event told it; whoever posts asks again.

    ``repository`` is ``owner/name``; ``number`` is of the pull request or issue; ``comment`` is
    ``("issue" | "review", id)``; ``command`` holds the words after ``/egbot``; ``happened_at`` is
    ISO 8601 in UTC. ``head_sha`` is the commit that the function was written for.
    """

    event: str
    kind: Literal["pull_request", "issue", "manual"]
    repository: str
    actor: str
    number: int | None = None
    head_sha: str = ""
    label: str = ""
    comment: tuple[Literal["issue", "review"], int] | None = None
    command: tuple[str, ...] = ()
    text: str = ""
    happened_at: str = ""
    workflow_run_id: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One call of egbot: what run.json holds.

    ``tests_added`` are test files that came with the request (an issue's text) and go with the
    functions that they asked for.
    """

    schema: str
    egbot: str
    settings: Mapping[str, object]
    outcomes: tuple[Outcome, ...] = ()
    stats: Stats = Stats()
    finished: bool = False
    detail: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    tests_added: tuple[Patch, ...] = ()
    trigger: Trigger | None = None
