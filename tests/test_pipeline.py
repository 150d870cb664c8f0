"""The whole run on small repositories, with a scripted model and tests that run in process."""

from __future__ import annotations

import hashlib

import pytest

from egbot.errors import InterruptedRunError, ModelError, SandboxError, UsageError
from egbot.progress import FailuresFound, LineChosen, TargetEnded, TargetStarted
from egbot.records import SCHEMA_RUN, Execution, Job, TestOutcome, Tree
from egbot.testing import ReplaySandbox, Script, ScriptedDecoder
from tests.shelf import (
    DOUBLE,
    STUB,
    Bench,
    code_of,
    decoder_of,
    reasons,
    settings_of,
)


def files_with(test: str, **sources: str) -> dict[str, str]:
    """``test`` as test_it.py next to the modules ``sources``."""
    return {"test_it.py": test, **{f"{name}.py": text for name, text in sources.items()}}


# --- what needs no model -----------------------------------------------------------------------


def test_nothing_fails_and_nothing_is_done() -> None:
    bench = Bench()
    run = bench.solve(files_with("def test_it():\n    assert 1\n"))
    assert reasons(run) == [("", "nothing_to_do")]
    assert (bench.num_loads, run.finished, run.schema) == (0, True, SCHEMA_RUN)


def test_a_selection_that_passes_is_nothing_to_do_whatever_else_fails() -> None:
    bench = Bench()
    run = bench.solve(STUB, tests=("test_calc.py::test_sep",))
    assert reasons(run) == [("", "nothing_to_do")]


def test_a_repository_without_tests_is_the_person_s_mistake() -> None:
    with pytest.raises(UsageError, match="no tests"):
        Bench().solve({"calc.py": "x = 1\n"})


def test_failures_that_ask_for_no_function_are_left_alone_and_said_so() -> None:
    files = files_with("from calc import f\n\ndef test_it():\n    assert f() == 2\n",
                       calc="def f():\n    return 1\n")  # fmt: skip
    bench = Bench()
    run = bench.solve(files)
    assert reasons(run) == [("", "no_target")]
    assert run.outcomes[0].failing == ("test_it.py::test_it",)
    assert [one.node_id for one in run.outcomes[0].left] == ["test_it.py::test_it"]
    assert run.outcomes[0].left[0].why
    assert bench.num_loads == 0


def test_tests_that_contradict_each_other_are_told_without_a_model() -> None:
    test = (
        "from calc import double\n\n"
        "def test_a():\n    assert double(2) == 4\n\n"
        "def test_b():\n    assert double(2) == 5\n"
    )
    bench = Bench()
    run = bench.solve(files_with(test, calc="def double(x):\n    raise NotImplementedError\n"))
    assert reasons(run) == [("double", "contradictory_tests")]
    assert "test_it.py:4" in run.outcomes[0].detail
    assert "test_it.py:7" in run.outcomes[0].detail
    assert bench.num_loads == 0


def test_a_module_that_may_be_a_dependency_is_not_guessed_at() -> None:
    """Nothing says whether an unknown top-level name is to be installed or to be written."""
    run = Bench().solve(files_with("from calc import f\n\ndef test_it():\n    assert f() == 2\n"))
    assert reasons(run) == [("", "no_target")]
    assert "calc" in run.outcomes[0].left[0].why


# --- the kinds of targets ----------------------------------------------------------------------


def test_a_stub_is_filled_and_nothing_else_changes() -> None:
    bench = Bench(decoder=decoder_of({"double": DOUBLE}))
    run = bench.solve(STUB)
    (outcome,) = run.outcomes
    assert reasons(run) == [("double", "patched")]
    assert outcome.patch is not None
    assert outcome.patch.base_sha256 == hashlib.sha256(STUB["calc.py"].encode()).hexdigest()
    changed = [line for line in outcome.patch.unified_diff.split("\n") if line[:1] in "+-" and line]
    assert changed[2:] == ["-    raise NotImplementedError", "+    return x * 2"]
    assert outcome.verdict is not None
    assert outcome.verdict.target_passed == ("test_calc.py::test_double",)
    assert outcome.verdict.guard_passed == ("test_calc.py::test_sep",)
    assert outcome.evidence[0].status == "passed"


