"""The shipped fakes keep the ports' promises, so that tests on them mean something."""

from __future__ import annotations

from dataclasses import replace

import pytest

from egbot.errors import ModelError, SandboxError
from egbot.ports import Decoder, Executor, Sandbox
from egbot.records import (
    Execution,
    Frame,
    Job,
    Limits,
    Program,
    Prompt,
    Sample,
    TestOutcome,
    Tree,
    TreeFile,
)
from egbot.testing import ReplaySandbox, Script, ScriptedDecoder, ScriptError, pieces

PROMPT = Prompt(system="", head="Write f.", tail="", response_prefix="def f():")
ANSWER = "\n    x = 1\n    return x\n"


def never(text: str) -> bool:
    return False


def one_line(text: str) -> bool:
    return text.count("\n") >= 2


def tree_of(files: dict[str, str]) -> Tree:
    return {path: TreeFile(text.encode()) for path, text in files.items()}


# --- the decoder -------------------------------------------------------------------------------


def test_pieces_are_the_text_and_a_newline_takes_the_indentation_along() -> None:
    assert "".join(pieces(ANSWER)) == ANSWER
    assert "\n    " in pieces(ANSWER)


def test_the_fakes_fit_the_ports() -> None:
    """mypy checks the assignment; the test keeps the line alive."""
    decoder: Decoder = ScriptedDecoder(Script(ANSWER))
    sandbox: Sandbox = ReplaySandbox()
    executor: Executor = sandbox.open({}, (), Limits())
    assert (decoder.name, sandbox.backend, executor.collection.node_ids) == (
        "scripted",
        "replay",
        (),
    )


def test_advance_appends_up_to_and_with_the_token_that_satisfies_the_stop_rule() -> None:
    session = ScriptedDecoder(Script(ANSWER)).open(PROMPT)
    guided = session.advance(signal="", gamma=0.0, max_tokens=50, stop=one_line)
    assert (guided.text, guided.finish) == ("\n    x = 1\n    ", "stop")
    assert session.text == guided.text == "".join(token.text for token in guided.tokens)


def test_the_script_s_end_is_eos_and_after_it_nothing_comes() -> None:
    session = ScriptedDecoder(Script(ANSWER)).open(PROMPT)
    assert session.advance(signal="", gamma=0.0, max_tokens=50, stop=never).finish == "eos"
    assert session.advance(signal="", gamma=0.0, max_tokens=50, stop=never).tokens == ()
    assert session.sample(2, temperature=1.0, top_p=1.0, max_tokens=9, seed=0, stop=never) == (
        Sample("", 0, "eos"),
        Sample("", 0, "eos"),
    )


def test_max_tokens_is_kept_and_told_as_length() -> None:
    session = ScriptedDecoder(Script(ANSWER)).open(PROMPT)
    assert session.advance(signal="", gamma=0.0, max_tokens=2, stop=never).finish == "length"
    rows = session.sample(1, temperature=1.0, top_p=1.0, max_tokens=1, seed=0, stop=never)
    assert (rows[0].num_tokens, rows[0].finish) == (1, "length")


def test_samples_look_ahead_and_leave_the_text_alone() -> None:
    session = ScriptedDecoder(Script(ANSWER, samples=(("\n    return 2\n",),))).open(PROMPT)
    rows = session.sample(2, temperature=0.8, top_p=0.9, max_tokens=50, seed=7, stop=never)
    assert [row.text for row in rows] == ["\n    return 2\n", ANSWER]
    assert session.text == ""
    assert (session.samplings[0].seed, session.samplings[0].temperature) == (7, 0.8)


def test_temperature_0_is_greedy_whatever_the_samples_say() -> None:
    session = ScriptedDecoder(Script(ANSWER, samples=(("\n    return 2\n",),))).open(PROMPT)
    rows = session.sample(2, temperature=0.0, top_p=1.0, max_tokens=50, seed=0, stop=never)
    assert [row.text for row in rows] == [ANSWER, ANSWER]


@pytest.mark.parametrize(
    ("signal", "gamma", "text"),
    [("", 1.0, ANSWER), ("seen", 0.0, ANSWER), ("seen", 1.0, "\n    return 3\n")],
)
def test_only_a_signal_with_a_gamma_leaves_plain_decoding(
    signal: str, gamma: float, text: str
) -> None:
    session = ScriptedDecoder(Script(ANSWER, guided="\n    return 3\n")).open(PROMPT)
    assert session.advance(signal=signal, gamma=gamma, max_tokens=50, stop=never).text == text


def test_a_script_that_left_the_text_is_the_tests_fault() -> None:
    session = ScriptedDecoder(Script(ANSWER, samples=(("\n    y\n",),))).open(PROMPT)
    session.advance(signal="", gamma=0.0, max_tokens=50, stop=one_line)
    with pytest.raises(ScriptError):
        session.sample(1, temperature=1.0, top_p=1.0, max_tokens=9, seed=0, stop=never)


def test_usage_counts_the_prompt_once_and_every_written_token() -> None:
    decoder = ScriptedDecoder(Script(ANSWER))
    session = decoder.open(PROMPT)
    num_prompt = decoder.count_tokens("Write f.def f():")
    session.sample(3, temperature=1.0, top_p=1.0, max_tokens=4, seed=0, stop=never)
    assert session.usage.num_tokens_generated == 12
    assert session.usage.num_tokens_forwarded == num_prompt + 12
    assert session.usage.num_forwards == 4
    session.advance(signal="", gamma=0.0, max_tokens=2, stop=never)
    assert session.usage.num_tokens_forwarded == num_prompt + 14


