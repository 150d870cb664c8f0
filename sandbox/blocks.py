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

from sandbox.derived import asks_isinstance, exception_class
from sandbox.making import derive, refuse
from sandbox.noting import facts_of, is_recorder, note, seen
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


def _around(
    cls: Any, leave: Callable[[Any], Any], enter: Callable[[Any], None] | None = None
) -> None:
    """Have ``enter`` called before a block of this class, and ``leave`` in place of its end."""
    old_enter, old_exit = cls.__enter__, cls.__exit__

    def __enter__(self: Any) -> Any:  # noqa: N807 (it is one)
        self._before = (len(STAGE.state.sights), len(STAGE.state.asked))
        if enter is not None:
            enter(self)
        return old_enter(self)

    def __exit__(self: Any, kind: Any, error: Any, traceback: Any) -> Any:  # noqa: N807
        answer = leave(self) if kind is None else None
        return old_exit(self, kind, error, traceback) if answer is None else answer

    cls.__enter__, cls.__exit__ = __enter__, __exit__


def _expects(cls: Any, kinds: str, match: str, keep: Callable[[Any, Any], object]) -> None:
    """Have a block without an exception ``keep`` one; ``kinds`` and ``match`` are its attributes."""

    def leave(self: Any) -> Any:
        sight, expected = _last_inside(self), getattr(self, kinds, None)
        if sight is None or not expected:
            return None
        refuse(sight, "raises", expected)
        keep(self, fake(expected, getattr(self, match)))
        return True

    _around(cls, leave)


def _last_inside(self: Any) -> dict[str, Any] | None:
    """The last thing that happened to a recorder inside the block, which was to raise."""
    num_sights, num_asked = self._before
    inside = STAGE.state.sights[num_sights:]
    active = [one for one in inside if one["kind"] not in _PASSIVE]
    asked = STAGE.state.asked[num_asked:]
    if not active and asked:  # a comparison, a length: their expectations are the call's
        return note("operator", asked[-1].who, asked[-1].kind)
    return active[-1] if active else None


def _raises() -> None:
    import pytest

    def keep(block: Any, error: Any) -> None:
        block.excinfo.fill_unfilled((type(error), error, None))

    _expects(type(pytest.raises(KeyError)), "expected_exceptions", "match", keep)


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
        self._waiting = (kinds, fake(kinds, self.match_expr)) if kinds else None
        STAGE.state.warning_blocks += filter(None, [self._waiting])

    def leave(self: Any) -> None:
        if self._waiting in STAGE.state.warning_blocks:
            STAGE.state.warning_blocks.remove(self._waiting)
        else:  # the warning was ours, and says nothing
            self.match_expr = None

    _around(type(pytest.warns(UserWarning)), leave, enter)  # noqa: PT030 (its class)


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
    case: Any = unittest.case
    case.isinstance = asks_isinstance
    cls = case._AssertRaisesContext  # noqa: SLF001
    _expects(cls, "expected", "expected_regex", lambda one, error: setattr(one, "exception", error))
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


def fake(expected: Any, match: Any = None) -> Any:
    """Make the exception (or warning) that a block waits for."""
    kind = expected[0] if isinstance(expected, tuple) else expected
    if is_recorder(kind):
        kind = type("Expected", (Exception,), {})
    STAGE.state.faked = True
    messages = STAGE.state.of.get("message", {})
    pattern = str(getattr(match, "pattern", match or ""))
    text = messages.get("") or re.sub(r"\\([^\w])|[\^$]", r"\1", pattern)  # of simple ones the text
    with STAGE.silence():
        for args in ((text,) if text else (), (), ("utf-8", b"", 0, 1, text)):
            with contextlib.suppress(Exception):
                return kind(*args)
    return Exception(text)
