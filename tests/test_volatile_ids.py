"""Tests whose ids change with every collection count as others do, in the whole run.

The model is scripted; the tests run in real sandboxes of this machine.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.errors import UsageError
from egbot.execution.link import Link
from egbot.execution.options import Backend, SandboxOptions
from egbot.execution.process import process_sandbox
from egbot.execution.select import choose
from egbot.pipeline import solve
from egbot.records import Job, Limits, Run
from egbot.state import Request, Tools
from egbot.testing import Script
from tests.machine import IMAGE, need
from tests.shelf import decoder_of, reasons, settings_of, tree_of

SIZE = "def size(data):\n    raise NotImplementedError\n"
EAGER = SIZE + "\n\ntry:\n    WIDTH = size('ab')\nexcept NotImplementedError:\n    WIDTH = 0\n"
RIGHT = Script("\n    return len(data)\n")
NEEDS_IT = "from core import size\n\ndef test_size():\n    assert size('abcd') == 4\n"
DRAWN = "os.urandom(6).hex()"
# conftest.py that gives every process other addresses, whatever the kernel allows
JUNK = "import os\nJUNK = [object() for _ in range(int.from_bytes(os.urandom(2), 'big'))]\n"


def solved(
    files: Mapping[str, str], script: Script = RIGHT, tests: tuple[str, ...] = ()
) -> tuple[Run, int]:
    """The run, and how many sandboxes it took."""
    num_opened = 0
    sandbox = process_sandbox()

    def start() -> Link:
        nonlocal num_opened
        num_opened += 1
        return sandbox.start()

    tools = Tools(
        replace(sandbox, start=start),
        lambda: decoder_of({"size": script}),
        lambda _: None,
        lambda _: None,
    )
    return solve(Request(tree_of(files), tests), settings_of(), tools), num_opened


def ids(expression: str, check: str = "size([x]) == 1") -> str:
    return (
        "import os, random, time, uuid\nimport pytest\nfrom core import size\n\n"
        "class Thing:\n    pass\n\n"
        f"@pytest.mark.parametrize('x', {expression})\n"
        f"def test_it(x):\n    assert {check}\n"
    )


VOLATILE = {
    "random bytes": ids("[os.urandom(4) for _ in range(3)]"),
    "addresses": ids("[object(), lambda: 1], ids=repr"),
    "a class's repr": ids("[Thing(), Thing()], ids=lambda one: f'{one}-x'"),
    "the time": ids("[time.time_ns(), time.perf_counter()]"),
    "random numbers": ids("[random.random() for _ in range(3)]"),
    "some of them": ids("['a', uuid.uuid4(), 'b', uuid.uuid4()], ids=str"),
    "a set's order": ids(f"{{(None, 1), ({DRAWN}, 2), (Thing, 3), (len, 4)}}"),
    "brackets": ids("[f'[{uuid.uuid4()}]::[' for _ in range(2)]"),
    "twice": (
        "import os\nimport pytest\nfrom core import size\n\n"
        "@pytest.mark.parametrize('x', ['a', 'b'])\n"
        f"@pytest.mark.parametrize('y', [{DRAWN}, {DRAWN}])\n"
        "class TestIt:\n    def test_it(self, x, y):\n        assert size(x + y) == 13\n"
    ),
}


def test_a_function_is_proved_by_tests_with_other_ids_in_each_sandbox() -> None:
    files = {f"test_{number}.py": text for number, text in enumerate(VOLATILE.values())}
    run, _ = solved({"conftest.py": JUNK, "core.py": SIZE, **files})
    (outcome,) = run.outcomes
    assert (outcome.reason, outcome.left) == ("patched", ())
    assert outcome.verdict is not None
    passed = [one.partition("::")[0] for one in outcome.verdict.target_passed]
    assert {path: passed.count(path) > 1 for path in files} == dict.fromkeys(files, True)


def test_bystanders_with_such_ids_go_on_passing() -> None:
    files = {
        f"test_{number}.py": text.replace("assert size(", "assert [x] or (")
        for number, text in enumerate(VOLATILE.values())
    }
    run, _ = solved({"conftest.py": JUNK, "core.py": SIZE, "test_size.py": NEEDS_IT, **files})
    (outcome,) = run.outcomes
    assert (outcome.reason, outcome.left) == ("patched", ())
    assert outcome.verdict is not None
    passed = [one.partition("::")[0] for one in outcome.verdict.guard_passed]
    assert {path: passed.count(path) > 1 for path in files} == dict.fromkeys(files, True)


def test_a_row_that_was_seen_in_another_run_stands_for_all_of_its_test() -> None:
    """As an issue or a report names it; of ids that stay, one that is not there is nobody's."""
    files = {"core.py": SIZE, "test_it.py": VOLATILE["random numbers"]}
    run, _ = solved(files, tests=("test_it.py::test_it[0.25]",))
    (outcome,) = run.outcomes
    assert outcome.reason == "patched"
    assert len(outcome.failing) == 3
    with pytest.raises(UsageError, match=r"pytest collects no test test_it\.py::test_it\[c\]"):
        solved(
            {"core.py": SIZE, "test_it.py": ids("['a', 'b']")}, tests=("test_it.py::test_it[c]",)
        )