MISSING = {
    "a name of a module": (
        files_with("from calc import double\n\ndef test_it():\n    assert double(2) == 4\n",
                   calc='"""Sums."""\n\nONE = 1\n'),
        "calc.py",
        "double",
    ),
    "an attribute of a module": (
        files_with("import calc\n\ndef test_it():\n    assert calc.double(2) == 4\n",
                   calc="ONE = 1\n"),
        "calc.py",
        "double",
    ),
    "a module of a package": (
        {
            "box/__init__.py": "",
            "tests/test_it.py": (
                "from box.calc import double\n\ndef test_it():\n    assert double(2) == 4\n"
            ),
        },
        "box/calc.py",
        "double",
    ),
    "a method": (
        files_with(
            "from calc import Sum\n\ndef test_it():\n    assert Sum(2).double() == 4\n",
            calc="class Sum:\n    def __init__(self, x):\n        self.x = x\n",
        ),
        "calc.py",
        "Sum.double",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISSING)
def test_what_is_missing_is_made(kind: str) -> None:
    """The patch is against the person's files, which never see the stub."""
    files, path, qualname = MISSING[kind]
    is_method = "." in qualname
    scripts = {
        "double": Script("\n        return self.x * 2\n" if is_method else "\n    return 2 + 2\n")
    }
    run = Bench(decoder=decoder_of(scripts)).solve(files)
    assert reasons(run) == [(qualname, "patched")]
    patch = run.outcomes[0].patch
    assert patch is not None
    assert patch.path == path
    assert patch.base_sha256 == (
        hashlib.sha256(files[path].encode()).hexdigest() if path in files else ""
    )
    assert "NotImplementedError" not in patch.unified_diff
    assert "return" in patch.replacement
    assert all(
        f"-{line}" not in patch.unified_diff for line in files.get(path, "").split("\n") if line
    )


def test_the_second_patch_of_a_file_is_made_for_the_first_one_s_result() -> None:
    test = (
        "from calc import double, half\n\n"
        "def test_double():\n    assert double(2) == 4\n\n"
        "def test_half():\n    assert half(2) == 1\n"
    )
    scripts = {"double": Script("\n    return 4\n"), "half": Script("\n    return 1\n")}
    bench = Bench(decoder=decoder_of(scripts))
    run = bench.solve(files_with(test, calc="ONE = 1\n"))
    assert sorted(reasons(run)) == [("double", "patched"), ("half", "patched")]
    first, second = (outcome.patch for outcome in run.outcomes)
    assert first is not None
    assert second is not None
    assert first.base_sha256 != second.base_sha256
    assert bench.num_loads == 1


def test_two_targets_of_one_test_are_written_in_the_order_of_need() -> None:
    """The outer function's test can pass only when the inner one is written."""
    sources = (
        "def inner(x):\n    raise NotImplementedError\n\n\n"
        "def outer(x):\n    raise NotImplementedError\n"
    )
    test = (
        "from calc import inner, outer\n\n"
        "def test_inner():\n    assert inner(1) == 2\n\n"
        "def test_outer():\n    assert outer(inner(1)) == 3\n"
    )
    scripts = {"inner": Script("\n    return x + 1\n"), "outer": Script("\n    return x + 1\n")}
    bench = Bench(decoder=decoder_of(scripts))
    run = bench.solve(files_with(test, calc=sources))
    assert reasons(run) == [("inner", "patched"), ("outer", "patched")]
    starts = [event for event in bench.events if isinstance(event, TargetStarted)]
    assert [(one.index, one.total) for one in starts] == [(1, 2), (2, 2)]


def test_a_named_target_is_the_only_one() -> None:
    sources = "def one():\n    ...\n\n\ndef two():\n    ...\n"
    test = (
        "from calc import one, two\n\n"
        "def test_one():\n    assert one() == 1\n\ndef test_two():\n    assert two() == 2\n"
    )
    scripts = {"one": Script("\n    return 1\n"), "two": Script("\n    return 2\n")}
    run = Bench(decoder=decoder_of(scripts)).solve(
        files_with(test, calc=sources), targets=("calc.py::two",)
    )
    assert ("two", "patched") in reasons(run)
    assert not [name for name, _ in reasons(run) if name == "one"]


def test_a_named_function_that_is_wrong_is_written_anew() -> None:
    """No traceback says so, but the person who names it knows more."""
    files = {**STUB, "calc.py": STUB["calc.py"].replace("raise NotImplementedError", "return 0")}
    bench = Bench(decoder=decoder_of({"double": DOUBLE}))
    assert reasons(bench.solve(files)) == [("", "no_target")]
    assert reasons(bench.solve(files, targets=("calc.py::double",))) == [("double", "patched")]


def test_a_named_target_may_be_missing_still() -> None:
    files = {
        "calc.py": "def half(x):\n    raise NotImplementedError\n",
        "test_calc.py": (
            "import calc\n\n"
            "def test_double():\n    assert calc.double(2) == 4\n\n"
            "def test_half():\n    assert calc.half(2) == 1\n"
        ),
    }
    run = Bench().solve(files, targets=("calc.py::double",))
    assert [name for name, _ in reasons(run)] == ["double"]


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n\t def g(self, x):\n\t\t raise NotImplementedError\n\n",  # mixed tabs
        "def to_µm(x):\n    return x * 1e6\n\n\n",  # a name that Python itself writes otherwise
        "x = 1; \\\n",  # a line that goes on
    ],
)
def test_a_failing_test_is_never_told_to_be_nothing_to_do(source: str) -> None:
    """Whatever keeps a file from being read: the function is written, or the reason is told."""
    files = {
        "calc.py": f"{source}def double(x):\n    raise NotImplementedError\n",
        "test_calc.py": "from calc import double\n\ndef test_it():\n    assert double(2) == 4\n",
    }
    run = Bench(decoder=decoder_of({"double": DOUBLE})).solve(files)
    assert reasons(run) in ([("", "no_target")], [("double", "patched")])
    if run.outcomes[0].left:
        assert "calc.py" in run.outcomes[0].left[0].why


