"""The language of comments."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbot.commands.solve import solve
from egbot.intake.command import (
    ALLOWED,
    Answer,
    Wish,
    find_command,
    help_text,
    issue_help_text,
    read_command,
    split_words,
)
from egbot.intake.issue import tests_in_issue

LIMITS = {"max_seconds": 600.0, "max_tokens": 1000.0, "max_lines": 24.0}


def read(line: str) -> Wish | Answer:
    return read_command(split_words(line), solve, LIMITS)


def answer(line: str) -> str:
    found = read(line)
    assert isinstance(found, Answer), found
    return found.text


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("/egbot solve", "solve"),
        ("/egbot", ""),
        ("Please:\r\n\r\n  /egbot  retry now\r\n/egbot help", "retry now"),
        ("/egbotsolve", None),
        ("say /egbot solve", None),
        ("> /egbot solve", None),
        ("    /egbot solve", None),
        ("\t/egbot solve", None),
        ("```\n/egbot solve\n```", None),
        ("~~~~ text\n/egbot solve\n~~~\n/egbot retry\n~~~~\n/egbot help", "help"),
        ("```\n/egbot solve", None),
        ("", None),
    ],
)
def test_the_first_line_that_calls_egbot_counts(body: str, found: str | None) -> None:
    """Showing a command (in code or in a quotation) is not giving it."""
    assert find_command(body) == found


def test_a_comment_names_tests_and_options() -> None:
    found = read("solve tests/a.py::t 'tests/b.py::u[x y]' --target a.py::f --seed=7 --gamma 1.5")
    assert found == Wish(
        "solve",
        ("tests/a.py::t", "tests/b.py::u[x y]"),
        ("a.py::f",),
        {"seed": 7, "guidance": {"gamma": 1.5}},
    )
    assert read("retry") == Wish("retry")
    assert read("SOLVE --max-seconds 60") == Wish("solve", overrides={"max_seconds": 60.0})


def test_the_environment_chooses_nothing_for_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGBOT_MODEL", "/somewhere")
    monkeypatch.setenv("EGBOT_SANDBOX", "process")
    assert read("solve") == Wish("solve")


OTHERS = sorted(
    name
    for option in solve.params
    for name in (*option.opts, *option.secondary_opts)
    if name.startswith("-") and name.removeprefix("--") not in ALLOWED
)


@pytest.mark.parametrize("option", OTHERS)
def test_no_other_option_of_solve_can_be_given(option: str) -> None:
    """What chooses where code runs, and on which files, is not for comments to say."""
    for line in (f"solve {option}", f"solve {option} x", f"solve {option}=x", f"retry {option}"):
        assert f"`{option}" in answer(line)
        assert "cannot be given in a comment" in answer(line)


def test_the_options_that_can_be_harmful_are_among_the_others() -> None:
    """Were one renamed, the test above would not see it."""
    dangerous = [
        "sandbox",
        "image",
        "python",
        "model",
        "output",
        "apply",
        "commit",
        "junit",
        "issue-text",
        "json",
    ]
    assert {f"--{name}" for name in dangerous} <= set(OTHERS)


def test_every_allowed_option_is_one_of_solve() -> None:
    names = {name for option in solve.params for name in option.opts}
    assert {f"--{name}" for name in ALLOWED} <= names


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dance", "there is no command `dance`"),
        ("solve --sed 3", "No such option"),
        ("solve --seed x", "'x' is not a valid integer"),
        ("solve --seed -1", "-1 is not in the range"),
        ("solve --seed", "requires an argument"),
        ("solve --max-seconds 601", "`--max-seconds` is at most 600 in this repository"),
        ("solve --max-tokens 1001", "at most 1000"),
        ("solve " + " ".join(["t"] * 51), "at most 50 tests"),
    ],
)
def test_what_is_not_understood_is_answered_politely(line: str, said: str) -> None:
    text = answer(line)
    assert text.startswith("Sorry, ")
    assert said in text
    assert "/egbot solve" in text


@pytest.mark.parametrize("line", ["", "help", "solve --help", "retry -h"])
def test_help_lists_exactly_the_options_that_comments_have(line: str) -> None:
    text = answer(line)
    assert text == help_text(solve)
    assert set(re.findall(r"\| `(--[a-z-]+)` \|", text)) == {f"--{name}" for name in ALLOWED}


def test_a_stranger_s_words_become_no_markup() -> None:
    """The answer must mention nobody and link nowhere on a stranger's behalf."""
    text = answer("`@octocat`[x](http://evil)\u202e")
    code = re.search(r"`([^`]*)`", text)
    assert code is not None
    assert code[1] == "'@octocat'[x](http://evil)"


def test_the_advice_on_issues_is_itself_such_an_issue() -> None:
    """Who copies the inner block of the advice gets an issue that egbot takes."""
    text = issue_help_text("egbot")
    inner = text.split("````markdown\n")[1].split("````")[0]
    assert tests_in_issue(inner).blocks


@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                "solve",
                "retry",
                "--seed",
                "--gamma",
                "nan",
                "1e999",
                "--",
                "-",
                "=",
                "''",
                "--max-lines",
                "a\x00b",
            ]
        )
    ).map(" ".join)
)
def test_any_text_is_a_wish_or_an_answer(text: str) -> None:
    find_command(text)
    found = read(text)
    if isinstance(found, Answer):
        assert found.text.isprintable() or "\n" in found.text
