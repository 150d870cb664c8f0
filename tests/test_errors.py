"""The deliberate errors: exit codes, messages, and the tree drawn at the top of their file."""

from __future__ import annotations

import inspect
import re

import pytest

from egbot import errors
from egbot.errors import EgbotError, OutOfTimeError

CLASSES = [
    thing
    for thing in vars(errors).values()
    if inspect.isclass(thing) and issubclass(thing, EgbotError)
]


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    drawn = dict(re.findall(r"(\w+Error)\s+(\d+)", errors.__doc__ or ""))
    assert drawn == {one.__name__: str(one.exit_code) for one in CLASSES}


def test_the_end_of_the_time_says_how_to_give_more() -> None:
    error = OutOfTimeError("loading the model")
    assert error.message == "loading the model took what was left of the time budget"
    assert "--max-seconds" in error.hint


@pytest.mark.parametrize("kind", [one for one in CLASSES if one is not OutOfTimeError])
def test_an_error_has_a_message_a_hint_and_no_other_exit_code(kind: type[EgbotError]) -> None:
    error = kind("it broke", hint="mend it")
    assert (str(error), error.message, error.hint) == ("it broke", "it broke", "mend it")
    assert kind("x").hint == ""
    assert error.exit_code in {2, 3, 4, 130}


def test_exit_codes_are_told_apart() -> None:
    codes = [value for name, value in vars(errors).items() if name.startswith("EXIT_")]
    assert sorted(codes) == [0, 1, 2, 3, 4, 130]
