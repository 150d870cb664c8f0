"""Classes that derive from unwritten ones, unwritten exceptions, and how all these answer for classes."""

# mypy: disable-error-code="explicit-override"

from __future__ import annotations

import abc
import re
from typing import Any

from sandbox.asking import asker, is_deaf, is_hidden
from sandbox.making import call, known_value, make
from sandbox.noting import Facts, Unwritten, arguments, ask, cut, facts_of, is_recorder, note
from sandbox.recorder import Recorder, expect_truth
from sandbox.stage import STAGE


class DerivableMeta(abc.ABCMeta):
    """Class of what derives from an unwritten class: members that nobody defines are unwritten."""

    def __init__(cls, *args: Any, **_kwargs: Any) -> None:
        super().__init__(*args)
        cls.__abstractmethods__ = frozenset()  # the unwritten base may define them

    def __instancecheck__(cls, value: Any) -> bool:  # ABCMeta's would ask the recorders' own
        return issubclass(type(value), cls)

    def __getattr__(cls, name: str) -> Any:
        origin = origin_of(cls)
        if origin is None or is_hidden(name) or is_deaf(asker()):
            raise AttributeError(name)
        return getattr(origin, name)


def origin_of(cls: type) -> Any:
    """Return the recorder from which a class derives, None without one."""
    return next((vars(one)["_origin"] for one in cls.__mro__ if "_origin" in vars(one)), None)


class _Derived(Recorder, metaclass=DerivableMeta):
    """An instance of a class that derives from an unwritten one."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        foreign = next(one for one in cls.__mro__ if not issubclass(one, Unwritten))
        try:
            self = foreign.__new__(cls, *args, **kwargs)
        except TypeError:
            self = foreign.__new__(cls)
        is_plain = cls.__init__ is _Derived.__init__
        facts = cls._noted_call(*args, **kwargs) if is_plain else cls._noted_call()
        object.__getattribute__(self, "__dict__")["_unwritten"] = facts
        return self

    @classmethod
    def _noted_call(cls, *args: Any, **kwargs: Any) -> Facts:
        """Note a call of the class; its ``__init__`` has more.

        What a block makes, which no test has made, is noted once something is expected of it.
        """
        facts = facts_of(call(facts_of(origin_of(cls)).path, args, kwargs))
        if STAGE.quiet:
            facts.sight.update(kind="raise", who=cut(facts.path))
        return facts

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not STAGE.quiet:  # of a class that takes its own arguments, what it hands on
            facts_of(self).sight.update(arguments(args, kwargs))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        origin = origin_of(cls)
        if kwargs and origin is not None:
            note("subclass", origin, "keywords", kwargs=arguments((), kwargs)["kwargs"])

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def _mro_entries(self: Any, _bases: tuple[Any, ...]) -> tuple[type, ...]:
    """Return the class from which to derive instead of an unwritten one, always the same."""
    note("subclass", self)
    path = facts_of(self).path
    if path not in STAGE.bases:
        name = re.split(r"[:.]", path)[-1].strip("()") or "Base"
        STAGE.bases[path] = DerivableMeta(name, (_Derived,), {"_origin": self})
    for member in STAGE.state.of.get("member", {}):  # ``super()`` looks nowhere else
        holder, _, name = member.rpartition(".")
        if holder == path:
            setattr(STAGE.bases[path], name, _inherited(member))
    return (STAGE.bases[path],)


def _inherited(path: str) -> Any:
    return lambda _self, *args, **kwargs: call(path, args, kwargs, "instance")


def _make_class(self: Any, name: str, bases: tuple[Any, ...], names: dict[str, Any]) -> type:
    """Make a class whose metaclass is unwritten: what it lacks is asked of the metaclass."""
    path = facts_of(self).path
    origin = make(path + "()", path + "()", "result", note("class", self, "metaclass", once=True))
    return DerivableMeta(name, bases, dict(names, _origin=origin))


setattr(Recorder, "__mro_entries__", _mro_entries)  # noqa: B010 (mypy knows of none)
setattr(Recorder, "_make_class", _make_class)  # noqa: B010
_ERROR = re.compile(r"[A-Z]\w*(Error|Exception|Warning|NotFound)|Invalid\w+")


def missing_name(path: str, detail: str = "") -> Any:
    """Return what stands in for an unwritten name: an exception class if it is named so."""
    sight = note("name", path, detail, once=True)
    if path in STAGE.names:
        return STAGE.names[path]
    value = STAGE.state.of.get("value", {}).get(path)
    if value is not None:
        return known_value(value, sight, "")
    made = make(path, path, "name", sight)
    is_error = _ERROR.fullmatch(re.split(r"[:.]", path)[-1])
    if is_error or STAGE.state.of.get("base", {}).get(path) == "Exception":
        made = exception_class(path, made)
    STAGE.names[path] = made
    return made


def exception_class(path: str, recorder: Any) -> type:
    """Return the class that stands in for an unwritten exception."""
    name = re.split(r"[:.]", path)[-1]
    note("class", recorder, "Exception", once=True)
    base = UserWarning if name.endswith("Warning") else Exception
    names = {"_origin": recorder, "__module__": path.partition(":")[0]}
    copied = {"__copy__": None, "__deepcopy__": None, "__reduce_ex__": Exception.__reduce_ex__}
    return DerivableMeta(name, (_Derived, base), {**names, **copied})


def asks_isinstance(value: Any, kinds: Any) -> bool:
    """``isinstance`` as the repository's files see it: a recorder is what it is asked for."""
    if STAGE.quiet or isinstance(value, kinds):
        return isinstance(value, kinds)
    if not is_recorder(value) or isinstance(value, BaseException):
        return "_origin" in vars(type(value)) and asks_issubclass(type(value), kinds)
    answer = bool(ask("bool", value, True))
    if answer:
        expect_truth(value, "isinstance", kinds)
    return answer


def asks_issubclass(value: Any, kinds: Any) -> bool:
    """``issubclass`` as the repository's files see it."""
    is_error = isinstance(value, type) and issubclass(value, BaseException)
    known = value if is_recorder(value) else origin_of(value) if is_error else None
    if STAGE.quiet or known is None or (is_error and issubclass(value, kinds)):
        return issubclass(value, kinds)
    names = kinds if isinstance(kinds, tuple) else (kinds,)
    note("class", known, ",".join(str(getattr(one, "__name__", one)) for one in names), once=True)
    return bool(ask("bool", known, True))
