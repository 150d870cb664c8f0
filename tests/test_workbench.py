"""One target on the bench: what the model is shown, what it costs, and the two files delivered."""

from __future__ import annotations

import hashlib

import pytest

from egbot.discovery.targets import named_target
from egbot.records import Target, Tree, TreeFile
from egbot.source.edit import insert
from egbot.testing import Script
from egbot.workbench import deliver
from tests.shelf import DOUBLE, STUB, Bench, decoder_of, settings_of, tree_of


def shown(files: dict[str, str], **scripts: Script) -> str:
    """What the model reads for the first target."""
    bench = Bench(decoder=decoder_of(scripts))
    bench.solve(files)
    prompt = bench.decoder.prompts[0]
    return prompt.head + prompt.response_prefix


def test_the_model_reads_the_tests_the_docstring_and_what_they_mention() -> None:
    text = shown(
        {
            "calc.py": (
                "RATE = 2\nOTHER = 3\n\n\ndef half(x):\n    return x / 2\n\n\n"
                'def double(x):\n    """Twice x, by RATE."""\n    raise NotImplementedError\n'
            ),
            "test_calc.py": (
                "from calc import double, half\n\n"
                "def test_double():\n    assert double(half(4)) == 4\n"
            ),
        }
    )
    assert "assert double(half(4)) == 4" in text
    assert text.endswith('def double(x):\n    """Twice x, by RATE."""')
    assert "def half(x)" in text
    assert "RATE = 2" in text
    assert "OTHER" not in text
    assert "NotImplementedError" not in text


def test_a_stub_that_egbot_made_itself_says_nothing() -> None:
    """Its docstring and its body are egbot's words, not the person's."""
    text = shown(
        {
            "calc.py": "ONE = 1\n",
            "test_calc.py": "import calc\n\ndef test_it():\n    assert calc.double(2) == 4\n",
        }
    )
    opening = text[text.rindex("def double(") :]
    assert '"""' not in opening
    assert "NotImplementedError" not in text


def test_a_method_is_shown_inside_its_class() -> None:
    text = shown(
        {
            "calc.py": (
                "class Sum:\n    def __init__(self, x):\n        self.x = x\n\n"
                "    def double(self):\n        ...\n"
            ),
            "test_calc.py": (
                "from calc import Sum\n\ndef test_it():\n    assert Sum(2).double() == 4\n"
            ),
        }
    )
    assert text.endswith("        self.x = x\n\n    def double(self):")
    assert "`Sum.double`" in text


def test_what_it_cost_is_counted() -> None:
    bench = Bench(decoder=decoder_of({"double": DOUBLE}))
    run = bench.solve(STUB)
    (outcome,) = run.outcomes
    (session,) = bench.decoder.sessions
    assert outcome.stats.num_tokens_forwarded == session.usage.num_tokens_forwarded
    assert outcome.stats.num_tokens_generated == session.usage.num_tokens_generated
    assert outcome.stats.num_executions == 1
    assert 0 < outcome.stats.wall_s <= run.stats.wall_s


def test_a_test_may_use_what_the_settings_say() -> None:
    settings = settings_of(sandbox={"test_s": 0.5, "memory_mib": 128})
    bench = Bench(decoder=decoder_of({"double": DOUBLE}))
    bench.solve(STUB, settings=settings)
    limits = {
        (job.limits.test_s, job.limits.memory_bytes)
        for executor in bench.sandbox.executors
        for job in executor.jobs
    }
    assert limits == {(0.5, 128 * 1024 * 1024)}


# --- delivery ----------------------------------------------------------------------------------

CODE = "def double(x):\n    return x * 2\n"
STUB_TEXT = "def double(x):\n    raise NotImplementedError\n"


def with_stub(plain: Tree) -> tuple[Tree, Target]:
    """The tree with a stub of ``double`` in calc.py, and the target."""
    file = plain.get("calc.py")
    stubbed = insert(file.data if file else None, "double", STUB_TEXT)
    tree = {**plain, **tree_of({"calc.py": stubbed.decode()})}
    return tree, named_target("calc.py::double", tree)


@pytest.mark.parametrize(
    "before", ["ONE = 1\n", '"""Sums."""\n\nimport os\n', "\r\nONE = 1\r\n", ""]
)
def test_a_new_function_is_delivered_into_the_person_s_own_file(before: str) -> None:
    plain = tree_of({"calc.py": before})
    tree, target = with_stub(plain)
    delivery = deliver(plain, tree, target, CODE, ())
    data = delivery.plain["calc.py"].data
    assert data.decode().replace("\r\n", "\n").rstrip().endswith(CODE.rstrip())
    assert before.strip() in data.decode()
    assert b"NotImplementedError" not in data
    assert delivery.patch.base_sha256 == hashlib.sha256(before.encode()).hexdigest()
    assert delivery.patch.replacement == CODE
    assert b"NotImplementedError" not in delivery.tree["calc.py"].data


def test_a_new_file_has_no_base() -> None:
    tree, target = with_stub({})
    delivery = deliver({}, tree, target, CODE, ())
    assert delivery.patch.base_sha256 == ""
    assert delivery.patch.unified_diff.startswith("diff --git")
    assert "/dev/null" in delivery.patch.unified_diff
    assert delivery.plain["calc.py"].data.decode() == CODE


@pytest.mark.parametrize("before", [b"ONE = 1\n", b"#!/x\n# coding: latin-1\nONE = '\xe9'\n"])
def test_an_exception_class_that_the_function_needs_comes_with_it(before: bytes) -> None:
    """What had to be written beside the target would be missing from the person's file."""
    plain = {"calc.py": TreeFile(before)}
    stubbed = insert(before, "", "class SumError(Exception):\n    pass\n")
    tree = {"calc.py": TreeFile(insert(stubbed, "double", STUB_TEXT))}
    target = named_target("calc.py::double", tree)
    delivery = deliver(plain, tree, target, CODE, ("calc.py::SumError",))
    data = delivery.plain["calc.py"].data
    assert data.count(b"class SumError(Exception)") == 1
    compile(data, "calc.py", "exec")
    again = deliver(delivery.plain, delivery.tree, target, CODE, ("calc.py::SumError",))
    assert again.plain["calc.py"].data == data


def test_the_trees_that_came_in_are_left_alone() -> None:
    plain = tree_of({"calc.py": "ONE = 1\n"})
    tree, target = with_stub(plain)
    before = dict(plain), dict(tree)
    deliver(plain, tree, target, CODE, ())
    assert (plain, tree) == before
