"""What the two sides of a failed comparison teach: answers and values that would make them equal."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from sandbox.asking import Frame, moments, source_of
from sandbox.making import BASES
from sandbox.noting import facts_of, is_approximate, is_recorder, literal
from sandbox.reprs import message_of
from sandbox.stage import STAGE, Lesson, State

_EQUAL = re.compile(r"[aA]ssert(\w*Equal|Is|IsNone)$")
"""Assertions of unittest that take two sides of a comparison, or what is to be None and a message."""


class Failure:
    """An exception that ended a test (or a module's collection), with its frames.

    ``last`` is the frame that raised, ``own`` the innermost one of the repository.
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.text = message_of(error, 1000)
        self.frames = moments(error)
        own = [one for one in self.frames if STAGE.ground.frame(one) is one]
        self.last: Frame | None = self.frames[-1] if self.frames else None
        self.own: Frame | None = own[-1] if own else None


def compared(failure: Failure, state: State) -> list[Lesson]:
    """What would make the sides of the failed comparison equal."""
    found: list[Lesson] = []
    pairs = [] if state.pair is None else [state.pair]
    for frame in reversed(failure.frames):
        names = frame.f_locals if "__unittest" in frame.f_globals else {}
        if "first_seq" in names:  # assertCountEqual
            pairs.append((names["first_seq"], names["second_seq"]))
        elif names and _EQUAL.search(frame.f_code.co_name):
            left, right = [names.get(one) for one in frame.f_code.co_varnames[1:3]]
            pairs.append((left, right))
    found += _identities(failure)
    for left, right in pairs:
        if state.faked and type(left) is type(right) is str:
            found.append(Lesson("message", "", left or right))
        found += solve(left, right, state)
        if all(type(one) is int and abs(one) > 1 << 40 for one in (left, right)):
            found.append(Lesson("memo", ""))
    found += _rows(failure.text, state)
    if isinstance(failure.error, KeyError) and any(map(is_recorder, failure.error.args)):
        found.append(Lesson("memo", ""))
    return found


def _rows(text: str, state: State) -> list[Lesson]:
    """``parametrize`` wants each of its rows to have as many values as there are names."""
    lengths = [one for one in state.asked if one.kind == "number"]
    items = [one for one in state.asked if one.kind == "items"]
    names = re.search(r"the number of names \((\d+)\)", text)
    if names:
        return [Lesson("answer", one.key, names[1]) for one in lengths[-1:]]
    is_zipped = text.startswith("zip() argument 2 is")
    return [Lesson("answer", items[-1].key, str(one.answer)) for one in lengths[-1:] if is_zipped]


def _identities(failure: Failure) -> list[Lesson]:
    """``assert f() is None`` tells no pair: what stands on the right is the value."""
    frame = failure.own
    if frame is None or not isinstance(failure.error, AssertionError):
        return []
    statement = source_of(frame).statement(frame.f_lineno)
    test = statement.test if isinstance(statement, ast.Assert) else None
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is):
        value = test.comparators[0]
        names = {**frame.f_globals, **frame.f_locals}
        parts = [one for name, one in names.items() if name[:4] == "@py_"]  # pytest keeps them
        sides = [names.get(getattr(test.left, "id", "")), *parts[::-1], *STAGE.state.recorders[-1:]]
        known = [one for one in sides if is_recorder(one)]
        if isinstance(value, ast.Constant) and known:
            return [Lesson("value", facts_of(known[0]).key, repr(value.value))]
    return []


def solve(left: Any, right: Any, state: State, depth: int = 0) -> list[Lesson]:
    """Return what would make ``left`` equal ``right``, from either side."""
    found: list[Lesson] = []
    for one, other in ((left, right), (right, left)):
        exact_one = other.expected if is_approximate(other) else other
        found += _solve_one(one, exact_one, state, depth)
    return found


