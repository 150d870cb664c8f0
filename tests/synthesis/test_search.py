"""The line loop keeps the algorithm's promises, with a scripted model and runs in process."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.progress import AttemptStarted, CandidatesRun, LineChosen, LineStarted, Tick
from egbot.records import Attempt, Execution, Guidance, Job, TestOutcome
from egbot.synthesis.budget import Budget
from egbot.synthesis.search import write_function
from egbot.testing import Script, ScriptedDecoder, ScriptedSession
from egbot.testing.scripted import pieces
from tests.synthesis.workshop import GOOD, PROMPT, SOURCE, Bench, make_bench, session_of

GUIDED = Guidance(gamma=1.0, candidates=2, horizon_lines=2)
PLAIN = Guidance(gamma=0.0, candidates=0)
SAMPLES = Guidance(gamma=0.0, horizon_lines=0)
WRONG = "\n    y = x\n    z = 1\n    return z\n"


def write(session: ScriptedSession, guidance: Guidance = GUIDED) -> tuple[Attempt, Bench]:
    bench = make_bench()
    return write_function(bench.task, session, guidance), bench


# --- the plain agent ---------------------------------------------------------------------------


def test_plain_decoding_writes_line_by_line_and_is_judged_once() -> None:
    session = session_of(GOOD)
    attempt, bench = write(session, PLAIN)
    assert (attempt.finish, attempt.num_passed) == ("solved", 2)
    assert attempt.code == "def double(x):\n    y = x\n    y = y * 2\n    return y\n"
    written = [step.text for step in attempt.lines if step.text]
    assert "\n".join(written) == GOOD.strip("\n")
    assert [text.count("\n    ") <= 2 for text in written] == [True] * 3
    assert bench.runs.num_executions == 2
    assert not session.samplings


def test_a_complete_function_that_fails_is_wrong() -> None:
    attempt, _ = write(session_of(WRONG), PLAIN)
    assert (attempt.finish, attempt.num_passed) == ("wrong", 0)
    assert attempt.code.endswith("    return z\n")


@pytest.mark.parametrize("answer", ["", "\n", "```", "\nI cannot do that.", "\n    # nothing\n"])
def test_an_answer_without_code_is_no_code(answer: str) -> None:
    attempt, bench = write(session_of(answer), PLAIN)
    assert (attempt.finish, attempt.code, attempt.num_passed) == ("no_code", "", 0)
    assert bench.runs.num_executions == 0


def test_what_follows_the_function_is_not_part_of_it() -> None:
    attempt, _ = write(session_of(f"{GOOD}```\nHere `double` returns ...\n"), PLAIN)
    assert attempt.finish == "solved"
    assert attempt.code.endswith("return y\n")


def test_max_lines_ends_an_attempt() -> None:
    long = "\n" + "".join(f"    y{n} = x\n" for n in range(30))
    session = session_of(long)
    attempt, _ = write(session, replace(PLAIN, max_lines=5))
    assert (attempt.finish, len(attempt.lines), len(session.advances)) == ("max_lines", 5, 5)
    assert attempt.code.count("\n") == 6


def test_what_was_written_when_the_lines_ran_out_may_still_be_right() -> None:
    attempt, _ = write(
        session_of(f"{GOOD}    more = 1\n    more = 2\n"), replace(PLAIN, max_lines=4)
    )
    assert attempt.finish == "solved"


def test_code_that_can_never_run_again_ends_the_attempt() -> None:
    """Lines behind a syntax error cost time and cannot help."""
    broken = "\n    return return\n" + "    y = 1\n" * 20
    attempt, _ = write(session_of(broken), PLAIN)
    assert len(attempt.lines) < 5
    assert attempt.finish == "no_code"


def test_leading_comments_do_not_end_the_attempt() -> None:
    comments = "".join(f"    # step {n}\n" for n in range(4))
    assert write(session_of(f"\n{comments}{GOOD[1:]}"), PLAIN)[0].finish == "solved"


# --- exploring ---------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [1, 2, 3, 8])
def test_candidates_look_exactly_the_horizon_ahead(horizon: int) -> None:
    """From each line on, d lines and not one more, whatever the tokens hold."""
    answer = "\n" + "".join(f"    y{n} = x\n" for n in range(12)) + "    return x\n"
    session = session_of(answer)
    attempt, _ = write(session, replace(GUIDED, horizon_lines=horizon, max_lines=3))
    for number, step in enumerate(attempt.lines):
        (candidate,) = step.candidates
        assert candidate.program.count("\n") - 1 == number + horizon


def test_what_is_left_of_a_sample_is_a_sample_for_the_next_line() -> None:
    """Its text goes on by one line instead of d; one that has ended is not drawn again."""
    answer = "\n    y = x\n    z = y\n    return z\n"
    rows = (answer, "\n    y = x\n    return y\n", "\n    other = 1\n")
    session = session_of(answer, rows)
    attempt, _ = write(session, replace(GUIDED, candidates=3, horizon_lines=2, max_lines=2))
    first, second = session.samplings
    assert (first.num_samples, first.starts) == (3, ())
    assert second.text.strip() == "y = x"
    assert [start.strip() for start in second.starts] == ["z = y", "return y"]
    programs = [one.program for one in attempt.lines[1].candidates]
    assert "return z" in programs[0], "the recycled ones come first, as they did"


def test_greedy_candidates_are_drawn_afresh_for_each_line() -> None:
    """All of them are one and the same, so that none goes on from another's text."""
    session = session_of(WRONG)
    attempt, _ = write(session, replace(GUIDED, temperature=0.0))
    assert attempt.finish == "wrong"
    assert len(session.samplings) > 1
    assert not any(one.starts for one in session.samplings)