def test_each_session_may_have_its_own_script_and_a_context_has_an_end() -> None:
    decoder = ScriptedDecoder(lambda prompt, again: Script(f"{prompt.head}{again}"))
    texts = [
        decoder.open(PROMPT).advance(signal="", gamma=0.0, max_tokens=9, stop=never).text
        for _ in range(2)
    ]
    assert texts == ["Write f.0", "Write f.1"]
    with pytest.raises(ModelError, match="reads 2"):
        ScriptedDecoder(Script(""), context_tokens=2).open(PROMPT)


# --- the sandbox -------------------------------------------------------------------------------

TREE = tree_of(
    {
        "box/__init__.py": "from .numbers import half\n",
        "box/numbers.py": "import math\n\ndef half(x):\n    return math.floor(x / 2)\n\ndef lost(x):\n    return y\n",
        "tests/test_box.py": (
            "import pytest\nimport box.numbers\nfrom box import half, numbers\n\n"
            "def test_half():\n    assert half(4) == 2\n\n"
            "def test_wrong():\n    assert numbers.half(4) == 3\n\n"
            "def test_raises():\n    with pytest.raises(NameError):\n        box.numbers.lost(1)\n\n"
            "def test_fails():\n    with pytest.raises(ValueError):\n        half(2)\n\n"
            "def test_attribute():\n    box.numbers.third(3)\n\n"
            "def test_name():\n    box.numbers.lost(1)\n\n"
            "def test_skipped():\n    pytest.skip('not now')\n\n"
            "def test_left():\n    raise SystemExit(3)\n\n"
            "class TestHalf:\n    def test_zero(self):\n        assert half(0) == 0\n"
        ),
        "tests/test_gone.py": "from box.text import upper\n\ndef test_upper():\n    assert upper('a') == 'A'\n",
    }
)


def outcome_of(name: str, job: Job | None = None) -> TestOutcome:
    node_id = f"tests/test_box.py::{name}"
    with ReplaySandbox().open(TREE, (), Limits()) as executor:
        return executor.run(job or Job((node_id,))).outcomes[0]


def test_collection_finds_functions_and_methods_and_tells_broken_modules() -> None:
    collection = ReplaySandbox().open(TREE, (), Limits()).collection
    assert "tests/test_box.py::test_half" in collection.node_ids
    assert "tests/test_box.py::TestHalf::test_zero" in collection.node_ids
    (error,) = collection.errors
    assert (error.node_id, error.phase) == ("tests/test_gone.py", "collect")
    assert error.fault.type_name == "ModuleNotFoundError"
    assert "box.text" in error.fault.message


def test_only_what_is_asked_for_is_collected() -> None:
    sandbox = ReplaySandbox()
    assert sandbox.open(TREE, ("tests/test_gone.py",), Limits()).collection.node_ids == ()
    one = sandbox.open(TREE, ("tests/test_box.py::test_half",), Limits()).collection
    assert one.node_ids == ("tests/test_box.py::test_half",)
    assert sandbox.executors[1].tests == ("tests/test_box.py::test_half",)


@pytest.mark.parametrize(
    ("name", "status", "type_name"),
    [
        ("test_half", "passed", None),
        ("TestHalf::test_zero", "passed", None),
        ("test_raises", "passed", None),
        ("test_wrong", "failed", "AssertionError"),
        ("test_fails", "failed", "Failed"),
        ("test_left", "failed", "SystemExit"),
        ("test_skipped", "skipped", None),
        ("test_name", "failed", "NameError"),
    ],
)
def test_outcomes_are_those_of_a_test_runner(name: str, status: str, type_name: str | None) -> None:
    outcome = outcome_of(name)
    assert outcome.status == status
    assert (outcome.fault.type_name if outcome.fault else None) == type_name


def test_faults_say_what_the_records_promise() -> None:
    missing = outcome_of("test_attribute").fault
    assert missing is not None
    assert (missing.type_name, "third" in missing.message) == ("AttributeError", True)
    unknown = outcome_of("test_name").fault
    assert unknown is not None
    assert unknown.frames[-1] == Frame("box/numbers.py", 7, "lost")
    wrong = outcome_of("test_wrong").comparison
    assert wrong is not None
    assert wrong.source == "assert numbers.half(4) == 3"


def test_a_program_takes_its_files_place_for_one_job() -> None:
    test = "tests/test_box.py::test_wrong"
    program = Program("box/numbers.py", "half", "def half(x):\n    return 3\n")
    with ReplaySandbox().open(TREE, (), Limits()) as executor:
        assert executor.run(Job((test,), program)).outcomes[0].status == "passed"
        assert executor.run(Job((test,))).outcomes[0].status == "failed"
        broken = executor.run(Job((test,), replace(program, source="def half(:")))
    assert (broken.status, broken.outcomes[0].status) == ("invalid", "not_run")
    assert "SyntaxError" in broken.detail


def test_a_test_may_answer_jobs_itself() -> None:
    def answer(tree: Tree, job: Job) -> Execution | None:
        slow = TestOutcome(job.tests[0], "timeout")
        return Execution("timeout", (slow,)) if job.program else None

    with ReplaySandbox(answer).open(TREE, (), Limits()) as executor:
        job = Job(("tests/test_box.py::test_half",), Program("box/numbers.py", "half", ""))
        assert executor.run(job).status == "timeout"
        assert executor.run(replace(job, program=None)).status == "ok"
        assert executor.jobs == [job, replace(job, program=None)]


def test_a_closed_executor_takes_no_job() -> None:
    with ReplaySandbox().open(TREE, (), Limits()) as executor:
        executor.close()
    with pytest.raises(SandboxError):
        executor.run(Job(()))
