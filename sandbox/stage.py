"""What all recorders of a process share: the state of the test that runs, its lessons, its sights.

It does not know what a recorder is.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from types import CodeType
from typing import Any, NamedTuple

from sandbox.asking import Frame, Ground
from sandbox.reprs import printable, shorten

MAX_SIGHTS = 2000
MAX_ANSWERS = 4000

Sight = dict[str, Any]


class LimitError(BaseException):
    """A test goes on for ever against recorders; no ``except Exception`` may hide that."""


class Asked(NamedTuple):
    """One choice: its key, its kind (bool number text items), the answer and who was asked."""

    key: str
    kind: str
    answer: Any
    who: Any


class Call(NamedTuple):
    """One call: its sight, the arguments by position themselves, and its key."""

    sight: Sight
    args: tuple[Any, ...]
    key: str


class Lesson(NamedTuple):
    """Another way to stand in for something missing, as it is suggested."""

    kind: str
    key: str
    value: str = ""


class State:
    """What one test (or the collection) has seen so far, and the lessons that it is to keep to.

    ``deadline_s`` is on the monotonic clock. ``prefix`` tells collection's keys from the tests'.
    """

    def __init__(self, lessons: list[dict[str, str]], deadline_s: float, prefix: str = "") -> None:
        self.answers: dict[str, Any] = {}
        self.of: dict[str, dict[str, str]] = {}
        for one in lessons:
            self.of.setdefault(one["kind"], {})[one["key"]] = one["value"]
        for key, value in self.of.get("answer", {}).items():
            with contextlib.suppress(ValueError):
                self.answers[key] = json.loads(value)
        self.prefix = prefix
        self.sights: list[Sight] = []
        self.asked: list[Asked] = []
        self.calls: list[Call] = []
        self.recorders: list[Any] = []
        self.missed: dict[Lesson, None] = {}
        self.notes: dict[str, None] = {}
        self.warning_blocks: list[Any] = []
        self.pair: tuple[Any, Any] | None = None
        self.error: BaseException | None = None
        self.faked = False
        self.last_set: tuple[Any, ...] = (None, {}, "", None)
        self.memo: dict[Any, Any] = {}
        self._adopted: dict[int, tuple[Sight, Sight]] = {}
        self._own: set[int] = set()
        self._once: dict[tuple[str, str, str], Sight] = {}
        self._counts: dict[str, int] = {}
        self._deadline_s = deadline_s
        self._num_events = 0

    def key(self, kind: str, frame: Frame | None) -> tuple[str, int]:
        """Name the next thing of a kind that happens where the frame stands; how many were there."""
        place = STAGE.ground.place(frame) or {}
        name = f"{self.prefix}{kind} " + ":".join(str(one) for one in place.values())
        times = self._counts.get(name, 0)
        self._counts[name] = times + 1
        return f"{name}#{times}", times

    def tick(self) -> None:
        """Count one event. Raises LimitError when there are too many, or the time is over."""
        self._num_events += 1
        late = self._num_events % 16 == 0 and time.monotonic() > self._deadline_s
        if self._num_events > MAX_ANSWERS or len(self.sights) >= MAX_SIGHTS or late:
            self._num_events = 0  # what cleans up after the test has room again
            self._deadline_s = float("inf")
            self.note("it goes on for ever, or too long, where it meets what is unwritten")
            raise LimitError("too much happens to what is unwritten")

    def note(self, text: str) -> None:
        """Tell what could not be followed."""
        self.notes[shorten(printable(text), 400)] = None

    def see(self, sight: Sight, once: bool = False) -> Sight:
        """Keep a sight; of those that are the same ``once``, the first. Returns what is kept."""
        same = (sight["kind"], sight["who"], sight["detail"])
        if once and same in self._once:
            return self._once[same]
        self._once.setdefault(same, sight)
        self._own.add(id(sight))
        if len(self.sights) < MAX_SIGHTS:
            self.sights.append(sight)
        return sight

    def adopt(self, sight: Sight) -> Sight:
        """Return this state's own copy of a sight that an earlier one had."""
        if id(sight) in self._own:
            return sight
        if id(sight) not in self._adopted:
            self._adopted[id(sight)] = (sight, self.see(dict(sight, expected=[])))
        return self._adopted[id(sight)][1]

    @property
    def num_events(self) -> int:
        """How much happened."""
        return len(self.sights) + len(self.asked)


class Stage:
    """What all recorders of this process share. ``quiet`` above 0: nothing that happens counts."""

    ground: Ground
    state: State
    recorder: type  # of all recorders

    def __init__(self) -> None:
        self.quiet = 0
        self.qualnames: dict[tuple[str, int], str] = {}
        self.by_number: dict[int, Any] = {}
        self.names: dict[str, Any] = {}
        self.bases: dict[str, type] = {}
        self.classes: dict[str, list[type]] = {}
        self.calls_early: list[Call] = []

    def qualname(self, code: CodeType) -> str:
        """Return the qualified name of a function, which Python 3.10 does not keep with its code."""
        known = self.qualnames.get((code.co_filename, code.co_firstlineno), code.co_name)
        return str(getattr(code, "co_qualname", known))

    @property
    def met_calls(self) -> bool:
        """Whether something unwritten was called, by this test or while tests were collected."""
        return bool(self.state.calls or self.calls_early)

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Let recorders be looked at without that counting."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1


STAGE = Stage()