def test_such_ids_cost_one_look_and_others_none() -> None:
    plain, volatile = ids("['a', 'b']"), VOLATILE["random bytes"]
    counts = [solved({"core.py": SIZE, "test_it.py": one})[1] for one in (plain, volatile)]
    assert counts == [4, 5]


def test_a_conftest_may_make_them_and_a_run_may_collect_afresh() -> None:
    """A function that was called while its module was imported needs a collection for each run."""
    hook = (
        "import uuid\n\ndef pytest_generate_tests(metafunc):\n"
        "    if 'word' in metafunc.fixturenames:\n"
        "        metafunc.parametrize('word', [f'{uuid.uuid4()}' for _ in range(2)])\n"
    )
    test = "from core import size\n\ndef test_it(word):\n    assert size(word) == 36\n"
    run, _ = solved({"conftest.py": hook, "core.py": EAGER, "test_it.py": test})
    assert reasons(run) == [("size", "patched")]
    assert len(run.outcomes[0].failing) == 2


def test_such_ids_of_a_file_that_only_the_function_lets_be_collected_are_nobody_s_fault() -> None:
    text = VOLATILE["random bytes"].replace("class Thing", "WIDTH = size('ab')\n\nclass Thing")
    run, _ = solved({"core.py": SIZE, "test_it.py": text})
    (outcome,) = run.outcomes
    assert (outcome.reason, outcome.left) == ("patched", ())
    assert outcome.verdict is not None
    assert outcome.verdict.target_passed == ("test_it.py::test_it",)


# As many as there are twentieths of a second left of 20 s: fewer in each sandbox.
FEWER = f"range(400 - int((time.time() - {time.time()}) * 20) % 400), ids=lambda _: {DRAWN}"


def test_a_bystander_s_tests_are_left_out_and_named_where_their_number_changes() -> None:
    bystander = ids(FEWER, check="x is not None")
    run, _ = solved({"core.py": SIZE, "test_size.py": NEEDS_IT, "test_it.py": bystander})
    (outcome,) = run.outcomes
    assert (outcome.reason, outcome.failing) == ("patched", ("test_size.py::test_size",))
    assert outcome.left
    assert all("another number of tests" in one.why for one in outcome.left)


def test_a_target_s_tests_are_left_out_and_named_where_their_number_changes() -> None:
    run, _ = solved({"core.py": SIZE, "test_size.py": NEEDS_IT, "test_it.py": ids(FEWER)})
    (outcome,) = run.outcomes
    assert (outcome.reason, outcome.failing) == ("patched", ("test_size.py::test_size",))
    assert outcome.left
    run, _ = solved({"core.py": SIZE, "test_it.py": ids(FEWER)})
    (outcome,) = run.outcomes
    assert outcome.reason == "no_patch"
    assert outcome.left


def test_a_function_that_makes_tests_vanish_is_still_rejected() -> None:
    source = EAGER.replace("def size", "NAMES = ['a', 'b']\n\n\ndef size")
    names = "import pytest\nfrom core import NAMES\n\n@pytest.mark.parametrize('x', NAMES)\n"
    names += "def test_name(x):\n    assert x\n"
    bad = Script("\n    NAMES[1:] = []\n    return len(data)\n")
    run, _ = solved({"core.py": source, "test_size.py": NEEDS_IT, "test_names.py": names}, bad)
    (outcome,) = run.outcomes
    assert (outcome.reason, outcome.left) == ("rejected", ())
    assert "test_names.py::test_name[b]" in outcome.detail


def test_ids_that_change_because_of_the_patch_do_not_count() -> None:
    """What a test is asked for then is not what passed before."""
    source = EAGER + "\nCASES = [WIDTH + 1, WIDTH + 2]\n"
    names = "import pytest\nfrom core import CASES\n\n@pytest.mark.parametrize('x', CASES)\n"
    names += "def test_case(x):\n    assert x\n"
    run, _ = solved({"core.py": source, "test_size.py": NEEDS_IT, "test_cases.py": names})
    (outcome,) = run.outcomes
    assert outcome.reason == "rejected"
    assert "test_cases.py::test_case[1]" in outcome.detail


# --- addresses ----------------------------------------------------------------------------------

WHERE = """
def test_where():
    order = [*{None, (1, None), object, len}]
    raise AssertionError(f"{hash(None)} {id(None)} {object()} {order}")
"""


@pytest.mark.parametrize(
    "backend",
    [
        "process",
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def test_addresses_are_the_same_in_every_sandbox(backend: Backend, tmp_path: Path) -> None:
    need(backend)
    if subprocess.run(["setarch", "--addr-no-randomize", "true"], check=False).returncode != 0:
        pytest.skip("nothing here may fix addresses")
    tree = tree_of({"test_m.py": WHERE})
    options = SandboxOptions(backend=backend, image=IMAGE, cache_dir=tmp_path)
    sandbox = choose(tree, options, lambda _: None)
    told = set()
    for _ in range(3):
        with sandbox.open(tree, (), Limits()) as executor:
            (outcome,) = executor.run(Job(("test_m.py::test_where",))).outcomes
        assert outcome.fault is not None
        told.add(outcome.fault.message)
    assert len(told) == 1