def test_a_function_whose_tests_pass_by_now_is_not_written() -> None:
    """Any body at all would do: nothing would be proved."""
    files = {
        "calc.py": (
            "class Item:\n    def text(self):\n        raise NotImplementedError\n\n\n"
            "class Word(Item):\n    def __init__(self, word):\n        self.word = word\n\n"
            "    def text(self):\n        return self.word\n\n\n"
            "def make(word) -> Item:\n    raise NotImplementedError\n"
        ),
        "test_calc.py": (
            "from calc import make\n\n"
            "def test_word():\n    assert make('a').word == 'a'\n\n"
            "def test_text():\n    item = make('c')\n    assert item.text() == 'c'\n"
        ),
    }
    scripts = {
        "make": Script("\n    return Word(word)\n"),
        "text": Script("\n        return self\n"),
    }
    run = Bench(decoder=decoder_of(scripts)).solve(files)
    assert reasons(run) == [("make", "patched")]


def test_a_proved_test_that_is_slow_once_afterwards_is_no_failure_of_the_run() -> None:
    """The run after a verdict looks for more to do; it takes back no verdict."""

    def answer(tree: Tree, job: Job) -> Execution | None:
        if len(job.tests) == 3 and b"return x * 2" in tree["calc.py"].data:
            return Execution("timeout", tuple(TestOutcome(one, "timeout") for one in job.tests))
        return None

    bench = Bench(sandbox=ReplaySandbox(answer), decoder=decoder_of({"double": DOUBLE}))
    half = "\n\ndef half(x):\n    raise NotImplementedError\n"
    more = "\ndef test_half():\n    from calc import half\n    assert half(4) == 2\n"
    files = {**STUB, "calc.py": STUB["calc.py"] + half}
    files["test_calc.py"] += more
    run = bench.solve(files)
    assert ("double", "patched") in reasons(run)
    left = {one.node_id for outcome in run.outcomes for one in outcome.left}
    assert "test_calc.py::test_double" not in left


