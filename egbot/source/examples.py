"""Owns examples: calls that really happened and what was expected of them, as Python text."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable

from egbot.records import Example, Expectation, Place, Seen, Sight, Tree
from egbot.source.outline import outline_in

MAX_CHARS = 200
_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "is": "is"}
_FORMS = {
    **{relation: f"{{call}} {sign} {{expected}}" for relation, sign in _SIGNS.items()},
    "approx": "{call} == pytest.approx({expected})",
    "contains": "{expected} in {call}",
    "lacks": "{expected} not in {call}",
    "true": "{call}",
    "false": "not {call}",
    "len": "len({call}) == {expected}",
    "str": "str({call}) == {expected}",
}
"""What is true where an expectation is met."""

_SHOWN = {
    "eq": ">>> {call}\n{expected}",
    "is": ">>> {call}\n{expected}",
    "approx": ">>> {call}  # approximately\n{expected}",
    "true": ">>> bool({call})\nTrue",
    "false": ">>> bool({call})\nFalse",
    "len": ">>> len({call})\n{expected}",
    "str": ">>> str({call})\n{expected}",
    "raises": ">>> {call}\nTraceback (most recent call last):\n    ...\n{expected}",
}
"""The same in a doctest, where that is not the form and True."""

_LOOP = re.compile(r"(\.__(?:iter|next)__\(\))")
_OPERATED = re.compile(r"\.__(?!iter|next|a?enter)\w+__\(\)")  # with what, nobody knows


class Expressions:
    """The expressions of a tree's files by their places; a file is parsed once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._found: dict[str, dict[tuple[int, int, int, int], ast.expr]] = {}

    def at(self, place: Place | None) -> ast.expr | None:
        """The outermost expression that covers exactly ``place``, or None."""
        if place is None:
            return None
        if place.path not in self._found:
            self._found[place.path] = self._read(place.path)
        span = (place.line, place.column, place.end_line, place.end_column)
        return self._found[place.path].get(span)

    def _read(self, path: str) -> dict[tuple[int, int, int, int], ast.expr]:
        found: dict[tuple[int, int, int, int], ast.expr] = {}
        for node in ast.walk(outline_in(self._tree, path).tree):
            if isinstance(node, ast.expr):
                end = (node.end_lineno or 0, node.end_col_offset or 0)
                found.setdefault((node.lineno, node.col_offset, *end), node)
        return found


def argument_names(call: ast.expr | None, num_args: int) -> tuple[str, ...]:
    """What the positional arguments of a call are called there, "" for those without a name."""
    given = call.args[:num_args] if isinstance(call, ast.Call) else []
    if any(isinstance(item, ast.Starred) for item in given):
        return ()
    return tuple(map(_name, given))


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        made = _name(node.func)
        return made if made[:1].isalpha() and len(made) > 1 else ""
    name = str(getattr(node, "attr", getattr(node, "id", "")))
    return "" if hasattr(builtins, name) else name.lstrip("_").lower()


def examples_of(
    name: str, call: Sight, node: ast.expr | None, test: str, *, is_function: bool
) -> tuple[Example, ...]:
    """What ``test`` expects of one call of ``name``; without any expectation the call alone.

    ``node`` is the call in the test's own text. A method's receiver is told by that text alone.
    """
    place = call.place
    values = [*call.args, *(value for _, value in call.kwargs)]
    is_literal = is_function and all(value.literal for value in values)
    text = f"{name}({', '.join(_arguments(call))})"
    if isinstance(node, ast.Call) and not is_literal:
        text = ast.unparse(node)
    if call.detail == "coroutine":
        text = f"await {text}"
    path, line = (place.path, place.line) if place is not None else ("", 0)

    def example(relation: str, expected: str, via: str = "", *, is_exact: bool = False) -> Example:
        whole = _reached(text, via)[:2000]
        return Example(whole, relation, expected[:2000], test, path, line, is_literal and is_exact)

    found = [
        example(one.relation, expected, one.via, is_exact=_is_exact(one))
        for one in call.expected
        if ((expected := _text(one)) or one.relation in ("true", "false"))
        and not _OPERATED.search(one.via)
    ]
    return tuple(found) or (example("", ""),)


def _reached(call: str, via: str) -> str:
    """What ``via`` leads to from a call, as an expression; items of a loop are those of a list."""
    before, loop, after = [*_LOOP.split(via, 1), "", ""][:3]
    return _reached(f"list({call}{before})", after) if loop else f"{call}{via}"


def assert_line(example: Example) -> str:
    """The example as one statement, "" where none can say it."""
    call, expected = example.call, example.expected
    if example.relation in ("raises", "warns"):
        return f"with pytest.{example.relation}({expected}): {call}"
    is_single = example.relation == "eq" and expected in ("None", "True", "False")
    form = _FORMS.get("is" if is_single else example.relation)
    return f"assert {form.format(call=call, expected=expected)}" if form else ""


def doctest_lines(examples: Iterable[Example], max_examples: int) -> list[str]:
    """Exact examples in doctest style, without repeats; each may have several lines."""
    shown = (_doctest(one) for one in examples if one.exact and "\n" not in one.call)
    found = dict.fromkeys(text for text in shown if 0 < len(text) <= MAX_CHARS)
    return list(found)[:max_examples]


def _doctest(example: Example) -> str:
    call, expected = example.call, example.expected
    if call.startswith("await ") or "__()" in call:
        return ""
    if example.relation in ("eq", "is") and expected == "None":
        return f">>> {call} is None\nTrue"
    is_true = f">>> {_FORMS[example.relation]}\nTrue" if example.relation in _FORMS else ""
    return _SHOWN.get(example.relation, is_true).format(call=call, expected=expected)


def _arguments(call: Sight) -> list[str]:
    given = [_value(value) for value in call.args]
    return [*given, *(f"{name}={_value(value)}" for name, value in call.kwargs)]


def _value(value: Seen) -> str:
    return value.literal or value.text


def _text(one: Expectation) -> str:
    if one.relation in ("raises", "warns"):
        return one.value.text if all(map(str.isidentifier, one.value.text.split("."))) else ""
    return "" if one.value.who else _value(one.value)


def _is_exact(one: Expectation) -> bool:
    if one.relation in ("raises", "warns"):
        return True
    is_endless = ".__next__()" in one.via
    return not is_endless and (one.relation in ("true", "false") or bool(one.value.literal))
