"""Owns a run while it goes on: what was asked for, its tools, and all that is known by now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, field, replace

from egbot import __version__
from egbot.config import Settings
from egbot.discovery.probe import probe_of
from egbot.discovery.targets import Key, key_of
from egbot.ports import Decoder, Sandbox
from egbot.progress import Report, Stage, TargetEnded
from egbot.records import (
    SCHEMA_RUN,
    Evidence,
    FailingTest,
    Fault,
    LeftTest,
    Lesson,
    Limits,
    Outcome,
    Patch,
    Probe,
    Run,
    Stats,
    Target,
    Tree,
)
from egbot.report.kept import bounded, limit_bytes
from egbot.synthesis.budget import Budget


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: a repository's files, and optionally which tests and functions.

    ``tests_added`` are the files of ``tree`` that the person's working tree does not have yet,
    ``ignored`` the modules and folders (with a / at the end) that it has and git ignores.
    """

    tree: Tree
    tests: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    tests_added: tuple[Patch, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """The effects of a run: a sandbox, a way to load the model, and where news go.

    ``save`` is called after every stage with all that is known by then, ``check`` with the paths
    that may be written before the model is loaded; what it raises ends the run. ``hand_on`` gets
    the tree with all accepted functions in the end.
    """

    sandbox: Sandbox
    load_decoder: Callable[[], Decoder]
    report: Report
    save: Callable[[Run], None]
    check: Callable[[tuple[str, ...]], None] = lambda _: None
    hand_on: Callable[[Tree], None] = lambda _: None


@dataclass(slots=True)
class State:
    """A run while it goes on.

    ``tree`` is the repository with stubs for all that is missing and every accepted function;
    ``plain`` the same without the stubs, which is what the person gets. ``evidence`` is what
    recorders saw, by test, ``lessons`` what they were given for it, and ``reds`` how a test failed
    all the same; ``skipping`` are those that skip themselves with them. ``early`` are the tests of
    files that could not be collected, by file. ``tried`` says how many functions were written when
    one was tried last.
    """

    request: Request
    settings: Settings
    tools: Tools
    budget: Budget
    tree: Tree
    plain: Tree
    passing: frozenset[str] = frozenset()
    proved: frozenset[str] = frozenset()
    failures: tuple[FailingTest, ...] = ()
    targets: tuple[Target, ...] = ()
    left: tuple[LeftTest, ...] = ()
    unclear: tuple[LeftTest, ...] = ()
    added: tuple[str, ...] = ()
    evidence: dict[str, Evidence] = field(default_factory=dict)
    lessons: tuple[Lesson, ...] = ()
    reds: dict[str, Fault] = field(default_factory=dict)
    skipping: frozenset[str] = frozenset()
    early: dict[str, dict[str, None]] = field(default_factory=dict)
    tried: dict[Key, int] = field(default_factory=dict)
    num_written: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    decoder: Decoder | None = None
    load_s: float = 0.0
    survey_s: float = 0.0

    @property
    def unexplained(self) -> list[FailingTest]:
        """The failing tests that no target needs."""
        needed = {test for one in self.targets for test in one.tests}
        return [one for one in self.failures if one.node_id not in needed]

    def probe(self, tree: Tree) -> Probe:
        """What a sandbox has to know of ``tree`` to let recorders stand in."""
        return probe_of(tree, self.tools.sandbox.project)

    @property
    def limits(self) -> Limits:
        """What one test may use."""
        return replace(self.settings.sandbox.limits, deadline_s=self.budget.deadline_s)

    @property
    def failing(self) -> frozenset[str]:
        """The ids of the failing tests."""
        return frozenset(one.node_id for one in self.failures)

    @property
    def pending(self) -> list[Target]:
        """The targets that a test still needs (others prove nothing) and that were not tried yet.

        One that failed is tried again when another one has been written since.
        """
        failing = self.failing
        return [
            one
            for one in self.targets
            if self.tried.get(key_of(one), -1) < self.num_written
            and not failing.isdisjoint(one.tests)
        ]

    def loaded(self, budget: Budget) -> Decoder:
        """The model, loaded when it is asked for first; as it serves all targets, no ``budget`` pays."""
        if self.decoder is None:
            self.tools.check(tuple(dict.fromkeys(one.path for one in self.targets)))
            self.tools.report(Stage("loading the model", self.settings.model))
            start_s = budget.clock()
            self.decoder = self.tools.load_decoder()
            self.load_s = budget.clock() - start_s
            budget.start_s += self.load_s
        return self.decoder

    def add(self, outcome: Outcome) -> None:
        """Keep of ``outcome`` what its record has room for."""
        self.outcomes.append(bounded(outcome, limit_bytes(len(self.outcomes) + 1)))

    def end(self, target: Target, outcome: Outcome) -> None:
        """Keep the outcome in place of an earlier one of the same function, and tell it."""
        self.outcomes = [
            one
            for one in self.outcomes
            if one.target is None or key_of(one.target) != key_of(target)
        ]
        self.add(outcome)
        self.tools.report(TargetEnded(outcome))
        self.tools.save(self.record())

    def record(self, *, finished: bool = False, detail: str = "") -> Run:
        """All of it that is told to others."""
        stats = total(one.stats for one in self.outcomes)
        stats = replace(stats, wall_s=self.budget.elapsed_s, load_s=self.load_s)
        return Run(
            schema=SCHEMA_RUN,
            egbot=__version__,
            settings=self.settings.model_dump(mode="json"),
            outcomes=tuple(self.outcomes),
            stats=stats,
            finished=finished,
            detail=detail,
            versions={"sandbox": self.tools.sandbox.backend},
            tests_added=self.request.tests_added,
        )


def total(parts: Iterable[Stats]) -> Stats:
    """The sums of all counts and seconds."""
    return Stats(*map(sum, zip(*map(astuple, (Stats(), *parts)), strict=True)))