def test_tests_that_were_not_run_are_told_and_are_no_success() -> None:
    def nothing(tree: Tree, job: Job) -> Execution:
        del tree
        return Execution("crash", tuple(TestOutcome(one, "not_run") for one in job.tests), "gone")

    files = {"test_it.py": "def test_a():\n    assert 1\n\ndef test_b():\n    assert 1\n"}
    run = Bench(sandbox=ReplaySandbox(nothing)).solve(files)
    assert reasons(run) == [("", "no_target")]
    assert len(run.outcomes[0].left) == 2


def test_a_named_target_that_is_not_there_is_the_person_s_mistake() -> None:
    with pytest.raises(UsageError, match="tripple"):
        Bench().solve(STUB, targets=("calc.py::tripple",))


# --- what the model cannot do ------------------------------------------------------------------


def test_no_function_that_passes_is_no_patch() -> None:
    run = Bench().solve(STUB)
    (outcome,) = run.outcomes
    assert (outcome.reason, outcome.patch) == ("no_patch", None)
    assert [attempt.finish for attempt in outcome.attempts] == ["wrong"]
    assert outcome.detail == "1 attempt, none of which passes the tests and the guard"


def test_the_schedule_goes_on_until_an_agent_solves_it() -> None:
    answers = ["\n    return 1\n", "\n    return 2\n", "\n    return x + x\n"]
    decoder = ScriptedDecoder(lambda _prompt, again: Script(answers[min(again, 2)]))
    bench = Bench(decoder=decoder)
    run = bench.solve(STUB, settings=settings_of(guidance={}))
    (outcome,) = run.outcomes
    assert outcome.reason == "patched"
    assert [attempt.finish for attempt in outcome.attempts] == ["wrong", "wrong", "candidate"]
    assert outcome.stats.num_tokens_forwarded == run.stats.num_tokens_forwarded > 0
    assert run.stats.num_executions == outcome.stats.num_executions > 0


def test_a_target_that_fails_does_not_keep_the_next_from_being_written() -> None:
    sources = "def one():\n    ...\n\n\ndef two():\n    ...\n"
    test = (
        "from calc import one, two\n\n"
        "def test_one():\n    assert one() == 1\n\ndef test_two():\n    assert two() == 2\n"
    )
    run = Bench(decoder=decoder_of({"two": Script("\n    return 2\n")})).solve(
        files_with(test, calc=sources)
    )
    assert sorted(reasons(run)) == [("one", "no_patch"), ("two", "patched")]


def test_a_used_up_budget_is_told_for_every_target() -> None:
    sources = "def one():\n    ...\n\n\ndef two():\n    ...\n"
    test = (
        "from calc import one, two\n\n"
        "def test_one():\n    assert one() == 1\n\ndef test_two():\n    assert two() == 2\n"
    )
    run = Bench().solve(files_with(test, calc=sources), settings=settings_of(max_tokens=1))
    assert sorted(reasons(run)) == [("one", "over_budget"), ("two", "over_budget")]
    assert all("budget" in outcome.detail for outcome in run.outcomes)


# --- what the verdict refuses ------------------------------------------------------------------


def test_a_function_that_breaks_another_test_is_rejected() -> None:
    sources = "STATE = [1]\n\n\ndef double(x):\n    raise NotImplementedError\n"
    test = (
        "import calc\n\n"
        "def test_double():\n    assert calc.double(2) == 4\n\n"
        "def test_state():\n    try:\n        calc.double(1)\n"
        "    except NotImplementedError:\n        pass\n    assert calc.STATE == [1]\n"
    )
    bad = Script("\n    STATE.append(x)\n    return x * 2\n")
    run = Bench(decoder=decoder_of({"double": bad})).solve(files_with(test, calc=sources))
    (outcome,) = run.outcomes
    assert (outcome.reason, outcome.patch) == ("rejected", None)
    assert outcome.verdict is not None
    assert outcome.verdict.regressions == ("test_it.py::test_state",)
    assert "test_it.py::test_state" in outcome.detail


