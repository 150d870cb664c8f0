"""What is noted of a recorder: values as text, sights, expectations, and the choices that it makes."""

from __future__ import annotations

from typing import Any

from sandbox.asking import asker, wanted
from sandbox.reprs import Reprs, printable, shorten
from sandbox.stage import STAGE, Asked, Sight

MAX_EXPECTED = 20
MAX_ARGUMENTS = 40
MAX_LITERAL = 2000
_SIZED = frozenset((str, bytes, list, tuple, set, dict))
_LITERALS = _SIZED | {int, float, complex, bool, type(None), type(...)}

Seen = dict[str, str]


def seen(value: Any) -> Seen:
    """Describe a value as a Seen record, now; a class by its name."""
    found = {"text": "", "type_name": _full_name(type(value))}
    if is_recorder(value):
        path = facts_of(value).path
        return {"text": cut(f"<{path}>"), "type_name": "unwritten", "who": cut(path)}
    if isinstance(value, type):
        found["text"] = _full_name(value)
        if "_origin" in vars(value):
            found["who"] = cut(facts_of(vars(value)["_origin"]).path)
        return found
    with STAGE.silence():
        found["text"], text = Reprs(400)(value), literal(value)
    return dict(found, literal=text) if text else found


def _full_name(cls: type) -> str:
    home = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
    return shorten(printable(home + cls.__qualname__), 200)


def literal(value: Any) -> str:
    """Return the text of a value of built-in types that can be read back, "" for any other."""
    waiting = [value]
    for one in waiting:  # which grows
        kind = type(one)
        if kind not in _LITERALS or (kind is float and one - one != 0):  # infinity, nan
            return ""
        size = one.bit_length() // 4 if kind is int else len(one) if kind in _SIZED else 0
        if size + len(waiting) > MAX_LITERAL:
            return ""
        if kind in (list, tuple, set, dict):
            waiting += [*one, *one.values()] if kind is dict else one
    try:
        text = repr(value)
    except RecursionError:
        return ""
    return text if len(text) <= MAX_LITERAL else ""


def cut(path: str) -> str:
    """A recorder's path as it travels."""
    return path if len(path) <= 400 else path[:199] + ".." + path[-199:]


# --- what is known of a recorder ---


class Facts:
    """What is known of one recorder.

    ``path`` says what it is, ``key`` which one (for lessons), ``how`` what made it: name, result,
    attr, item, enter, awaited, op. Expectations of it belong to ``sight``, by way of ``via``.
    """

    __slots__ = ("how", "items", "key", "kids", "number", "path", "sight", "via")

    def __init__(self, path: str, key: str, how: str, sight: Sight, via: str) -> None:
        self.path, self.key, self.how, self.sight, self.via = path, key, how, sight, via
        self.kids: dict[Any, Any] = {}
        self.items: list[Any] | None = None
        self.number = len(STAGE.by_number)


class Unwritten:
    """What all recorders are."""


def is_recorder(value: Any) -> bool:
    """Whether it is a recorder."""
    return issubclass(type(value), Unwritten)


def facts_of(value: Any) -> Facts:
    """Return what is known of a recorder."""
    own = object.__getattribute__(value, "__dict__")
    if "_unwritten" not in own:  # made by another of its bases
        own["_unwritten"] = type(value)._noted_call()  # noqa: SLF001
    return own["_unwritten"]  # type: ignore[no-any-return]


# --- what happens to it ---


def note(kind: str, who: Any, detail: str = "", *, once: bool = False, **more: Any) -> Sight:
    """Note one thing that happens to a recorder, or to a path. Raises LimitError."""
    if STAGE.quiet:
        return sight(kind, who, detail, **more)
    STAGE.state.tick()
    return STAGE.state.see(sight(kind, who, detail, **more), once)


def sight(kind: str, who: Any, detail: str = "", **more: Any) -> Sight:
    """Describe one thing that happens where the asker stands."""
    frame = STAGE.ground.frame(asker())
    function = "" if frame is None else STAGE.qualname(frame.f_code)
    return {
        "kind": kind,
        "who": cut(who if isinstance(who, str) else facts_of(who).path),
        "detail": detail[:200],
        "place": STAGE.ground.place(frame),
        "function": "" if function == "<module>" else function[:400],
        "args": [],
        "kwargs": [],
        "expected": [],
        **more,
    }


def expect(self: Any, relation: str, value: Any) -> None:
    """Note what is expected of a recorder."""
    facts = facts_of(self)
    expect_of(facts.sight, facts.via, relation, value)


def expect_of(sight: Sight, via: str, relation: str, value: Any) -> None:
    """Note what is expected of what ``via`` leads to from a call's result."""
    if STAGE.quiet:
        return
    expected = STAGE.state.adopt(sight)["expected"]
    one = {"via": via[-200:], "relation": relation[:40], "value": seen(value)}
    known = [{key: other[key] for key in one} for other in expected]
    if len(expected) < MAX_EXPECTED and one not in known:
        expected.append(dict(one, place=STAGE.ground.place(STAGE.ground.frame(asker()))))


def ask(kind: str, self: Any, default: Any) -> Any:
    """Make a choice: as a lesson says, as the statement at hand wants it, or the default."""
    if STAGE.quiet:
        return default
    state = STAGE.state
    state.tick()
    frame = STAGE.ground.frame(asker())
    key, times = state.key(kind, frame)
    if kind == "bool":
        default = wanted(frame, times)
    answer = state.answers.get(key, default)
    state.asked.append(Asked(key, kind, answer, self))
    return answer


def arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sight:
    """Describe a call's arguments, the first of them."""
    named = [[str(key)[:200], seen(one)] for key, one in [*kwargs.items()][:MAX_ARGUMENTS]]
    return {"args": [seen(one) for one in args[:MAX_ARGUMENTS]], "kwargs": named}


def is_approximate(value: Any) -> bool:
    """Whether it is what ``pytest.approx`` returns."""
    return type(value).__name__.startswith("Approx") and hasattr(value, "expected")
