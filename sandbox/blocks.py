"""What tests expect in blocks (``raises``, ``warns``, unittest's, ``approx``, doctests), learnt by patches.

Each patch is made by itself: one that cannot be made is noted, and the rest goes on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import decimal
import doctest
import functools
import re
import subprocess
import unittest.case
from collections.abc import Callable
from typing import Any

from sandbox.recorder import (
    asks_isinstance,
    derive,
    exception_class,
    facts_of,
    is_recorder,
    note,
    refuse,
    seen,
)
from sandbox.stage import STAGE

_PASSIVE = frozenset(("module", "name", "member", "stub", "get", "class"))
"""Sights of kinds that do not raise."""


def install(notes: Callable[[str], None]) -> None:
    """Make the patches; say which could not be made."""
    for patch in _PATCHES:
        try:
            patch()
        except Exception as error:  # noqa: PERF203 (each by itself)
            notes(
                f"{patch.__name__.strip('_')} cannot be followed: {type(error).__name__}: {error}"
            )


def _around(cls: Any, enter: Callable[[Any], None], leave: Callable[..., Any]) -> None:
    """Have ``enter`` called before a block of this class, and ``leave`` in place of its end."""
    old_enter, old_exit = cls.__enter__, cls.__exit__

    def __enter__(self: Any) -> Any:  # noqa: N807 (it is one)
        self._before = (len(STAGE.state.sights), len(STAGE.state.asked))
        enter(self)
        return old_enter(self)

    def __exit__(self: Any, kind: Any, error: Any, traceback: Any) -> Any:  # noqa: N807
        answer = leave(self) if kind is None else None
        return old_exit(self, kind, error, traceback) if answer is None else answer

    cls.__enter__, cls.__exit__ = __enter__, __exit__


def _last_inside(self: Any) -> dict[str, Any] | None:
    """The last thing that happened to a recorder inside the block, which was to raise."""
    num_sights, num_asked = self._before
    inside = STAGE.state.sights[num_sights:]
    active = [one for one in inside if one["kind"] not in _PASSIVE]
    asked = STAGE.state.asked[num_asked:]
    if not active and asked:  # a comparison, a length: their expectations are the call's
        return note("operator", asked[-1].who, asked[-1].kind)
    return active[-1] if active else None


def _ignore(_self: Any) -> None:
    return


def _raises() -> None:
    import pytest

    def leave(self: Any) -> Any:
        sight, kinds = _last_inside(self), getattr(self, "expected_exceptions", None)
        if sight is None or not kinds:
            return None
        refuse(sight, "raises", kinds)
        error = fake(kinds, self.match)
        self.excinfo.fill_unfilled((type(error), error, None))
        return True

    _around(type(pytest.raises(KeyError)), _ignore, leave)


def _odd_classes() -> None:
    """``raises(Oops)`` of an unwritten name that does not sound like an exception's."""
    import pytest

    holder: Any = next(
        one for one in type(pytest.raises(KeyError)).__mro__ if "_parse_exc" in vars(one)
    )
    plain = holder._parse_exc  # noqa: SLF001

    def parse(self: Any, error: Any, expected: Any) -> Any:
        if not is_recorder(error):
            return plain(self, error, expected)
        return exception_class(facts_of(error).path, error)

    holder._parse_exc = parse  # noqa: SLF001


def _warns() -> None:
    import pytest

    def enter(self: Any) -> None:
        kinds = getattr(self, "expected_warning", None)
        if kinds:
            warning = fake(kinds, getattr(self, "match_expr", None))
            self._waiting = (kinds, warning)
            STAGE.state.warning_blocks.append(self._waiting)

    def leave(self: Any) -> None:
        with contextlib.suppress(ValueError, AttributeError):
            STAGE.state.warning_blocks.remove(self._waiting)

    _around(type(pytest.warns(UserWarning)), enter, leave)  # noqa: PT030 (its class)


def _approximations() -> None:
    """``approx(x) == f()`` answers by itself: turn it round."""
    import pytest

    values = (1.0, [1.0], {1: 1.0}, decimal.Decimal(1))
    kinds: set[Any] = {one for value in values for one in type(pytest.approx(value)).__mro__[:-1]}
    for cls in kinds:
        if "__eq__" in vars(cls):
            cls.__eq__ = _turned(cls.__eq__)


def _turned(plain: Callable[..., Any]) -> Any:
    def __eq__(self: Any, other: Any) -> Any:  # noqa: N807 (it is one)
        return other == self if is_recorder(other) else plain(self, other)

    return __eq__