def _solve_one(one: Any, other: Any, state: State, depth: int) -> list[Lesson]:
    text = literal(other)
    if isinstance(one, (list, dict, set, bytearray)) and text:
        found = _becomes(one, text, state)
        if found:
            return found
    if is_recorder(one):
        facts = facts_of(one)
        if is_recorder(other) and facts.how == "result":
            is_name = "()" not in facts_of(other).path  # ``Color(1) is Color.RED``
            if is_name or facts.number > facts_of(other).number:
                text = "=" + facts_of(other).key
        return [Lesson("value", facts.key, text)] if text else []
    if isinstance(one, type) and re.fullmatch(r"Unwritten\d+", one.__name__):
        return _of_type(one, other)
    if type(one) in (int, float) and type(other) in (int, float):
        return _number(one, other, state)
    if type(one) is str and type(other) is str:
        return _texts(one, other, state)
    if isinstance(one, (list, tuple, set, frozenset, dict)) and depth < 3:
        return [*_lengths(one, other, text, state), *_pairs(one, other, state, depth)]
    return []


def _becomes(one: Any, text: str, state: State) -> list[Lesson]:
    """An argument of a call is compared later on: the call was to change it."""
    return [
        Lesson("effect", call.key, f"{index} {text}")
        for call in state.calls[::-1]
        for index, argument in enumerate(call.args)
        if argument is one
    ][:2]


def _of_type(cls: type, other: Any) -> list[Lesson]:
    recorder = STAGE.by_number.get(int(cls.__name__.removeprefix("Unwritten")))
    name = getattr(other, "__name__", "")
    value = literal(BASES[name]()) if name in BASES and BASES[name] is other else ""
    return [Lesson("value", facts_of(recorder).key, value)] if recorder and value else []


def _number(one: float, other: float, state: State) -> list[Lesson]:
    asked = [one for one in state.asked[:-31:-1] if one.kind == "number"][:1]
    return [Lesson("answer", each.key, json.dumps(each.answer + other - one)) for each in asked]


def _texts(one: str, other: str, state: State) -> list[Lesson]:
    found = []
    for recorder in state.recorders[:-21:-1]:
        token = f"<{type(recorder).__name__}>"
        if isinstance(recorder, str) and facts_of(recorder).how != "name" and token in one:
            text = _instead(token, one, other)
            found += [] if text is None else [Lesson("value", facts_of(recorder).key, repr(text))]
            break
    if one == "" and state.calls:  # of what is written to the standard output
        found.append(Lesson("effect", state.calls[-1].key, f"prints {other!r}"))
    for asked in state.asked[:-31:-1]:
        token = f"<{type(asked.who).__name__}>"
        if asked.kind == "text" and asked.answer is None and token in one:
            text = _instead(token, one, other)
            if text is not None or other in one or len(other) < 400:
                text = token + other if text is None else text
                found.append(Lesson("answer", asked.key, json.dumps(text)))
            break
    return found


def _instead(token: str, one: str, other: str) -> str | None:
    """What stands in ``other`` where the token stands in ``one``; None where they differ besides."""
    before, _, after = one.partition(token)
    text = other[len(before) : len(other) - len(after)]
    return text if other == before + text + after else None


def _lengths(one: Any, other: Any, text: str, state: State) -> list[Lesson]:
    found: list[Lesson] = []
    same_kind = isinstance(other, (list, tuple, set, frozenset, dict))
    for asked in state.asked[:-41:-1] if text and same_kind else ():
        if asked.kind == "number" and len(one) != len(other):
            found.append(Lesson("answer", asked.key, json.dumps(len(other))))
        items = facts_of(asked.who).items if asked.kind == "items" else None
        if items is None or isinstance(asked.answer, str):
            continue
        if len(one) != len(other) and not isinstance(one, dict):
            number = max(0, len(items) + len(other) - len(one))
            found.append(Lesson("answer", asked.key, json.dumps(number)))
        if any(item is value for item in items for value in one):
            found.append(Lesson("answer", asked.key, json.dumps(literal(list(other)))))
        break
    return found


def _pairs(one: Any, other: Any, state: State, depth: int) -> list[Lesson]:
    pairs: list[tuple[Any, Any]] = []
    if all(isinstance(side, (set, frozenset)) for side in (one, other)):
        one, other = one - other, other - one
        one = sorted(filter(is_recorder, one), key=lambda each: facts_of(each).number)
        other = sorted((each for each in other if not is_recorder(each)), key=repr)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        pairs = list(zip(one, other))  # noqa: B905 (as far as both go)
    elif isinstance(one, dict) and isinstance(other, dict):
        pairs = [(one[key], other[key]) for key in one.keys() & other.keys()]
    return [each for pair in pairs for each in solve(*pair, state, depth + 1)]
