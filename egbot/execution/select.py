"""Owns the choice of the sandbox's backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from egbot.bounds import is_below
from egbot.errors import SandboxError
from egbot.execution.bubblewrap import bubblewrap_sandbox
from egbot.execution.build import built_base
from egbot.execution.cache import cache_folder
from egbot.execution.containers import docker_sandbox
from egbot.execution.docker_engine import find_engine
from egbot.execution.environment import choose_interpreter
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.process import process_sandbox
from egbot.ports import Sandbox
from egbot.projects import find_project
from egbot.records import Tree


def choose(
    tree: Tree, options: SandboxOptions, report: Report, *, root: Path | None = None
) -> Sandbox:
    """Prepare the backend that ``options`` name, or the safest that works here (``auto``).

    ``root`` is the folder of the repository on disk; nothing kept below it is used. Raises
    SandboxError or SpaceError; ``auto`` never falls back to a backend that isolates nothing.
    """
    if root is not None and is_below(cache_folder(options), root):
        raise SandboxError(
            f"the cache {cache_folder(options)} lies in the repository, which could have filled it",
            hint="set EGBOT_CACHE to a folder outside",
        )
    for one in find_project(tree, options.project)[1]:
        report(f"{one.path}: {one.why}")

    def docker() -> Sandbox:
        if not options.dockerfile:
            return docker_sandbox(tree, options, report)
        find_engine()
        image = built_base(tree, options.dockerfile, report)
        return docker_sandbox(tree, replace(options, image=image), report)

    def bubblewrap() -> Sandbox:
        _check_no_image(options, report)
        return bubblewrap_sandbox(tree, root, options, report)

    def process() -> Sandbox:
        _check_no_image(options, report)
        report("the process sandbox isolates nothing: use it only for code that you trust")
        interpreter = choose_interpreter(options, tree, root, report)
        return process_sandbox(str(interpreter.path), options, interpreter.left_out)

    if options.backend != "auto":
        return {"docker": docker, "bubblewrap": bubblewrap, "process": process}[options.backend]()
    if options.python is None and (options.dockerfile or options.setup):
        return docker()  # the others refuse; its own error says more
    return _first_that_works({"Docker": docker, "bubblewrap": bubblewrap}, report)


def _first_that_works(ways: Mapping[str, Callable[[], Sandbox]], report: Report) -> Sandbox:
    reasons, hint = [], ""
    for name, way in ways.items():
        try:
            return way()
        except SandboxError as error:
            reasons.append(f"{name}: {error.message}")
            hint = error.hint  # bubblewrap's, which says what is wrong with this machine
            report(f"{name} is not used: {error.message}")
    raise SandboxError(
        "no sandbox could be had. " + "; ".join(reasons),
        hint=f"{hint}; egbot doctor looks again. Code that you trust can run without a sandbox: "
        "--sandbox process",
    )


def _check_no_image(options: SandboxOptions, report: Report) -> None:
    """Refuse what only an image can give; who names an interpreter has seen to it."""
    asked = [name for name in ("dockerfile", "setup") if getattr(options, name)]
    what = f"[tool.egbot.sandbox] {' and '.join(asked)}"
    if asked and options.python is None:
        raise SandboxError(
            f"{what} of the repository can only be carried out with Docker",
            hint="use --sandbox docker, or prepare an environment by hand and name it with "
            "--python PATH",
        )
    if asked:
        report(f"{what} is left out: {options.python} is used as it is")
