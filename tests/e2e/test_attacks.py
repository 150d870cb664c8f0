"""The attack suite: what hostile code may try, and that each sandbox and the verdict stand it.

One file of ``attacks/`` is one attack. ``what`` says what is tried and ``function`` is the
candidate; ``files`` lays other files over the tree below, when the attack is in the repository
itself. A candidate that tries to reach something returns the right answer only if it got there, so
a target test that fails is a wall that held. ``expect`` says what must come of it:

- ``run``, ``target``, ``other``: the status of the run, of the test that calls the function and of
  the one that does not (what a run says is the run's own word: ``passed`` may be forged here);
- ``verdict``: ``vetoed`` by the guard, ``rejected`` by the tests, ``accepted`` where the function
  is right and the harm was contained, ``fooled`` where egbot promises nothing (docs/security.md);
- ``sandbox``: ``kept`` (the default) or ``replaced``; ``opens = false``: none can be had, so that
  nothing is delivered;
- ``a|b``: one of them, where it is a race; ``docker``, ``bubblewrap``, ``process``: what differs
  there, such as limits that only control groups have.

``process = true`` marks what the plain process stands as well, which isolates nothing.

After each attack a right candidate passes and a wrong one fails in the same warm sandbox, nothing
is left inside (files, processes), and the host's file, variable and services were not reached.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from _pytest.mark import ParameterSet

from egbot.errors import SandboxError
from egbot.execution.options import MIB, Backend, SandboxOptions
from egbot.execution.select import choose
from egbot.execution.warm import WarmExecutor, WarmSandbox
from egbot.ports import Sandbox
from egbot.records import Execution, Job, Limits, Program, TestOutcome, Tree, TreeFile
from egbot.source.guard import vetoes
from egbot.verify import Claim, verify
from tests.machine import IMAGE, LONG_S, NEEDS, has, need, wait_for

CANARY = "canary-7f3a91"
ATTACKS = sorted((Path(__file__).parent / "attacks").glob("*.toml"))
CONTAINED = [path for path in ATTACKS if "\nprocess = true\n" in path.read_text(encoding="utf-8")]
STUB = "def f(x):\n    raise NotImplementedError\n"
RIGHT, WRONG = "def f(x):\n    return x * 2\n", "def f(x):\n    return 0\n"
TARGET, OTHER, CLEAN = "test_app.py::test_target", "test_app.py::test_other", "test_clean.py::test"
TREE = {
    "app.py": STUB,
    "test_app.py": (
        "from app import f\n\n"
        "def test_target():\n    assert f(2) == 4\n\n"
        "def test_other():\n    pass\n"
    ),
    # what a run finds of the runs before it; the numbers are compared with those of a fresh sandbox
    "test_clean.py": (
        "import glob, os, resource\n\n"
        "def test():\n"
        "    folders = ['.', '/tmp', '/dev/shm', '..', '../tmp', os.path.expanduser('~')]\n"
        "    print({one: sorted(os.listdir(one)) for one in folders})\n"
        "    print(open('app.py').read(), open('test_app.py').read())\n"
        "    parents = {}\n"
        "    for path in glob.glob('/proc/[0-9]*/stat'):\n"
        "        pid, _, rest = open(path).read().partition(' ')\n"
        "        state, parent = rest.rpartition(')')[2].split()[:2]\n"
        "        if state not in 'ZX':\n"
        "            parents[pid] = parent\n"
        "    runner = [pid for pid in parents if parents[pid] == '1']\n"
        "    print(len(runner), sum(parents[pid] in runner for pid in parents))\n"
        "    print(resource.getrlimit(resource.RLIMIT_NOFILE), os.nice(0), sorted(os.environ))\n"
        "    print(len(os.listdir('/proc/self/fd')), os.getcwd(), os.stat('.').st_mode)\n"
    ),
}


@dataclass(frozen=True, slots=True)
class Attack:
    """One file of ``attacks/``, read."""

    what: str
    function: str
    files: Mapping[str, str]
    tests: tuple[str, ...]
    repeats: int
    limits: Limits
    collect_s: float | None
    expect: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Host:
    """What an attack must neither see nor touch."""

    secret: Path
    listener: socket.socket


@dataclass(frozen=True, slots=True)
class Place:
    """One backend, a warm sandbox that many attacks share, and what it looks like when fresh."""

    sandbox: Sandbox
    executor: WarmExecutor
    fresh: str
    host: Host


def read_attack(path: Path, backend: str, host: Host) -> Attack:
    text = path.read_text(encoding="utf-8")
    text = text.replace("$SECRET", str(host.secret)).replace("$CANARY", CANARY)
    known = tomllib.loads(text.replace("$PORT", str(host.listener.getsockname()[1])))
    expect = {"run": "ok", "other": "passed", "sandbox": "kept", "opens": True, **known["expect"]}
    given = known.get("limits", {})
    limits = Limits(
        test_s=given.get("test_s", 30.0),
        memory_bytes=given.get("memory_mib", 256) * MIB,
        file_bytes=given.get("file_mib", 1) * MIB,
    )
    return Attack(
        what=known["what"],
        function=known.get("function", RIGHT).lstrip("\n"),
        files=known.get("files", {}),
        tests=tuple(known.get("tests", (TARGET, OTHER))),
        repeats=known.get("repeats", 1),
        limits=limits,
        collect_s=given.get("collect_s"),
        expect={**expect, **expect.get(backend, {})},
    )


def tree_of(files: Mapping[str, str]) -> Tree:
    return {path: TreeFile(text.encode()) for path, text in {**TREE, **files}.items()}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with (
        tempfile.TemporaryDirectory(prefix="egbot-host-") as folder,
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        secret = Path(folder, "token")
        secret.write_text(CANARY)
        patch.setenv("EGBOT_CANARY_TOKEN", CANARY)
        listener.setblocking(False)
        yield Host(secret, listener)


Opener = Callable[[str], Place]


@pytest.fixture(scope="module")
def place_of(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opener]:
    """Return what gives a backend's place; one is open at a time."""
    found: dict[str, Place] = {}
    with contextlib.ExitStack() as stack:

        def opener(backend: str) -> Place:
            if backend not in found:
                stack.close()
                found.clear()
                need(backend)
                cache = tmp_path_factory.mktemp("cache")
                found[backend] = stack.enter_context(open_place(backend, host, cache))
            return found[backend]

        yield opener


