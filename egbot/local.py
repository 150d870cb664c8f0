"""A run on this machine: a working tree in, run.json and reports out, patches applied on request.

It brings the effects together (git, sandbox, model, disk) and leaves the order to the pipeline.
"""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath

from egbot import __version__
from egbot.bounds import check_places, refuse_links
from egbot.config import Settings
from egbot.consent import refuse_forbidden, settings_of
from egbot.deadline import ended_after
from egbot.engine.model import check_model, load
from egbot.errors import EgbotError, UsageError
from egbot.execution.options import options_of
from egbot.execution.select import choose
from egbot.intake.failures import from_root, selected_tests, within
from egbot.intake.issue import named_tests, tests_in_issue
from egbot.intake.junit import junit_failures
from egbot.output import Saver, held
from egbot.pipeline import check_request
from egbot.ports import Decoder, Sandbox
from egbot.progress import Report, Stage
from egbot.records import SCHEMA_RUN, Patch, Run, Stats, Tree, TreeFile, Trigger
from egbot.repository import (
    Repository,
    check_identity,
    ignored_modules,
    open_repository,
    snapshot,
)
from egbot.rootdirs import chosen
from egbot.source.diff import unified_diff
from egbot.state import Request, Tools
from egbot.synthesis.budget import Budget
from egbot.turns import naming, solve_each
from egbot.written import check_clean, write_patches