def test_a_function_that_the_guard_vetoes_is_never_delivered() -> None:
    cheat = Script("\n    import gc\n    gc.collect()\n    return x * 2\n")
    run = Bench(decoder=decoder_of({"double": cheat})).solve(STUB)
    assert run.outcomes[0].reason in {"rejected", "no_patch"}
    assert run.outcomes[0].patch is None


def test_a_function_that_passes_only_sometimes_is_rejected() -> None:
    """It passes while it is looked for and in the first verdict, and fails in a repeat."""

    def answer(tree: Tree, job: Job) -> Execution | None:
        if b"x * 2" in tree["calc.py"].data and not job.trace and len(job.tests) == 1:
            return Execution("ok", tuple(TestOutcome(test, "failed") for test in job.tests))
        return None

    bench = Bench(ReplaySandbox(answer), decoder_of({"double": DOUBLE}))
    run = bench.solve(STUB)
    assert run.outcomes[0].reason == "rejected"
    assert run.outcomes[0].verdict is not None
    assert run.outcomes[0].verdict.flaky == ("test_calc.py::test_double",)
    assert "sometimes" in run.outcomes[0].detail


def test_a_rejection_says_what_is_true_of_its_tests() -> None:
    """One of two that fails in the fresh sandbox is no sign that the function is not needed."""

    def answer(tree: Tree, job: Job) -> Execution | None:
        if b"x * 2" not in tree["calc.py"].data:
            return None
        outcomes = (
            TestOutcome(one, "failed" if one.endswith("more") else "passed") for one in job.tests
        )
        return Execution("ok", tuple(outcomes))

    files = {**STUB}
    files["test_calc.py"] += "\ndef test_more():\n    assert double(3) == 6\n"
    run = Bench(ReplaySandbox(answer), decoder_of({"double": DOUBLE})).solve(files)
    assert run.outcomes[0].detail == "in a fresh sandbox the tests do not pass"


def test_after_a_rejection_the_next_agent_may_try() -> None:
    """One agent's cheat does not end the search for an honest function."""
    sources = "STATE = []\n\n\ndef double(x):\n    raise NotImplementedError\n"
    test = (
        "import calc\n\n"
        "def test_double():\n    assert calc.double(2) == 4\n\n"
        "def test_state():\n    try:\n        calc.double(1)\n"
        "    except NotImplementedError:\n        pass\n    assert calc.STATE == []\n"
    )
    scripts = [Script("\n    STATE.append(x)\n    return x * 2\n"), DOUBLE]
    decoder = ScriptedDecoder(lambda _prompt, again: scripts[min(again, 1)])
    run = Bench(decoder=decoder).solve(
        files_with(test, calc=sources), settings=settings_of(guidance={})
    )
    assert reasons(run) == [("double", "patched")]
    assert code_of(run.outcomes[0]) == "def double(x):\n    return x * 2\n"


# --- saving and stopping -----------------------------------------------------------------------


def test_the_run_is_saved_after_every_stage_and_at_its_end() -> None:
    bench = Bench(decoder=decoder_of({"double": DOUBLE}))
    run = bench.solve(STUB)
    assert [len(saved.outcomes) for saved in bench.saved] == [0, 1, 1]
    assert [saved.finished for saved in bench.saved] == [False, False, True]
    assert bench.saved[-1] == run
    assert run.settings["max_tokens"] == 400_000
    assert run.versions["sandbox"] == "replay"


def test_every_sandbox_is_closed_and_the_verdict_s_are_fresh() -> None:
    bench = Bench(decoder=decoder_of({"double": DOUBLE}))
    bench.solve(STUB)
    assert all(executor.closed for executor in bench.sandbox.executors)
    fresh = [one for one in bench.sandbox.executors if b"x * 2" in one.tree["calc.py"].data]
    assert len(fresh) >= 2