def test_a_complete_candidate_runs_while_others_are_drawn() -> None:
    ran = threading.Event()

    def answer(job: Job) -> None:
        if job.program is not None and "first" in job.program.source:
            ran.set()

    num_rows = iter(range(100))

    def tokenise(text: str) -> list[str]:
        if next(num_rows) == 2:  # the prompt, the first row, the second one
            assert ran.wait(100), "the first row's program has not run yet"
        return pieces(text)

    rows = ("\n    first = x\n    y = x\n", "\n    second = x\n    y = x\n")
    decoder = ScriptedDecoder(Script(GOOD, None, (rows,)), tokenise=tokenise)
    bench = make_bench(answer=answer)
    with closing(bench.runs):
        guidance = replace(GUIDED, candidates=2, horizon_lines=1, max_lines=1)
        write_function(bench.task, decoder.open(PROMPT), guidance)
    assert ran.is_set()


def test_a_signal_can_be_kept_for_what_did_better_than_others() -> None:
    """Told of the best alone: two that fail alike give no signal, one that passes more does."""
    alike = ("\n    y = 1\n    return y\n", "\n    y = 2\n    return y\n")
    better = (alike[0], "\n    return 4\n")
    session = session_of("")
    for rows, has_signal in ((alike, False), (better, True)):
        session = session_of("\n    y = 1\n    return y\n", rows)
        attempt, _ = write(session, replace(GUIDED, tell="best", max_lines=1))
        assert bool(session.advances[0].signal) == has_signal
        assert len(attempt.lines[0].candidates) == 2, "all are in the record"
    assert "return 4" in session.advances[0].signal
    assert "y = 1" not in session.advances[0].signal


def test_a_candidate_knows_whether_it_came_to_its_end() -> None:
    rows = ("\n    y = 1\n    z = 2\n    return y\n", "\n    return 1\n")
    attempt, _ = write(session_of(WRONG, rows), replace(GUIDED, horizon_lines=2, max_lines=1))
    assert [one.complete for one in attempt.lines[0].candidates] == [False, True]