_ISSUE_TESTS = "tests/test_from_issue.py"


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for. ``overrides`` are settings as the command line gave them.

    ``settings``, where given, stand for those of the working tree's own pyproject.toml; they hold
    ``overrides`` already, which then only say what was named. ``trigger`` is what on GitHub asked.
    ``tests`` and ``targets`` may be named from ``folders``, the first of which counts most.
    """

    repository: Path
    output: Path
    overrides: Mapping[str, object]
    tests: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    junit: Path | None = None
    issue_text: Path | None = None
    apply: bool = False
    commit: bool = False
    settings: Settings | None = None
    trigger: Trigger | None = None
    folders: tuple[Path, ...] = ()


def run_order(order: Order, report: Report, effects: Effects | None = None) -> Run:
    """Carry out ``order`` and return the run, which lies in ``order.output`` too.

    ``effects`` are the real ones unless a test brings its own. Raises what the rooms raise:
    UsageError, SurroundingsError and InterruptedRunError.
    """
    effects = effects or Effects()
    start_s = time.monotonic()
    repository = open_repository(order.repository)
    report(Stage("reading the repository", repository.root.name))
    tree = snapshot(repository, note=lambda text: report(Stage("reading the repository", text)))
    repository = within(repository, tree, order.repository)
    settings = order.settings or settings_of(tree, order.overrides, repository.root)
    refuse_forbidden(settings, order.overrides, repository.root)
    refuse_links(order.output, repository.root)
    request = replace(
        _request(order, tree, repository, report), ignored=_ignored(repository, report)
    )
    budget = Budget(settings.max_seconds, settings.max_tokens, time.monotonic)
    budget.start_s = start_s
    check_request(request, settings)
    effects.check_model(settings)
    if order.commit:
        check_identity(repository)
    with held(order.output):
        run = _solved(order, (request, settings, budget), repository, report, effects)
        if order.apply or order.commit:
            try:
                write_patches(repository, run, is_commit=order.commit)
            except EgbotError as error:
                error.hint += f"{'; ' if error.hint else ''}the patches lie in {order.output}"
                raise
    return run


def _solved(
    order: Order,
    work: tuple[Request, Settings, Budget],
    repository: Repository,
    report: Report,
    effects: Effects,
) -> Run:
    """The run, saved in every stage; an earlier one makes room as soon as there is a sandbox."""
    request, settings, budget = work
    saver = Saver(order.output, lambda run: _complete(run, order.trigger))
    start = _unfinished(settings, "the run has begun; nothing is known yet")
    meant = chosen(request.tree, repository.folder, request.tests, request.targets)

    @cache
    def load_decoder() -> Decoder:
        with ended_after(budget.left_s, "loading the model"):
            return effects.load_decoder(settings, report)

    def check(paths: tuple[str, ...]) -> None:
        if order.apply or order.commit:
            check_places(repository.root, paths)
        if order.commit:
            check_clean(repository, paths)

    def tools_of(project: str, tree: Tree) -> Tools:
        tell = naming(report, project) if project or len(meant) > 1 else report
        with ended_after(budget.left_s, "building the environment of the tests"):
            own = repository._replace(folder=project)
            sandbox = effects.make_sandbox(settings, tree, own, tell)
        if not saver.has_begun:
            saver.begin(start)
        return Tools(sandbox, load_decoder, tell, saver.save, check)

    run = solve_each(meant, request, settings, tools_of, budget, start)
    saver.save(run)
    return saver.complete(run)


# --- what is asked for -------------------------------------------------------------------------


def _request(order: Order, tree: Tree, repository: Repository, report: Report) -> Request:
    """What is asked for, of the tests and of the issue. Raises UsageError."""
    root = repository.root
    tests = selected_tests(from_root(order.tests, tree, root, order.folders), tree)
    targets = from_root(order.targets, tree, root, order.folders)
    if order.junit is not None:
        failing = junit_failures(_read(order.junit), order.junit.name, tree, repository.folder)
        tests += tuple(one.node_id for one in failing)
        if not failing:
            raise UsageError(
                f"{order.junit.name} reports no failing test", hint="give a report of a failed run"
            )
    if order.issue_text is None:
        return Request(tree, tests, targets)
    issue = tests_in_issue(_read(order.issue_text).decode("utf-8", "replace"))
    if not issue.blocks and not issue.named:
        raise UsageError(
            f"{order.issue_text.name} holds no test and names none",
            hint="put a test into a ```python block, or write its path (tests/test_it.py)",
        )
    named, problems = named_tests(issue, tree, repository.folder)
    for problem in problems:
        report(Stage("reading the issue", f"left out: {problem}"))
    if not issue.blocks and not named:
        raise UsageError(
            f"no test that {order.issue_text.name} names is in the repository: {problems[0]}",
            hint="write the tests' paths as git has them (tests/test_it.py::test_it)",
        )
    tests += named
    if not issue.blocks:
        return Request(tree, tests, targets)
    meant = chosen(tree, repository.folder, (), targets)
    patch, tree = _with_tests(tree, "\n\n".join(issue.blocks), meant)
    return Request(tree, (*tests, patch.path), targets, (patch,))


def _ignored(repository: Repository, report: Report) -> tuple[str, ...]:
    """The modules that git ignores; those that lie beside others are named, as tests may need them."""
    ignored = ignored_modules(repository)
    files = [one for one in ignored if not one.endswith("/")]
    if files:
        more = f" and {len(files) - 5} more" if len(files) > 5 else ""
        text = f"left out, as git ignores them: {', '.join(files[:5])}{more}"
        report(Stage("reading the repository", text))
    return ignored


def _with_tests(tree: Tree, text: str, projects: Iterable[str]) -> tuple[Patch, Tree]:
    """The tree with a test file that holds ``text``, under a name that is free, and its patch.

    It lies in that of the ``projects`` which has most of the modules that the text imports.
    """
    names = set(re.findall(r"(?m)^\s*(?:from|import)\s+(\w+)", text))

    def num_provided(project: str) -> int:
        held = [f"/{path}" for path in tree if path.startswith(project)]
        return sum(any(re.search(rf"/{name}(/|\.py$)", one) for one in held) for name in names)

    stem = str(PurePosixPath(max(projects, key=num_provided), _ISSUE_TESTS.removesuffix(".py")))
    path, number = f"{stem}.py", 1
    while path in tree:
        number += 1
        path = f"{stem}_{number}.py"
    data = text.encode()
    patch = Patch(path, "", unified_diff(path, None, data), text)
    return patch, {**tree, path: TreeFile(data)}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", hint="check the path"
        ) from error


# --- effects -----------------------------------------------------------------------------------


def _sandbox(settings: Settings, tree: Tree, repository: Repository, report: Report) -> Sandbox:
    options = replace(options_of(settings.sandbox), project=repository.folder)
    return choose(tree, options, lambda text: report(Stage("sandbox", text)), root=repository.root)


def _check_model(settings: Settings) -> None:
    check_model(settings.model)


def _decoder(settings: Settings, report: Report) -> Decoder:
    return load(settings.model, settings.device, report=lambda text: report(Stage("model", text)))


@dataclass(frozen=True, slots=True)
class Effects:
    """How a run gets its sandbox and its model, and knows early that it will have one."""

    make_sandbox: Callable[[Settings, Tree, Repository, Report], Sandbox] = _sandbox
    load_decoder: Callable[[Settings, Report], Decoder] = _decoder
    check_model: Callable[[Settings], None] = _check_model


def _complete(run: Run, trigger: Trigger | None) -> Run:
    """The run with what the pipeline does not know: versions, and who asked for it."""
    return replace(run, versions={**run.versions, **versions()}, trigger=trigger)


def _unfinished(settings: Settings, detail: str) -> Run:
    """The record of a run of which nothing more is known than ``detail``."""
    return Run(
        schema=SCHEMA_RUN,
        egbot=__version__,
        settings=settings.model_dump(mode="json"),
        outcomes=(),
        stats=Stats(),
        finished=False,
        detail=detail,
    )


def versions() -> dict[str, str]:
    """The versions that decide what a run does; a package that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in ("torch", "transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
