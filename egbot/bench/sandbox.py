"""Owns the sandbox measurement: warm runs against fresh processes, the tracer, starting, building.

Everything is measured in one run, with the same test and interpreter. It does not know how the
figures are shown.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from docker.errors import APIError

from egbot.bench.sandbox_figures import LoopTimes, SandboxFigures
from egbot.dependencies import detect
from egbot.errors import SandboxError, SurroundingsError
from egbot.execution.attached import Attached
from egbot.execution.confinement import WORK, host_config
from egbot.execution.containers import ENVIRONMENT
from egbot.execution.docker_engine import connected
from egbot.execution.environment import choose_interpreter
from egbot.execution.images import PYTHON_PATH, base_image, ensure_image
from egbot.execution.link import LinkLostError
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.payload import build_tar
from egbot.execution.select import choose
from egbot.execution.warm import WarmSandbox
from egbot.ports import Executor, Sandbox
from egbot.records import Execution, Job, Limits, Program, Tree, TreeFile

_TEST = ("test_sums.py::test_add",)
_TEST_FILE = "test_sums.py"
_OPENING = "def add(first, second):\n"
_TREE: Tree = {
    "sums.py": TreeFile(f"{_OPENING}    raise NotImplementedError\n".encode()),
    "test_sums.py": TreeFile(
        b"from sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    ),
}
_DOCKERFILE = "measured/Dockerfile"
_FRESH_TIMEOUT_S = 120
_INSIDE = f"""
import contextlib, io, sys, tarfile, pytest
tarfile.open(fileobj=sys.stdin.buffer, mode="r|").extractall({WORK!r})
with contextlib.redirect_stdout(io.StringIO()):
    code = pytest.main(["-q", "--rootdir", {WORK!r}, {WORK!r}])
print(int(code))
"""
_LIMITS = Limits(max_events=50_000, test_s=60.0)
_LOOP = """\
    total, names, parity = 0, [], "even"
    for number in range(2000):
        total += number * second
        parity = "odd" if number % 2 else "even"
        names = [number, parity]
    return first + second
"""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each thing is measured."""

    num_runs: int = 300
    num_fresh: int = 8
    num_starts: int = 3
    num_loops: int = 5
    num_workers: int = 2


def measure_sandbox(options: SandboxOptions, effort: Effort, report: Report) -> SandboxFigures:
    """Measure the backend that ``options`` name. ``report`` is told what goes on.

    What the tests need is built from nothing, unless an interpreter is named, and removed
    afterwards. Raises SandboxError when no sandbox can be had.
    """
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="egbot-bench-"))
        options = replace(options, cache_dir=Path(folder) / "cache")
        report("building what the tests need, from nothing")
        options, sandbox, build_s = _build(options, report, stack)
        return _measure(options, sandbox, build_s, effort, report, load_before)