@contextlib.contextmanager
def open_place(backend: str, host: Host, cache: Path) -> Iterator[Place]:
    options = SandboxOptions(
        backend=cast(Backend, backend),
        python=Path(sys.executable),
        image=IMAGE,
        memory_bytes=768 * MIB,
        tmpfs_bytes=64 * MIB,
        cache_dir=cache,
        collect_s=60,
    )
    sandbox = choose({}, options, print)
    with sandbox.open(tree_of({}), (), Limits()) as executor:
        assert isinstance(executor, WarmExecutor)
        assert outcome(executor, OTHER, None).status == "passed"
        yield Place(sandbox, executor, what_is_left(sandbox, executor), host)


def outcome(executor: WarmExecutor, test: str, function: str | None) -> TestOutcome:
    program = None if function is None else Program("app.py", "f", function)
    job = Job((test,), program, trace=False, limits=Limits(test_s=30))
    return executor.run(job).outcomes[0]


def what_is_left(sandbox: Sandbox, executor: WarmExecutor) -> str:
    """Return what one run can find of those before it; a plain process shares the host's folders."""
    return "" if sandbox.backend == "process" else outcome(executor, CLEAN, None).output


def sandbox_id(executor: WarmExecutor) -> object:
    return executor._link


def run(attack: Attack, executor: WarmExecutor) -> Execution:
    job = Job(attack.tests, Program("app.py", "f", attack.function), limits=attack.limits)
    started_s = time.monotonic()
    execution = executor.run(job)
    limit_s = len(attack.tests) * attack.limits.test_s + LONG_S
    assert time.monotonic() - started_s < limit_s, "the time limit did not hold"
    return execution


def verdict_of(attack: Attack, sandbox: Sandbox, execution: Execution) -> str:
    """Return what comes of the function when it is to be delivered.

    What a target test that failed just now, or a repository with a sandbox of its own, does in a
    fresh sandbox is tried on one backend only, for the time that it takes.
    """
    after = attack.function.encode()
    if vetoes(STUB.encode(), after, "f"):
        return "vetoed"
    statuses = {one.node_id: one.status for one in execution.outcomes}
    status = statuses.get(TARGET, "passed")
    if sandbox.backend != "bubblewrap" and (status != "passed" or attack.files):
        return promised(attack) if status == "passed" else "rejected"
    claim = Claim(tree_of(attack.files), "app.py", "f", after, (TARGET,), ())
    verdict, _ = verify(sandbox, claim, repeats=attack.repeats, limits=attack.limits)
    return "accepted" if verdict.accepted else "rejected"