def test_samples_end_when_one_of_them_passes_every_test() -> None:
    """The longer rows are cut, which no other row's speed decides, and are no candidates."""
    long = "\n" + "".join(f"    y{n} = x\n" for n in range(20)) + "    return 0\n"
    session = session_of("", (f"{WRONG}```", f"{GOOD}```", f"{long}```"))
    attempt, bench = write(session, replace(SAMPLES, candidates=3))
    assert attempt.finish == "candidate"
    (step,) = attempt.lines
    assert [one.num_passed for one in step.candidates] == [0, 2]
    assert bench.runs.num_executions == 4
    assert session.advances == []


def test_an_agent_that_only_samples_decodes_nothing_after_them() -> None:
    """Greedy decoding is another agent's; the nearest sample is what this one has to show."""
    half = "\n    return 4\n"
    session = session_of(GOOD, (WRONG, half))
    attempt, _ = write(session, replace(SAMPLES, candidates=2))
    assert (attempt.finish, attempt.num_passed, session.advances) == ("wrong", 1, [])
    assert attempt.code == "def double(x):\n    return 4\n"
    assert [step.text for step in attempt.lines] == ["    return 4"]


@pytest.mark.parametrize(("num_tokens", "num_rows"), [(10**6, 24), (200, 3), (70, 1), (1, 1)])
def test_no_more_samples_are_drawn_than_the_token_budget_pays_for(
    num_tokens: int, num_rows: int
) -> None:
    session = session_of("", (WRONG,))
    bench = make_bench(budget=Budget(1e9, num_tokens, lambda: 0.0))
    write_function(bench.task, session, replace(SAMPLES, candidates=24))
    assert [call.num_samples for call in session.samplings] == [num_rows]


def test_of_samples_that_pass_the_shortest_is_taken() -> None:
    """Also of those that end by themselves, behind which no line follows."""
    session = session_of(WRONG, ("\n    y = x\n    return y * 2\n", "\n    return x * 2\n"))
    attempt, _ = write(session, replace(SAMPLES, candidates=2))
    assert (attempt.finish, attempt.code) == ("candidate", "def double(x):\n    return x * 2\n")


def test_a_sample_that_was_run_while_others_were_drawn_is_no_hit_of_the_cache() -> None:
    rows = ("\n    return x\nprint()\n", "\n    return 5\nprint()\n")
    attempt, bench = write(session_of(WRONG, rows), replace(SAMPLES, candidates=2))
    assert (bench.runs.num_executions, bench.runs.num_cache_hits) == (4, 0)
    first_s, second_s = (one.ended_s for one in attempt.lines[0].candidates)
    assert 0 < first_s < second_s < attempt.wall_s


def test_an_agent_may_draw_short_functions_only() -> None:
    """What is longer is cut and counts as far as it came; two lines are enough for one of them."""
    short = "\n    y = x * 2\n    return y\n"
    session = session_of("", (GOOD, f"{short}    z = 3\n"))
    attempt, _ = write(session, replace(SAMPLES, candidates=2, horizon_lines=2))
    assert attempt.finish == "candidate"
    assert attempt.code == f"def double(x):{short}"
    (step,) = attempt.lines
    assert [one.text.count("\n    ") for one in step.candidates] == [2, 2]


def test_samples_without_code_are_told_apart() -> None:
    attempt, _ = write(session_of("", ("", "\n    )\n")), replace(SAMPLES, candidates=2))
    assert (attempt.finish, attempt.lines) == ("no_code", ())


def test_the_paper_s_method_draws_afresh_uses_no_drafts_and_accepts_no_candidate() -> None:
    session = session_of("\n    y = x\n    return y\n", (GOOD,) * 3)
    paper = replace(GUIDED, method="paper", horizon_lines=8)
    attempt, _ = write(session_of(GOOD, (GOOD,) * 3), paper)
    assert attempt.finish == "solved", "by its own end"
    assert len(attempt.lines) == 3
    attempt, _ = write(session, paper)
    assert attempt.finish == "wrong"
    assert {one.starts for one in session.samplings} == {()}
    assert {one.drafts for one in session.advances} == {()}