def _measure(
    options: SandboxOptions,
    sandbox: Sandbox,
    build_s: float | None,
    effort: Effort,
    report: Report,
    load_before: float,
) -> SandboxFigures:
    reasons = {} if build_s is not None else {"image_build_s": "an interpreter was named"}
    report(f"starting the sandbox: {sandbox.backend}")
    cold_start_s = _timed(effort.num_starts, lambda _: _open(sandbox).close())
    report("changing a source file and starting again")
    rebuild_s = _timed(effort.num_starts, lambda number: _rebuild(options, number))
    with _open(sandbox) as executor:
        report(f"{effort.num_runs} warm runs, and some without a trace")
        _timed(10, lambda number: _run(executor, _source(number)))
        warm_s = _timed(effort.num_runs, lambda number: _run(executor, _source(number)))
        untraced_s = _timed(
            -(-effort.num_runs // 3),
            lambda number: _run(executor, _source(number), is_traced=False),
        )
        report("a loop, traced and untraced")
        loop = _loop(executor, effort.num_loops)
        collection = executor.collection
    report(f"{effort.num_workers} workers at once")
    runs_per_s = _throughput(sandbox, effort)
    report("fresh processes, fresh containers")
    return SandboxFigures(
        backend=sandbox.backend,
        python=collection.python_version,
        pytest=collection.pytest_version,
        num_cpus=len(os.sched_getaffinity(0)),
        load_before=load_before,
        image_build_s=build_s,
        cold_start_s=cold_start_s,
        rebuild_s=rebuild_s,
        warm_s=warm_s,
        untraced_s=untraced_s,
        num_workers=effort.num_workers,
        runs_per_s=runs_per_s,
        loop=loop,
        fresh_pytest_s=_unless_missing(
            "vs_fresh_pytest", reasons, lambda: _fresh_pytest(options, effort.num_fresh, report)
        ),
        fresh_container_s=_unless_missing(
            "vs_fresh_container",
            reasons,
            lambda: _fresh_container(options, effort.num_fresh, report),
        ),
        reasons=reasons,
    )


# --- the sandbox -------------------------------------------------------------------------------


def _build(
    options: SandboxOptions, report: Report, stack: ExitStack
) -> tuple[SandboxOptions, Sandbox, float | None]:
    """Return the sandbox, options that get the same one again, and how long building it took.

    Docker's base gets a label that nobody has seen, which keeps the engine from using layers of
    earlier builds; ``stack`` removes its images in the end.
    """
    if options.backend in ("auto", "docker"):
        try:
            return _build_image(options, report, stack)
        except SurroundingsError as error:
            if options.backend == "docker":
                raise
            report(f"Docker is not used: {error.message}")
            options = replace(options, backend="bubblewrap")
    start_s = time.perf_counter()
    sandbox = choose(_TREE, options, report)
    took_s = time.perf_counter() - start_s
    return options, sandbox, took_s if options.python is None else None


def _build_image(
    options: SandboxOptions, report: Report, stack: ExitStack
) -> tuple[SandboxOptions, Sandbox, float]:
    base_image(options, report)  # pulling it is no part of what is measured
    mark = f"egbot.bench={secrets.token_hex(8)}"
    stack.callback(_remove_images, mark)
    text = f"FROM {options.image}\nLABEL {mark}\n"
    tree = {**_TREE, _DOCKERFILE: TreeFile(text.encode())}
    start_s = time.perf_counter()
    sandbox = choose(tree, replace(options, backend="docker", dockerfile=_DOCKERFILE), report)
    took_s = time.perf_counter() - start_s
    if not isinstance(sandbox, WarmSandbox):
        raise SandboxError("no container sandbox was prepared", hint="run egbot doctor")
    return replace(sandbox.options, dockerfile=""), sandbox, took_s


def _remove_images(mark: str) -> None:
    """Remove what was made for this measurement; images have the labels of their bases."""
    with suppress(SurroundingsError), connected() as client:
        for one in client.images(filters={"label": mark}):
            with suppress(APIError):
                client.remove_image(one["Id"], force=True)


def _open(sandbox: Sandbox) -> Executor:
    return sandbox.open(_TREE, (), _LIMITS)


def _rebuild(options: SandboxOptions, number: int) -> None:
    """What a changed source file costs: everything up to a test's first result."""
    tree = {**_TREE, "sums.py": TreeFile(_source(number).encode())}
    with choose(tree, options, lambda _: None).open(tree, (), _LIMITS) as executor:
        _passed(executor.run(Job(_TEST, trace=False, limits=_LIMITS)))


def _run(executor: Executor, source: str, *, is_traced: bool = True) -> Execution:
    program = Program("sums.py", "add", source)
    return _passed(executor.run(Job(_TEST, program, trace=is_traced, limits=_LIMITS)))


def _passed(execution: Execution) -> Execution:
    if [one.status for one in execution.outcomes] != ["passed"]:
        raise SandboxError(
            f"the measured test did not pass: {execution.status}, {execution.outcomes}"[:600],
            hint="run egbot doctor",
        )
    return execution


def _source(number: int) -> str:
    """A candidate that no other run has had."""
    return f"{_OPENING}    number = {number}\n    return first + second\n"


def _loop(executor: Executor, num_loops: int) -> LoopTimes:
    source = _OPENING + _LOOP
    traced, untraced = [], []
    for _ in range(num_loops):
        traced.append(_run(executor, source))
        untraced.append(_run(executor, source, is_traced=False))
    trace = traced[0].outcomes[0].trace
    num_lines = sum(event.kind == "line" for event in trace.events) if trace else 0
    if not num_lines or (trace and trace.num_dropped):
        raise SandboxError("the measured loop has no whole trace", hint="run egbot doctor")
    return LoopTimes(
        num_lines=num_lines,
        traced_test_s=tuple(one.outcomes[0].duration_s for one in traced),
        untraced_test_s=tuple(one.outcomes[0].duration_s for one in untraced),
        traced_run_s=tuple(one.wall_s for one in traced),
        untraced_run_s=tuple(one.wall_s for one in untraced),
    )


def _throughput(sandbox: Sandbox, effort: Effort) -> float:
    """Runs a second of all workers together, each with a sandbox of its own."""

    def work(executor: Executor) -> None:
        for number in range(effort.num_runs):
            _run(executor, _source(number))

    with ExitStack() as stack, ThreadPoolExecutor(effort.num_workers) as pool:
        executors = [stack.enter_context(_open(sandbox)) for _ in range(effort.num_workers)]
        for executor in executors:
            _run(executor, _source(-1))
        start_s = time.perf_counter()
        list(pool.map(work, executors))
        return effort.num_workers * effort.num_runs / (time.perf_counter() - start_s)


# --- what it is compared with ------------------------------------------------------------------


def _unless_missing(
    name: str, reasons: dict[str, str], take: Callable[[], tuple[float, ...]]
) -> tuple[float, ...]:
    try:
        return take()
    except SurroundingsError as error:
        reasons[name] = error.message
        return ()


def _fresh_pytest(options: SandboxOptions, count: int, report: Report) -> tuple[float, ...]:
    """A new ``python -m pytest`` process for each candidate, on this machine, with no sandbox."""
    python = str(choose_interpreter(options, _TREE, None, report).path)
    with tempfile.TemporaryDirectory(prefix="egbot-bench-") as folder:
        (Path(folder) / _TEST_FILE).write_bytes(_TREE[_TEST_FILE].data)

        def run(number: int) -> None:
            (Path(folder) / "sums.py").write_text(_source(number), encoding="utf-8")
            command = [python, "-m", "pytest", "-q", _TEST_FILE]
            _finish(command, b"", {"PATH": os.defpath, "LANG": "C.UTF-8"}, folder)

        return _timed(count + 1, run)[1:]


def _fresh_container(options: SandboxOptions, count: int, report: Report) -> tuple[float, ...]:
    """A new container for each candidate, confined like ours; the files come in as a tar."""
    image = ensure_image(detect(_TREE), options, report)
    config = host_config(options, volumes=image.volumes)
    command = [PYTHON_PATH, "-c", _INSIDE]

    def run(number: int) -> None:
        tree = {**_TREE, "sums.py": TreeFile(_source(number).encode())}
        link = Attached(image.name, command, config, ENVIRONMENT)
        try:
            said = link.exchange(build_tar(tree), _FRESH_TIMEOUT_S)
        except LinkLostError as error:
            raise SandboxError(f"a fresh container failed: {error}") from error
        finally:
            link.close()
        if said != b"0":
            raise SandboxError("a fresh container failed", hint="run egbot doctor")

    return _timed(count + 1, run)[1:]


def _finish(
    command: list[str], data: bytes, environment: Mapping[str, str], folder: str | None = None
) -> None:
    done = subprocess.run(  # noqa: S603  our own arguments
        command,
        input=data,
        capture_output=True,
        env=dict(environment),
        cwd=folder,
        timeout=_FRESH_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()[-400:]
        raise SandboxError(f"{Path(command[0]).name} failed: {said}", hint="run egbot doctor")


def _timed(count: int, act: Callable[[int], object]) -> tuple[float, ...]:
    """The seconds of each of ``count`` calls; ``act`` gets a number that no other call gets."""
    found = []
    for number in range(count):
        start_s = time.perf_counter()
        act(number)
        found.append(time.perf_counter() - start_s)
    return tuple(found)