def check_host(host: Host, seen: object) -> None:
    assert CANARY not in repr(seen), "a secret of the host was seen"
    assert host.secret.read_text() == CANARY
    assert sorted(one.name for one in host.secret.parent.iterdir()) == [host.secret.name]
    with pytest.raises(BlockingIOError):
        host.listener.accept()


def check_next_runs(place: Place) -> None:
    assert outcome(place.executor, TARGET, RIGHT).status == "passed"
    assert outcome(place.executor, TARGET, WRONG).status == "failed"
    assert what_is_left(place.sandbox, place.executor) == place.fresh


def cases() -> Iterator[ParameterSet]:
    """Where a backend is missing, its first attack says so for all."""
    for backend, attacks in {**dict.fromkeys(NEEDS, ATTACKS), "process": CONTAINED}.items():
        marks = [getattr(pytest.mark, backend)] if backend in NEEDS else []
        for path in attacks[: None if has(backend) else 1]:
            yield pytest.param(path, backend, marks=marks, id=f"{backend}-{path.stem}")


@pytest.mark.parametrize(("path", "backend"), list(cases()))
def test_attack(path: Path, backend: str, place_of: Opener) -> None:
    """The right status, a verdict that is not fooled, an untouched host, an unharmed next run.

    What needs no wall to be contained is contained in a plain process as well.
    """
    place = place_of(backend)
    attack = read_attack(path, backend, place.host)
    if attack.files:
        check_hostile_repository(attack, place)
    else:
        check_hostile_function(attack, place)


def check_hostile_function(attack: Attack, place: Place) -> None:
    before = sandbox_id(place.executor)
    execution = run(attack, place.executor)
    check_host(place.host, execution)
    after = sandbox_id(place.executor)
    check_next_runs(place)
    check_statuses(attack, execution)
    assert ("kept" if after == before else "replaced") in attack.expect["sandbox"].split("|")
    assert verdict_of(attack, place.sandbox, execution) == promised(attack)


def check_hostile_repository(attack: Attack, place: Place) -> None:
    """The attack is in the repository: it gets a sandbox of its own, or none can be had."""
    sandbox = place.sandbox
    assert isinstance(sandbox, WarmSandbox)
    if attack.collect_s is not None:
        sandbox = replace(sandbox, options=replace(sandbox.options, collect_s=attack.collect_s))
    execution: Execution | None = None
    try:
        with sandbox.open(tree_of(attack.files), (), attack.limits) as executor:
            assert isinstance(executor, WarmExecutor)
            execution = run(attack, executor)
            assert [one.status for one in run(attack, executor).outcomes] == [
                one.status for one in execution.outcomes
            ]
    except SandboxError as error:
        check_host(place.host, error.message)
    check_host(place.host, execution)
    check_nothing_runs_on()
    check_next_runs(place)
    assert (execution is not None) == attack.expect["opens"]
    if execution is not None:
        check_statuses(attack, execution)
        assert verdict_of(attack, sandbox, execution) == promised(attack)


def check_statuses(attack: Attack, execution: Execution) -> None:
    first, *others = (one.status for one in execution.outcomes)
    assert execution.status in attack.expect["run"].split("|"), execution
    assert first in attack.expect["target"].split("|"), execution
    assert set(others) <= set(attack.expect["other"].split("|")), execution


def promised(attack: Attack) -> str:
    """Return the verdict that is to come; who is fooled accepts."""
    verdict: str = attack.expect["verdict"]
    return "accepted" if verdict == "fooled" else verdict


def check_nothing_runs_on() -> None:
    """A process that an attack left behind is started as ``sleep 86399``."""

    def is_running() -> bool:
        commands = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                commands.append(path.read_bytes())
        return any(b"86399" in command for command in commands)

    assert wait_for(lambda: not is_running()), "a process of the attack runs on"


def test_there_are_enough_attacks_and_each_says_what_it_tries(host: Host) -> None:
    attacks = [read_attack(path, "docker", host) for path in ATTACKS]
    assert len(attacks) >= 60
    assert all(len(attack.what.split()) > 3 for attack in attacks)