def test_a_token_that_holds_the_next_line_s_first_word_adds_no_line() -> None:
    """The horizon counts whole lines; half of the next one would run as another program."""
    answer = "\n    a = x\n    b = x\n    c = x\n    return c\n"
    decoder = ScriptedDecoder(Script(answer), tokenise=greedy_tokens)
    bench = make_bench()
    attempt = write_function(bench.task, decoder.open(PROMPT), replace(GUIDED, max_lines=1))
    assert [one.program for one in attempt.lines[0].candidates] == [
        "def double(x):\n    a = x\n    b = x\n"
    ]


def greedy_tokens(text: str) -> list[str]:
    """Tokens that end in the first letter of a line."""
    tokens, token = [], ""
    for place, letter in enumerate(text):
        token += letter
        if "\n" in token and letter.isalpha() and not text[place - 1].isalpha():
            tokens.append(token)
            token = ""
    return [*tokens, token] if token else tokens


def test_each_line_draws_anew_with_a_seed_of_its_own() -> None:
    session = session_of(WRONG)
    write(session, replace(GUIDED, seed=3, temperature=0.7, top_p=0.9))
    seeds = [call.seed for call in session.samplings]
    assert len(set(seeds)) == len(seeds) >= 3
    assert {(one.temperature, one.top_p, one.num_samples) for one in session.samplings} == {
        (0.7, 0.9, 2)
    }


def test_agents_with_other_seeds_draw_other_samples() -> None:
    first, second = session_of(WRONG), session_of(WRONG)
    write(first, replace(GUIDED, seed=0))
    write(second, replace(GUIDED, seed=1))
    assert not {one.seed for one in first.samplings} & {one.seed for one in second.samplings}


def test_a_candidate_that_passes_everything_is_the_solution() -> None:
    session = session_of(WRONG, (WRONG, "\n    return x + x\n"))
    attempt, bench = write(session)
    assert (attempt.finish, attempt.num_passed) == ("candidate", 2)
    assert attempt.code == "def double(x):\n    return x + x\n"
    assert session.advances == []
    assert attempt.lines[-1].candidates == bench.of(CandidatesRun)[-1].candidates


def test_the_solution_keeps_the_comments_that_the_model_wrote() -> None:
    attempt, _ = write(session_of(WRONG, ("\n    # twice\n    return x + x  # sum\n",)))
    assert attempt.code == "def double(x):\n    # twice\n    return x + x  # sum\n"


def test_a_solution_that_was_completed_is_delivered_as_it_ran() -> None:
    """What is verified is what ran; a tail that was cut off must not come back."""
    attempt, _ = write(session_of(WRONG, ("\n    return x + x\n    y = (\n",)))
    assert attempt.code == "def double(x):\n    return x + x\n"


def test_no_runnable_candidate_does_not_end_the_task() -> None:
    session = session_of(
        GOOD, ("\n    y = (\n", "\n    return return\n"), ("\n    y = x\n    )\n",)
    )
    attempt, _ = write(session)
    assert attempt.lines[0].candidates == ()
    assert session.advances[0].signal == ""
    assert attempt.num_passed == 2


def test_equal_candidates_are_one() -> None:
    variants = ("\n    return 3\n", "\n    return 3  # three\n", '\n    """D."""\n    return 3\n')
    attempt, bench = write(session_of(WRONG, variants), replace(GUIDED, candidates=3))
    assert len(attempt.lines[0].candidates) == 1
    assert bench.of(CandidatesRun)[0].candidates == attempt.lines[0].candidates


def test_a_sample_that_the_token_limit_cut_loses_only_its_last_line() -> None:
    """Half a line is another program, not a part of the one that was meant."""
    endless = "\n    y = 1\n    return " + "x + " * 2000
    session = session_of(WRONG, (endless,))
    attempt, _ = write(session, replace(GUIDED, candidates=1))
    assert [one.program for one in attempt.lines[0].candidates] == ["def double(x):\n    y = 1\n"]