def _unittest() -> None:
    def leave(self: Any) -> Any:
        sight = _last_inside(self)
        if sight is None:
            return None
        refuse(sight, "raises", self.expected)
        self.exception = fake(self.expected, self.expected_regex)
        return True

    case: Any = unittest.case
    case.isinstance = asks_isinstance
    _around(case._AssertRaisesContext, _ignore, leave)  # noqa: SLF001
    plain = case._is_subtype  # noqa: SLF001
    case._is_subtype = lambda one, base: is_recorder(one) or plain(one, base)  # noqa: SLF001


def _doctest() -> None:
    plain = doctest.OutputChecker.check_output

    def check_output(self: Any, want: str, got: str, flags: int) -> bool:
        calls = [one.sight for one in STAGE.state.calls]
        unwritten = bool(re.search(r"Unwritten\d|<[\w.]+:\w", got)) or (want and not got)
        if plain(self, want, got, flags) or not calls or not unwritten:
            return plain(self, want, got, flags)
        text = want.strip()
        if text.startswith("Traceback"):
            value = {"text": text.splitlines()[-1].partition(":")[0][:400], "type_name": "type"}
            relation = "raises"
        else:
            value, relation = dict(seen(text), text=text[:400]), "shows"
        expected = {"via": "", "relation": relation, "value": value, "place": None}
        calls[-1]["expected"].append(expected)
        return True

    vars_of: Any = doctest.OutputChecker
    vars_of.check_output = check_output


def _processes() -> None:
    plain = subprocess.Popen.__init__

    def start(self: Any, *args: Any, **kwargs: Any) -> None:
        STAGE.state.note("the test starts a process; what that needs is not seen")
        plain(self, *args, **kwargs)

    popen: Any = subprocess.Popen
    popen.__init__ = start


def _dataclasses() -> None:
    """``asdict(f())`` and its like say that the class of their argument is a dataclass."""

    def about(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def function(one: Any, *args: Any, **kwargs: Any) -> Any:
            if not is_recorder(one):
                return plain(one, *args, **kwargs)
            note("class", one, "dataclass", once=True)
            return True if name == "is_dataclass" else derive(one, "op", f".{name}()")

        return function

    for name in ("asdict", "astuple", "fields", "replace", "is_dataclass"):
        setattr(dataclasses, name, about(name, getattr(dataclasses, name)))


_PATCHES = (
    *(_raises, _odd_classes, _warns, _approximations, _unittest, _doctest),
    *(_processes, _dataclasses),
)

# --- exceptions as tests want them --------------------------------------------------------------


def fake(expected: Any, match: Any = None) -> Any:
    """Make the exception (or warning) that a block waits for."""
    kind = expected[0] if isinstance(expected, tuple) else expected
    if is_recorder(kind):
        kind = type("Expected", (Exception,), {})
    STAGE.state.faked = True
    messages = STAGE.state.of.get("message", {})
    text = messages.get("") or (matching(match) if match else "")
    with STAGE.silence():
        for args in ((text,) if text else (), (), ("utf-8", b"", 0, 1, text)):
            with contextlib.suppress(Exception):
                return kind(*args)
    return Exception(text)


def matching(pattern: Any) -> str:
    """Return a text that a pattern finds, for simple patterns."""
    try:
        import re._parser as parser  # type: ignore[import-not-found]
    except ImportError:
        import sre_parse as parser  # before Python 3.11
    text = str(getattr(pattern, "pattern", pattern))
    try:
        return _text_of(parser.parse(text))
    except Exception:
        return text


_CATEGORIES = {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " "}


def _text_of(items: Any) -> str:
    found = ""
    for operation, argument in items:
        name = str(operation)
        if name == "LITERAL":
            found += chr(argument)
        elif name in ("ANY", "NOT_LITERAL"):
            found += "x"
        elif name == "IN":
            found += _one_of(argument[0])
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            found += _text_of(argument[2]) * argument[0]
        elif name == "SUBPATTERN":
            found += _text_of(argument[3])
        elif name == "BRANCH":
            found += _text_of(argument[1][0])
    return found


def _one_of(first: Any) -> str:
    kind, value = str(first[0]), first[1]
    if kind == "LITERAL":
        return chr(value)
    return chr(value[0]) if kind == "RANGE" else _CATEGORIES.get(str(value), "x")