def test_an_interrupt_at_any_moment_saves_and_closes_everything() -> None:
    """Ctrl-C is tried at every event that a whole run sends."""
    calm = Bench(decoder=decoder_of({"double": DOUBLE}))
    calm.solve(STUB)
    assert len(calm.events) > 10
    for at in range(len(calm.events)):
        bench = Bench(decoder=decoder_of({"double": DOUBLE}), interrupt_at=at)
        with pytest.raises(InterruptedRunError) as caught:
            bench.solve(STUB)
        assert caught.value.exit_code == 130
        assert (bench.saved[-1].finished, bench.saved[-1].detail) == (False, "interrupted")
        assert all(executor.closed for executor in bench.sandbox.executors)
        ended = [event for event in bench.events if isinstance(event, TargetEnded)]
        started = [event for event in bench.events if isinstance(event, TargetStarted)]
        outcomes = bench.saved[-1].outcomes
        assert len(ended) <= len(outcomes)
        if len(ended) < len(started):
            lines = [event.step for event in bench.events if isinstance(event, LineChosen)]
            assert outcomes[-1].reason in {"interrupted", "patched"}
            assert sum(len(one.lines) for one in outcomes[-1].attempts) >= len(lines)


def test_what_fails_is_told_before_the_work_begins() -> None:
    bench = Bench(decoder=decoder_of({"double": DOUBLE}))
    bench.solve(STUB)
    found = [event for event in bench.events if isinstance(event, FailuresFound)]
    assert [one.node_id for one in found[0].failing] == ["test_calc.py::test_double"]


@pytest.mark.parametrize("error", [ModelError("no model"), SandboxError("no sandbox")])
def test_broken_surroundings_are_saved_and_told(error: Exception) -> None:
    def load(prompt: object, again: int) -> Script:
        raise error

    bench = Bench(decoder=ScriptedDecoder(load))
    with pytest.raises(type(error)):
        bench.solve(STUB)
    assert (bench.saved[-1].finished, bench.saved[-1].detail) == (False, str(error))
    assert all(executor.closed for executor in bench.sandbox.executors)


# --- sets ---------------------------------------------------------------------------------------


def test_a_function_that_calls_another_unwritten_one_is_written_with_it() -> None:
    """No test names the inner one: it shows once the outer one runs against recorders."""
    sources = (
        "def outer(x):\n    raise NotImplementedError\n\n\n"
        "def inner(x):\n    raise NotImplementedError\n"
    )
    scripts = {
        "outer": Script("\n    return inner(x) * 2\n"),
        "inner": Script("\n    return x + 1\n"),
    }
    run = Bench(decoder=decoder_of(scripts)).solve(
        files_with("import calc\n\ndef test_it():\n    assert calc.outer(2) == 6\n", calc=sources)
    )
    assert reasons(run) == [("inner", "patched"), ("outer", "patched")]
    assert all(one.verdict and one.verdict.accepted for one in run.outcomes)


def test_rows_that_come_of_an_unwritten_function_are_asked_for_by_their_test() -> None:
    test = (
        "import pytest\nfrom calc import rows\n\n\n"
        "@pytest.mark.parametrize('x', rows())\ndef test_x(x):\n    assert x in (1, 2, 3)\n"
    )
    bench = Bench(decoder=decoder_of({"rows": Script("\n    return [1, 2, 3]\n")}))
    run = bench.solve(files_with(test, calc="def rows():\n    raise NotImplementedError\n"))
    assert reasons(run) == [("rows", "patched")]
    assert run.outcomes[0].failing == ("test_it.py::test_x",)


def test_a_patch_that_needs_more_than_is_delivered_says_so() -> None:
    test = (
        "from calc import one, two\n\n"
        "def test_one():\n    assert one() == 1\n\ndef test_two():\n    assert two() == 2\n"
    )
    bench = Bench(decoder=decoder_of({"two": Script("\n    return 2\n")}))
    run = bench.solve(files_with(test, calc="X = 1\n"))
    assert ("two", "patched") in reasons(run)
    (left,) = run.outcomes[-1].left
    assert (left.node_id, "calc.py::one" in left.why) == ("test_it.py::test_two", True)