def test_gamma_0_with_candidates_draws_whole_functions_once() -> None:
    session = session_of(WRONG, (WRONG, GOOD.replace("y * 2", "y + y + 1")))
    attempt, _ = write(session, replace(SAMPLES, candidates=2))
    assert len(session.samplings) == 1
    assert all(step.signal == "" for step in attempt.lines)
    assert [one.program.count("\n") for one in attempt.lines[0].candidates] == [4, 4]
    assert all(call.signal == "" for call in session.advances)


def test_no_candidates_means_no_sampling_and_no_signal() -> None:
    session = session_of(WRONG)
    attempt, bench = write(session, replace(GUIDED, candidates=0))
    assert session.samplings == []
    assert {step.signal for step in attempt.lines} == {""}
    assert len(bench.of(CandidatesRun)) == 1


# --- guiding -----------------------------------------------------------------------------------


def test_the_signal_of_a_line_s_own_candidates_guides_that_line() -> None:
    session = session_of(WRONG, ("\n    return 5\n",), guided="\n    return x * 2\n")
    attempt, _ = write(session, replace(GUIDED, candidates=1, gamma=3.0))
    assert session.advances[0].gamma == 3.0
    assert "return 5" in session.advances[0].signal
    assert session.advances[0].signal == attempt.lines[0].signal
    assert (attempt.finish, attempt.code) == ("candidate", "def double(x):\n    return x * 2\n")


def test_the_samples_are_the_line_s_drafts_the_most_promising_first() -> None:
    """Also those that do not run: the line may begin as they do."""
    rows = ("\n    y = (\n", "\n    return 5\n", "\n    return 4\n")
    session = session_of(WRONG, rows)
    write(session, replace(GUIDED, candidates=3))
    assert session.advances[0].drafts == (rows[2], rows[1], rows[0])


def test_one_line_is_written_at_a_time() -> None:
    session = session_of("\n\n    y = x\n\n    z = 1\n    return z\n")
    attempt, _ = write(session)
    assert [step.text for step in attempt.lines][:2] == ["    y = x", "    z = 1"]


def test_every_step_is_reported_in_order() -> None:
    attempt, bench = write(session_of(WRONG, ("\n    return 5\n",)))
    kinds = [type(one) for one in bench.events if not isinstance(one, Tick | AttemptStarted)]
    assert kinds[:3] == [LineStarted, CandidatesRun, LineChosen]
    assert [one.number for one in bench.of(LineStarted)] == list(
        range(1, len(bench.of(LineStarted)) + 1)
    )
    assert [one.step for one in bench.of(LineChosen)] == list(attempt.lines)
    assert bench.of(LineStarted)[0].text_so_far == "def double(x):\n"
    usages = [one.usage.num_tokens_forwarded for one in bench.of(Tick)]
    assert usages == sorted(usages)


def test_the_best_partial_candidate_is_kept_when_nothing_solves() -> None:
    half = "\n    return 4\n"
    attempt, _ = write(session_of(WRONG, (WRONG, half)))
    assert (attempt.finish, attempt.num_passed) == ("wrong", 1)
    assert attempt.code == "def double(x):\n    return 4\n"


# --- budgets -----------------------------------------------------------------------------------


def test_a_used_up_token_budget_ends_the_attempt() -> None:
    bench = make_bench(budget=Budget(1e9, 12, lambda: 0.0))
    session = session_of(WRONG)
    attempt = write_function(bench.task, session, PLAIN)
    assert attempt.finish == "over_budget"
    assert 0 < len(attempt.lines) < 3
    assert bench.task.budget.num_tokens_spent == session.usage.num_tokens_forwarded


def test_fewer_samples_than_wanted_is_no_failure_of_the_model() -> None:
    """Whoever reads the outcome is told that a larger budget would have brought more."""
    bench = make_bench(budget=Budget(1e9, 200, lambda: 0.0))
    session = session_of("", ("\n    return x\n",) * 3)
    attempt = write_function(bench.task, session, replace(SAMPLES, candidates=24))
    assert attempt.finish == "over_budget"
    assert not bench.task.budget.exhausted


def test_when_the_time_is_over_one_program_runs() -> None:
    now_s = iter([0.0] * 3 + [100.0] * 1000)
    bench = make_bench(budget=Budget(50.0, 10**9, lambda: next(now_s)))
    rows = tuple(f"\n    return {number}\n" for number in range(20))
    attempt = write_function(bench.task, session_of("", rows), replace(SAMPLES, candidates=20))
    assert attempt.finish == "over_budget"
    assert bench.runs.num_executions <= len(bench.runs.tests)


def test_a_solution_that_was_known_when_the_time_ended_is_not_lost() -> None:
    """It is over when both have run; the wrong one is shorter and stands first."""
    benches: list[Bench] = []

    def clock() -> float:
        return 100.0 * any(bench.runs.num_executions == 4 for bench in benches)

    benches.append(make_bench(budget=Budget(50.0, 10**9, clock)))
    rows = ("\n    return x\nprint()\n", "\n    return x + x\nprint()\n")
    session = session_of("", rows)
    attempt = write_function(benches[0].task, session, replace(SAMPLES, candidates=2))
    assert attempt.finish == "candidate"


def test_samples_end_where_the_token_budget_does() -> None:
    """Rows cannot know their length before; the budget is looked at after every token."""
    long = "\n" + "    y = x\n" * 200 + "    return y\n"
    session = session_of("", (long, long))
    bench = make_bench(budget=Budget(1e9, 150, lambda: 0.0))
    attempt = write_function(bench.task, session, replace(SAMPLES, candidates=2, max_lines=300))
    assert attempt.finish == "over_budget"
    assert 150 <= bench.task.budget.num_tokens_spent < 160


def test_a_signal_that_the_token_budget_cannot_pay_for_is_not_read() -> None:
    """Reading a signal is one step of the model, which nobody can stop halfway."""
    rows = ("\n    return 5\n",)
    attempts = []
    for max_tokens in (1000, 100):  # the signal has over 200 characters, the tests' tokens
        session = session_of(WRONG, rows)
        bench = make_bench(budget=Budget(1e9, max_tokens, lambda: 0.0))
        attempts.append(write_function(bench.task, session, replace(GUIDED, candidates=1)))
        assert bool(session.advances) == (max_tokens == 1000)
    assert [one.finish for one in attempts] == ["wrong", "over_budget"]


def test_a_used_up_time_budget_ends_the_attempt() -> None:
    ticks = iter(range(1000))
    bench = make_bench(budget=Budget(6, 10**9, lambda: float(next(ticks))))
    attempt = write_function(bench.task, session_of("\n" + "    y = x\n" * 20), PLAIN)
    assert attempt.finish == "over_budget"
    assert len(attempt.lines) < 6


def test_a_budget_that_is_gone_at_once_asks_the_model_nothing() -> None:
    session = session_of(WRONG)
    attempt = write_function(make_bench(budget=Budget(1e9, 0, lambda: 0.0)).task, session, GUIDED)
    assert (attempt.finish, attempt.lines, session.advances) == ("over_budget", (), [])


# --- what runs may do --------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["timeout", "crash", "oom", "protocol_error", "invalid"])
def test_runs_that_go_wrong_are_data(status: str) -> None:
    def answer(job: Job) -> Execution:
        lost = tuple(TestOutcome(test, "not_run") for test in job.tests)
        return Execution(status, lost, detail="it went wrong")  # type: ignore[arg-type]

    bench = make_bench(answer=answer)
    attempt = write_function(bench.task, session_of(GOOD), GUIDED)
    assert (attempt.finish, attempt.num_passed) == ("wrong", 0)
    assert attempt.lines[0].candidates[0].detail == "it went wrong"


def test_a_program_that_passes_but_is_vetoed_is_no_solution() -> None:
    cheat = "\n    import sys\n    sys._getframe(1).f_locals['x'] = 1\n    return 2 * x\n"
    attempt, _ = write(session_of(cheat), PLAIN)
    assert attempt.finish == "wrong"


METHOD_SOURCE = """\
class Cart:
    size = 2

    def __init__(self):
        self.items = [1]

    def double(self):
        raise NotImplementedError

    def after(self):
        return 1
"""
METHOD_TESTS = "from calc import Cart\n\ndef test_it():\n    assert Cart().double() == [1, 1]\n"


def test_methods_are_written_inside_their_class() -> None:
    bench = make_bench(METHOD_SOURCE, METHOD_TESTS, qualname="Cart.double")
    session = session_of("\n        return self.items * self.size\n\n    def more(self):\n")
    attempt = write_function(bench.task, session, PLAIN)
    assert attempt.finish == "solved"
    assert attempt.code == "def double(self):\n    return self.items * self.size\n"
    filled = bench.runs.slot.fill(attempt.code).decode()
    assert filled == METHOD_SOURCE.replace(
        "raise NotImplementedError", "return self.items * self.size"
    )


def test_async_functions_and_decorators_keep_their_header() -> None:
    source = "import functools\n\n@functools.cache\nasync def double(x):\n    ...\n"
    tests = (
        "import asyncio\nfrom calc import double\n\n"
        "def test_it():\n    assert asyncio.run(double(2)) == 4\n"
    )
    bench = make_bench(source, tests)
    attempt = write_function(bench.task, session_of("\n    return x * 2\n"), PLAIN)
    assert attempt.finish == "solved"
    assert attempt.code == "@functools.cache\nasync def double(x):\n    return x * 2\n"


@pytest.mark.parametrize("where", ["    return x * 2  # 2 €\n", "    y = '€'\n    return x * 2\n"])
def test_a_character_that_the_file_cannot_hold_does_not_end_the_run(where: str) -> None:
    """The model may write any character, the user's file may be Latin-1."""
    source = "# -*- coding: latin-1 -*-\n# \xe9\n" + SOURCE
    bench = make_bench(source.encode("latin-1"))
    attempt = write_function(bench.task, session_of(f"\n{where}"), PLAIN)
    if attempt.finish == "solved":
        assert b"x * 2" in bench.runs.slot.fill(attempt.code)


# --- determinism -------------------------------------------------------------------------------

SNIPPET = """\
from egbot.records import Guidance
from egbot.synthesis.search import write_function
from tests.synthesis.workshop import make_bench, session_of
rows = tuple(f"\\n    return {{{n}, 'a', 'b', 'c'}} and {n}\\n" for n in range(5))
bench = make_bench()
attempt = write_function(bench.task, session_of("\\n    return 1\\n", rows), Guidance(candidates=5))
print(attempt.code, [step.signal for step in attempt.lines], attempt.num_passed)
"""


def test_results_do_not_depend_on_the_hash_seed() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SNIPPET],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join([".", *sys.path])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


LINES = st.sampled_from(
    ["    y = x\n", "    return x * 2\n", "    if x:\n", "        y = 1\n", "    try:\n", "```\n",
     "    # c\n", "    y = (\n", "    )\n", "print(1)\n", "\n", '    """\n', "    1 / 0\n", "    λ = 1\n"]
)  # fmt: skip
ANSWERS = st.lists(LINES, max_size=8).map(lambda lines: "\n" + "".join(lines))


@settings(max_examples=60)
@given(answer=ANSWERS, gamma=st.sampled_from([0.0, 1.0]), candidates=st.integers(0, 2))
def test_any_answer_ends_in_an_attempt(answer: str, gamma: float, candidates: int) -> None:
    """Whatever the model writes, the loop ends, and a solution that it claims can be filled in."""
    bench = make_bench()
    guidance = Guidance(gamma=gamma, candidates=candidates, max_lines=10)
    attempt = write_function(bench.task, session_of(answer), guidance)
    assert len(attempt.lines) <= 10
    assert (attempt.finish in {"solved", "candidate"}) == (attempt.num_passed == 2)
    if attempt.code:
        compile(bench.runs.slot.fill(attempt.code), "calc.py", "exec", dont_inherit=True)
